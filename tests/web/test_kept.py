"""A run is read once as long as its study is the same, and anew when it changed."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from passo.errors import UnknownName
from passo.store import Store
from passo.web.kept import MADE, RUNS, Kept, KeptRun
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


def test_no_more_is_kept_than_there_is_room_for(tmp_path: Path):
    with Store.create(tmp_path / "s", name="s", config={}) as study:
        for seed in range(RUNS + 2):
            study.add_run("adam", config={}, seed=seed).finish()
    kept = Kept(Shelf(tmp_path))
    runs = [kept.run("s", f"adam-s{seed}") for seed in range(RUNS + 2)]
    assert kept.run("s", "adam-s0") is not runs[0] and kept.run("s", f"adam-s{RUNS + 1}") is runs[-1]
    run: KeptRun = runs[-1]
    assert [run.made(number, lambda number=number: number) for number in range(MADE + 5)] == list(range(MADE + 5))
    assert len(run.seen) <= MADE


def test_how_a_run_that_trains_stands_is_asked_anew_and_its_arrays_are_not(tmp_path: Path):
    study = Store.create(tmp_path / "s", name="s", config={})
    study.add_run("adam", config={}, seed=0).array("trace/steps", np.arange(3))
    kept = Kept(Shelf(tmp_path))
    first = kept.run("s", "adam-s0")
    steps = first.array("trace/steps")
    again = kept.run("s", "adam-s0")
    assert first.status == "running" and again is not first and again.array("trace/steps") is steps
    study.close()
