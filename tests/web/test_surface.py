"""The loss surfaces of a run in the browser: those that lie under the root, and the command that computes another."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from asking import Asking, a_study

from passo.store import named, open_study

RUN = "/study/cnn/run/tiny-cnn-adam-s0"
SURFACE = f"{RUN}/surface"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a path, and a landscape of it."""
    import passo
    from passo.experiments import landscape

    folder = tmp_path_factory.mktemp("made")
    sample = {"name": "fashion-mnist-sample", "per_class": 20}
    passo.train(sample["name"], "tiny-cnn", dataset=sample, epochs=1, record={"path": 5}, out=folder / "cnn")
    run = open_study(folder / "cnn").runs[0]
    landscape(run, out=folder / "seen", points=5, images=50)
    return folder


@pytest.fixture
def root(tmp_path: Path, made: Path) -> Path:
    place = tmp_path / "studies"
    shutil.copytree(made, place)
    a_study(place, "first")
    return place


class Queue:
    """Takes commands, as the laboratory's queue does."""

    def __init__(self) -> None:
        self.taken: list[list[str]] = []

    def add(self, words: list[str], study: str = "") -> None:
        self.taken.append(words)


@pytest.fixture
def queue(page: Asking) -> Queue:
    page.lab.jobs = Queue()  # type: ignore[assignment]
    return page.lab.jobs  # type: ignore[return-value]


def test_a_run_s_surfaces_are_those_that_say_so(page: Asking):
    text = page.get(SURFACE).text
    assert text.count("data-figure=") == 1 and 'href="/study/seen"' in text
    assert (
        "The plane shows" in text and "The loss on it is off by" in text
    )  # the error of the projection, without scripts
    assert "Loss surface" in page.get(RUN).text
    drawn = page.get(f"{SURFACE}/figure/seen", accept="application/json")
    assert drawn.status == 200 and "The plane shows" in drawn.text
    for other in ("cnn", "first", "nowhere", "%2e%2e"):
        assert page.get(f"{SURFACE}/figure/{other}").status == 404
    other = page.get("/study/first/run/adam-s0/surface").text
    assert "data-figure=" not in other and "record.path=40" in other
    assert 'id="begin"' not in other and 'id="begin"' in text


