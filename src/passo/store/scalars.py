"""Scalars, read: of one run, or of every run of a study in one statement.

The key of the table is (run, name, step), so that a metric of a run is one stretch of it. Every run's are found by one
search in the key for each run, inside SQLite: whatever else the table holds is not touched, and Python asks once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np

from passo.store.folder import reading_of
from passo.store.forged import NUMBER, damage_told, typed_rows
from passo.store.schema import DATABASE

CHUNK = 512  # rows at a time: Python's collector begins at 700 new objects, and walks through all that a study holds
NAMES = """
WITH RECURSIVE there(run, name) AS (
    SELECT id, (SELECT min(name) FROM metrics WHERE run = id) FROM runs{which}
    UNION ALL
    SELECT run, (SELECT min(m.name) FROM metrics AS m WHERE m.run = there.run AND m.name > there.name)
    FROM there WHERE name IS NOT NULL
)"""  # from one name to the next, past all of its steps
NAMES_OF_ALL = f"{NAMES.format(which='')} SELECT DISTINCT name FROM there WHERE name IS NOT NULL ORDER BY name"
NAMES_OF_ONE = f"{NAMES.format(which=' WHERE id = ?')} SELECT name FROM there WHERE name IS NOT NULL ORDER BY name"
ANY_HAS = "SELECT 1 FROM runs AS r CROSS JOIN metrics AS m ON m.run = r.id AND m.name = ? LIMIT 1"
LASTS_OF_ONE = f"""{NAMES.format(which=" WHERE id = ?")}
SELECT m.name, m.value FROM there CROSS JOIN metrics AS m ON m.run = there.run AND m.name = there.name AND m.step = (
    SELECT max(step) FROM metrics WHERE run = there.run AND name = there.name)"""
LASTS_OF_ALL = """
SELECT r.id, m.value FROM runs AS r CROSS JOIN metrics AS m ON m.run = r.id AND m.name = ?1 AND m.step = (
    SELECT max(step) FROM metrics WHERE run = r.id AND name = ?1)"""
SERIES_OF_ALL = """
SELECT r.rowid, m.step, m.epoch, m.value FROM runs AS r CROSS JOIN metrics AS m ON m.run = r.id AND m.name = ?
ORDER BY r.rowid, m.step"""
SERIES_OF_ONE = "SELECT 0, step, epoch, value FROM metrics WHERE run = ? AND name = ? ORDER BY step"
SERIES_SINCE = "SELECT 0, step, epoch, value FROM metrics WHERE run = ? AND name = ? AND step >= ? ORDER BY step"
_KINDS: tuple[Any, ...] = (int, int, NUMBER, NUMBER | None)
_TYPES = ({int}, {int}, {int, float}, {int, float, NoneType})  # the same, for columns


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
class Held:
    """Scalars of all runs in memory: metric → run → its curve, or its last value; without a run that has none."""

    curves: Mapping[str, Mapping[str, Series]] = field(default_factory=dict)
    lasts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def knows(self, metric: str) -> Mapping[str, Any] | None:
        """The runs that have a metric; None where it was not read."""
        return self.curves.get(metric, self.lasts.get(metric))

    def holding(self, folder: Path, curves: Iterable[str], lasts: Iterable[str]) -> Held:
        """This, and what is missing of these metrics, one statement for each."""
        more = {name: all_series(folder, name) for name in dict.fromkeys(curves) if name not in self.curves}
        whole = {**self.curves, **more}
        ends = {name: all_lasts(folder, name) for name in dict.fromkeys(lasts) if name not in {*whole, *self.lasts}}
        return Held(whole, {**self.lasts, **ends}) if more or ends else self


def all_names(folder: Path) -> list[str]:
    """The metrics that any run has."""
    with reading_of(folder) as connection:
        rows = connection.execute(NAMES_OF_ALL).fetchall()
    return [name for (name,) in typed_rows(folder, rows, str)]


def any_has(folder: Path, metric: str) -> bool:
    """Whether any run has a metric."""
    with reading_of(folder) as connection:
        return connection.execute(ANY_HAS, (metric,)).fetchone() is not None


def all_lasts(folder: Path, metric: str) -> dict[str, float]:
    """Run → the last value of a metric, for every run that has it."""
    with reading_of(folder) as connection:
        rows = connection.execute(LASTS_OF_ALL, (metric,)).fetchall()
    return {run: not_nan(value) for run, value in typed_rows(folder, rows, str, NUMBER | None)}


def all_series(folder: Path, metric: str) -> dict[str, Series]:
    """Run → the curve of a metric, for every run that has it."""
    with reading_of(folder) as connection:
        places, *columns = _columns(folder, connection.execute(SERIES_OF_ALL, (metric,)))
        ids = dict(connection.execute("SELECT rowid, id FROM runs").fetchall())
    if not len(places):
        return {}
    cuts = np.flatnonzero(np.diff(places)) + 1  # where the next run's rows begin
    of_each = zip(*(np.split(column, cuts) for column in columns), strict=True)
    runs = places[np.concatenate([[0], cuts])].tolist()
    return {ids[run]: Series(metric, *parts) for run, parts in zip(runs, of_each, strict=True)}


def one_series(folder: Path, run: str, metric: str) -> Series | None:
    """The curve of a metric of one run; None where it has none."""
    with reading_of(folder) as connection:
        _, *columns = _columns(folder, connection.execute(SERIES_OF_ONE, (run, metric)))
    return Series(metric, *columns) if len(columns[0]) else None


def grown(known: Series, folder: Path, run: str) -> Series | None:
    """A curve that was read before, with what was recorded since; the whole of it where that is another one now."""
    last = int(known.steps[-1])
    with reading_of(folder) as connection:
        _, *columns = _columns(folder, connection.execute(SERIES_SINCE, (run, known.name, last)))
    if not len(columns[0]) or columns[0][0] != last or not _same(columns[2][0], known.values[-1]):
        return one_series(folder, run, known.name)
    pairs = zip((known.steps, known.epochs, known.values), columns, strict=True)
    return Series(known.name, *(np.concatenate([old, new[1:]]) for old, new in pairs))


def _same(one: float, other: float) -> bool:
    return one == other or (np.isnan(one) and np.isnan(other))


def not_nan(value: float | None) -> float:
    """A value as it was recorded: NULL stands for NaN, which SQLite has not."""
    return float("nan") if value is None else float(value)


def _columns(folder: Path, cursor: sqlite3.Cursor) -> list[np.ndarray]:
    """Place of the run, step, epoch and value of each row, (n,) each."""
    parts = [_part(folder, [])]
    while rows := cursor.fetchmany(CHUNK):
        parts.append(_part(folder, rows))
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def _part(folder: Path, rows: list[tuple[Any, ...]]) -> list[np.ndarray]:
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(_TYPES)
    types = [set(map(type, column)) for column in columns]
    if not all(there <= known for there, known in zip(types, _TYPES, strict=True)):
        typed_rows(folder, rows, *_KINDS)  # says where
    values = columns[3] if NoneType not in types[3] else [np.nan if v is None else v for v in columns[3]]
    with damage_told(folder / DATABASE, ArithmeticError):
        whole = [np.array(column, np.int64) for column in columns[:2]]
        return [*whole, np.array(columns[2], np.float64), np.array(values, np.float64)]
