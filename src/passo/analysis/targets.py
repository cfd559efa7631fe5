"""Time, epochs and steps until a metric first reaches a target; runs that never do are counted, not dropped.

A run that ends before the target is *censored*: all that is known is that it would take longer than it was given. One
that diverged never gets there. A mean over the runs that arrived would reward a configuration for its failures, so what
is told is when half of all runs are there: the ⌈n/2⌉-th smallest of n times, those that never arrive counted as
infinite. Where runs were given different budgets that is an upper bound. (Kaplan and Meier's median, which drops
censored runs as it goes, takes censoring to have nothing to do with the result; divergence has.)

A target is reached at a record, so an epoch's validation tells it to the epoch. Seconds are the wall clock's: of
epochs with their validation (`epoch/seconds`), on whatever else the machine did.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from passo.analysis.tables import Table
from passo.analysis.varied import clock, ended, listed
from passo.analysis.words import amount, higher_is_better, significant, spoken
from passo.errors import StoreError
from passo.language import later, numeral, t, tn
from passo.store import StoredRun, StoredStudy

UNITS = (later("epochs"), later("steps"), later("seconds"))
CLOCK = "epoch/seconds"


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
        """When half of the runs are there; infinite where too few ever are, NaN where the unit was not recorded."""
        return half_there([getattr(run, unit) for run in self.runs], [run.there for run in self.runs])

    def words(self, unit: str = "epochs") -> str:
        """ "3", "> 20" where it is known only that it takes longer, "—" where nothing is."""
        found = self.median(unit)
        if math.isinf(found):
            given = max(getattr(run, unit) for run in self.runs)
            return f"> {_short(given, unit)}" if given > 0 else "—"
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
        rows = [
            (w.name, t("{n} of {all}", n=w.reached, all=len(w.runs)), *(w.words(unit) for unit in UNITS))
            for w in self.ways
        ]
        why = t("(the median of the configurations' means at the end; give --target for another)")
        note = t(
            "To a {metric} of {value}{why}: until half of the runs are there; one that never gets there counts as "
            "longer than it was given. Seconds: {clock}, validation included.",
            metric=spoken(self.metric),
            value=amount(self.value, self.metric),
            why="" if self.chosen else f" {why}",
            clock=t(self.clock),
        )
        return Table((t("configuration"), t("reached by"), *map(t, UNITS)), tuple(rows), note)

    def sentence(self) -> str:
        """Who is fastest, who is not, and who never gets there."""
        goal = t("a {metric} of {value}", metric=spoken(self.metric), value=amount(self.value, self.metric))
        there = [way for way in self.ways if math.isfinite(way.median())]
        never = [way.name for way in self.ways if not way.reached]
        if not there:
            return t("No configuration reaches {goal} in half of its runs or more.", goal=goal)
        first, *others = there
        parts = [
            t(
                "{name} reaches {goal} after {epochs} ({reached} of {n} runs)",
                name=first.name,
                goal=goal,
                epochs=_counted(first),
                reached=first.reached,
                n=len(first.runs),
            )
        ]
        if others:
            parts.append(_afterwards(others))
        if never:
            one, names = len(never) == 1, listed(never)
            never_one = t("{names} never does in the epochs given", names=names)
            parts.append(never_one if one else t("{names} never do in the epochs given", names=names))
        return "; ".join(parts) + "."


def _afterwards(ways: Sequence[Way], most: int = 3) -> str:
    """Those that arrive together are told together: "b and c after 2 epochs, d after 4 epochs"."""
    at: dict[str, list[str]] = {}
    for way in ways:
        at.setdefault(_counted(way), []).append(way.name)
    told = [t("{names} after {epochs}", names=listed(names), epochs=when) for when, names in list(at.items())[:most]]
    left = sum(len(names) for names in list(at.values())[most:])
    return ", ".join([*told, *([t("{n} more later", n=left)] if left else [])])


def _counted(way: Way) -> str:
    told = way.words()
    return tn("{n} epoch", "{n} epochs", 1) if told == "1" else t("{n} epochs", n=told)


def _short(value: float, unit: str) -> str:
    return numeral(f"{value:,.0f}") if unit == "steps" else significant(value)


def half_there(times: Sequence[float], reached: Sequence[bool]) -> float:
    """When half of the runs are there: times (n,), infinite where not `reached`; NaN where the times are not known.

    >>> half_there([1, 2, 3], [True, True, True]), half_there([1, 9, 9], [True, False, False])
    (2.0, inf)
    """
    if any(math.isnan(time) for time, there in zip(times, reached, strict=True) if there):
        return math.nan
    ordered = sorted(time if there else math.inf for time, there in zip(times, reached, strict=True))
    return float(ordered[(len(ordered) - 1) // 2])


def reach(run: StoredRun, metric: str, value: float) -> Reached:
    """When a run's metric first is at the value or beyond it; raises `StoreError` where it was not recorded.

    A run that diverged before its first record is not there, after nothing.
    """
    if run.status == "diverged" and not run.has(metric):
        return Reached(run.id, False, 0.0, 0.0, 0.0)
    series = run.metric(metric)
    there = series.values >= value if higher_is_better(metric) else series.values <= value
    at = int(there.argmax()) if there.any() else len(series.values) - 1
    epoch = float(series.epochs[at])
    return Reached(run.id, bool(there.any()), epoch, float(series.steps[at]), seconds_at(run, epoch))


def seconds_at(run: StoredRun, epoch: float) -> float:
    """The wall clock of a run's epochs up to a moment, within an epoch in proportion; NaN where it was not recorded."""
    if not run.has(CLOCK):
        return math.nan
    took = run.metric(CLOCK)
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
    study = study.holding(metric, CLOCK)
    there = names or list(dict.fromkeys(run.name for run in study.runs if run.kind == "train"))
    ran = {name: _ran(study, name, metric, named=names is not None) for name in there}
    ran = {name: runs for name, runs in ran.items() if runs}
    told = {name: having for name, runs in ran.items() if (having := [r for r in runs if r.has(metric)])}
    if not told:
        raise StoreError(f"no run in {study.folder} has {metric!r}, so there is no way to a target")
    goal = usual_target(told, metric) if value is None else value
    ways = [Way(name, tuple(reach(run, metric, goal) for run in runs)) for name, runs in ran.items()]
    ways.sort(key=lambda way: (way.median(), -way.reached))
    return Targets(metric, goal, value is not None, tuple(ways), clock([run for runs in ran.values() for run in runs]))


def _ran(study: StoredStudy, name: str, metric: str, named: bool) -> list[StoredRun]:
    """The ended runs that have the metric, or diverged before it was read."""
    if not named and not any(r.status in ("done", "diverged") for r in study.called(name)):
        return []
    return [run for run in ended(study, name) if run.status == "diverged" or run.has(metric)]


def usual_target(ran: Mapping[str, Sequence[StoredRun]], metric: str) -> float:
    """The median over configurations of their mean last value; of runs that have the metric."""
    lasts = [np.mean([run.last(metric) for run in runs]) for runs in ran.values()]
    finite = [float(last) for last in lasts if np.isfinite(last)]
    if not finite:
        raise StoreError(f"no configuration ends with a finite {spoken(metric)}: give a target")
    return float(np.median(finite))
