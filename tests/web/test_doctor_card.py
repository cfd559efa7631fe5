"""What the doctor says on a run's page: findings and silence, in both languages, without scripts, while it trains."""

import shutil
from pathlib import Path

import pytest
from asking import Asking

import passo
from passo.diagnosis import diagnose
from passo.store import Store, open_study

SMALL = {"dataset": {"name": "fashion-mnist-sample", "per_class": 30}, "model": "mlp", "epochs": 1}
SICK, WELL = "/study/sick/run/mlp-sgd-s0", "/study/well/run/mlp-adam-s0"
WORDS = {"en-US": ("Clipping always bites", "1 finding"), "pt-BR": ("O corte sempre atua", "1 achado")}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("doctor")
    clipped = {"optimizer": "sgd", "lr": 0.1, "clip_norm": 1e-4, "record": {"every": 1}}
    passo.train(**SMALL, **clipped, out=place / "sick")
    passo.train(**SMALL, out=place / "well")
    return place


@pytest.fixture
def studies(root: Path, trained: Path) -> Path:
    for name in ("sick", "well"):
        shutil.copytree(trained / name, root / name)
    return root


@pytest.mark.parametrize("locale", list(WORDS))
def test_the_page_says_what_is_wrong_and_its_top_how_much(studies: Path, opened, locale: str):
    page = opened(SICK, locale)
    page.wait_for_selector("#consulted[data-consulted]")
    card = page.locator("#doctor")
    title, count = WORDS[locale]
    assert card.locator(".findings h3").all_inner_texts()[0].startswith(title)
    assert page.locator("[data-doctor]").inner_text().endswith(count)
    assert card.locator("code").first.inner_text().endswith("sick/mlp-sgd-s0 --figure clipping")
    assert "record.witness=true" not in card.inner_text()  # it is folded away
    card.locator("summary").click()
    assert "record.witness=true" in card.inner_text()


@pytest.mark.parametrize("language", ["en", "pt-BR"])
def test_the_card_has_all_that_a_diagnosis_has(studies: Path, page: Asking, language: str):
    from passo.language import speaking, t

    told = page.get(f"{SICK}/doctor", accept_language=language).text.replace("&#39;", "'")
    with speaking(language):
        found = diagnose(open_study(studies / "sick").runs[0])
        for one in found.findings:
            for words in (one.detector.title, one.detector.meaning, one.detector.cure, one.level):
                assert t(words) in told
            assert one.evidence in told
        assert all(t(passo.diagnosis.DETECTORS[name].title) in told for names in found.blind.values() for name in names)


def test_silence_is_told(studies: Path, page: Asking):
    told = page.get(f"{WELL}/doctor").text
    assert "Nothing was found" in told or "No detector could look" in told
    assert "findings" not in told and "record.every=1" in told


def test_without_scripts_the_card_stands_in_the_page(studies: Path, page: Asking):
    assert "Clipping always bites" in page.get(f"{SICK}?plain=1").text
    assert "Clipping always bites" not in page.get(SICK).text


def test_what_goes_on_is_told_as_such_and_not_blamed_for_what_is_written_at_its_end(root: Path, page: Asking):
    with Store.create(root / "going", name="going", config={}) as study:
        run = study.add_run("adam", config={}, seed=0)
        run.scalars(1, 0.1, {"train/loss": 1.0})
        told = page.get("/study/going/run/adam-s0/doctor").text
        assert "It is still training" in told and "record." not in told
        run.finish()
    told = page.get("/study/going/run/adam-s0/doctor").text
    assert "It is still training" not in told and "record.every=1" in told


def test_what_is_no_training_has_no_card(root: Path, page: Asking):
    with Store.create(root / "race", name="race", config={}) as study:
        study.add_run("adam", config={}, seed=0, kind="descent").finish()
    assert 'id="doctor"' not in page.get("/study/race/run/adam-s0").text
    assert page.get("/study/race/run/adam-s0/doctor").status == 400
