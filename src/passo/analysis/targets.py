"""Time, epochs and steps until a metric first reaches a target; runs that never do are counted, not dropped.

A run that ends (or diverges) before the target is *censored*: all that is known is that it would take longer than it
was given. A mean over the runs that got there would reward a configuration for its failures, so the median is that of
Kaplan and Meier, which takes both: S(t) = Π over times tᵢ ≤ t at which dᵢ runs get there of (1 − dᵢ/nᵢ), with nᵢ runs
still under way; the median is the first t with S(t) ≤ ½, and does not exist where fewer than half are known to arrive.

E. L. Kaplan, P. Meier, "Nonparametric Estimation from Incomplete Observations", JASA 53 (1958).

A target is reached at a record, so an epoch's validation tells it to the epoch. Seconds are the wall clock's: of
epochs with their validation (`epoch/seconds`), on whatever else the machine did.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from passo.analysis.tables import Table
from passo.analysis.varied import clock, ended, listed
from passo.analysis.words import amount, higher_is_better, joined, significant, spoken
from passo.errors import StoreError
from passo.store import StoredRun, StoredStudy

UNITS = ("epochs", "steps", "seconds")


@dataclass(frozen=True)
class Reached:
    """When one run reached the target; where it never did, `there` is False and the numbers say how long it tried.

    seconds: NaN where the run did not record them.
    """

    run: str
    there: bool
    epochs: float
    steps: float
    seconds: float


@dataclass(frozen=True)
class Way:
    """The way of one configuration to the target, over its runs."""

    name: str
    runs: tuple[Reached, ...]

    @property
    def reached(self) -> int:
        return sum(run.there for run in self.runs)

    def median(self, unit: str = "epochs") -> float:
        """The median over runs, infinite where too few got there, NaN where the unit was not recorded."""
        return survival_median([getattr(run, unit) for run in self.runs], [run.there for run in self.runs])

    def words(self, unit: str = "epochs") -> str:
        """ "3", "> 20" where it is known only that it takes longer, "—" where nothing is."""
        found = self.median(unit)
        if math.isinf(found):
            return f"> {_short(max(getattr(run, unit) for run in self.runs), unit)}"
        return "—" if math.isnan(found) else _short(found, unit)


@dataclass(frozen=True)
class Targets:
    """All configurations' ways to one value of a metric, the fastest first; `chosen`: the value was given.

    clock: what the seconds are.
    """

    metric: str
    value: float
    chosen: bool
    ways: tuple[Way, ...]
    clock: str = "wall clock"

    def table(self) -> Table:
        rows = [(w.name, f"{w.reached} of {len(w.runs)}", *(w.words(unit) for unit in UNITS)) for w in self.ways]
        why = "" if self.chosen else " (the median of the configurations' means at the end; give --target for another)"
        note = (
            f"To a {spoken(self.metric)} of {amount(self.value, self.metric)}{why}: medians over runs (Kaplan–Meier); "
            "a run that never gets there counts as longer than it was given. "
            f"Seconds: {self.clock}, validation included."
        )
        return Table(("configuration", "reached by", *UNITS), tuple(rows), note)

    def sentence(self) -> str:
        """Who is fastest, who is not, and who never gets there."""
        goal = f"a {spoken(self.metric)} of {amount(self.value, self.metric)}"
        there = [way for way in self.ways if math.isfinite(way.median())]
        never = [way.name for way in self.ways if not way.reached]
        if not there:
            return f"No configuration reaches {goal} in half of its runs or more."
        first, *others = there
        parts = [f"{first.name} reaches {goal} after {_counted(first)} ({first.reached} of {len(first.runs)} runs)"]
        if others:
            parts.append(joined([f"{way.name} after {_counted(way)}" for way in others[:4]]))
        if never:
            parts.append(f"{listed(never)} never {'does' if len(never) == 1 else 'do'} in the epochs given")
        return "; ".join(parts) + "."


def _counted(way: Way) -> str:
    told = way.words()
    return f"{told} epoch{'' if told == '1' else 's'}"


def _short(value: float, unit: str) -> str:
    return f"{value:,.0f}" if unit == "steps" else significant(value)


def survival_median(times: Sequence[float], reached: Sequence[bool]) -> float:
    """The Kaplan–Meier median of times (n,), of which those not `reached` are only bounds from below.

    >>> survival_median([1, 2, 3], [True, True, True]), survival_median([1, 9, 9], [True, False, False])
    (2.0, inf)
    """
    if any(math.isnan(time) for time in times):
        return math.nan
    left = 1.0
    for time in sorted(set(times)):
        under_way = sum(other >= time for other in times)
        events = sum(there and other == time for other, there in zip(times, reached, strict=True))
        left *= 1 - events / under_way
        if left <= 0.5 + 1e-12:
            return float(time)
    return math.inf


def reach(run: StoredRun, metric: str, value: float) -> Reached:
    """When a run's metric first is at the value or beyond it; raises `StoreError` where it was not recorded."""
    series = run.metric(metric)
    there = series.values >= value if higher_is_better(metric) else series.values <= value
    at = int(there.argmax()) if there.any() else len(series.values) - 1
    epoch = float(series.epochs[at])
    return Reached(run.id, bool(there.any()), epoch, float(series.steps[at]), seconds_at(run, epoch))


def seconds_at(run: StoredRun, epoch: float) -> float:
    """The wall clock of a run's epochs up to a moment, within an epoch in proportion; NaN where it was not recorded."""
    if "epoch/seconds" not in run.metrics():
        return math.nan
    took = run.metric("epoch/seconds")
    if epoch > took.epochs[-1] + 1e-9:
        return math.nan
    return float(np.interp(epoch, np.append(0.0, took.epochs), np.append(0.0, took.values.cumsum())))


def targets(
    study: StoredStudy,
    metric: str = "validation/accuracy",
    value: float | None = None,
    names: Sequence[str] | None = None,
) -> Targets:
    """The way of every configuration to a value of a metric; without one, half of the configurations end beyond it.

    Raises `UnknownName` for a configuration that the study lacks, `StoreError` where none recorded the metric.
    """
    there = names or list(dict.fromkeys(run.name for run in study.runs if run.kind == "train"))
    ran = {name: runs for name in there if (runs := _having(study, name, metric, strict=names is not None))}
    if not ran:
        raise StoreError(f"no run in {study.folder} has {metric!r}, so there is no way to a target")
    goal = usual_target(ran, metric) if value is None else value
    ways = [Way(name, tuple(reach(run, metric, goal) for run in runs)) for name, runs in ran.items()]
    ways.sort(key=lambda way: (way.median(), -way.reached))
    return Targets(metric, goal, value is not None, tuple(ways), clock([run for runs in ran.values() for run in runs]))


def _having(study: StoredStudy, name: str, metric: str, strict: bool) -> tuple[StoredRun, ...]:
    if not strict and not any(r.name == name and r.status in ("done", "diverged") for r in study.runs):
        return ()
    return tuple(run for run in ended(study, name) if metric in run.metrics())


def usual_target(ran: dict[str, tuple[StoredRun, ...]], metric: str) -> float:
    """The median over configurations of their mean last value."""
    lasts = [np.mean([run.metric(metric).last for run in runs]) for runs in ran.values()]
    finite = [float(last) for last in lasts if np.isfinite(last)]
    if not finite:
        raise StoreError(f"no configuration ends with a finite {spoken(metric)}: give a target")
    return float(np.median(finite))
