"""A study folder: SQLite for facts and scalars, `.npy` chunks for arrays. No torch; every room may use it.

    FOLDER/
      study.sqlite            the one truth (tables below; WAL while it is written, one file when finished)
      runs/<run id>/<name>.<chunk>.npy     arrays, appended in chunks along their first axis
      runs/<run id>/checkpoint.<step>.safetensors
  writer.lock             there while a process writes: a study has one writer

A chunk counts once its row, with its SHA-256, is committed; its file was fsynced before. The schema:

    study(key, value)                                     name, status, config (JSON), schema, versions, times
    runs(id, kind, name, config, seed, status, started, finished, error, info)
    metrics(run, name, step, epoch, value)                one row per scalar
    events(id, run, time, step, kind, message, data)      what happened, in words and JSON
    arrays(run, name, chunk, first_step, path, sha256, rows, meta)
    checkpoints(run, step, path, marks)                   the last two of a run that is not done; `marks` says what was
                                                          written when it was made: what came later goes on a resume

`status` is one of running, done, interrupted, failed. `kind` says what a run is: train, lr_range, descent, …
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from passo.errors import FolderInUse, PassoError, SchemaMismatch, StoreError

SCHEMA = 2
READ = (1, 2)  # 1 had no checkpoints
KEPT = 2  # checkpoints of a run
DATABASE = "study.sqlite"
LOCK = "writer.lock"
ABANDONED = "its process ended without a word: it was killed, or the disk was full"

_TABLES = """
BEGIN;
CREATE TABLE study (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, config TEXT NOT NULL, seed INTEGER,
    status TEXT NOT NULL, started REAL NOT NULL, finished REAL, error TEXT, info TEXT NOT NULL
);
CREATE TABLE metrics (
    run TEXT NOT NULL REFERENCES runs(id), name TEXT NOT NULL, step INTEGER NOT NULL, epoch REAL NOT NULL,
    value REAL, PRIMARY KEY (run, name, step)
) WITHOUT ROWID;
CREATE TABLE events (
    id INTEGER PRIMARY KEY, run TEXT REFERENCES runs(id), time REAL NOT NULL, step INTEGER,
    kind TEXT NOT NULL, message TEXT NOT NULL, data TEXT NOT NULL
);
CREATE TABLE arrays (
    run TEXT NOT NULL REFERENCES runs(id), name TEXT NOT NULL, chunk INTEGER NOT NULL, first_step INTEGER NOT NULL,
    path TEXT NOT NULL, sha256 TEXT NOT NULL, rows INTEGER NOT NULL, meta TEXT NOT NULL,
    PRIMARY KEY (run, name, chunk)
) WITHOUT ROWID;
"""
_CHECKPOINTS = """
CREATE TABLE IF NOT EXISTS checkpoints (
    run TEXT NOT NULL REFERENCES runs(id), step INTEGER NOT NULL, path TEXT NOT NULL, marks TEXT NOT NULL,
    PRIMARY KEY (run, step)
) WITHOUT ROWID;
"""


def check_name(name: str) -> None:
    """Raise `StoreError` unless a name is one folder, everywhere: a study and a run are kept in a folder of theirs.

    >>> check_name("../adam")
    Traceback (most recent call last):
    ...
    passo.errors.StoreError: '../adam' cannot be the name of a folder: leave out the slashes
    """
    if "/" in name or "\\" in name:
        wrong = "leave out the slashes"
    elif name in ("", ".", "..") or not name.isprintable():
        wrong = "take letters, digits and signs that can be printed"
    elif len(name.encode("utf-8", "replace")) > 150:
        wrong = "take at most 150 bytes"
    else:
        return
    raise StoreError(f"{name[:60]!r} cannot be the name of a folder: {wrong}")


def root() -> Path:
    """Where studies live: `PASSO_ROOT`, or `./passo-runs`."""
    return Path(os.environ.get("PASSO_ROOT", "passo-runs"))


@contextmanager
def _told(path: Path, doing: str) -> Iterator[None]:
    """Turn the operating system's and SQLite's refusals into one sentence."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot {doing} {path}: {(error.strerror or str(error)).lower()}") from error
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter for names of columns
        raise StoreError(f"cannot {doing} {path}: {' '.join(str(error).split())[:200]}") from error


