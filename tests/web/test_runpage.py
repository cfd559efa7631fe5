"""The page of a run and of its epochs in Chromium, in both languages: their main tasks, with and without scripts."""

import re
import shutil
from pathlib import Path

import pytest
from asking import Asking
from trained import LOST, WATCHED, train_both

from passo.store import open_study

WORDS = {"en-US": ("One step, taken apart", "What happened"), "pt-BR": ("Um passo, desmontado", "O que aconteceu")}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_both(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def studies(root: Path, trained: Path) -> Path:
    """The studies beside those that every test has."""
    for name in ("watched", "lost"):
        shutil.copytree(trained / name, root / name)
    return root


# ── The microscope ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("locale", list(WORDS))
def test_the_microscope_takes_a_step_apart_and_follows_its_slider(studies: Path, opened, locale: str):
    page = opened(WATCHED, locale)
    page.wait_for_selector("[data-curves=drawn]")
    page.locator("#microscope").scroll_into_view_if_needed()
    page.wait_for_selector("figure[data-drawn^='apart?']")
    assert page.locator("[role=tab][aria-selected=true]").first.inner_text() == WORDS[locale][0]
    for stop, step in (("3", "step=4"), ("0", "step=1")):
        page.locator("[name=step]").fill(stop)
        page.wait_for_selector(f"figure[data-drawn$='{step}']")
    rows = page.locator(".tables table.apart").first.locator("tbody tr")
    assert rows.count() >= 4 and "β₁·m₋₁ + (1 − β₁)·g" in rows.nth(1).inner_text()
    assert "step=1" in page.url and "figure=apart" in page.url


def test_every_curve_is_drawn_in_the_place_that_it_has(studies: Path, opened):
    page = opened(WATCHED)
    page.wait_for_selector("[data-curves=drawn]")
    sizes = page.locator("#panels svg.marks").evaluate_all(
        "all => all.map(one => [one.getBoundingClientRect().height, one.viewBox.baseVal.height])"
    )
    assert len(sizes) >= 3 and all(shown > 0.95 * drawn for shown, drawn in sizes), sizes


def test_a_layer_of_the_tree_is_chosen_with_the_keyboard_and_the_address_brings_it_back(studies: Path, opened):
    page = opened(WATCHED)
    page.locator("#microscope").scroll_into_view_if_needed()
    page.wait_for_selector("figure[data-drawn^='apart?']")
    page.focus("[name=parameter]:checked")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("figure[data-drawn*='parameter=conv1.bias']")
    page.click("[data-figure=distributions]")
    page.wait_for_selector("figure[data-drawn='distributions?parameter=conv1.bias']")
    page.reload()
    page.locator("#microscope").scroll_into_view_if_needed()
    page.wait_for_selector("figure[data-drawn='distributions?parameter=conv1.bias']")
    assert page.locator("[name=parameter]:checked").get_attribute("value") == "conv1.bias"


def test_one_traced_weight_is_chosen_and_another_is_refused(studies: Path, page: Asking):
    run = open_study(studies / "watched").runs[0]
    index = ",".join(map(str, next(at for name, at in run.meta("trace")["coordinates"] if name == "fc1.weight")))
    told = page.get(f"{WATCHED}/figure/apart?parameter=fc1.weight&index={index}&step=2", accept="application/json")
    assert told.status == 200 and f"fc1.weight[{index.replace(',', ', ')}]" in told.text
    lacked = page.get(f"{WATCHED}/figure/apart?parameter=fc1.weight&step=99999", accept="application/json").text
    assert "did not record step 99999" in lacked and '"spec":null' in lacked
    for bad in ("index=9,9,9,9", "index=a", "step=0", "step=x", "parameter=nowhere"):
        query = f"parameter=fc1.weight&{bad}" if "parameter" not in bad else bad
        answer = page.get(f"{WATCHED}/figure/apart?{query}", accept="application/json")
        assert answer.status in (400, 404, 500) and '"error"' in answer.text


# ── What happened ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("locale", list(WORDS))
def test_a_divergence_is_told_and_leads_to_its_images(studies: Path, opened, locale: str):
    page = opened(LOST, locale)
    page.wait_for_selector("[data-curves=drawn]")
    section = page.locator("#happened")
    assert section.locator("h2").inner_text() == WORDS[locale][1]
    report = open_study(studies / "lost").runs[0].info["diverged"]
    assert report["found"]["name"].partition(" ")[0] in section.inner_text()
    assert section.locator(".table").count() == 2
    section.locator("a.button").click()
    page.wait_for_selector("#batch[data-step]")
    assert page.url.endswith(f"step={report['step']}")
    assert page.locator(".batch li").count() == min(96, len(report["images"]))
    assert page.locator(".batch .culprit").count() <= len(report["culprits"])


def test_where_nothing_happened_the_page_says_so(studies: Path, page: Asking):
    assert "Nothing was noticed: no warning" in page.get(WATCHED).text


def test_a_study_that_is_gone_is_told_to_who_listens_in_the_page_s_language(page: Asking):
    assert "não há estudo" in page.get("/study/gone/live", accept_language="pt-BR").text
    assert "there is no study" in page.get("/study/gone/live", accept_language="en").text


# ── Epochs ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("locale", "told"), [("en-US", "mini-batch 3 of 11 in epoch 2 of 2"),
                                              ("pt-BR", "mini-lote 3 de 11 na época 2 de 2")])  # fmt: skip
