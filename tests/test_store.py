"""The study folder: what may be written where, what survives, and what a reader is told."""

from __future__ import annotations

import errno
import json
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passo import store
from passo.errors import FolderInUse, SchemaMismatch, StoreError
from passo.store import Store, open_study
from passo.store.folder import reading_of

DOCUMENT = Path(__file__).parents[1] / "docs" / "store.md"


def finished(folder: Path, **config: Any) -> Path:
    """A finished study with one run."""
    with Store.create(folder, name="demo", config=config) as study:
        run = study.add_run("adam", config={"lr": 0.1}, seed=0)
        run.scalars(1, 0.5, {"train/loss": 0.25})
        run.array("trace", np.arange(6.0).reshape(3, 2), stages=["grad"])
        run.finish()
    return folder


def interrupted(folder: Path, **config: Any) -> Path:
    """A study with one finished and one unfinished run, broken off by Ctrl-C."""
    with pytest.raises(KeyboardInterrupt), Store.create(folder, name="demo", config=config) as study:
        study.add_run("adam", config={}, seed=0).finish()
        half = study.add_run("sgd", config={}, seed=0)
        half.array("trace", np.zeros(3))
        half.event("note", "half of it was done", step=3)
        half.finish("interrupted")
        raise KeyboardInterrupt
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# ── What is written can be read ───────────────────────────────────────────────────────────────────────────


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    with Store.create(tmp_path / "s", name="demo", config={"epochs": 2, "lrs": (0.1, 0.2)}) as study:
        study.facts(data={"name": "mnist"})
        run = study.add_run("adam", config={"lr": 0.1}, seed=3)
        run.scalars(1, 0.5, {"train/loss": 0.25, "lr": 0.1})
        run.scalars(2, 1.0, {"train/loss": float("nan")})
        run.array("a/b", np.arange(4, dtype=np.int64), first_step=1, stages=["grad"])
        run.array("a/b", np.arange(4, 6, dtype=np.int64), first_step=5)
        run.event("clipped", "the gradient was clipped", step=2, norm=3.5)
        run.info(parameters=10)
        run.info(seconds=1.5)
        run.finish()
    read = open_study(tmp_path / "s")
    assert (read.name, read.status, read.facts["data"]) == ("demo", "done", {"name": "mnist"})
    assert read.config == {"epochs": 2, "lrs": [0.1, 0.2]}
    (stored,) = read.runs
    assert (stored.id, stored.seed, stored.status, stored.config) == ("adam-s3", 3, "done", {"lr": 0.1})
    assert stored.info == {"parameters": 10, "seconds": 1.5}
    assert stored.metrics() == ["lr", "train/loss"]
    loss = stored.metric("train/loss")
    assert (loss.steps.tolist(), loss.epochs.tolist()) == ([1, 2], [0.5, 1.0])
    assert loss.values[0] == 0.25
    assert np.isnan(loss.last)
    assert stored.array("a/b").tolist() == [0, 1, 2, 3, 4, 5]
    assert stored.array("a/b").dtype == np.int64
    assert stored.meta("a/b") == {"stages": ["grad"]}
    assert stored.events() == [("clipped", 2, "the gradient was clipped", {"norm": 3.5})]