# ── Writing ───────────────────────────────────────────────────────────────────────────────────────────────


class RunWriter:
    """Writes one run. Scalars are buffered and committed together; arrays and ends commit at once."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.id = run_id
        self._store = store
        self._rows: list[tuple[str, str, int, float, float]] = []
        self._chunks: dict[str, int] = {}

    def scalars(self, step: int, epoch: float, values: Mapping[str, float]) -> None:
        """Record scalars at an optimiser step (counted from 1) and an epoch (fractions allowed)."""
        self._rows += [(self.id, name, step, epoch, float(value)) for name, value in values.items()]
        if len(self._rows) >= 4096:
            self.flush()

    def flush(self) -> None:
        """Commit the buffered scalars."""
        if self._rows:
            self._store.write("INSERT OR REPLACE INTO metrics VALUES (?,?,?,?,?)", self._rows)
            self._rows = []

    def array(self, name: str, values: np.ndarray, *, first_step: int = 0, **meta: Any) -> None:
        """Append a chunk along the first axis. `meta` (axes, labels, units) is kept as JSON."""
        self.chunk({name: (values, meta)}, first_step=first_step)

    def chunk(self, arrays: Mapping[str, tuple[np.ndarray, Mapping[str, Any]]], *, first_step: int = 0) -> None:
        """Append a chunk to each of several arrays at once: all of them count, or none."""
        rows = []
        for name, (values, meta) in arrays.items():
            number = self._chunks.get(name, 0)
            relative = Path("runs") / self.id / f"{name.replace('/', '.')}.{number:04d}.npy"
            digest = _kept(self._store.folder / relative, values)
            rows.append((self.id, name, number, first_step, relative.as_posix(), digest, len(values), json.dumps(meta)))
        self._store.write("INSERT INTO arrays VALUES (?,?,?,?,?,?,?,?)", rows)
        for name in arrays:
            self._chunks[name] = self._chunks.get(name, 0) + 1

    def event(self, kind: str, message: str, step: int | None = None, **data: Any) -> None:
        """Record something that happened, in one sentence."""
        row = (self.id, time.time(), step, kind, message, json.dumps(data))
        self._store.write("INSERT INTO events(run,time,step,kind,message,data) VALUES (?,?,?,?,?,?)", [row])

    def info(self, **facts: Any) -> None:
        """Merge facts about the run (environment, parameter counts, digests) into its `info`."""
        (old,) = self._store.read("SELECT info FROM runs WHERE id=?", (self.id,))[0]
        self._store.write("UPDATE runs SET info=? WHERE id=?", [(json.dumps({**json.loads(old), **facts}), self.id)])

    def checkpoint(self, step: int, write: Callable[[Path], None]) -> None:
        """Keep what `write(path)` writes as the state after `step`; it counts with all that is written so far.

        The last two of a run are kept.
        """
        self.flush()
        relative = Path("runs") / self.id / f"checkpoint.{step:08d}.safetensors"
        path = self._store.folder / relative
        with _told(path, "write"):
            path.parent.mkdir(parents=True, exist_ok=True)
        write(path)
        (event,) = self._store.read("SELECT MAX(id) FROM events WHERE run=?", (self.id,))[0]
        marks = json.dumps({"chunks": self._chunks, "event": event or 0})
        old = [(past, file) for past, file in self.checkpoints() if past != step][KEPT - 1 :]
        self._store.transact(
            ("INSERT OR REPLACE INTO checkpoints VALUES (?,?,?,?)", (self.id, step, relative.as_posix(), marks)),
            *(("DELETE FROM checkpoints WHERE run=? AND step=?", (self.id, past)) for past, _ in old),
        )
        for _, file in old:
            file.unlink(missing_ok=True)

    def checkpoints(self) -> list[tuple[int, Path]]:
        """(step, file) of those that are kept, the newest first."""
        rows = self._store.read("SELECT step, path FROM checkpoints WHERE run=? ORDER BY step DESC", (self.id,))
        folder = self._store.folder
        return [(step, _inside(folder, path)) for step, path in _typed(folder, rows, int, str)]

    def rewind(self, step: int) -> None:
        """Go back to the checkpoint of `step`: what was written after it is deleted, in one transaction, then files."""
        ((text,),) = self._store.read("SELECT marks FROM checkpoints WHERE run=? AND step=?", (self.id, step))
        marks = _object(self._store.folder, text, {"chunks": dict, "event": int})
        folder = _inside(self._store.folder, f"runs/{self.id}")
        rows = self._store.read("SELECT name, chunk FROM arrays WHERE run=?", (self.id,))
        written = _typed(self._store.folder, rows, str, int)
        _typed(self._store.folder, list(marks["chunks"].items()), str, int)
        late = [(name, chunk) for name, chunk in written if chunk >= marks["chunks"].get(name, 0)]
        self._store.transact(
            ("DELETE FROM metrics WHERE run=? AND step>?", (self.id, step)),
            ("DELETE FROM events WHERE run=? AND id>?", (self.id, marks["event"])),
            ("DELETE FROM checkpoints WHERE run=? AND step>?", (self.id, step)),
            *(("DELETE FROM arrays WHERE run=? AND name=? AND chunk=?", (self.id, *one)) for one in late),
            ("UPDATE runs SET status='running', finished=NULL, error=NULL WHERE id=?", (self.id,)),
        )
        self._store._unfinished.discard(self.id)
        self._chunks, self._rows = dict(marks["chunks"]), []
        known = {path for (path,) in self._store.read("SELECT path FROM arrays WHERE run=?", (self.id,))}
        known |= {path.relative_to(self._store.folder).as_posix() for _, path in self.checkpoints()}
        for path in folder.iterdir():
            if path.relative_to(self._store.folder).as_posix() not in known:
                path.unlink(missing_ok=True)

    def finish(self, status: str = "done", error: str | None = None) -> None:
        """Close the run: done, interrupted or failed. A run that is done needs no checkpoints."""
        self.flush()
        if status == "done":
            files = self.checkpoints()
            self._store.transact(("DELETE FROM checkpoints WHERE run=?", (self.id,)))
            for _, path in files:
                path.unlink(missing_ok=True)
        self._store.write(
            "UPDATE runs SET status=?, finished=?, error=? WHERE id=?", [(status, time.time(), error, self.id)]
        )


class Store:
    """The one writer of a study folder.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "study"
    >>> with Store.create(folder, name="demo", config={}) as store:
    ...     run = store.add_run("adam", config={"lr": 0.1}, seed=0)
    ...     run.scalars(1, 1.0, {"train/loss": 0.5})
    ...     run.finish()
    >>> open_study(folder).runs[0].metric("train/loss").values
    array([0.5])
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: sqlite3.Connection) -> None:
        self.folder = folder
        self._connection = connection
        self._lock = lock
        self._unfinished: set[str] = set()  # runs of an earlier process

    @classmethod
    def create(cls, folder: str | Path, *, name: str, config: Mapping[str, Any], force: bool = False) -> Store:
        """Open a folder for writing: a new one, or the same study where it was interrupted.

        A folder that holds anything else is refused (`FolderInUse`); with `force`, it is moved aside.
        """
        folder = Path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            if not force:
                return cls._continue(folder, config)
            with _told(folder, "move aside"):
                if (folder / LOCK).exists():
                    _lock(folder).close()  # refuses while another process writes
                folder.rename(_aside(folder))
        facts = {"name": name, "config": config, "status": "running", "schema": SCHEMA, "created": time.time()}
        with _told(folder, "create"):
            folder.mkdir(parents=True, exist_ok=True)
            lock = _lock(folder)  # from here on, what is made in the folder is ours
        try:
            with _told(folder, "create"):
                connection = _connect(folder / DATABASE)
                connection.executescript(
                    f"PRAGMA journal_mode=WAL;{_TABLES}{_CHECKPOINTS}"
                )  # leaves its transaction open, so that
                store = cls(folder, connection, lock)
                store.facts(**facts)  # the tables and the facts are committed together
        except StoreError:
            _unmake(folder, lock)
            raise
        return store

    @classmethod
    def _continue(cls, folder: Path, config: Mapping[str, Any]) -> Store:
        hint = "give another folder, or --force to start anew (the old one is moved aside)"
        if not (folder / DATABASE).is_file():
            raise FolderInUse(f"{folder} is not empty and holds no study: {hint}")
        try:
            there = open_study(folder)
        except StoreError as error:
            raise FolderInUse(f"{folder} holds a study that cannot be read ({error}): {hint}") from error
        if there.status == "done":
            raise FolderInUse(f"{folder} holds a finished study ({there.name}): {hint}")
        if json.loads(json.dumps(config)) != there.config:
            raise FolderInUse(f"{folder} holds an unfinished study with another configuration: {hint}")
        with _told(folder, "open"):
            lock = _lock(folder)
            connection = _connect(folder / DATABASE)
        store = cls(folder, connection, lock)
        try:
            with _told(folder, "open"):
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute(_CHECKPOINTS)
            left = [run.id for run in there.runs if run.status != "done"]
            kept = {run: RunWriter(store, run).checkpoints() for run in left}  # refuses before anything is deleted
            for run, files in kept.items():
                store._unfinished.add(run) if files else store._drop(run)
            store.facts(status="running", schema=SCHEMA)
        except StoreError:
            connection.close()
            lock.close()
            raise
        return store

    def _drop(self, run_id: str) -> None:
        """Delete a run's rows in one transaction, then its files."""
        folder = _inside(self.folder, f"runs/{run_id}")
        tables = ("metrics", "events", "arrays", "checkpoints")
        rows = [(f"DELETE FROM {table} WHERE run=?", (run_id,)) for table in tables]
        self.transact(*rows, ("DELETE FROM runs WHERE id=?", (run_id,)))
        shutil.rmtree(folder, ignore_errors=True)

    def add_run(
        self, name: str, *, config: Mapping[str, Any], seed: int | None = None, kind: str = "train"
    ) -> RunWriter:
        """Start a run; its id is its name, with the seed where there is one. One that is not done begins anew."""
        run_id = name if seed is None else f"{name}-s{seed}"
        check_name(run_id)
        if run_id in self._unfinished:
            self._unfinished.remove(run_id)
            self._drop(run_id)
        if self.read("SELECT 1 FROM runs WHERE id=?", (run_id,)):
            raise StoreError(f"{self.folder} already holds a run {run_id!r}")
        row = (run_id, kind, name, json.dumps(config), seed, "running", time.time(), None, None, "{}")
        self.write("INSERT INTO runs VALUES (?,?,?,?,?,?,?,?,?,?)", [row])
        return RunWriter(self, run_id)

    def unfinished(self, name: str, seed: int | None = None) -> RunWriter | None:
        """The writer of a run that an earlier process began and that has a checkpoint to `rewind` to; or None."""
        run_id = name if seed is None else f"{name}-s{seed}"
        return RunWriter(self, run_id) if run_id in self._unfinished else None

    def has(self, name: str, seed: int | None = None) -> bool:
        """Whether a run of this name and seed is there and at its end: repeated, it would come to the same."""
        run_id = name if seed is None else f"{name}-s{seed}"
        return bool(self.read("SELECT 1 FROM runs WHERE id=? AND status IN ('done', 'diverged')", (run_id,)))

    def facts(self, **facts: Any) -> None:
        """Set facts about the whole study."""
        self.write("INSERT OR REPLACE INTO study VALUES (?,?)", [(k, json.dumps(v)) for k, v in facts.items()])

    def write(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        with _told(self.folder / DATABASE, "write"), self._connection:
            self._connection.executemany(sql, rows)

    def transact(self, *statements: tuple[str, tuple[Any, ...]]) -> None:
        """Several statements: all of them, or none."""
        with _told(self.folder / DATABASE, "write"), self._connection:
            for sql, arguments in statements:
                self._connection.execute(sql, arguments)

    def read(self, sql: str, arguments: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with _told(self.folder / DATABASE, "read"):
            return self._connection.execute(sql, arguments).fetchall()

    def close(self, status: str = "done") -> None:
        """Close the study and leave WAL mode, so that one file is the whole database."""
        try:
            self.facts(status=status, finished=time.time())
            with _told(self.folder, "close"), suppress(sqlite3.OperationalError):
                # Refused while somebody reads: the study then stays in WAL mode, as whole as before.
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._connection.execute("PRAGMA journal_mode=DELETE")
        finally:
            self._connection.close()
            self._lock.close()
            with suppress(OSError):
                (self.folder / LOCK).unlink()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        ends = {status for (status,) in self.read("SELECT DISTINCT status FROM runs")}
        if kind is None:  # a study is no better than its runs: what is not done is run again by the same command
            status = next((s for s in ("failed", "interrupted") if s in ends), "done")
        else:
            status = "interrupted" if issubclass(kind, KeyboardInterrupt | GeneratorExit) else "failed"
        self.close(status)


# ── Reading ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Series:
    """One scalar over a run: `steps`, `epochs` and `values`, each of shape (n,)."""

    name: str
    steps: np.ndarray
    epochs: np.ndarray
    values: np.ndarray

    @property
    def last(self) -> float:
        return float(self.values[-1])


@dataclass(frozen=True)
class StoredRun:
    """One run, read from a study folder. Nothing is loaded until it is asked for."""

    folder: Path
    id: str
    kind: str
    name: str
    config: dict[str, Any]
    seed: int | None
    status: str
    started: float
    finished: float | None
    error: str | None
    info: dict[str, Any]

    def _rows(self, sql: str, arguments: tuple[Any, ...], *kinds: Any) -> list[tuple[Any, ...]]:
        with _reading(self.folder) as connection:
            return _typed(self.folder, connection.execute(sql, (self.id, *arguments)).fetchall(), *kinds)

    def metrics(self) -> list[str]:
        return [name for (name,) in self._rows("SELECT DISTINCT name FROM metrics WHERE run=? ORDER BY name", (), str)]

    def metric(self, name: str) -> Series:
        """A recorded scalar; raises `StoreError` with the names there are."""
        sql = "SELECT step, epoch, value FROM metrics WHERE run=? AND name=? ORDER BY step"
        found = self._rows(sql, (name,), int, _NUMBER, _NUMBER | None)
        rows = [(s, e, np.nan if v is None else v) for s, e, v in found]
        if not rows:
            raise StoreError(f"run {self.id} has no metric {name!r}; it has: {', '.join(self.metrics()) or 'none'}")
        steps, epochs, values = (np.array(column) for column in zip(*rows, strict=True))
        return Series(name, steps, epochs, values)

    def arrays(self) -> list[str]:
        return [name for (name,) in self._rows("SELECT DISTINCT name FROM arrays WHERE run=? ORDER BY name", (), str)]

    def array(self, name: str) -> np.ndarray:
        """A recorded array, its chunks joined along the first axis and their SHA-256 checked."""
        sql = "SELECT path, sha256 FROM arrays WHERE run=? AND name=? ORDER BY chunk"
        rows = self._rows(sql, (name,), str, str)
        if not rows:
            raise StoreError(f"run {self.id} has no array {name!r}; it has: {', '.join(self.arrays()) or 'none'}")
        chunks = [_load(_inside(self.folder, path), digest) for path, digest in rows]
        try:
            return np.concatenate(chunks)
        except ValueError as error:
            raise StoreError(f"{self.folder}: the chunks of {name!r} of run {self.id} do not fit together") from error

    def meta(self, name: str) -> dict[str, Any]:
        """What was said about an array when its first chunk was written."""
        rows = self._rows("SELECT meta FROM arrays WHERE run=? AND name=? ORDER BY chunk LIMIT 1", (name,), str)
        return _object(self.folder, rows[0][0]) if rows else {}

    def events(self) -> list[tuple[str, int | None, str, dict[str, Any]]]:
        """(kind, step, message, data) in the order in which they happened."""
        sql = "SELECT kind, step, message, data FROM events WHERE run=? ORDER BY id"
        rows = self._rows(sql, (), str, int | None, str, str)
        return [(kind, step, message, _object(self.folder, data)) for kind, step, message, data in rows]


@dataclass(frozen=True)
class StoredStudy:
    """A study folder, read without torch."""

    folder: Path
    name: str
    status: str
    config: dict[str, Any]
    facts: dict[str, Any]
    runs: tuple[StoredRun, ...]

    def select(self, name: str | None = None, kind: str = "train") -> tuple[StoredRun, ...]:
        """The finished runs of a kind, and of a name where one is given."""
        return tuple(r for r in self.runs if r.kind == kind and r.status == "done" and (name is None or r.name == name))

    def run(self, run_id: str) -> StoredRun:
        for run in self.runs:
            if run.id == run_id:
                return run
        raise StoreError(f"{self.folder} has no run {run_id!r}; it has: {', '.join(r.id for r in self.runs)}")

    def checkpoints(self) -> list[tuple[str, int]]:
        """(run, step) of every state that a run can go on from."""
        if self.facts["schema"] < 2:
            return []
        with _reading(self.folder) as connection:
            rows = connection.execute("SELECT run, step FROM checkpoints ORDER BY run, step").fetchall()
        return [(run, step) for run, step in _typed(self.folder, rows, str, int)]

    def names(self, kind: str = "train") -> list[str]:
        """The names of the finished runs of a kind, in the order in which they were run."""
        return list(dict.fromkeys(run.name for run in self.select(kind=kind)))


def open_study(folder: str | Path) -> StoredStudy:
    """Open a study folder for reading; the schema's version is checked."""
    folder = Path(folder)
    if not (folder / DATABASE).is_file():
        raise StoreError(f"{folder} is not a study folder: it has no {DATABASE}")
    with _reading(folder) as connection:
        _check_tables(folder, connection, ["study"])
        pairs = _typed(folder, connection.execute("SELECT key, value FROM study").fetchall(), str, str)
        facts = _facts(folder, dict(pairs))
        _check_tables(folder, connection, list(_columns())[: None if facts["schema"] > 1 else -1])
        columns = ", ".join(_columns()["runs"])
        rows = connection.execute(f"SELECT {columns} FROM runs ORDER BY started, rowid").fetchall()
    known = str, str, str, str, int | None, str, _NUMBER, _NUMBER | None, str | None, str
    runs = []
    for i, kind, name, config, seed, status, begun, ended, error, info in _typed(folder, rows, *known):
        with _damaged(folder, StoreError):
            check_name(i)
        told, found = _object(folder, config), _object(folder, info)
        runs.append(StoredRun(folder, i, kind, name, told, seed, status, begun, ended, error, found))
    state = facts["status"]
    if state == "running" and _abandoned(folder):
        state = "interrupted"
        runs = [replace(run, status=state, error=ABANDONED) if run.status == "running" else run for run in runs]
    return StoredStudy(folder, facts["name"], state, facts["config"], facts, tuple(runs))


def _abandoned(folder: Path) -> bool:
    """Whether nobody writes a study any more that says it is running; where that cannot be told, somebody does."""
    if not (folder / LOCK).is_file():  # a pipe would be waited for
        return not (folder / LOCK).exists()
    try:
        with closing(sqlite3.connect(f"{(folder / LOCK).resolve().as_uri()}?mode=ro", uri=True, timeout=0)) as lock:
            lock.execute("SELECT 1 FROM sqlite_master").fetchall()
    except sqlite3.Error:
        return False
    return True


def studies(folder: Path | None = None) -> list[StoredStudy]:
    """The study folders below a root (`root()` where none is given), newest last."""
    found = []
    for path in sorted((folder or root()).glob(f"*/{DATABASE}")):
        with suppress(StoreError):  # one that cannot be read does not hide the others
            found.append(open_study(path.parent))
    return sorted(found, key=lambda study: study.facts["created"])


def place(name: str | Path) -> Path | None:
    """The folder of a study, whole or damaged, by its path or by its name under `root()`; None where there is none."""
    for folder in (Path(name), root() / name):
        with _told(folder, "open"):
            if (folder / DATABASE).is_file():
                return folder
    return None


def find(name: str | Path) -> StoredStudy:
    """A study by its path, or by its name under `root()`."""
    folder = place(name)
    if folder is None:
        raise StoreError(f"no study {str(name)!r}: neither a study folder, nor one under {root()}")
    return open_study(folder)


@contextmanager
def understood(study: str | Path) -> Iterator[None]:
    """Turn what a study that passo did not write so does to its readers into one sentence, with the place in passo.

    For the doors, around what only reads: a metric or a fact of another name or shape is a damaged study's there.
    """
    try:
        yield
    except PassoError:
        raise
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(at.filename).name}, line {at.lineno}"
        what = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}; {where}"
        told = f"{study} cannot be understood: it is damaged, or passo did not write it so ({what})"
        raise StoreError(told) from error


