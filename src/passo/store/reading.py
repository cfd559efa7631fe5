"""Reading: studies, their runs, metrics and arrays, while they are written or years later."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from passo.errors import PassoError, StoreError
from passo.store.folder import (
    ABANDONED,
    abandoned,
    check_name,
    inside,
    locked,
    read_chunk,
    reading_of,
    refusals_told,
    root,
)
from passo.store.forged import (
    NUMBER,
    check_tables,
    columns_of_tables,
    damage_told,
    json_object,
    study_facts,
    typed_rows,
)
from passo.store.schema import DATABASE


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
        with reading_of(self.folder) as connection:
            return typed_rows(self.folder, connection.execute(sql, (self.id, *arguments)).fetchall(), *kinds)

    def _none(self, kind: str, name: str, names: list[str]) -> StoreError:
        if name in names:  # an index and its table do not agree
            return StoreError(f"{self.folder} is damaged: run {self.id} lacks the {kind} {name!r} that it names")
        return StoreError(f"run {self.id} has no {kind} {name!r}; it has: {', '.join(names) or 'none'}")

    def metrics(self) -> list[str]:
        return [name for (name,) in self._rows("SELECT DISTINCT name FROM metrics WHERE run=? ORDER BY name", (), str)]

    def metric(self, name: str) -> Series:
        """A recorded scalar; raises `StoreError` with the names there are."""
        sql = "SELECT step, epoch, value FROM metrics WHERE run=? AND name=? ORDER BY step"
        found = self._rows(sql, (name,), int, NUMBER, NUMBER | None)
        rows = [(s, e, np.nan if v is None else v) for s, e, v in found]
        if not rows:
            raise self._none("metric", name, self.metrics())
        steps, epochs, values = (np.array(column) for column in zip(*rows, strict=True))
        return Series(name, steps, epochs, values)

    def arrays(self) -> list[str]:
        return [name for (name,) in self._rows("SELECT DISTINCT name FROM arrays WHERE run=? ORDER BY name", (), str)]

    def array(self, name: str) -> np.ndarray:
        """A recorded array, its chunks joined along the first axis and their SHA-256 checked."""
        sql = "SELECT path, sha256 FROM arrays WHERE run=? AND name=? ORDER BY chunk"
        rows = self._rows(sql, (name,), str, str)
        if not rows:
            raise self._none("array", name, self.arrays())
        chunks = [read_chunk(inside(self.folder, path), digest) for path, digest in rows]
        try:
            return np.concatenate(chunks)
        except ValueError as error:
            raise StoreError(f"{self.folder}: the chunks of {name!r} of run {self.id} do not fit together") from error

    def meta(self, name: str) -> dict[str, Any]:
        """What was said about an array when its first chunk was written."""
        rows = self._rows("SELECT meta FROM arrays WHERE run=? AND name=? ORDER BY chunk LIMIT 1", (name,), str)
        return json_object(self.folder, rows[0][0]) if rows else {}

    def events(self) -> list[tuple[str, int | None, str, dict[str, Any]]]:
        """(kind, step, message, data) in the order in which they happened."""
        sql = "SELECT kind, step, message, data FROM events WHERE run=? ORDER BY id"
        rows = self._rows(sql, (), str, int | None, str, str)
        return [(kind, step, message, json_object(self.folder, data)) for kind, step, message, data in rows]


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
        with reading_of(self.folder) as connection:
            rows = connection.execute("SELECT run, step FROM checkpoints ORDER BY run, step").fetchall()
        return [(run, step) for run, step in typed_rows(self.folder, rows, str, int)]

    def names(self, kind: str = "train") -> list[str]:
        """The names of the finished runs of a kind, in the order in which they were run."""
        return list(dict.fromkeys(run.name for run in self.select(kind=kind)))


def open_study(folder: str | Path) -> StoredStudy:
    """Open a study folder for reading; the schema's version is checked."""
    folder = Path(folder)
    if not (folder / DATABASE).is_file():
        raise StoreError(f"{folder} is not a study folder: it has no {DATABASE}")
    with reading_of(folder) as connection:
        check_tables(folder, connection, ["study"])
        pairs = typed_rows(folder, connection.execute("SELECT key, value FROM study").fetchall(), str, str)
        facts = study_facts(folder, dict(pairs))
        check_tables(folder, connection, list(columns_of_tables())[: None if facts["schema"] > 1 else -1])
        columns = ", ".join(columns_of_tables()["runs"])
        rows = connection.execute(f"SELECT {columns} FROM runs ORDER BY started, rowid").fetchall()
    known = str, str, str, str, int | None, str, NUMBER, NUMBER | None, str | None, str
    runs = []
    for i, kind, name, config, seed, status, begun, ended, error, info in typed_rows(folder, rows, *known):
        with damage_told(folder, StoreError):
            check_name(i)
        told, found = json_object(folder, config), json_object(folder, info)
        runs.append(StoredRun(folder, i, kind, name, told, seed, status, begun, ended, error, found))
    state = facts["status"]
    if state == "running" and abandoned(folder):
        state = "interrupted"
        runs = [replace(run, status=state, error=ABANDONED) if run.status == "running" else run for run in runs]
    return StoredStudy(folder, facts["name"], state, facts["config"], facts, tuple(runs))


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
        with refusals_told(folder, "open"):
            if (folder / DATABASE).is_file():
                return folder
    return None


def find(name: str | Path) -> StoredStudy:
    """A study by its path, or by its name under `root()`."""
    folder = place(name)
    if folder is None:
        raise StoreError(f"no study {str(name)!r}: neither a study folder, nor one under {root()}")
    return open_study(folder)


def named(name: str | Path) -> StoredStudy | StoredRun:
    """A study, or with STUDY/RUN a run of one; raises `StoreError` for neither, and for one that cannot be read."""
    try:
        return find(name)
    except StoreError:
        study, slash, run_id = str(name).rpartition("/")
        if not slash or place(name) is not None:  # it is there, and cannot be read
            raise
        return find(study).run(run_id)


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
                with refusals_told(path.parent, "open"):
                    locked(path.parent).close()
                return path.parent
    return None
