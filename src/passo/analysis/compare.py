"""Which configuration ended higher: means over seeds, and differences paired by seed.

Two configurations that share a seed share their data split, first weights and batches; the difference of such a
pair is freer of chance than the difference of two means. A difference is told as "higher" or "lower" only where
the 95 % interval of the paired differences leaves out zero (Student's t below 20 seeds, a studentised bootstrap from
there: `resampled`); each interval stands on its own. `paired` corrects for looking at many pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from passo.analysis.curves import runs_of
from passo.analysis.intervals import Interval, interval
from passo.analysis.resampled import mean_test, method
from passo.analysis.tables import Table
from passo.analysis.words import amount, higher_is_better, is_share, joined, ranged, seeds, spoken
from passo.errors import StoreError, UsageError
from passo.registry import unknown
from passo.store import StoredStudy


@dataclass(frozen=True)
class Outcome(Interval):
    """The last value of a metric for one configuration, over seeds: `values` (n,), by seed in `seeds`."""

    name: str
    seeds: tuple[int | None, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Difference(Interval):
    """`first` minus `second`, paired by seed: mean, low, high over n pairs."""

    first: str
    second: str

    @property
    def verdict(self) -> str:
        """ "higher", "lower" or "not distinguishable": where `first` stands to `second`."""
        if not self.known or self.low <= 0 <= self.high:
            return "not distinguishable"
        return "higher" if self.low > 0 else "lower"


@dataclass(frozen=True)
class Comparison:
    """Outcomes of one metric, the best first, and every pair of them."""

    metric: str
    outcomes: tuple[Outcome, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(outcome.name for outcome in self.outcomes)

    def estimate(self, name: str) -> Outcome:
        """Mean and 95 % interval of one configuration."""
        for outcome in self.outcomes:
            if outcome.name == name:
                return outcome
        raise unknown("configuration", name, self.names)

    def difference(self, first: str, second: str) -> Difference:
        """first − second over the seeds that both have; raises `UsageError` where they share none."""
        one, two = self.estimate(first), self.estimate(second)
        of_first, of_second = (dict(zip(o.seeds, o.values, strict=True)) for o in (one, two))
        shared = [seed for seed in one.seeds if seed in of_second]
        if not shared:
            raise UsageError(f"{first} and {second} share no seed, so their differences cannot be paired")
        found = mean_test(np.array([[of_first[seed] - of_second[seed]] for seed in shared]))
        mean, low, high, _ = (float(column[0]) for column in found)
        return Difference(mean, low, high, len(shared), first, second)

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """Every pair once, the better first."""
        return tuple(self.difference(a, b) for i, a in enumerate(self.names) for b in self.names[i + 1 :])

    def table(self) -> Table:
        """One row per configuration, and how it stands to the best."""
        best = self.outcomes[0]
        columns = ("configuration", spoken(self.metric), "95 % interval", "n", f"minus {best.name}", "")
        rows = [self._row(outcome, best) for outcome in self.outcomes]
        if not any(o.known for o in self.outcomes):
            return Table(columns, tuple(rows), "One seed each: no intervals, and nothing can be told apart.")
        alike = "" if method(best.n) == "Student's t" else f" ({method(best.n)})"
        note = (
            f"Intervals: Student's t over seeds. Differences: paired by seed{alike}; each interval stands on its own."
        )
        return Table(columns, tuple(rows), note)

    def _row(self, outcome: Outcome, best: Outcome) -> tuple[str, ...]:
        text = ranged(outcome, self.metric)
        mean, _, ends = text.partition(" [")
        row = (outcome.name, mean, f"[{ends}" if ends else "—", str(outcome.n))
        if outcome is best:
            return (*row, "", "")
        found = self.difference(outcome.name, best.name)
        return (*row, _gap(found, self.metric), found.verdict)

    def sentence(self) -> str:
        """Who ends best, who cannot be told from it, and who can."""
        best, *others = self.outcomes
        start = f"{best.name} ends with a {spoken(self.metric)} of {ranged(best, self.metric)}"
        if not others:
            return f"{start} ({seeds(best.n)})."
        if not best.known:
            runner = others[0]
            return f"{start}, {runner.name} with {amount(runner.mean, self.metric)} ({seeds(1)})."
        apart = [o for o in others if self.difference(o.name, best.name).verdict != "not distinguishable"]
        level = [o.name for o in others if o not in apart]
        worse = "lower" if higher_is_better(self.metric) else "higher"
        parts = [f"{start} ({seeds(best.n)})"]
        if level:
            parts.append(f"{joined(level)} {'is' if len(level) == 1 else 'are'} not distinguishable from it")
        if apart:
            told = joined([f"{o.name} ({ranged(o, self.metric)})" for o in apart])
            parts.append(f"{told} {'ends' if len(apart) == 1 else 'end'} {worse}")
        return "; ".join(parts) + "."


def _gap(found: Difference, metric: str) -> str:
    text = ranged(found, metric).replace(" %", " points") if is_share(metric) else ranged(found)
    return text if found.mean < 0 else f"+{text}"


def compare(study: StoredStudy, metric: str = "test/accuracy", names: Sequence[str] | None = None) -> Comparison:
    """Compare configurations by the last value of a metric; without names, all that recorded it.

    Raises `UnknownName` for a configuration that the study lacks, `StoreError` where nothing has the metric.
    """
    study = study.holding(lasts=[metric])
    if names is None:
        names = [n for n in study.names() if all(run.has(metric) for run in study.select(n))]
        if not names:
            known = ", ".join(study.metrics())
            if not known:
                raise StoreError(f"no training in {study.folder} has ended: the command that ran it goes on with it")
            raise StoreError(f"no finished run in {study.folder} has {metric!r}; there are: {known}")
    sign = -1 if higher_is_better(metric) else 1
    outcomes = [_outcome(study, metric, name) for name in names]
    return Comparison(metric, tuple(sorted(outcomes, key=lambda o: (np.isnan(o.mean), sign * o.mean))))


def _outcome(study: StoredStudy, metric: str, name: str) -> Outcome:
    runs = runs_of(study, name)
    values = [run.last(metric) for run in runs]
    found = interval(values)
    return Outcome(found.mean, found.low, found.high, found.n, name, tuple(run.seed for run in runs), tuple(values))