def test_the_run_under_the_root_is_queued_and_not_one_of_its_name_elsewhere(
    page: Asking, queue: Queue, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    a_study(tmp_path, "cnn", ("tiny-cnn-adam",))  # its only run is called the same
    monkeypatch.chdir(tmp_path)  # where the server was begun, and its commands run
    assert page.post(SURFACE, {"key": page.key}).status == 303
    found = named(queue.taken[0][-1])
    assert found.folder == root / "cnn" and found.id == "tiny-cnn-adam-s0"


def test_a_surface_is_its_own_run_s_alone_also_when_folders_are_renamed(page: Asking, root: Path):
    assert open_study(root / "seen").config["source"]["started"] == open_study(root / "cnn").runs[0].started
    (root / "cnn").rename(root / "moved")
    a_study(root, "cnn", ("tiny-cnn-adam",))  # another one takes its name
    assert "data-figure=" in page.get(SURFACE.replace("cnn", "moved", 1)).text
    assert "data-figure=" not in page.get(SURFACE).text
    assert page.get(f"{SURFACE}/figure/seen").status == 404


def test_a_surface_that_does_not_say_when_its_run_began_is_known_by_the_name(page: Asking, root: Path):
    there = open_study(root / "seen").config
    del there["source"]["started"]
    with closing(sqlite3.connect(root / "seen" / "study.sqlite")) as connection, connection:
        connection.execute("UPDATE study SET value=? WHERE key='config'", (json.dumps(there),))
    assert page.get(SURFACE).text.count("data-figure=") == 1
    assert "data-figure=" not in page.get("/study/first/run/adam-s0/surface").text


def test_surfaces_are_set_apart_from_the_studies_and_name_their_run(page: Asking):
    text = page.get("/").text
    assert 'href="/study/seen"' not in text and 'href="/study/cnn"' in text and "<td>training</td>" in text
    assert "1 loss surface is shown with its run, and not listed here." in text
    listed = page.get("/?kind=landscape").text
    assert 'href="/study/seen"' in listed and 'href="/study/cnn"' not in listed and "cnn/tiny-cnn-adam-s0" in listed
    everything = page.get("/?kind=all").text
    assert 'href="/study/seen"' in everything and 'href="/study/cnn"' in everything
    assert 'href="/study/first"' in page.get("/?kind=study").text
    assert f'href="{SURFACE}"' in page.get("/study/seen").text
    assert "superfície de perda" in page.get("/?kind=all", accept_language="pt-BR").text


@pytest.mark.slow
def test_the_command_in_the_queue_computes_a_surface_that_the_page_then_shows(page: Asking, queue: Queue, root: Path):
    fields = {"directions": "random", "points": "3", "images": "20", "margin": "0.5", "reach": "0.7", "seed": "3"}
    assert page.post(SURFACE, {"key": page.key, **fields}).headers["location"] == "/jobs"
    (argv,) = queue.taken
    run = subprocess.run(
        [sys.executable, "-m", "passo", *argv],
        env={"PASSO_ROOT": str(root), "PASSO_OFFLINE": "1", "PYTHONPATH": ":".join(sys.path), "PATH": ""},
        cwd=root.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    text = page.get(SURFACE).text
    assert text.count("data-figure=") == 2 and "Random directions" in text
    (new,) = [one for one in root.iterdir() if one.name.startswith("landscape-")]
    kept = open_study(new).config
    assert {name: kept[name] for name in ("directions", "points", "images", "margin", "reach", "seed")} == {
        "directions": "random", "points": 3, "images": 20, "margin": 0.5, "reach": 0.7, "seed": 3
    }  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"points": "1e9"},
        {"points": "4.5"},
        {"images": "--help"},
        {"margin": "nan"},
        {"reach": "0"},
        {"directions": "--out=x"},
        {"batch_norm": "x"},
        {"seed": "-1"},
    ],
)
def test_a_setting_is_a_number_in_its_range_and_no_other_word(page: Asking, queue: Queue, wrong: dict[str, str]):
    assert page.post(SURFACE, {"key": page.key, **wrong}).status == 400
    assert page.post(SURFACE, {"key": "", "points": "5"}).status == 403
    assert queue.taken == []


def test_a_run_without_a_path_begins_nothing(page: Asking, queue: Queue):
    assert page.post("/study/first/run/adam-s0/surface", {"key": page.key}).status == 400
    assert queue.taken == []


@pytest.mark.parametrize(("locale", "title"), [("en-US", "Loss surface"), ("pt-BR", "Superfície de perda")])
def test_a_surface_is_drawn_with_its_path(opened, locale: str, title: str):
    page = opened(RUN, locale)
    page.click(f"a:has-text('{title}')")
    page.wait_for_selector("figure[data-drawn='1']")
    assert page.locator("h1").inner_text().startswith(title)
    assert page.locator("figure svg.marks").count() == 1
    assert page.locator("figure .sentence").inner_text() == page.locator("svg.marks").get_attribute("aria-label")


@pytest.mark.slow
def test_a_surface_is_computed_in_the_queue_and_shown(opened, outside: Asking):
    page = opened(SURFACE)
    page.fill("[name=points]", "3")
    page.fill("[name=images]", "20")
    page.click("#begin button")
    page.wait_for_selector("section.job .status.done", timeout=60_000)
    assert "landscape" in page.locator("section.job code").first.inner_text()
    assert "losses" in page.locator("[data-printed]").first.text_content()
    page.goto(page.url.replace("/jobs", SURFACE))
    page.wait_for_selector("figure[data-drawn='1'] svg.marks")
    assert page.locator("figure[data-figure]").count() == 2
    outside.lab.jobs.close()
