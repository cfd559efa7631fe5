"""A study folder that is damaged, foreign, forged or from another time opens, or says in one sentence why not."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import answering, damaged, refused, sentence, tried, wronged
from hypothesis import strategies as st

from passo import store
from passo.errors import SchemaMismatch, StoreError
from passo.store import Store, StoredStudy, open_study

CONFIG: dict[str, Any] = {"epochs": 2, "model": {"name": "mlp"}}


def _study(folder: Path, *, status: str = "done") -> Path:
    """A study of one run with everything that a run can hold."""
    with Store.create(folder, name="demo", config=CONFIG) as study:
        study.facts(data={"name": "mnist", "classes": ["a", "b"]}, environment={"torch": "2"}, title="Demo")
        run = study.add_run("adam", config={"lr": 0.1, "optimizer": {"name": "adam"}}, seed=0)
        for step in (1, 2, 3):
            run.scalars(step, step / 3, {"train/loss": 1 / step, "test/accuracy": 0.5})
        run.array("trace", np.arange(6.0).reshape(3, 2), stages=["grad"])
        run.array("trace", np.arange(4.0).reshape(2, 2), first_step=3)
        run.event("clipped", "the gradient was clipped", step=2, norm=3.5)
        run.info(parameters=10)
        if status != "done":
            run.checkpoint(3, lambda path: _touch(path))
        run.finish(status)
    return folder


def _touch(path: Path) -> None:
    path.write_bytes(b"state")


def _read(folder: Path) -> StoredStudy:
    """Everything that there is to read, so that nothing is taken for whole that was not looked at."""
    study = open_study(folder)
    for run in study.runs:
        for name in run.metrics():
            assert np.isfinite(run.metric(name).steps).all()
            assert isinstance(run.metric(name).last, float)
        for name in run.arrays():
            assert isinstance(run.array(name), np.ndarray) and isinstance(run.meta(name), dict)
        assert all(isinstance(data, dict) for *_, data in run.events())
    study.checkpoints()
    study.names()
    return study


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _study(tmp_path_factory.mktemp("stores") / "s")


def _copied(whole: Path, there: Path) -> Path:
    shutil.rmtree(there, ignore_errors=True)
    shutil.copytree(whole, there)
    return there


def test_a_damaged_database_is_refused_or_read(whole: Path, tmp_path: Path, wanted: int) -> None:
    folder = _copied(whole, tmp_path / "s")
    content = (folder / store.DATABASE).read_bytes()

    def use(given: bytes) -> None:
        (folder / store.DATABASE).write_bytes(given)
        _read(folder)

    refused(damaged(content), use, wanted, str(folder))


# What a stranger's study may hold in its columns: (table, column, values).
COLUMNS = {
    "study": ["key", "value"],
    "runs": ["id", "kind", "name", "config", "seed", "status", "started", "finished", "error", "info"],
    "metrics": ["run", "name", "step", "epoch", "value"],
    "events": ["run", "time", "step", "kind", "message", "data"],
    "arrays": ["run", "name", "chunk", "first_step", "path", "sha256", "rows", "meta"],
}
PATHS = [
    "../../etc/passwd",
    "/etc/passwd",
    "/dev/zero",
    "runs/../../x.npy",
    "runs/adam-s0",
    ".",
    "",
    "a\0b",
    "x" * 5000,
]
JSON = wronged({"a": {"b": [1, 2.5, "c"]}, "name": "x"}).map(lambda value: json.dumps(value))
CELLS = st.one_of(
    st.none(),
    st.binary(max_size=6),
    st.text(max_size=8),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    JSON,
    st.sampled_from([*PATHS, "[" * 100_000, "{", "NaN", "1" + "0" * 5000, '{"a": 1}', "[]", "99", '"done"', "null"]),
)


def _lenient(database: Path) -> bytes:
    """A study's database without the constraints that passo's own tables have, as a forger would make it."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executescript("PRAGMA writable_schema=ON")
        connection.execute("UPDATE sqlite_master SET sql=replace(sql, ' NOT NULL', '') WHERE type='table'")
    return database.read_bytes()


