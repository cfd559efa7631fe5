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
from passo.analysis.resampled import FROM, mean_test, method
from passo.analysis.tables import Table
from passo.analysis.words import amount, higher_is_better, is_share, joined, ranged, seeds, spoken
from passo.errors import StoreError, UsageError
from passo.language import later, t, tn
from passo.registry import unknown
from passo.store import StoredStudy

HIGHER, LOWER, LEVEL = later("higher"), later("lower"), later("not distinguishable")


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
            return LEVEL
        return HIGHER if self.low > 0 else LOWER


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
        minus = t("minus {name}", name=best.name)
        columns = (t("configuration"), spoken(self.metric), t("95 % interval"), "n", minus, "")
        rows = [self._row(outcome, best) for outcome in self.outcomes]
        if not any(o.known for o in self.outcomes):
            return Table(columns, tuple(rows), t("One seed each: no intervals, and nothing can be told apart."))
        how = "" if best.n < FROM else f" ({method(best.n)})"
        note = t(
            "Intervals: Student's t over seeds. Differences: paired by seed{how}; each interval stands on its own.",
            how=how,
        )
        return Table(columns, tuple(rows), note)

    def _row(self, outcome: Outcome, best: Outcome) -> tuple[str, ...]:
        text = ranged(outcome, self.metric)
        mean, _, ends = text.partition(" [")
        row = (outcome.name, mean, f"[{ends}" if ends else "—", str(outcome.n))
        if outcome is best:
            return (*row, "", "")
        found = self.difference(outcome.name, best.name)
        return (*row, _gap(found, self.metric), t(found.verdict))

    def sentence(self) -> str:
        """Who ends best, who cannot be told from it, and who can."""
        best, *others = self.outcomes
        start = ends_with(best, self.metric)
        if not others:
            return f"{start} ({seeds(best.n)})."
        if not best.known:
            runner, with_ = others[0].name, amount(others[0].mean, self.metric)
            return t(
                "{start}, {runner} with {value} ({seeds}).", start=start, runner=runner, value=with_, seeds=seeds(1)
            )
        apart = [o for o in others if self.difference(o.name, best.name).verdict != LEVEL]
        level = [o.name for o in others if o not in apart]
        parts = [f"{start} ({seeds(best.n)})"]
        if level:
            parts.append(
                tn(
                    "{names} is not distinguishable from it",
                    "{names} are not distinguishable from it",
                    len(level),
                    names=joined(level),
                )
            )
        if apart:
            told = [f"{o.name} ({ranged(o, self.metric)})" for o in apart]
            parts.append(end(joined(told), len(told), LOWER if higher_is_better(self.metric) else HIGHER))
        return "; ".join(parts) + "."


def ends_with(found: Outcome, metric: str) -> str:
    """Where a configuration ends, as a sentence begins."""
    return t(
        "{name} ends with a {metric} of {value}", name=found.name, metric=spoken(metric), value=ranged(found, metric)
    )


def end(names: str, count: int, verdict: str) -> str:
    """That so many configurations end "higher" or "lower"."""
    if verdict == HIGHER:
        return tn("{names} ends higher", "{names} end higher", count, names=names)
    return tn("{names} ends lower", "{names} end lower", count, names=names)


def _gap(found: Difference, metric: str) -> str:
    text = in_points(ranged(found, metric, difference=True)) if is_share(metric) else ranged(found)
    return text if found.mean < 0 else f"+{text}"


def in_points(told: str) -> str:
    """A difference of shares that was told in percent."""
    return told.replace(" %", f" {t('points')}")


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
