"""Seeds and configurations can be added to a study: what is there stays, and what contradicts it is refused."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from statistics import geometric_mean

import pytest

from passo import store
from passo.errors import FolderInUse
from passo.experiments import study
from passo.experiments.growing import _differs
from passo.experiments.keeping import Keeper

TEXT = """
name = "small"
seeds = [0, 1]

[base]
dataset = { name = "fashion-mnist-sample", per_class = 8 }
model = { name = "mlp", hidden = [8] }
batch_size = 16
epochs = 1

[record]
every = 1

[[runs]]
name = "sgd"
optimizer = { name = "sgd", lr = 0.05 }
"""
ADAM = '\n[[runs]]\nname = "adam"\noptimizer = { name = "adam", lr = 0.01 }\n'
RANGED = (
    '\n[[ranges]]\nname = "range-adam"\noptimizer = { name = "adam" }\nsteps = 60\n'
    '\n[[runs]]\nname = "ranged"\noptimizer = { name = "adam", lr = "0.5 * suggested by range-adam" }\n'
)
GRID = TEXT.partition("[[runs]]")[0] + '[grid]\n"optimizer.lr" = [0.01, 0.1]\n'
SEARCH = TEXT.partition("[record]")[0] + (
    '[coarse_to_fine]\nrounds = 1\nlr = { range = [1e-3, 1e-1], points = 2, scale = "log" }\n'
)
LINE = (
    "\n[surface]\nb = [-1, 1]\nw = [-1, 1]\nstart = [0, 0]\nepochs = 1\nimages = 32\n"
    '\n[[descents]]\nname = "walk"\noptimizer = { name = "sgd", lr = 0.1 }\n'
    '\n[[previews]]\ntitle = "StepLR"\nschedule = { name = "StepLR", step_size = 2 }\n'
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "s"


def ran(folder: Path, text: str = TEXT, settings: tuple[str, ...] = ()) -> list[str]:
    """What a command runs of a study in a folder, one at a time."""
    path = folder.with_name("small.toml")
    path.write_text(text)
    steps = study(path, settings).running(folder, jobs=1, executor="here")
    return [step.task.run_id for step in steps]


def contents(folder: Path) -> dict[str, tuple[float, float | None, str]]:
    """Of every run: when it began, when it ended, and the hash of its weights."""
    runs = store.open_study(folder).runs
    return {run.id: (run.started, run.finished, run.info.get("weights_sha256", "")) for run in runs}


def refused(folder: Path, said: str, text: str = TEXT, settings: tuple[str, ...] = ()) -> None:
    before = contents(folder), store.open_study(folder).facts
    with pytest.raises(FolderInUse, match=said) as told:
        ran(folder, text, settings)
    assert str(folder) in str(told.value) and "--out" in str(told.value) and "--force" in str(told.value)
    assert (contents(folder), store.open_study(folder).facts) == before, "a refusal wrote something"


def test_the_same_command_on_a_finished_study_runs_nothing(folder: Path) -> None:
    assert ran(folder) == ["sgd-s0", "sgd-s1"]
    before, environment = contents(folder), store.open_study(folder).facts["environment"]
    assert ran(folder) == []
    there = store.open_study(folder)
    assert there.status == "done" and contents(folder) == before
    assert there.facts["environment"] == environment and there.facts["former"] == []


def test_added_seeds_are_run_as_they_would_have_been_from_the_beginning(folder: Path, tmp_path: Path) -> None:
    ran(folder)
    before, seconds = contents(folder), store.open_study(folder).facts["seconds"]
    assert ran(folder, settings=("seeds=4",)) == ["sgd-s2", "sgd-s3"]
    there, now = store.open_study(folder), contents(folder)
    assert {run: now[run] for run in before} == before
    assert (there.status, there.config["seeds"], there.facts["planned"]) == ("done", [0, 1, 2, 3], 4)
    assert there.facts["seconds"] > seconds
    whole = tmp_path / "whole"
    ran(whole, settings=("seeds=4",))
    assert {run: told[2] for run, told in contents(whole).items()} == {run: told[2] for run, told in now.items()}
    assert "trace" in there.run("sgd-s0").arrays() and "trace" not in there.run("sgd-s2").arrays()


@pytest.mark.parametrize(
    ("more", "new"),
    [
        (TEXT + ADAM, ["adam-s0", "adam-s1"]),
        (TEXT + RANGED, ["range-adam-s0", "range-adam-s1", "ranged-s0", "ranged-s1"]),
        (TEXT + LINE, ["StepLR", "line-surface", "walk"]),
        (TEXT.replace('"small"', '"small"\ntitle = "Small"\nmetric = "validation/loss"'), []),
        (TEXT.replace("epochs = 1", "epochs = 1\naccumulate = 1"), []),
    ],
    ids=["a run", "a range test", "descents", "words", "a default"],
)
def test_what_a_file_says_more_is_run(folder: Path, more: str, new: list[str]) -> None:
    ran(folder)
    before = contents(folder)
    assert ran(folder, more) == new
    assert {run: told for run, told in contents(folder).items() if run not in new} == before
    assert ran(folder, more) == [] and store.open_study(folder).status == "done"


def test_a_grid_takes_more_values_and_fewer_and_keeps_what_it_had(folder: Path) -> None:
    ran(folder, GRID)
    assert ran(folder, GRID, ("grid.lr=[0.1,0.2]",)) == ["lr=0.2-s0", "lr=0.2-s1"]
    there = store.open_study(folder)
    assert [run.id for run in there.runs if "0.01" in run.id] == there.facts["former"] == ["lr=0.01-s0", "lr=0.01-s1"]
    assert there.config["grid"] == {"optimizer.lr": [0.1, 0.2]} and there.status == "done"
    assert ran(folder, GRID, ("grid.lr=[0.01,0.1,0.2]",)) == []
    assert store.open_study(folder).facts["former"] == []


def put(folder: Path, key: str, fact: object) -> None:
    """A fact of a finished study, as another command would have left it; None takes it away."""
    with closing(sqlite3.connect(folder / store.DATABASE)) as connection, connection:
        connection.execute("DELETE FROM study WHERE key=?", (key,))
        if fact is not None:
            connection.execute("INSERT INTO study VALUES (?,?)", (key, json.dumps(fact)))


@pytest.mark.parametrize("told", [True, False], ids=["as its fact says", "in a study of an earlier version"])
def test_a_suggested_rate_stays_that_of_the_first_trainings(folder: Path, told: bool) -> None:
    ran(folder, TEXT + RANGED)
    rate = store.open_study(folder).run("ranged-s0").config["optimizer"]["lr"]
    if not told:
        put(folder, "suggestions", None)
    assert ran(folder, TEXT + RANGED, ("seeds=3",)) == ["range-adam-s2", "sgd-s2", "ranged-s2"]
    there = store.open_study(folder)
    *first, last = [run.info["suggestion"] for run in there.select("range-adam", kind="lr_range")]
    assert 0.5 * geometric_mean(first) == pytest.approx(rate, rel=1e-12)
    assert geometric_mean([*first, last]) != pytest.approx(geometric_mean(first)), "the third suggests the same"
    assert {run.config["optimizer"]["lr"] for run in there.select("ranged")} == {rate}
    assert ran(folder, TEXT + RANGED, ("seeds=3",)) == []


def test_a_search_with_another_round_or_another_seed_goes_on(folder: Path) -> None:
    assert len(ran(folder, SEARCH)) == 4
    assert ran(folder, SEARCH) == []
    more = ran(folder, SEARCH, ("coarse_to_fine.rounds=2",))
    assert more and all(run.startswith("round-2") for run in more)
    assert {run[-2:] for run in ran(folder, SEARCH, ("seeds=3",))} == {"s2"}
    assert store.open_study(folder).status == "done"


@pytest.mark.parametrize(
    ("text", "settings", "said"),
    [
        (TEXT, ("epochs=2",), "on another base: epochs was 1 and is 2"),
        (TEXT, ("model.hidden=[9]",), r"on another base: model.hidden was \[8\] and is \[9\]"),
        (TEXT, ("dataset.per_class=9",), "dataset.per_class was 8 and is 9"),
        (TEXT.replace("0.05", "0.06"), (), "the run sgd-s0 with other settings: optimizer.lr was 0.05 and is 0.06"),
        (TEXT, ("record.every=2",), "the run sgd-s0 with other settings: record.every was 1 and is 2"),
        (TEXT.replace('"small"', '"other"'), (), r"holds another study \(small; this one is other\)"),
        (TEXT.replace("0.05", '"suggested by range-adam"') + RANGED, (), "the run sgd-s0 with other settings"),
        (TEXT, ("seeds=[1,0]",), "the run sgd-s1 with other settings: record"),
    ],
)
def test_what_contradicts_the_runs_that_are_there_is_refused(
    folder: Path, text: str, settings: tuple[str, ...], said: str
) -> None:
    ran(folder)
    refused(folder, said, text, settings)


def test_other_files_under_the_same_name_are_refused(folder: Path) -> None:
    ran(folder)
    put(folder, "data", {**store.open_study(folder).facts["data"], "sha256": {"a": "0" * 64}})
    refused(folder, "on other data: the files of fashion-mnist-sample have changed since", settings=("seeds=3",))


def test_an_interrupted_training_is_kept_from_other_settings_and_goes_on_with_more_seeds(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = Keeper.due

    def pressed(self: Keeper, record: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(Keeper, "due", pressed)
    with pytest.raises(KeyboardInterrupt):
        ran(folder)
    monkeypatch.setattr(Keeper, "due", due)
    assert store.open_study(folder).runs == () and (folder / "pending" / "sgd-s0").is_dir()
    refused(
        folder, "the run sgd-s0 with other settings: optimizer.lr was 0.05 and is 0.06", TEXT.replace("0.05", "0.06")
    )
    assert ran(folder, settings=("seeds=3",)) == ["sgd-s0", "sgd-s1", "sgd-s2"]


def test_a_run_that_failed_may_be_asked_for_something_else(folder: Path) -> None:
    bad = TEXT.replace("lr = 0.05 }", "lr = 0.05 }\ndevice = 'cuda:7'") + ADAM
    ran(folder, bad)
    assert store.open_study(folder).run("sgd-s0").status == "failed"
    assert ran(folder, TEXT + ADAM) == ["sgd-s0", "sgd-s1"]
    there = store.open_study(folder)
    assert there.status == "done" and there.facts["failed"] == []


def test_settings_that_differ_are_told_with_their_keys() -> None:
    assert _differs({"a": {"b": 1}, "c": 2}, {"a": {"b": 1}, "c": 2}) == ""
    assert _differs({"a": {"b": 1}}, {"a": {"b": 2}, "c": None}) == "a.b was 1 and is 2, c was not there and is None"
    many = dict.fromkeys("abcde", 0)
    assert _differs(many, dict.fromkeys("abcde", 1)).endswith("c was 0 and is 1 and 2 more")