def _forge(database: Path, changes: list[tuple[str, str, Any]]) -> None:
    """Write any value into any column."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executescript("PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF")
        for table, column, value in changes:
            with suppress(sqlite3.Error, UnicodeError):
                if table == "study":  # one fact, so that the others stay what they are
                    connection.execute("UPDATE study SET value=? WHERE key=?", (value, column))
                else:
                    connection.execute(f"UPDATE OR REPLACE {table} SET {column}=?", (value,))


FACTS = st.tuples(
    st.just("study"), st.sampled_from(["name", "status", "config", "schema", "created", "finished"]), CELLS
)
PLACES = [(table, column) for table in ("runs", "metrics", "events", "arrays") for column in COLUMNS[table]]
CHANGES = st.lists(
    st.one_of(FACTS, st.builds(lambda p, v: (*p, v), st.sampled_from(PLACES), CELLS)), min_size=1, max_size=3
)


def test_rows_of_wrong_kinds_are_refused_or_read(whole: Path, tmp_path: Path, wanted: int) -> None:
    folder = _copied(whole, tmp_path / "s")
    content = _lenient(folder / store.DATABASE)

    def use(changes: list[tuple[str, str, Any]]) -> None:
        (folder / store.DATABASE).write_bytes(content)
        _forge(folder / store.DATABASE, changes)
        study = _read(folder)
        assert all(Path(run.id).name == run.id for run in study.runs)

    refused(CHANGES, use, wanted, str(folder))


def _npy(array: np.ndarray, **options: Any) -> bytes:
    packed = BytesIO()
    np.save(packed, array, **options)
    return packed.getvalue()


def _header(told: str) -> bytes:
    text = told.encode("latin-1", "replace").ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


KINDS = ["<f8", "|O", "<U9", "|S3", "|V0", "<c16", "<M8[s]", "|b1", ">i4", "", "f8,f8", "|V99999999"]
SHAPES = [
    "()",
    "(3,)",
    "(3, 2)",
    "(0, 2)",
    "(4611686018427387904,)",
    "(2, -1)",
    "(1000000, 1000000, 0)",
    "3",
    "(True,)",
]
HEADERS = st.builds(
    lambda kind, order, shape: _header(f"{{'descr': {kind!r}, 'fortran_order': {order}, 'shape': {shape}, }}"),
    st.sampled_from(KINDS),
    st.sampled_from(["False", "True", "None"]),
    st.sampled_from(SHAPES),
)


def test_an_array_file_that_is_damaged_or_forged_is_refused_or_read(whole: Path, tmp_path: Path, wanted: int) -> None:
    """With the digest that the file has, as one who sends a forged study would write it."""
    folder = _copied(whole, tmp_path / "s")
    content = _npy(np.arange(6.0).reshape(3, 2))
    database = sqlite3.connect(folder / store.DATABASE)
    database.executescript("PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY")
    files = st.one_of(
        damaged(content),
        st.builds(
            lambda header, rest: header + rest, HEADERS, st.sampled_from([b"", bytes(8), bytes(48), bytes(1000)])
        ),
    )

    def use(given: bytes) -> None:
        (folder / "runs" / "adam-s0" / "trace.0000.npy").write_bytes(given)
        with database:
            database.execute("UPDATE arrays SET sha256=? WHERE chunk=0", (hashlib.sha256(given).hexdigest(),))
        (run,) = open_study(folder).runs
        found = run.array("trace")
        assert found.dtype.kind in "biufc" and found.nbytes <= 2 * len(given) + 1000

    refused(files, use, wanted, str(folder))
    database.close()


def test_an_array_file_that_is_not_the_one_that_was_written_is_refused(whole: Path, tmp_path: Path) -> None:
    folder = _copied(whole, tmp_path / "s")
    path = folder / "runs" / "adam-s0" / "trace.0000.npy"
    content = path.read_bytes()
    for length in range(0, len(content), 9):
        path.write_bytes(content[:length])
        with pytest.raises(StoreError, match="is damaged") as told:
            _read(folder)
        sentence(told.value, str(path))


def _pickled(folder: Path) -> bytes:
    class Evil:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
            return Path.touch, (folder / "ran",)

    return _npy(np.array([Evil()], dtype=object), allow_pickle=True)


def _forged(folder: Path, content: bytes | None = None, path: str | None = None) -> None:
    """Let the first chunk be this file, with its true digest."""
    place = folder / "runs" / "adam-s0" / "trace.0000.npy"
    if content is not None:
        place.write_bytes(content)
    told = path if path is not None else place.relative_to(folder).as_posix()
    with suppress(OSError, ValueError):
        digest = hashlib.sha256((folder / told).read_bytes()).hexdigest() if "zero" not in told else ""
        with closing(sqlite3.connect(folder / store.DATABASE)) as connection, connection:
            connection.execute("UPDATE arrays SET sha256=? WHERE chunk=0", (digest,))
    with closing(sqlite3.connect(folder / store.DATABASE)) as connection, connection:
        connection.execute("UPDATE arrays SET path=? WHERE chunk=0", (told,))


def test_a_pickle_in_an_array_file_is_never_loaded(whole: Path, tmp_path: Path) -> None:
    folder = _copied(whole, tmp_path / "s")
    _forged(folder, _pickled(tmp_path))
    with pytest.raises(StoreError) as told:
        _read(folder)
    sentence(told.value, "trace.0000.npy")
    assert not (tmp_path / "ran").exists()


def test_an_archive_of_arrays_that_unpacks_without_end_is_no_array(whole: Path, tmp_path: Path) -> None:
    folder = _copied(whole, tmp_path / "s")
    packed = BytesIO()
    np.savez_compressed(packed, a=np.zeros(30_000_000, np.uint8))
    _forged(folder, packed.getvalue())
    with pytest.raises(StoreError) as told:
        _read(folder)
    sentence(told.value, "trace.0000.npy")


@pytest.mark.parametrize("path", ["../outside.npy", "{}/outside.npy", "runs/../../outside.npy", "a\0b", "runs", ""])
def test_an_array_outside_of_its_study_is_not_read(whole: Path, tmp_path: Path, path: str) -> None:
    folder = _copied(whole, tmp_path / "s")
    (tmp_path / "outside.npy").write_bytes(_npy(np.zeros((3, 2))))
    _forged(folder, path=path.format(tmp_path))
    with answering(), pytest.raises(StoreError) as told:
        _read(folder)
    sentence(told.value, str(folder))


@pytest.mark.parametrize("kind", ["a link out", "a linked folder", "/dev/zero", "a pipe", "a folder", "missing"])
def test_an_array_that_is_a_link_or_no_file_is_not_read(whole: Path, tmp_path: Path, kind: str) -> None:
    folder = _copied(whole, tmp_path / "s")
    path = folder / "runs" / "adam-s0" / "trace.0000.npy"
    path.rename(tmp_path / "outside.npy")
    match kind:
        case "a link out":
            path.symlink_to(tmp_path / "outside.npy")
        case "a linked folder":
            (tmp_path / "outside.npy").rename(path)
            path.parent.rename(tmp_path / "elsewhere")
            path.parent.symlink_to(tmp_path / "elsewhere")
        case "/dev/zero":
            path.symlink_to("/dev/zero")
        case "a pipe":
            os.mkfifo(path)
        case "a folder":
            path.mkdir()
    with answering(), pytest.raises(StoreError) as told:
        _read(folder)
    sentence(told.value, str(folder))


def test_a_study_behind_a_link_is_read(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(whole)
    assert _read(tmp_path / "link").runs[0].array("trace").shape == (5, 2)


# ── going on with a stranger's unfinished study deletes nothing that is not its own ──


@pytest.mark.parametrize("run_id", ["..", "../..", "{}/precious", "../../precious", ".", ""])
def test_a_run_whose_folder_is_elsewhere_is_refused_before_anything_is_deleted(tmp_path: Path, run_id: str) -> None:
    folder = _study(tmp_path / "s", status="interrupted")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("mine")
    with closing(sqlite3.connect(folder / store.DATABASE)) as connection, connection:
        connection.execute("UPDATE runs SET id=?, status='failed'", (run_id.format(tmp_path),))
        connection.execute("DELETE FROM checkpoints")
    there = sorted(tmp_path.rglob("*"))
    with pytest.raises(StoreError):
        Store.create(folder, name="demo", config=CONFIG)
    assert sorted(path for path in tmp_path.rglob("*")) == there


@pytest.mark.parametrize("path", ["../precious", "{}/precious", "runs/../../precious"])
def test_a_checkpoint_elsewhere_is_neither_read_nor_deleted(tmp_path: Path, path: str) -> None:
    folder = _study(tmp_path / "s", status="interrupted")
    (tmp_path / "precious").write_text("mine")
    with closing(sqlite3.connect(folder / store.DATABASE)) as connection, connection:
        connection.execute("UPDATE checkpoints SET path=?", (path.format(tmp_path),))
    with suppress(StoreError), Store.create(folder, name="demo", config=CONFIG) as study:
        run = study.unfinished("adam", 0)
        if run is not None:
            with suppress(StoreError):
                run.rewind(3)
            run.finish()
    assert (tmp_path / "precious").read_text() == "mine"


def test_the_folder_of_a_run_that_is_a_link_is_not_emptied(tmp_path: Path) -> None:
    folder = _study(tmp_path / "s", status="interrupted")
    (folder / "runs" / "adam-s0").rename(tmp_path / "precious")
    (folder / "runs" / "adam-s0").symlink_to(tmp_path / "precious")
    (tmp_path / "precious" / "mine").write_text("mine")
    with suppress(StoreError), Store.create(folder, name="demo", config=CONFIG) as study:
        run = study.unfinished("adam", 0)
        if run is not None:
            run.rewind(3)
    assert (tmp_path / "precious" / "mine").read_text() == "mine"


# ── other schemas ──


def test_a_study_of_schema_1_opens_and_goes_on(tmp_path: Path) -> None:
    """The folder `schema-1` was written by the last passo that knew schema 1, and broken off by Ctrl-C."""
    folder = _copied(Path(__file__).parent / "schema-1", tmp_path / "s")
    study = _read(folder)
    assert (study.facts["schema"], study.status, study.checkpoints()) == (1, "interrupted", [])
    first, second = study.runs
    assert first.metric("train/loss").values.tolist() == [1, 1 / 2, 1 / 3]
    assert first.array("trace").tolist() == [[0, 1], [2, 3], [4, 5]] and first.meta("trace") == {"stages": ["grad"]}
    assert first.events() == [("note", 2, "as it was", {"norm": 3.5})]
    assert (first.status, second.status) == ("done", "interrupted")
    with Store.create(folder, name="mlp-sgd", config=study.config) as going:
        assert going.has("first", 0) and not going.has("second", 0)
        run = going.add_run("second", config={"lr": 0.2}, seed=0)
        run.checkpoint(1, _touch)  # which schema 1 had no table for
        run.finish()
    assert (open_study(folder).facts["schema"], open_study(folder).status) == (store.SCHEMA, "done")


@pytest.mark.parametrize("schema", ["3", "99", "0", "null", '"2"', "[2]", "true", "1e400", "-1"])
def test_a_study_of_another_schema_says_which_it_needs(whole: Path, tmp_path: Path, schema: str) -> None:
    folder = _copied(whole, tmp_path / "s")
    with closing(sqlite3.connect(folder / store.DATABASE)) as connection, connection:
        connection.execute("UPDATE study SET value=? WHERE key='schema'", (schema,))
    with pytest.raises(SchemaMismatch, match=r"was written with schema .*; this passo reads schemas up to 2") as told:
        open_study(folder)
    sentence(told.value, str(folder))


TABLES = ["study", "runs", "metrics", "events", "arrays", "checkpoints"]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("how", ["missing", "a column less", "a view", "an endless view", "another kind of table"])
def test_a_database_with_other_tables_is_no_study(whole: Path, tmp_path: Path, table: str, how: str) -> None:
    folder = _copied(whole, tmp_path / "s")
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT"
    with closing(sqlite3.connect(folder / store.DATABASE, isolation_level=None)) as connection:
        columns = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
        connection.execute(f"ALTER TABLE {table} RENAME TO old")
        match how:
            case "a column less":
                connection.execute(f"CREATE TABLE {table} AS SELECT {', '.join(columns[:-1])} FROM old")
            case "a view":
                connection.execute(f"CREATE VIEW {table} AS SELECT * FROM old")
            case "an endless view":
                cells = ", ".join(f"'1' AS {name}" for name in columns)
                connection.execute(f"CREATE VIEW {table} AS {endless} {cells} FROM n")
            case "another kind of table":
                connection.execute(f"CREATE VIRTUAL TABLE {table} USING fts5({', '.join(columns)})")
    with answering(), pytest.raises(StoreError) as told:
        _read(folder)
    sentence(told.value, str(folder))


def test_a_trigger_in_a_strangers_study_is_never_set_off(tmp_path: Path) -> None:
    folder = _study(tmp_path / "s", status="interrupted")
    with closing(sqlite3.connect(folder / store.DATABASE)) as connection, connection:
        connection.execute("CREATE TRIGGER t AFTER DELETE ON runs BEGIN DELETE FROM study; END")
    with pytest.raises(StoreError) as told:
        _read(folder)
    sentence(told.value, str(folder))


# ── what is no study ──


@pytest.mark.parametrize("content", [b"", b"nothing", bytes(4096), b"SQLite format 3\0", b"PK\x03\x04" + bytes(200)])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / store.DATABASE).write_bytes(content)
    with pytest.raises(StoreError) as told:
        _read(tmp_path)
    sentence(told.value, str(tmp_path))


def test_a_column_whose_name_is_no_text_is_refused(whole: Path, tmp_path: Path) -> None:
    folder = _copied(whole, tmp_path / "s")
    content = (folder / store.DATABASE).read_bytes()
    (folder / store.DATABASE).write_bytes(content.replace(b"value TEXT", b"v\xffl\x80e TEXT"))
    with pytest.raises(StoreError) as told:
        _read(folder)
    sentence(told.value, str(folder))


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "/dev/zero", "garbage"])
def test_a_lock_that_is_none_of_passos_keeps_nobody_waiting(tmp_path: Path, kind: str) -> None:
    folder = _study(tmp_path / "s", status="interrupted")
    with closing(sqlite3.connect(folder / store.DATABASE)) as connection, connection:
        connection.execute("UPDATE study SET value='\"running\"' WHERE key='status'")
    match kind:
        case "a folder":
            (folder / store.LOCK).mkdir()
        case "a pipe":
            os.mkfifo(folder / store.LOCK)
        case "garbage":
            (folder / store.LOCK).write_bytes(b"nothing" * 100)
        case _:
            (folder / store.LOCK).symlink_to("/dev/zero")
    with answering():
        with suppress(StoreError):
            _read(folder)
        with pytest.raises(StoreError) as told:
            Store.create(folder, name="demo", config=CONFIG)
        sentence(told.value, str(folder))


@pytest.mark.parametrize("name", [store.DATABASE, f"{store.DATABASE}-wal", f"{store.DATABASE}-shm"])
@pytest.mark.parametrize("kind", ["a folder", "a pipe", "/dev/zero"])
def test_a_database_or_a_journal_that_is_no_file_is_refused(whole: Path, tmp_path: Path, name: str, kind: str) -> None:
    folder = _copied(whole, tmp_path / "s")
    if name.endswith("shm"):
        (folder / f"{store.DATABASE}-wal").write_bytes(b"")
    (folder / name).unlink(missing_ok=True)
    match kind:
        case "a folder":
            (folder / name).mkdir()
        case "a pipe":
            os.mkfifo(folder / name)
        case _:
            (folder / name).symlink_to("/dev/zero")
    with answering(), pytest.raises(StoreError) as told:
        _read(folder)
    sentence(told.value, str(folder))


def test_a_journal_that_was_left_behind_is_read_or_passed_over(whole: Path, tmp_path: Path, wanted: int) -> None:
    folder = tmp_path / "s"
    with Store.create(folder, name="demo", config={}) as study:
        study.add_run("a", config={}).scalars(1, 1.0, {"x": 1.0})
        left = {name: (folder / name).read_bytes() for name in (store.DATABASE, f"{store.DATABASE}-wal")}
        study.add_run("b", config={})
    journal = left[f"{store.DATABASE}-wal"]
    read = []

    def use(given: bytes) -> None:
        for path in folder.iterdir():
            if path.is_file():
                path.unlink()
        (folder / store.DATABASE).write_bytes(left[store.DATABASE])
        (folder / f"{store.DATABASE}-wal").write_bytes(given)
        read.append([run.id for run in _read(folder).runs])

    use(journal)
    assert read == [["a"]]
    # SQLite reads a journal to its last whole frame and nothing of what is damaged: hardly any is refused
    tried(damaged(journal), use, wanted, str(folder))
    assert all(runs in ([], ["a"]) for runs in read)
