"""`passo doctor --gallery`: what stands on the page is what its runs hold and what the doctor says of them."""

from __future__ import annotations

import html
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from passo.analysis.words import amount, significant
from passo.cli.app import app
from passo.diagnosis import DETECTORS, diagnose
from passo.errors import StoreError
from passo.figures.beside import Beside
from passo.figures.instruments import INSTRUMENTS
from passo.gallery import CHAPTERS, DEFECTS
from passo.gallery import making as trainings
from passo.language import speaking, t
from passo.looking.broken import gallery_of, parts
from passo.notes.exhibits import MISSED
from passo.notes.gallery import page
from passo.store import open_study

ONLY = ("zero-grad", "lr-high", "frozen")
CHROMIUM = Path("/usr/bin/chromium")


def _passo(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(word) for word in words])
    return done.exit_code, " ".join((done.output + str(done.exception or "")).split())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("doctor") / "the gallery"
    code, said = _passo("doctor", "--gallery", "--only", ",".join(ONLY), "--jobs", 1, "--out", folder)
    assert code == 0 and "3 broken runs: 2 found, 1 suspected, 0 missed. Of 1 healthy twin it is silent" in said, said
    return folder


@pytest.fixture(scope="module")
def written(place: Path) -> str:
    return (place / "index.html").read_text(encoding="utf-8")


def _article(written: str, key: str) -> str:
    """The words of one defect's article."""
    found = re.search(rf'<article aria-labelledby="{key}">(.*?)</article>', written, re.DOTALL)
    assert found, key
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", found[1])).split()).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("key", ONLY)
def test_an_article_tells_what_the_doctor_says_and_what_both_runs_reached(place: Path, written: str, key: str) -> None:
    study, told = open_study(place), _article(written, key)
    broken, healthy = study.run(f"{key}-mlp-s0"), study.run("healthy-mlp-s0")
    found = diagnose(broken)
    assert DEFECTS[key].detector in found.names
    for one in found.findings:
        assert f"{one.detector.title} {one.level}" in told
        assert one.evidence.split(": ")[0][1:] in told
    assert "Of the healthy twin it says nothing; 26 detectors looked." in told and not diagnose(healthy).findings
    for run in (broken, healthy):
        assert amount(run.last("test/accuracy"), "test/accuracy") in told
    assert all(line.strip() in told for line in (*DEFECTS[key].broken.split("\n"), DEFECTS[key].symptom))


def test_a_run_that_lost_its_numbers_says_so_in_its_picture_and_in_its_table(place: Path, written: str) -> None:
    last = int(open_study(place).run("lr-high-mlp-s0").metric("train/loss").steps[-1])
    told = _article(written, "lr-high")
    assert f"no number after step {last - 1}" in told and "broken run – 10.0 % NaN" in told
    assert "no number in training and no value in validation" in told


def test_the_instrument_draws_what_was_recorded(place: Path, written: str) -> None:
    study = open_study(place)
    raw = study.run("zero-grad-mlp-s0").array("statistics")[-1, 1, :, 1]  # rms of grad_raw at the last step
    sizes = study.run("zero-grad-mlp-s0").meta("statistics")["sizes"]
    norm = float((raw.astype(float) ** 2 * sizes).sum() ** 0.5)
    assert f"to {significant(norm)} (last). Healthy" in _article(written, "zero-grad")
    assert "Broken: 0 (features.1), 0 (features.4) and 0.0" in _article(written, "frozen")


def test_the_commands_on_the_page_work_as_they_are_written(
    place: Path, written: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r'<pre class="commands"><code>(.*?)</code></pre>', written, re.DOTALL)
    commands = [html.unescape(re.sub(r"<[^>]+>", "", line)) for block in blocks for line in block.split("\n")]
    assert len(commands) == 2 * len(ONLY) and f"passo doctor '{place}/zero-grad-mlp-s0'" in commands
    for command in commands:
        code, said = _passo(*shlex.split(command)[1:])
        assert code == 0, said
    monkeypatch.chdir(place)
    ((exhibit, *_), *_) = gallery_of(open_study(".")).chapters.values()
    assert exhibit.commands[0] == "passo doctor ./zero-grad-mlp-s0"
    assert _passo(*exhibit.commands[0].split()[1:])[0] == 0


