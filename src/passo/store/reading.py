"""Reading: a study, its runs, metrics and arrays, while they are written or years later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from passo.errors import StoreError
from passo.store.folder import inside, read_chunk, reading_of
from passo.store.forged import NUMBER, json_object, typed_rows
from passo.store.outline import Outline, RunLine, lines
from passo.store.scalars import LASTS_OF_ONE, NAMES_OF_ONE, Held, Series, all_series, not_nan, one_series

LISTED = 20  # runs that an error names


@dataclass(frozen=True)
class StoredRun(RunLine):
    """One run, read from a study folder. Nothing is loaded until it is asked for."""

    config: dict[str, Any]
    info: dict[str, Any]
    held: Held = field(default=Held(), repr=False, compare=False)  # what was read of all runs at once

    def _rows(self, sql: str, arguments: tuple[Any, ...], *kinds: Any) -> list[tuple[Any, ...]]:
        with reading_of(self.folder) as connection:
            return typed_rows(self.folder, connection.execute(sql, (self.id, *arguments)).fetchall(), *kinds)

    def _none(self, kind: str, name: str, names: list[str]) -> StoreError:
        if name in names:  # an index and its table do not agree
            return StoreError(f"{self.folder} is damaged: run {self.id} lacks the {kind} {name!r} that it names")
        return StoreError(f"run {self.id} has no {kind} {name!r}; it has: {', '.join(names) or 'none'}")

    def metrics(self) -> list[str]:
        return [name for (name,) in self._rows(NAMES_OF_ONE, (), str)]

    def has(self, name: str) -> bool:
        """Whether a scalar of this name was recorded."""
        known = self.held.knows(name)
        if known is not None:
            return self.id in known
        return bool(self._rows("SELECT 1 FROM metrics WHERE run=? AND name=? LIMIT 1", (name,), int))

    def metric(self, name: str) -> Series:
        """A recorded scalar; raises `StoreError` with the names there are."""
        curves = self.held.curves.get(name)
        found = one_series(self.folder, self.id, name) if curves is None else curves.get(self.id)
        if found is None:
            raise self._none("metric", name, self.metrics())
        return found

    def last(self, name: str) -> float:
        """The last value of a recorded scalar; raises `StoreError` with the names there are."""
        lasts = self.held.lasts.get(name)
        if lasts is None or name in self.held.curves:
            return self.metric(name).last
        if self.id not in lasts:
            raise self._none("metric", name, self.metrics())
        return lasts[self.id]

    def lasts(self) -> dict[str, float]:
        """The last value of every recorded scalar."""
        rows = self._rows(LASTS_OF_ONE, (), str, NUMBER | None)
        return {name: not_nan(value) for name, value in rows}

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
class StoredStudy(Outline):
    """A study folder, read without torch."""

    runs: tuple[StoredRun, ...]

    def select(self, name: str | None = None, kind: str = "train") -> tuple[StoredRun, ...]:
        """The finished runs of a kind, and of a name where one is given."""
        there = self.runs if name is None else self.called(name)
        return tuple(run for run in there if run.kind == kind and run.status == "done")

    def called(self, name: str) -> tuple[StoredRun, ...]:
        """All runs of a name, whatever they are and however they ended."""
        return self._by_name.get(name, ())

    @cached_property
    def _by_name(self) -> dict[str, tuple[StoredRun, ...]]:
        found: dict[str, list[StoredRun]] = {}
        for run in self.runs:
            found.setdefault(run.name, []).append(run)
        return {name: tuple(runs) for name, runs in found.items()}

    @cached_property
    def _by_id(self) -> dict[str, StoredRun]:
        return {run.id: run for run in reversed(self.runs)}  # of a forged study's two, the first

    def run(self, run_id: str) -> StoredRun:
        if run_id not in self._by_id:
            few = [run.id for run in self.runs[:LISTED]]
            more = f", … ({len(self.runs):,} in all)" if len(self.runs) > LISTED else ""
            raise StoreError(f"{self.folder} has no run {run_id!r}; it has: {', '.join(few)}{more}")
        return self._by_id[run_id]

    def series(self, metric: str) -> dict[str, Series]:
        """A scalar of every run that has it, by the run's id: one statement for all runs."""
        return all_series(self.folder, metric)

    def holding(self, *curves: str, lasts: Sequence[str] = ()) -> StoredStudy:
        """The same study, with these scalars of all runs in memory: whole curves, and last values alone.

        Its runs answer `has`, `metric` and `last` from there, as it was now, and never ask the file again.
        """
        held = self.runs[0].held.holding(self.folder, curves, lasts) if self.runs else Held()
        if not self.runs or held is self.runs[0].held:
            return self
        return replace(self, runs=tuple(replace(run, held=held) for run in self.runs))

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
    facts, status, rows = lines(folder, "config", "info")
    return StoredStudy(folder, facts["name"], status, facts["config"], facts, _runs(folder, rows))


def open_run(folder: str | Path, run_id: str) -> StoredRun | None:
    """One run of a study folder, without reading the others; None where there is none of this id."""
    folder = Path(folder)
    return next(iter(_runs(folder, lines(folder, "config", "info", run=run_id)[2])), None)


def _runs(folder: Path, rows: list[tuple[Any, ...]]) -> tuple[StoredRun, ...]:
    return tuple(
        StoredRun(folder, *line, config=json_object(folder, config), info=json_object(folder, info))
        for *line, config, info in rows
    )