def test_the_slider_of_epochs_shows_the_images_of_each_mini_batch(studies: Path, opened, locale: str, told: str):
    page = opened(f"{WATCHED}/epochs", locale)
    page.wait_for_selector("#batch[data-step='1']")
    first = page.locator(".batch img").first.get_attribute("src")
    page.locator("[name=step]").fill("14")
    page.wait_for_selector("#batch[data-step='14']")
    assert told in page.locator("#batch .sentence").inner_text()
    assert page.locator(".batch img").first.get_attribute("src") != first
    assert page.locator(".strip rect").count() == 11 and page.locator(".strip .done").count() == 2


def test_data_that_cannot_be_opened_leave_the_drawing(studies: Path, page: Asking):
    import sqlite3

    with sqlite3.connect(studies / "watched" / "study.sqlite") as file:
        file.execute("UPDATE runs SET config = replace(config, 'fashion-mnist-sample', 'no-such-data')")
    text = page.get(f"{WATCHED}/epochs?step=2").text
    assert "The data of this run cannot be opened here" in text and "no-such-data" in text
    assert "mini-batch 2 of 11" in text and "<polyline" in text and 'class="batch' not in text


@pytest.mark.parametrize("step", ["0", "23", "x", "-1", "1.5"])
def test_a_step_that_the_run_has_not_is_refused(studies: Path, page: Asking, step: str):
    assert page.get(f"{WATCHED}/epochs/batch?step={step}").status == 400


# ── Without scripts ───────────────────────────────────────────────────────────────────────────────────────


def without_scripts(chromium, outside: Asking, locale: str):
    context = chromium.new_context(locale=locale, java_script_enabled=False)
    page = context.new_page()
    base = f"http://127.0.0.1:{outside.port}"
    page.goto(f"{base}/?token={outside.lab.keys.token}")
    page.wait_for_selector("h1:not(:text-is('passo'))")
    return context, page, base


@pytest.mark.slow
@pytest.mark.parametrize("locale", list(WORDS))
def test_without_scripts_every_page_of_figures_has_pictures_with_their_sentences(
    studies: Path, chromium, outside: Asking, locale: str
):
    context, page, base = without_scripts(chromium, outside, locale)
    least = {WATCHED: 12, f"{WATCHED}/epochs": 2, "/study/first/compare": 2, "/schedules": 1, "/averages": 2}
    for path, count in least.items():
        page.goto(base + path)
        if path == WATCHED:  # which leads to the page that has them
            page.wait_for_url("**plain=1*")
        page.wait_for_load_state("networkidle")
        drawn = page.locator("img[src*='.svg']")
        assert drawn.count() >= count, path
        for i in range(drawn.count()):
            one = drawn.nth(i)
            assert len(one.get_attribute("alt") or "") > 20, (path, one.get_attribute("src"))
        answer = page.request.get(base + (drawn.last.get_attribute("src") or ""))
        assert answer.status == 200 and answer.headers["content-type"].startswith("image/svg+xml")
        assert no_script(answer.text()), path
    page.goto(base + WATCHED + "?plain=1&parameter=fc1.weight&step=2")
    assert page.locator("table.apart").count() == 2 and "fc1.weight" in page.locator("figure").nth(4).inner_text()
    context.close()


def test_without_scripts_a_step_of_a_race_is_chosen_in_a_form(chromium, outside: Asking):
    context, page, base = without_scripts(chromium, outside, "pt-BR")
    page.goto(f"{base}/descents?o=adam&o=momentum&steps=30")
    page.click("#stepping summary")
    page.locator("#steps [name=racer]").select_option("1")
    page.click("#steps button:has-text('Mostrar')")
    page.wait_for_selector("#stepped[data-racer='1'][data-step='1']")
    assert "o=momentum" in page.url and page.locator("#picture svg").count() == 1
    context.close()


def no_script(svg: str) -> bool:
    """Whether a picture holds nothing that runs, and asks for nothing from elsewhere."""
    asks = re.findall(r"(?:href|src|url)\s*[=(]\s*[\"']?([^\"')\s>]+)", svg)
    outside = [one for one in asks if not one.startswith(("#", "data:image/"))]
    return "<script" not in svg and not re.search(r"\son\w+=", svg) and "@import" not in svg and outside == []


def test_no_part_of_these_pages_holds_a_script_or_a_style_of_its_own(studies: Path, page: Asking):
    race = "o=adam&racer=0&step=3&steps=20"
    pages = (WATCHED, f"{WATCHED}?plain=1", LOST, f"{WATCHED}/epochs", f"{WATCHED}/epochs/batch?step=2")
    for path in (*pages, f"/descents?{race}", f"/descents/step?{race}"):
        answer = page.get(path)
        assert answer.status == 200, path
        parts = answer.text.split("<script")[1:]
        assert all("src=" in part.partition(">")[0] or "application/json" in part.partition(">")[0] for part in parts)
        assert not re.search(r"<style|\sstyle=|\son\w+=", answer.text), path


@pytest.mark.parametrize("name", ["apart", "distributions", "effective-lr", "confusion"])
def test_a_picture_of_a_figure_holds_no_script(studies: Path, page: Asking, name: str):
    answer = page.get(f"{WATCHED}/figure/{name}.svg")
    assert answer.status == 200 and answer.text.startswith("<svg") and no_script(answer.text)


def test_what_reads_as_a_script_is_found():
    assert not no_script("<svg><script>1</script></svg>") and not no_script('<svg onload="a()"/>')
    assert not no_script('<image href="http://evil.example/a.png"/>') and no_script('<use href="#a"/>')
