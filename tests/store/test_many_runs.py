"""A store of many runs: what is asked of all of them is one statement, and says what each of them would."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from passo import store
from passo.analysis import compare
from passo.analysis.convergence import convergences
from passo.analysis.ends import endings
from passo.analysis.sensitivity import sensitivity
from passo.analysis.standing import standing
from passo.analysis.targets import targets
from passo.analysis.tuning import best_of
from passo.errors import StoreError
from passo.store import Store, StoredStudy, open_study, outline, scalars

EPOCHS = 4
Said = list[str]


def value(place: int, epoch: int) -> float:
    """The validation loss of a configuration, by its place, after an epoch."""
    return 1.0 + 0.01 * ((7 * place) % 11) + 1 / epoch


def written(folder: Path, configurations: int, seeds: int = 2, **facts: Any) -> StoredStudy:
    """Configurations that differ in the learning rate; broken off by Ctrl-C, so that it can go on."""
    with suppress(KeyboardInterrupt), Store.create(folder, name="many", config={"metric": "validation/loss"}) as study:
        study.facts(**facts)
        for place in range(configurations):
            for seed in range(seeds):
                run = study.add_run(f"lr-{place}", config={"optimizer": {"lr": 10.0 ** -(1 + place)}}, seed=seed)
                for epoch in range(1, EPOCHS + 1):
                    loss = value(place, epoch) + 0.001 * seed
                    told = {"validation/loss": loss, "epoch/train_loss": loss - 0.1, "epoch/seconds": 2.0, "lr": 0.1}
                    run.scalars(10 * epoch, float(epoch), told)
                run.scalars(10 * EPOCHS, float(EPOCHS), {"test/accuracy": 1 - value(place, EPOCHS) / 2})
                run.finish()
        raise KeyboardInterrupt
    return open_study(folder)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[Said]:
    """Every SQL statement that is executed from now on."""
    said: Said = []
    connect = sqlite3.connect

    def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(said.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    yield said


READERS: dict[str, Callable[[StoredStudy], Any]] = {
    "compare": lambda study: compare(study, "test/accuracy"),
    "endings": lambda study: endings(study, "validation/loss"),
    "targets": lambda study: targets(study, "validation/loss", 1.5),
    "convergences": convergences,
    "best_of": best_of,
    "sensitivity": lambda study: sensitivity(study, "validation/loss"),
    "standing": lambda study: standing(study).table(),
    "the last values": lambda study: study.lasts("lr"),
    "curves": lambda study: study.series("lr"),
    "names": lambda study: study.metrics(),
}


@pytest.mark.parametrize("name", READERS)
def test_the_number_of_statements_does_not_grow_with_the_number_of_runs(
    name: str, tmp_path: Path, statements: Said
) -> None:
    counts = []
    for many in (2, 9):
        study = written(tmp_path / str(many), many)
        statements.clear()
        READERS[name](study)
        counts.append(len(statements))
    assert counts[0] == counts[1] > 0


def test_opening_takes_as_many_statements_for_many_runs_as_for_few(tmp_path: Path, statements: Said) -> None:
    for reader in (open_study, outline):
        counts = []
        for many in (2, 9):
            folder = tmp_path / f"{reader.__name__}-{many}"
            written(folder, many)
            statements.clear()
            reader(folder)
            counts.append(len(statements))
        assert counts[0] == counts[1] > 0


def test_all_runs_at_once_are_what_each_run_says(tmp_path: Path) -> None:
    study = written(tmp_path / "s", 5, seeds=3)
    curves, lasts = study.series("validation/loss"), study.lasts("validation/loss")
    assert set(curves) == set(lasts) == {run.id for run in study.runs}
    for run in study.runs:
        place = int(run.name.removeprefix("lr-"))
        wanted = [value(place, epoch) + 0.001 * (run.seed or 0) for epoch in range(1, EPOCHS + 1)]
        for one in (curves[run.id], run.metric("validation/loss")):
            assert one.values.tolist() == wanted
            assert (one.steps.tolist(), one.epochs.tolist()) == ([10, 20, 30, 40], [1.0, 2.0, 3.0, 4.0])
            assert (one.steps.dtype, one.epochs.dtype, one.values.dtype) == (np.int64, np.float64, np.float64)
        assert lasts[run.id] == run.last("validation/loss") == wanted[-1]
    assert study.metrics() == ["epoch/seconds", "epoch/train_loss", "lr", "test/accuracy", "validation/loss"]
    assert all(run.metrics() == study.metrics() for run in study.runs)


def test_a_run_without_a_metric_is_left_out_and_nan_stays_nan(tmp_path: Path) -> None:
    with Store.create(tmp_path / "s", name="gaps", config={}) as writer:
        for name, values in (("a", [1.0, math.nan]), ("b", []), ("c", [math.inf, 3.0])):
            run = writer.add_run(name, config={})
            for step, one in enumerate(values, start=1):
                run.scalars(step, 0.5 * step, {"x": one})
            run.finish()
        assert math.isnan(writer.lasts("a")["x"]) and (writer.lasts("b"), writer.lasts("c")) == ({}, {"x": 3.0})
    study = open_study(tmp_path / "s")
    assert set(study.lasts("x")) == set(study.series("x")) == {"a", "c"}
    assert math.isnan(study.lasts("x")["a"]) and math.isnan(study.series("x")["a"].last)
    assert study.series("x")["c"].values.tolist() == [math.inf, 3.0]
    assert (study.lasts("y"), study.series("y"), study.has("x"), study.has("y")) == ({}, {}, True, False)
    assert [run.has("x") for run in study.runs] == [True, False, True]


def test_what_is_held_is_answered_without_the_file_and_is_the_same(tmp_path: Path, statements: Said) -> None:
    study = written(tmp_path / "s", 3)
    held = study.holding("validation/loss", lasts=["test/accuracy", "nothing"])
    statements.clear()
    for run in held.runs:
        assert run.has("validation/loss") and run.has("test/accuracy") and not run.has("nothing")
        assert run.metric("validation/loss").last == run.last("validation/loss")
        assert run.last("test/accuracy") > 0
    assert held.holding("validation/loss", lasts=["validation/loss", "nothing"]) is held
    assert statements == []
    for before, after in zip(study.runs, held.runs, strict=True):
        assert after == before
        assert after.metric("validation/loss").values.tolist() == before.metric("validation/loss").values.tolist()
        assert after.last("test/accuracy") == before.last("test/accuracy")
        assert after.metric("lr").values.tolist() == [0.1] * EPOCHS  # what is not held is read
    with pytest.raises(StoreError, match=r"run lr-0-s0 has no metric 'nothing'; it has: epoch/seconds, "):
        held.runs[0].last("nothing")
    with pytest.raises(StoreError, match="no metric 'other'"):
        held.holding("other").runs[0].metric("other")


def test_analysis_of_a_study_that_is_held_comes_to_the_same(tmp_path: Path) -> None:
    study = written(tmp_path / "s", 6, seeds=3)
    held = study.holding("validation/loss", "epoch/seconds", "epoch/train_loss", lasts=["test/accuracy"])
    for name in ("compare", "endings", "targets", "convergences", "best_of", "sensitivity"):
        assert READERS[name](held).table() == READERS[name](study).table(), name


def test_a_cell_of_another_kind_is_told_and_not_believed(tmp_path: Path) -> None:
    folder = written(tmp_path / "s", 2).folder
    with sqlite3.connect(folder / store.DATABASE) as connection:
        connection.execute("UPDATE metrics SET value='forged' WHERE run='lr-1-s0' AND name='lr' AND step=20")
    connection.close()
    for read in (lambda study: study.series("lr"), lambda study: study.run("lr-1-s0").metric("lr")):
        with pytest.raises(StoreError, match="is damaged: 'forged' stands where it cannot stand"):
            read(open_study(folder))


def test_the_old_schema_is_read_at_once_too() -> None:
    study = open_study(Path(__file__).parents[1] / "malformed" / "schema-1")
    assert study.facts["schema"] == 1
    assert study.series("train/loss")["first-s0"].values.tolist() == [1, 1 / 2, 1 / 3]
    assert study.lasts("train/loss")["first-s0"] == 1 / 3
    assert [run.id for run in outline(study.folder).runs] == [run.id for run in study.runs]


# ── Writing ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_is_written_adopted_and_dropped_by_as_many_statements_however_many_there_are(
    tmp_path: Path, statements: Said
) -> None:
    counts = []
    for many in (2, 9):
        folder = tmp_path / str(many)
        there = written(folder, many)
        with Store.create(tmp_path / f"other-{many}", name="other", config={}) as other:
            run = other.add_run("new", config={}, seed=0)
            run.scalars(1, 1.0, {"x": 1.0})
            run.event("note", "something", step=1)
            run.finish()
        with Store.create(folder, name="many", config=there.config) as study:
            statements.clear()
            assert store.adopt(study, tmp_path / f"other-{many}", "done")
            assert study.lasts("new-s0") == {"x": 1.0}
            study.drop("new-s0")
            study.add_run("again", config={}, seed=0).finish()
            counts.append(len(statements))
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize(
    "sql",
    [
        scalars.LASTS_OF_ALL.replace("?1", "'x'"),
        scalars.SERIES_OF_ALL.replace("?", "'x'"),
        scalars.LASTS_OF_ONE.replace("?", "'r'"),
        scalars.NAMES_OF_ALL,
        scalars.ANY_HAS.replace("?", "'x'"),
        "DELETE FROM metrics WHERE run='r'",
        "DELETE FROM events WHERE run='r'",
        "SELECT MAX(id) FROM events WHERE run='r'",
        "DELETE FROM arrays WHERE run='r'",
    ],
)
def test_no_table_but_that_of_runs_is_ever_read_from_end_to_end(tmp_path: Path, sql: str) -> None:
    """A search in an index, for each run at most: SQLite's own plan says which tables it would scan."""
    connection = sqlite3.connect(written(tmp_path / "s", 2).folder / store.DATABASE)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
    connection.close()
    tables = ("metrics", "events", "arrays", "m")
    assert not [step for step in plan if step.startswith(tuple(f"SCAN {table}" for table in tables))]
    assert any("PRIMARY KEY" in step or "INDEX" in step for step in plan)


