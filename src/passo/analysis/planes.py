"""A metric over two settings that vary: the cells of a grid, and of the finer grids that followed it.

A search that refines goes in rounds. A run tells its round in `info["round"]`, or by its name: `round-2,…`, `r2-…`;
what tells none is of round 1. Each round's cells reach to the middles between its own levels, in the logarithm where
the levels are positive and span a factor of ten or more.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

import numpy as np

from passo.analysis.curves import runs_of
from passo.analysis.intervals import Interval, interval
from passo.analysis.tables import Table
from passo.analysis.varied import RATE, called, is_number, number, settings, through
from passo.analysis.words import amount, higher_is_better, ranged, spoken
from passo.errors import StoreError, UsageError
from passo.language import t
from passo.store import StoredStudy

_ROUND = re.compile(r"(?:^|[-_])(?:round|r)[-_]?(\d+)(?=[-_,]|$)")


@dataclass(frozen=True)
class Cell:
    """One configuration: its values, its round, its result over seeds, its edges (x from, x to, y from, y to)."""

    name: str
    x: float
    y: float
    round: int
    found: Interval
    edges: tuple[float, float, float, float]


@dataclass(frozen=True)
class Plane:
    """Cells over two settings; log_x and log_y say how an axis is best drawn. The best is by mean.

    held: in words what else varies in the study, and is here as in its best configuration; "" where nothing does.
    """

    metric: str
    keys: tuple[str, str]
    log_x: bool
    log_y: bool
    cells: tuple[Cell, ...]
    held: str = ""

    @property
    def rounds(self) -> tuple[int, ...]:
        return tuple(sorted({cell.round for cell in self.cells}))

    @property
    def best(self) -> Cell:
        sign = -1 if higher_is_better(self.metric) else 1
        return min(self.cells, key=lambda c: math.inf if math.isnan(c.found.mean) else sign * c.found.mean)

    def full(self, which: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """x (n,), y (m,) and means (m, n) of a round that is a full grid; None where it is none."""
        cells = {(cell.x, cell.y): cell.found.mean for cell in self.cells if cell.round == which}
        x, y = (np.array(sorted({place[i] for place in cells})) for i in (0, 1))
        if len(cells) < len(x) * len(y):
            return None
        return x, y, np.array([[cells[a, b] for a in x] for b in y])

    def table(self) -> Table:
        last = map(called, self.keys)
        rows = [
            (c.name, str(c.round), number(c.x), number(c.y), ranged(c.found, self.metric))
            for c in sorted(self.cells, key=lambda c: (c.round, c.x, c.y))
        ]
        return Table((t("configuration"), t("round"), *last, spoken(self.metric)), tuple(rows))

    def sentence(self) -> str:
        """Where it is best, and what each round found."""
        best, (x, y) = self.best, map(called, self.keys)
        held = t("(with {held}, as in the best configuration)", held=self.held)
        return t(
            "Over {x} and {y}{held}, the best mean {metric} of {n} configurations is {result}, at {x} {best_x} and {y} "
            "{best_y}{rounds}.",
            x=x,
            y=y,
            held=f" {held}" if self.held else "",
            metric=spoken(self.metric),
            n=len(self.cells),
            result=ranged(best.found, self.metric),
            best_x=number(best.x),
            best_y=number(best.y),
            rounds=f" ({self._tops()})" if len(self.rounds) > 1 else "",
        )

    def _tops(self) -> str:
        """What each round found."""
        sign = -1 if higher_is_better(self.metric) else 1
        tops = {r: min(sign * c.found.mean for c in self.cells if c.round == r) * sign for r in self.rounds}
        return "; ".join(t("round {n}: {top}", n=r, top=amount(top, self.metric)) for r, top in tops.items())


def plane(study: StoredStudy, metric: str = "validation/accuracy", keys: tuple[str, str] | None = None) -> Plane:
    """The configurations of a study over two of its settings.

    Without `keys`, the first two numbers that vary, the learning rate before others. Where more varies, what else does
    is held at the best configuration's, so that the plane goes through it.
    Raises `UsageError` where there are no two, or no plane through the best; `StoreError` where nothing has the metric.
    """
    study = study.holding(lasts=[metric])
    varied = settings(study)
    numbers = [k for k in varied.keys if all(is_number(value) for value in varied.values(k))]
    if keys is None:
        if len(numbers) < 2:
            there = ", ".join(varied.keys) or "nothing"
            raise UsageError(f"a plane has two settings that are numbers; in {study.folder} vary: {there}")
        numbers.sort(key=lambda key: key != RATE)  # the learning rate first
        keys = numbers[0], numbers[1]
    keys = varied.key(keys[0]), varied.key(keys[1])
    if wrong := [key for key in keys if key not in numbers]:
        raise UsageError(f"{wrong[0]} has values that are no numbers, so it is no axis; numbers: {', '.join(numbers)}")
    names = [n for n in study.names() if n in varied.of and all(r.has(metric) for r in study.select(n))]
    if not names:
        raise StoreError(f"no finished configuration in {study.folder} has {metric!r}")
    at = {name: (float(varied.of[name][keys[0]]), float(varied.of[name][keys[1]])) for name in names}
    if len({(at[name], _round_of(study, name)) for name in names}) == len(names):
        return _placed(study, metric, keys, at)
    best = _placed(study, metric, keys, at).best.name
    mates, held = through(varied, names, best, keys)
    if any(len({at[name][i] for name in mates}) < 2 for i in (0, 1)):
        raise UsageError(
            f"{keys[0]} and {keys[1]} make no plane in {study.folder} where the rest is as in the best configuration, "
            f"{best}; there vary: {', '.join(varied.keys)}"
        )
    return replace(_placed(study, metric, keys, {name: at[name] for name in mates}), held=held)


def _round_of(study: StoredStudy, name: str) -> int:
    info = study.select(name)[0].info.get("round")
    told = _ROUND.search(name)
    return info if isinstance(info, int) else int(told[1]) if told else 1


def _placed(study: StoredStudy, metric: str, keys: tuple[str, str], at: dict[str, tuple[float, float]]) -> Plane:
    log = [_logarithmic([place[i] for place in at.values()]) for i in (0, 1)]
    rounds = {name: _round_of(study, name) for name in at}
    cells = []
    for name, (x, y) in at.items():
        mates = [at[other] for other in at if rounds[other] == rounds[name]]
        edges = [_edges([mate[i] for mate in mates], (x, y)[i], log[i]) for i in (0, 1)]
        found = interval([run.last(metric) for run in runs_of(study, name)])
        cells.append(Cell(name, x, y, rounds[name], found, (*edges[0], *edges[1])))
    return Plane(metric, keys, log[0], log[1], tuple(sorted(cells, key=lambda cell: cell.round)))


def _logarithmic(values: list[float]) -> bool:
    return min(values) > 0 and max(values) / min(values) > 9.99  # 0.1 over 0.01 is a little above or below 10


def _edges(levels: list[float], at: float, log: bool) -> tuple[float, float]:
    """From the middle to the next lower level to the middle to the next higher one; alike on both sides at the ends."""
    places = np.array(sorted({math.log10(level) if log else level for level in levels}))
    i = int(np.abs(places - (math.log10(at) if log else at)).argmin())
    gaps = np.diff(places) if len(places) > 1 else np.array([0.2 if log else 1.0])
    low = places[i] - gaps[max(0, i - 1)] / 2
    high = places[i] + gaps[min(i, len(gaps) - 1)] / 2
    return (float(10**low), float(10**high)) if log else (float(low), float(high))