def test_the_page_carries_all_that_it_shows(written: str) -> None:
    assert "<script" not in written and "default-src 'none'; script-src ;" in html.unescape(written)
    assert not re.search(r'(?:src|href)="(?!#|data:)|url\(', written)
    places = re.findall(r'\bid="([^"]+)"', written)
    assert len(places) == len(set(places)) and set(re.findall(r'href="#([^"]+)"', written)) <= set(places)
    pictures = re.findall(r"<svg[^>]*aria-label=.*?</svg>", written)
    assert len(pictures) == 2 * len(ONLY)
    assert all('role="img"' in one and not re.search(r'="#[0-9A-Fa-f]{6}"', one) for one in pictures)


def test_what_is_trained_is_not_trained_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainings, "_draft", lambda piece: pytest.fail(f"{piece} is trained again"))
    before = (place / "index.html").read_bytes()
    assert _passo("doctor", "--gallery", "--only", ",".join(ONLY), "--jobs", 1, "--out", place)[0] == 0
    assert (place / "index.html").read_bytes() == before


def test_a_defect_that_the_doctor_misses_is_told_so(place: Path) -> None:
    gallery = gallery_of(open_study(place), ["zero-grad"])
    ((exhibit,),) = gallery.chapters.values()
    unseen = replace(exhibit, runs=Beside(exhibit.runs.healthy, exhibit.runs.healthy))
    told = page(replace(gallery, chapters={"The step": [unseen]}))
    assert unseen.verdict == MISSED
    assert "“Gradients are never cleared” is what it should say: in this run it misses it." in told
    assert "0 found, 0 suspected, 1 missed" in told
    assert "The test accuracies are 0.0 points apart" in told


def test_the_page_speaks_portuguese(place: Path) -> None:
    with speaking("pt-BR"):
        told = page(gallery_of(open_study(place)))  # all that it holds
        assert 'lang="pt-BR"' in told and "os gradientes não foram zerados" in told.lower()
        assert all(t(DEFECTS[key].title) in told for key in ONLY)
    assert "Encontrados: 2; suspeitos: 1; não percebidos: 0." in told


def test_runs_that_are_not_there_are_asked_for(place: Path) -> None:
    with pytest.raises(StoreError, match="lacks sorted-mlp-s0 or healthy-mlp-s0: train it with passo doctor --gallery"):
        gallery_of(open_study(place), ["sorted"])
    with pytest.raises(StoreError, match="no broken run of mlp, seed 7"):
        gallery_of(open_study(place), seed=7)


def test_a_model_that_cannot_have_a_defect_leaves_it_to_the_first_that_can() -> None:
    assert parts("mlp", ["zero-grad", "batch-of-one"]) == [("mlp", ("zero-grad",)), ("cnn", ("batch-of-one",))]
    assert {key for part in parts("lenet") for key in part.keys} == set(DEFECTS)


def test_every_instrument_is_a_detectors_and_every_defect_is_in_one_chapter() -> None:
    assert set(INSTRUMENTS) <= set(DETECTORS)
    assert [one.key for chapter in CHAPTERS.values() for one in chapter] == list(DEFECTS)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "which run? passo doctor STUDY[/RUN] looks at one"),
        (("one", "--gallery"), "--gallery makes its own runs: leave out 'one'"),
        (("--gallery", "--only", "zero-gard"), "Did you mean 'zero-grad'?"),
        (("--gallery", "--model", "mpl"), "Did you mean 'mlp'?"),
    ],
)
def test_mistakes_get_one_sentence(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    code, said = _passo("doctor", *words, *(["--out", tmp_path / "new"] if "--gallery" in words else []))
    assert code != 0 and told in said and not (tmp_path / "new").exists(), said


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")
@pytest.mark.parametrize(
    ("scheme", "width", "shade"), [("light", 1440, "rgb(169, 60, 0)"), ("dark", 390, "rgb(255, 154, 98)")]
)
def test_the_page_fits_the_screen_and_axe_finds_nothing(place: Path, scheme: str, width: int, shade: str) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    axe = pytest.importorskip("axe_playwright_python.base")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=str(CHROMIUM), args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        shown = browser.new_context(offline=True, color_scheme=scheme, viewport={"width": width, "height": 900})
        opened, logged = shown.new_page(), []
        opened.on("console", lambda message: logged.append(message.text))
        opened.goto((place / "index.html").as_uri())
        assert opened.evaluate("document.documentElement.scrollWidth") <= width
        strokes = opened.evaluate(
            "[...document.querySelectorAll('.picture path')].map(p => getComputedStyle(p).stroke)"
        )
        assert shade in strokes
        opened.evaluate(axe.AXE_SCRIPT)
        found = opened.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
        assert [one["id"] for one in found] == [] and logged == []
        browser.close()