@given(st.lists(st.floats(width=64), min_size=1, max_size=20))
def test_every_scalar_comes_back_bit_for_bit_and_nan_as_nan(values: list[float]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        with Store.create(folder, name="demo", config={}) as study:
            run = study.add_run("adam", config={})
            for step, value in enumerate(values):
                run.scalars(step, float(step), {"x": value})
            run.finish()
        np.testing.assert_array_equal(open_study(folder).runs[0].metric("x").values, np.array(values))


def test_many_scalars_are_kept_in_order(tmp_path: Path) -> None:
    with Store.create(tmp_path, name="demo", config={}) as study:
        run = study.add_run("adam", config={})
        for step in range(5000):
            run.scalars(step, step / 10, {"x": step})
        run.finish()
    assert np.array_equal(open_study(tmp_path).runs[0].metric("x").values, np.arange(5000.0))


def test_a_missing_metric_array_or_run_is_answered_with_those_there_are(tmp_path: Path) -> None:
    study = open_study(finished(tmp_path / "s"))
    with pytest.raises(StoreError, match="no metric 'loss'; it has: train/loss"):
        study.runs[0].metric("loss")
    with pytest.raises(StoreError, match="no array 'x'; it has: trace"):
        study.runs[0].array("x")
    with pytest.raises(StoreError, match=r"no run 'sgd'; it has: adam-s0"):
        study.run("sgd")


def test_only_finished_runs_of_the_kind_are_selected(tmp_path: Path) -> None:
    with Store.create(tmp_path, name="demo", config={}) as study:
        study.add_run("b", config={}, seed=0).finish()
        study.add_run("a", config={}, seed=0).finish()
        study.add_run("b", config={}, seed=1).finish()
        study.add_run("c", config={}).finish("failed", "the loss was not finite")
        study.add_run("range", config={}, kind="lr_range").finish()
    read = open_study(tmp_path)
    assert read.names() == ["b", "a"]
    assert [run.seed for run in read.select("b")] == [0, 1]
    assert read.select("c") == ()
    assert read.names("lr_range") == ["range"]
    assert read.run("c").error == "the loss was not finite"


def test_a_run_is_added_once(tmp_path: Path) -> None:
    with Store.create(tmp_path, name="demo", config={}) as study:
        study.add_run("adam", config={}, seed=0).finish()
        with pytest.raises(StoreError, match="already holds a run 'adam-s0'"):
            study.add_run("adam", config={}, seed=0)
        assert study.has("adam", 0)
        assert not study.has("adam", 1)


@pytest.mark.parametrize("name", ["../elsewhere", "a/b", "a\\b", "..", "."])
def test_a_run_cannot_be_named_out_of_its_study(tmp_path: Path, name: str) -> None:
    with (
        Store.create(tmp_path, name="demo", config={}) as study,
        pytest.raises(StoreError, match="cannot be the name of a folder"),
    ):
        study.add_run(name, config={})


def test_studies_are_found_by_path_and_by_name_under_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSO_ROOT", str(tmp_path))
    first, second = finished(tmp_path / "first"), finished(tmp_path / "second")
    assert store.find("first").folder == first
    assert store.find(second).folder == second
    assert [study.folder for study in store.studies()] == [first, second]
    with pytest.raises(StoreError, match="no study 'third'"):
        store.find("third")


def test_a_fresh_folder_is_one_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSO_ROOT", str(tmp_path))
    first = store.fresh("adam")
    assert first.parent == tmp_path
    assert re.fullmatch(r"adam-\d{8}-\d{6}", first.name)
    first.mkdir()
    assert not store.fresh("adam").exists()


# ── Which folder may be written ───────────────────────────────────────────────────────────────────────────


def refused(folder: Path, said: str, **config: Any) -> None:
    before = tree(folder)
    with pytest.raises(FolderInUse, match=said):
        Store.create(folder, name="demo", config=config)
    assert tree(folder) == before, "a refusal wrote something"


def test_a_finished_study_is_refused_untouched(tmp_path: Path) -> None:
    refused(finished(tmp_path / "s"), r"holds a finished study \(demo\).*--force")


def test_an_unfinished_study_with_another_configuration_is_refused_untouched(tmp_path: Path) -> None:
    refused(interrupted(tmp_path / "s", lr=0.1), "unfinished study with another configuration", lr=0.2)


def test_a_study_that_may_grow_goes_on_under_the_new_configuration(tmp_path: Path) -> None:
    folder, judged = finished(tmp_path / "s"), []
    begun = open_study(folder).runs[0].started
    with Store.create(folder, name="demo", config={"lr": 0.2}, contradiction=judged.append) as study:
        assert open_study(folder).status == "running"
        study.add_run("more", config={}).finish()
    there = open_study(folder)
    assert (judged[0].status, there.status, there.config, len(there.runs)) == ("done", "done", {"lr": 0.2}, 2)
    assert there.runs[0].started == begun


def test_what_contradicts_a_study_that_may_grow_is_told_and_nothing_is_touched(tmp_path: Path) -> None:
    folder = interrupted(tmp_path / "s", lr=0.1)
    before = tree(folder)
    with pytest.raises(FolderInUse, match="s holds other rates: give another folder"):
        Store.create(folder, name="demo", config={"lr": 0.1}, contradiction=lambda _: "holds other rates")
    assert tree(folder) == before


def test_a_folder_with_anything_else_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    refused(tmp_path, "is not empty and holds no study")


def test_a_file_in_the_way_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("years of work")
    with pytest.raises(FolderInUse, match="s is a file: give a folder"):
        Store.create(tmp_path / "s", name="demo", config={})
    assert (tmp_path / "s").read_text() == "years of work"


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    assert open_study(finished(tmp_path)).status == "done"


def test_the_same_study_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    folder = interrupted(tmp_path / "s", lr=0.1, betas=(0.9, 0.999))
    assert open_study(folder).status == "interrupted"
    assert (folder / "runs" / "sgd-s0").exists()
    with Store.create(folder, name="demo", config={"lr": 0.1, "betas": (0.9, 0.999)}) as study:
        assert study.has("adam", 0)
        assert not study.has("sgd", 0)
        assert not (folder / "runs" / "sgd-s0").exists()
        assert study.read("SELECT count(*) FROM events") == study.read("SELECT count(*) FROM arrays") == [(0,)]
        run = study.add_run("sgd", config={}, seed=0)
        run.array("trace", np.ones(2))
        run.finish()
    read = open_study(folder)
    assert (read.status, [(run.id, run.status) for run in read.runs]) == (
        "done",
        [("adam-s0", "done"), ("sgd-s0", "done")],
    )
    assert read.run("sgd-s0").array("trace").tolist() == [1, 1]


def test_force_starts_anew_and_keeps_the_old_one_beside_it(tmp_path: Path) -> None:
    folder = finished(tmp_path / "s", number=1)
    before = tree(folder)
    for number in (2, 3):
        with Store.create(folder, name="demo", config={"number": number}, force=True):
            pass
    assert open_study(folder).config == {"number": 3}
    assert open_study(folder).runs == ()
    assert open_study(tmp_path / "s.2").config == {"number": 2}
    assert tree(tmp_path / "s.1") == before


def test_force_leaves_the_folder_one_stands_in_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree(finished(tmp_path / "s"))
    monkeypatch.chdir(tmp_path / "s")
    with pytest.raises(StoreError, match=r"^cannot move aside \."):
        Store.create(".", name="demo", config={}, force=True)
    assert tree(tmp_path / "s") == before


@pytest.mark.parametrize("force", [False, True])
def test_a_study_that_is_being_written_is_refused_even_by_force(tmp_path: Path, force: bool) -> None:
    with Store.create(tmp_path / "s", name="demo", config={}) as study:
        run = study.add_run("adam", config={})
        with pytest.raises(FolderInUse, match="is being written by another process"):
            Store.create(tmp_path / "s", name="demo", config={}, force=force)
        run.scalars(1, 1.0, {"x": 1.0})
        run.finish()
    assert [run.status for run in open_study(tmp_path / "s").runs] == ["done"]


# ── What survives ─────────────────────────────────────────────────────────────────────────────────────────

KILLED = """
import os, signal, sys
import numpy as np
from passo.store import Store
study = Store.create(sys.argv[1], name="demo", config={"lr": 0.1})
done = study.add_run("first", config={}, seed=0)
done.scalars(1, 1.0, {"x": 1.0}); done.array("a", np.ones(3)); done.finish()
run = study.add_run("second", config={}, seed=0)
save = np.save
def half(file, *arguments, **options):
    file.write(b"half of a chunk"); file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
for step in range(20000):
    run.scalars(step, 0.0, {"x": step})
    if step % 4000 == 0:
        if step == 12000:
            np.save = half
        run.array("a", np.full(3, step))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_study_killed_while_it_writes_opens_and_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder)], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    read = open_study(folder)
    assert (read.status, [(run.id, run.status, run.error) for run in read.runs]) == (
        "interrupted",
        [("first-s0", "done", None), ("second-s0", "interrupted", store.ABANDONED)],
    )
    assert read.run("first-s0").array("a").tolist() == [1, 1, 1]
    second = read.run("second-s0")
    assert second.array("a").tolist() == [0, 0, 0, 4000, 4000, 4000, 8000, 8000, 8000]
    kept = second.metric("x").values
    assert np.array_equal(kept, np.arange(len(kept)))
    assert len(list((folder / "runs" / "second-s0").iterdir())) == 4  # the half chunk is there, and does not count
    with Store.create(folder, name="demo", config={"lr": 0.1}) as study:
        assert (study.has("first", 0), study.has("second", 0)) == (True, False)
    assert not (folder / "runs" / "second-s0").exists()
    assert sorted(path.name for path in folder.iterdir()) == ["runs", "study.sqlite"]


def test_a_study_that_fails_says_so_and_keeps_its_runs(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Store.create(tmp_path, name="demo", config={}) as study:
        study.add_run("adam", config={}).finish()
        raise ZeroDivisionError
    read = open_study(tmp_path)
    assert (read.status, len(read.runs)) == ("failed", 1)


def test_a_study_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    with Store.create(tmp_path, name="demo", config={}) as study:
        run = study.add_run("adam", config={})
        run.scalars(1, 1.0, {"x": 1.0})
        run.flush()
        assert open_study(tmp_path).run("adam").metric("x").last == 1.0
        run.scalars(2, 2.0, {"x": 2.0})
        run.flush()
        assert open_study(tmp_path).run("adam").metric("x").last == 2.0


def test_a_reader_at_the_end_does_not_stop_a_study_from_finishing(tmp_path: Path) -> None:
    study = Store.create(tmp_path, name="demo", config={})
    study._connection.execute("PRAGMA busy_timeout=10")
    reader = sqlite3.connect(f"{(tmp_path / store.DATABASE).as_uri()}?mode=ro", uri=True, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM study").fetchall()
    study.close()
    assert open_study(tmp_path).status == "done"
    reader.close()
    assert open_study(tmp_path).status == "done"


def test_a_finished_study_is_one_database_file_and_reading_writes_nothing(tmp_path: Path) -> None:
    folder = finished(tmp_path / "s")
    before = tree(folder)
    assert sorted(before) == ["runs/adam-s0/trace.0000.npy", "study.sqlite"]
    with sqlite3.connect(folder / store.DATABASE) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()
    open_study(folder).runs[0].metric("train/loss")
    assert tree(folder) == before
    with reading_of(folder) as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM runs")


def test_a_study_folder_can_be_moved(tmp_path: Path) -> None:
    folder = finished(tmp_path / "s").rename(tmp_path / "a name with spaces, ? and #")
    assert open_study(folder).runs[0].array("trace").shape == (3, 2)


# ── What is refused on reading ────────────────────────────────────────────────────────────────────────────


def test_a_study_of_another_schema_is_refused_with_both_numbers(tmp_path: Path) -> None:
    folder = finished(tmp_path / "s")
    with sqlite3.connect(folder / store.DATABASE) as connection:
        connection.execute("UPDATE study SET value='99' WHERE key='schema'")
    connection.close()
    with pytest.raises(SchemaMismatch, match=f"schema 99; this passo reads schemas up to {store.SCHEMA}"):
        open_study(folder)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


@pytest.mark.parametrize(("harm", "said"), [(damage, "is damaged"), (cut, "is damaged"), (Path.unlink, "no such file")])
def test_a_damaged_or_missing_chunk_is_told_with_its_name(
    tmp_path: Path, harm: Callable[[Path], None], said: str
) -> None:
    folder = finished(tmp_path / "s")
    harm(folder / "runs" / "adam-s0" / "trace.0000.npy")
    with pytest.raises(StoreError, match=rf"trace\.0000\.npy.*{said}"):
        open_study(folder).runs[0].array("trace")


def test_what_is_no_study_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"is not a study folder: it has no study\.sqlite"):
        open_study(tmp_path)
    (tmp_path / store.DATABASE).write_text("this is not a database, whatever its name says " * 100)
    with pytest.raises(StoreError, match=r"cannot read .*study\.sqlite: file is not a database"):
        open_study(tmp_path)


# ── What the disk refuses ─────────────────────────────────────────────────────────────────────────────────


def test_a_folder_that_cannot_be_made_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"^cannot create .*file/s: not a directory$"):
        Store.create(tmp_path / "file" / "s", name="demo", config={})


def test_a_read_only_folder_is_told_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StoreError, match=r"^cannot create .*: read-only file system$"):
        Store.create(tmp_path / "s", name="demo", config={})


def test_a_full_disk_is_told_in_one_sentence_and_leaves_no_half_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: Any, *_: Any, **__: Any) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with Store.create(tmp_path, name="demo", config={}) as study:
        run = study.add_run("adam", config={})
        run.array("a", np.zeros(2))
        with monkeypatch.context() as patched:
            patched.setattr(np, "save", full)
            with pytest.raises(StoreError, match=r"^cannot write .*a\.0001\.npy: no space left on device$"):
                run.array("a", np.ones(2))
        assert [path.name for path in (tmp_path / "runs" / "adam").iterdir()] == ["a.0000.npy"]
        run.array("a", np.full(2, 2.0))
        run.finish()
    assert open_study(tmp_path).runs[0].array("a").tolist() == [0, 0, 2, 2]


def test_a_database_on_a_full_disk_is_told_in_one_sentence_and_the_study_still_opens(tmp_path: Path) -> None:
    study = Store.create(tmp_path, name="demo", config={})
    run = study.add_run("adam", config={})
    (pages,) = study.read("PRAGMA page_count")[0]
    study._connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreError, match=r"^cannot write .*study\.sqlite: database or disk is full$"):
        run.info(text="x" * 100_000)
    study._connection.execute("PRAGMA max_page_count=1000000")
    study.close("failed")
    assert open_study(tmp_path).runs[0].info == {}


# ── The page that describes it ────────────────────────────────────────────────────────────────────────────


def documented() -> dict[str, list[tuple[str, str]]]:
    """table → [(column, type)], as docs/store.md says."""
    parts = re.split(r"^### `(\w+)`$", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {
        name: re.findall(r"^\| `(\w+)` \| ([A-Z]+) \|", text, flags=re.MULTILINE)
        for name, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_the_documented_schema_is_the_real_one(tmp_path: Path) -> None:
    connection = sqlite3.connect(finished(tmp_path / "s") / store.DATABASE)
    tables = [n for (n,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    real = {name: [(row[1], row[2]) for row in connection.execute(f"PRAGMA table_info({name})")] for name in tables}
    connection.close()
    assert documented() == real
    assert f"**schema {store.SCHEMA}**" in DOCUMENT.read_text(encoding="utf-8")


def test_the_module_lists_the_same_columns_as_the_page() -> None:
    for table, columns in documented().items():
        assert f"{table}({', '.join(name for name, _ in columns)})" in (store.__doc__ or "")


def test_every_fact_of_a_study_is_json(tmp_path: Path) -> None:
    connection = sqlite3.connect(finished(tmp_path / "s") / store.DATABASE)
    facts = {key: json.loads(value) for key, value in connection.execute("SELECT key, value FROM study")}
    connection.close()
    assert set(facts) == {"name", "status", "config", "schema", "created", "finished"}


def test_a_study_that_is_being_written_is_running_and_one_whose_writer_is_gone_is_not(tmp_path: Path) -> None:
    study = Store.create(tmp_path / "s", name="demo", config={})
    study.add_run("first", config={}, seed=0)
    there = open_study(tmp_path / "s")
    assert (there.status, there.runs[0].status, there.runs[0].error) == ("running", "running", None)
    study._connection.close()  # as a process does that ends without a word
    study._lock.close()
    gone = open_study(tmp_path / "s")
    assert (gone.status, gone.runs[0].status, gone.runs[0].error) == ("interrupted", "interrupted", store.ABANDONED)


def test_a_disk_that_is_full_before_there_is_a_study_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(sqlite3.Connection):
        def execute(self, *_: object) -> sqlite3.Cursor:  # type: ignore[override]
            raise sqlite3.OperationalError("database or disk is full")

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **{**k, "factory": Full}))
    with pytest.raises(StoreError, match="disk is full"):
        Store.create(tmp_path / "s", name="demo", config={})
    assert not (tmp_path / "s").exists()