def interrupted(name: str, config: Mapping[str, Any]) -> Path | None:
    """The newest folder under `root()` in which a study of this name and configuration stopped with a checkpoint.

    One that another process is writing does not count, nor one that failed.
    """
    wanted = json.loads(json.dumps(config))
    for path in sorted(root().glob(f"{name}-*/{DATABASE}"), reverse=True):
        with suppress(StoreError, OSError):
            there = open_study(path.parent)
            if there.status in ("running", "interrupted") and there.config == wanted and there.checkpoints():
                with _told(path.parent, "open"):
                    _lock(path.parent).close()
                return path.parent
    return None


def fresh(name: str) -> Path:
    """A folder under `root()` that is not there yet, named for what it holds and when."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = root() / f"{name}-{stamp}"
    return folder if not folder.exists() else _aside(folder)


# ── Below ─────────────────────────────────────────────────────────────────────────────────────────────────


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False)  # one writer, whatever thread it trains in
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _lock(folder: Path) -> sqlite3.Connection:
    """Held while a process writes; freed when that process ends, however it ends."""
    _check_regular(folder / LOCK)
    lock = sqlite3.connect(folder / LOCK, timeout=0, check_same_thread=False)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        lock.close()
        if "locked" not in str(error):
            with suppress(OSError):  # a full disk: an empty folder that holds a lock would be nobody's study
                (folder / LOCK).unlink()
                folder.rmdir()
            raise
        raise FolderInUse(
            f"{folder} is being written by another process: wait for it, or give another folder"
        ) from None
    return lock


@contextmanager
def _reading(folder: Path) -> Iterator[sqlite3.Connection]:
    path = (folder / DATABASE).resolve()
    finished = not path.with_name(DATABASE + "-wal").exists()
    for ending in ("", "-wal", "-shm", "-journal"):
        _check_regular(path.with_name(DATABASE + ending))
    with _told(path, "read"):
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro{'&immutable=1' if finished else ''}", uri=True)
        try:
            yield connection
        finally:
            connection.close()


def _kept(path: Path, values: np.ndarray) -> str:
    """Write an array whole, down to the disk, and give its SHA-256."""
    with _told(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("wb") as file:
                np.save(file, np.ascontiguousarray(values), allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            path.unlink(missing_ok=True)  # a full disk: leave no half of a chunk behind
            raise
    return _sha256(path)


def _load(path: Path, digest: str) -> np.ndarray:
    _check_regular(path)
    with _told(path, "read"):
        if _sha256(path) != digest:
            raise StoreError(f"{path} is damaged: its SHA-256 is not the recorded one")
        with warnings.catch_warnings(), _damaged(path, *_UNREADABLE):
            warnings.simplefilter("ignore")  # of old headers
            mapped = np.lib.format.open_memmap(path, mode="r")  # takes no pickle, and no shape beyond the file's size
            if mapped.dtype.kind not in "biufc":
                raise TypeError(f"an array of {mapped.dtype}")
            return np.array(mapped)


# ── What a stranger may have written ──────────────────────────────────────────────────────────────────────

_NUMBER = int | float
_UNREADABLE = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    SyntaxError,
    RecursionError,
    MemoryError,
    TokenError,
)


@contextmanager
def _damaged(path: Path, *errors: type[Exception]) -> Iterator[None]:
    """Turn what a damaged or forged file does to its reader into one sentence."""
    try:
        yield
    except errors as error:
        what = " ".join(str(error).split())[:200] or type(error).__name__
        raise StoreError(f"{path} is damaged, or passo did not write it: {what}") from error


@cache
def _columns() -> dict[str, list[str]]:
    """Table → its columns, as this passo makes them; the newest table comes last."""
    with closing(sqlite3.connect(":memory:")) as made:
        made.executescript(_TABLES + _CHECKPOINTS)
        names = [name for (name,) in made.execute("SELECT name FROM sqlite_master WHERE type='table' ORDER BY rowid")]
        return {name: [row[1] for row in made.execute(f"PRAGMA table_info({name})")] for name in names}


def _check_tables(folder: Path, connection: sqlite3.Connection, wanted: list[str]) -> None:
    """Refuse other tables, and what runs when it is read or written: views, triggers, a module's own tables."""
    told = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    tables = {name for kind, name, sql in told if kind == "table" and str(sql)[:13].upper() == "CREATE TABLE "}
    for name in wanted:
        here = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
        if name not in tables or here != _columns()[name]:
            raise StoreError(f"{folder} is no study that passo wrote: its table {name} is missing or another")
    if any(kind == "trigger" for kind, *_ in told):
        raise StoreError(f"{folder} is no study that passo wrote: its database holds a trigger")


