"""A run is read once as long as its study is the same, and anew when it changed; pages are made once as well."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from asking import Asking

from passo.errors import UnknownName
from passo.store import Store
from passo.web.answering import Asked
from passo.web.kept import Kept
from passo.web.shelf import Shelf


def test_what_was_read_is_answered_again_until_the_study_changes(tmp_path: Path):
    study = Store.create(tmp_path / "s", name="s", config={})
    writer = study.add_run("adam", config={}, seed=0)
    writer.scalars(1, 1.0, {"train/loss": 1.0})
    writer.array("trace/steps", np.arange(3))
    writer.finish()
    study.close()
    kept = Kept(Shelf(tmp_path))
    first = kept.run("s", "adam-s0")
    assert kept.run("s", "adam-s0") is first and first.array("trace/steps") is first.array("trace/steps")
    with pytest.raises(ValueError, match="read-only"):
        first.array("trace/steps")[0] = 9
    shutil.rmtree(tmp_path / "s")
    with Store.create(tmp_path / "s", name="s", config={"epochs": 9}) as study:
        study.add_run("adam", config={"lr": 1}, seed=0).finish()
    assert kept.run("s", "adam-s0").config == {"lr": 1}
    shutil.rmtree(tmp_path / "s")
    with pytest.raises(UnknownName):
        kept.run("s", "adam-s0")


def test_no_more_of_runs_is_kept_than_there_is_room_for_in_bytes(tmp_path: Path):
    with Store.create(tmp_path / "s", name="s", config={}) as study:
        for seed in range(6):
            run = study.add_run("adam", config={}, seed=seed)
            run.array("weights/a", np.zeros(100_000))
            run.array("weights/b", np.zeros(400_000))
            run.finish()
    kept = Kept(Shelf(tmp_path), most=4_000_000)
    runs = [kept.run("s", f"adam-s{seed}") for seed in range(6)]
    arrays = [run.array("weights/a") for run in runs]
    assert 3_000_000 < kept.room.taken <= 4_000_000
    assert runs[5].array("weights/a") is arrays[5] and runs[0].array("weights/a") is not arrays[0]
    assert runs[5].array("weights/b") is not runs[5].array("weights/b")  # most of the room for one array is too much
    assert kept.room.taken <= 4_000_000


def test_a_run_whose_writer_ended_without_a_word_is_no_longer_running(tmp_path: Path):
    study = Store.create(tmp_path / "s", name="s", config={})
    writer = study.add_run("adam", config={}, seed=0)
    writer.array("trace/steps", np.arange(3))
    writer.flush()
    kept = Kept(Shelf(tmp_path))
    first = kept.run("s", "adam-s0")
    assert first.status == "running" and kept.run("s", "adam-s0") is first
    study._lock.close()  # type: ignore[union-attr]  as where its process is gone
    assert kept.run("s", "adam-s0").status == "interrupted"


def test_pages_show_what_a_run_has_written_since_they_were_made(root: Path, page: Asking):
    study = Store.create(root / "growing", name="growing", config={"metric": "test/accuracy"})
    run = study.add_run("adam", config={"optimizer": {"name": "adam"}}, seed=0)
    places = ("/runs", "/runs?sort=-test/accuracy", "/runs?q=growing", "/study/growing", "/study/growing/run/adam-s0")
    for number in range(1, 4):
        run.scalars(number, float(number), {"test/accuracy": 0.1111 * number})
        run.flush()
        for place in places:
            found = page.get(place).text
            assert f"0.{1111 * number}" in found and page.get(place).text == found, place
    page.post("/study/growing/run/adam-s0/said", {"key": page.key, "tags": "kept warm", "note": "so it was"})
    assert all("kept warm" in page.get(place).text for place in places)
    assert "kept warm" in page.get("/runs?q=warm").text
    run.finish()
    study.close()
    assert all('class="status done"' in page.get(place).text for place in places)
    shutil.rmtree(root / "growing")
    assert page.get("/study/growing").status == 404 and "adam-s0" in page.get("/runs").text
    assert "growing" not in page.get("/").text and "/study/growing" not in page.get("/runs").text


def test_pages_are_kept_for_each_reader_as_they_chose(page: Asking):
    said = {"en": "Lay the chosen runs over each other", "pt-BR": "Sobrepor as execuções escolhidas"}
    for _ in range(2):
        for tag, words in said.items():
            text = page.get("/runs", accept_language=tag).text
            assert f'lang="{tag}"' in text and words in text
    cookie = {"cookie": f"{page.cookie}; passo-theme=dark"}
    assert 'data-theme="dark"' in page.get("/runs", **cookie).text and 'data-theme="auto"' in page.get("/runs").text


def test_a_page_is_made_once_until_what_it_shows_changes(page: Asking, monkeypatch: pytest.MonkeyPatch):
    made: list[str] = []
    make = Asked.page
    monkeypatch.setattr(
        Asked, "page", lambda asked, *words, **more: made.append(asked.request.url.path) or make(asked, *words, **more)
    )
    places = ["/", "/runs", "/study/first", "/study/first/run/adam-s0", "/averages"]
    for place in places * 3:
        assert page.get(place).status == 200
    assert made == places
    page.post("/study/first/run/adam-s0/said", {"key": page.key, "tags": "", "note": "good"})
    for place in places * 2:
        assert page.get(place).status == 200
    assert made[5:] == places[1:4]  # the other two show nothing of what is said about a run