def test_an_old_study_that_goes_on_gets_the_index_and_stays_readable(tmp_path: Path) -> None:
    there = written(tmp_path / "s", 1)
    with sqlite3.connect(there.folder / store.DATABASE) as connection:
        connection.execute("DROP INDEX events_of_run")
    connection.close()
    with Store.create(there.folder, name="many", config=there.config) as study:
        assert study.read("SELECT name FROM sqlite_master WHERE type='index' AND name='events_of_run'")
    assert open_study(there.folder).status == "done"


# ── How it stands ─────────────────────────────────────────────────────────────────────────────────────────


def test_standing_counts_runs_ranks_by_means_and_names_what_was_lost(tmp_path: Path) -> None:
    written(tmp_path / "s", 20)
    there = open_study(tmp_path / "s")
    with suppress(KeyboardInterrupt), Store.create(tmp_path / "s", name="many", config=there.config) as study:
        study.add_run("lost", config={}, seed=0).finish("failed", "it ran out of memory")
        study.add_run("wild", config={}, seed=0).finish("diverged", "NaN after step 3")
        raise KeyboardInterrupt
    found = standing(outline(tmp_path / "s"), planned=100)
    means = {f"lr-{place}": value(place, EPOCHS) + 0.0005 for place in range(20)}
    assert [place.name for place in found.places] == sorted(means, key=lambda name: means[name])
    assert all(math.isclose(place.mean, means[place.name]) and place.n == 2 for place in found.places)
    assert found.progress() == "40 of 100 runs are done (40 %), 1 diverged, 1 failed; 58 were not begun."
    best = found.places[0]
    assert f"The best validation loss so far is 1.25, the mean of 2 runs, by {best.name}." in found.sentence()
    rows = found.table().rows
    assert len(rows) == 14 and rows[10][0] == "… 7 more" and rows[-1][:2] == (found.places[-1].name, "20")
    assert list(found.troubles().rows) == [
        ("lost-s0", "failed", "it ran out of memory"),
        ("wild-s0", "diverged", "NaN after step 3"),
    ]


def test_a_study_without_metrics_tells_its_progress_alone(tmp_path: Path) -> None:
    with Store.create(tmp_path / "s", name="empty", config={}) as study:
        study.add_run("a", config={}).finish()
    assert standing(outline(tmp_path / "s")).sentence() == "1 of 1 runs is done."