def _facts(folder: Path, words: Mapping[str, str]) -> dict[str, Any]:
    """The facts of a study: those that every one has, of their kinds, and all others."""
    with _damaged(folder / DATABASE, ValueError, RecursionError):
        facts = {key: json.loads(value) for key, value in words.items()}
    schema = facts.get("schema")
    if type(schema) is not int or schema not in READ:
        raise SchemaMismatch(
            f"{folder} was written with schema {json.dumps(schema)[:40]}; this passo reads schemas up to {SCHEMA}"
        )
    for key, kind in {"name": str, "status": str, "config": dict, "created": _NUMBER}.items():
        if not isinstance(facts.get(key), kind):
            raise StoreError(f"{folder} is damaged: its fact {key} is missing or of another kind")
    if not 0 <= facts["created"] < 2**37:  # seconds; beyond it there are no dates
        raise StoreError(f"{folder} is damaged: it was created at no time that there is")
    return facts


def _object(folder: Path, text: str, kinds: Mapping[str, type] | None = None) -> dict[str, Any]:
    """A JSON object, with values of these kinds."""
    with _damaged(folder / DATABASE, ValueError, RecursionError):
        found = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError(f"expected a JSON object, found {text[:40]!r}")
        for key, kind in (kinds or {}).items():
            if not isinstance(found.get(key), kind):
                raise ValueError(f"expected {key} in {text[:40]!r}")
    return found


def _typed(folder: Path, rows: list[tuple[Any, ...]], *kinds: Any) -> list[tuple[Any, ...]]:
    """The rows, once each of their cells is of its column's kind: SQLite itself takes any."""
    for row in rows:
        for cell, kind in zip(row, kinds, strict=True):
            if not isinstance(cell, kind):
                raise StoreError(f"{folder / DATABASE} is damaged: {str(cell)[:40]!r} stands where it cannot stand")
    return rows


def _inside(folder: Path, relative: str) -> Path:
    """A path of a study's own: one that leads out of its folder, by dots or by a link, is not followed."""
    with _damaged(folder, OSError, ValueError, RuntimeError):
        home = folder.resolve()
        path = (folder / relative).resolve()
        if len(relative) > 1000 or path == home or not path.is_relative_to(home):
            raise ValueError(f"it names a file that is not below it, {relative[:80]!r}")
    return folder / relative


def _check_regular(path: Path) -> None:
    """A pipe would be waited for, and a device has no end."""
    if path.exists() and not path.is_file():
        raise StoreError(f"cannot read {path}: it is no regular file")


def _unmake(folder: Path, lock: sqlite3.Connection) -> None:
    """Remove what a creation that failed has made; the lock is ours, so nobody else's work is there."""
    lock.close()
    for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", LOCK):
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()  # only where nothing else is in it


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _aside(folder: Path) -> Path:
    folder, number = folder.resolve(), 1
    while (aside := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    return aside
