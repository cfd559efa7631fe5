"""Which configurations can be told apart, after correcting for how many were looked at.

With p₍₁₎ ≤ … ≤ p₍ₖ₎ of k comparisons, Holm's adjusted p₍ⱼ₎ is the greatest of min(1, (k − i + 1)·p₍ᵢ₎) over i ≤ j: with
it, the chance that *any* of the comparisons calls different what is the same stays below 5 % (S. Holm, "A Simple
Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6 (1979)). Which configuration is
best is found by looking at all of them, so that every pair was looked at: k = c(c − 1)/2 for c configurations. Where
one was named before (`against`), k = c − 1. Bonferroni's intervals, at 1 − 0.05/k each, hold all at once; of more than
100 configurations his min(1, k·p), which is never below Holm's, takes its place, so that not all pairs are computed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from passo.analysis.compare import (
    HIGHER,
    LOWER,
    Comparison,
    Difference,
    Outcome,
    compare,
    end,
    ends_with,
    in_points,
)
from passo.analysis.intervals import Interval
from passo.analysis.needed import LEVEL, Needed, needed
from passo.analysis.resampled import mean_test, method
from passo.analysis.tables import Table
from passo.analysis.varied import listed, lost, told_lost
from passo.analysis.words import higher_is_better, is_share, ranged, seeds, spoken
from passo.language import later, numeral, t, tn
from passo.store import StoredStudy

MANY = 100  # configurations: with more, all pairs are counted for the correction and not computed
APART = later("not distinguishable")
ALONE = later("only by itself")


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's adjusted p: (k,) → (k,), in the order given; one that is NaN stays NaN, and counts.

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p, np.float64)
    order = np.argsort(np.where(np.isnan(p), 2.0, p), kind="stable")
    steps = (len(p) - np.arange(len(p))) * np.where(np.isnan(p), 1.0, p)[order]
    found = np.empty_like(p)
    found[order] = np.minimum(1.0, np.maximum.accumulate(steps)) if len(p) else steps
    return np.where(np.isnan(p), np.nan, found)


@dataclass(frozen=True)
class Paired(Difference):
    """A difference with its standard deviation, its p, Holm's, Bonferroni's interval and the seeds needed."""

    sd: float
    p: float
    adjusted: float
    wide: tuple[float, float]
    needed: Needed

    @property
    def verdict(self) -> str:
        """ "higher", "lower" or "not distinguishable", after the correction."""
        if not self.adjusted <= LEVEL:
            return APART
        return HIGHER if self.mean > 0 else LOWER

    @property
    def alone(self) -> bool:
        """Whether its own 95 % interval leaves out 0, and the correction for many does not let that count."""
        return self.verdict == APART and self.known and not self.low <= 0 <= self.high


@dataclass(frozen=True)
class FairComparison:
    """Outcomes ranked, and each against `reference`, corrected for `count` comparisons; `planned`: it was named before.

    lost: by configuration, the runs that have no result.
    """

    comparison: Comparison
    reference: str
    planned: bool
    pairs: tuple[Paired, ...]
    count: int
    lost: Mapping[str, tuple[str, ...]]

    @property
    def metric(self) -> str:
        return self.comparison.metric

    @cached_property
    def against(self) -> Mapping[str, Paired]:
        """By name, how each of the others stands to the reference."""
        return {pair.first: pair for pair in self.pairs if pair.second == self.reference}

    def table(self) -> Table:
        """One row for each configuration, the best first."""
        minus = t("minus {name}", name=self.reference)
        head = (t("configuration"), spoken(self.metric), t("95 % interval"), "n", minus)
        columns = (*head, t("p (corrected)"), t("told apart"), t("seeds needed"))
        return Table(columns, tuple(map(self._row, self.comparison.outcomes)), self.note())

    def _row(self, outcome: Outcome) -> tuple[str, ...]:
        mean, _, ends = ranged(outcome, self.metric).partition(" [")
        row = (outcome.name, mean, f"[{ends}" if ends else "—", str(outcome.n))
        if outcome.name == self.reference:
            return (*row, "", "", "", "")
        pair = self.against[outcome.name]
        level = pair.verdict == APART
        needs = pair.needed.words() if level and pair.known else ""
        apart = ALONE if pair.alone else later("no") if level else pair.verdict
        return (*row, gap(pair, self.metric), told_p(pair.adjusted), t(apart), needs)

    def note(self) -> str:
        """What the columns are, in one paragraph."""
        n = max(outcome.n for outcome in self.comparison.outcomes)
        if n < 2:
            return t("One seed each: no intervals, and nothing can be told apart.")
        if not self.count:
            return t("Intervals: Student's t over seeds. One configuration: there is nothing to compare it with.")
        needed_ = t(
            "Seeds needed: to tell it apart 4 times in 5 at level {level:g}/{count}, if the difference is what was "
            "seen, and at the ends of its interval.",
            level=LEVEL,
            count=self.count,
        )
        alone = t("Only by itself: its own interval leaves out 0, the correction does not let that count.")
        parts = [t("Intervals: Student's t over seeds."), self._corrected(n), needed_, alone]
        if self.metric.startswith("test/") and len(self.comparison.outcomes) > 2 and not self.planned:
            parts.append(t("To choose one of them, go by validation: choosing here would spend the test."))
        return " ".join(parts)

    def _corrected(self, n: int) -> str:
        """How the differences were taken, and for how many of them p is corrected."""
        told = {"method": method(n), "whose": "Holm" if self.count == len(self.pairs) else "Bonferroni"}
        if self.planned:
            return tn(
                "Differences: paired by seed, {method}, each at 95 % by itself; p: corrected by {whose} for {n:,} "
                "comparison against it, named before.",
                "Differences: paired by seed, {method}, each at 95 % by itself; p: corrected by {whose} for {n:,} "
                "comparisons against it, named before.",
                self.count,
                **told,
            )
        return tn(
            "Differences: paired by seed, {method}, each at 95 % by itself; p: corrected by {whose} for {n:,} "
            "comparison of all pairs, since the best was found by looking.",
            "Differences: paired by seed, {method}, each at 95 % by itself; p: corrected by {whose} for {n:,} "
            "comparisons of all pairs, since the best was found by looking.",
            self.count,
            **told,
        )

    def sentence(self) -> str:
        """Who stands where to the reference, what cannot be told, and how many seeds that would take."""
        best = self.comparison.estimate(self.reference)
        ends = f"{ends_with(best, self.metric)} ({seeds(best.n)})"
        if not best.known:
            told = t("{ends}; one seed tells nothing apart.", ends=ends)
            return self._with_lost(told if self.count else f"{ends}.")
        worse, better = (LOWER, HIGHER) if higher_is_better(self.metric) else (HIGHER, LOWER)
        parts = [ends]
        for verdict in (better, worse):
            if names := [name for name, pair in self.against.items() if pair.verdict == verdict]:
                parts.append(end(listed(names), len(names), verdict))
        if alone := [name for name, pair in self.against.items() if pair.alone]:
            parts.append(
                tn(
                    "{names} differs looked at alone, not after the correction for {count:,} comparisons",
                    "{names} differ looked at alone, not after the correction for {count:,} comparisons",
                    len(alone),
                    names=listed(alone),
                    count=self.count,
                )
            )
        level = [pair for pair in self.against.values() if pair.verdict == APART and not pair.alone]
        parts += [_undecided(pair) for pair in level[:3]]
        parts += [tn("nor is one more", "nor are {n} more", len(level) - 3)] if len(level) > 3 else []
        return self._with_lost("; ".join(parts) + ".")

    def _with_lost(self, told: str) -> str:
        return " ".join(part for part in (told, told_lost(self.lost)) if part)


def _undecided(pair: Paired) -> str:
    if not pair.known:
        return tn(
            "{name} is not distinguishable from it with {n} seed",
            "{name} is not distinguishable from it with {n} seeds",
            pair.n,
            name=pair.first,
        )
    return t(
        "{name} is not distinguishable from it with {n} seeds: {needed} would be needed",
        name=pair.first,
        n=pair.n,
        needed=pair.needed.words(),
    )


def told_p(p: float) -> str:
    """A p-value in a table.

    >>> told_p(0.0421), told_p(1e-5), told_p(math.nan)
    ('0.042', '< 0.001', '—')
    """
    return "—" if math.isnan(p) else numeral("< 0.001" if p < 0.001 else f"{p:.3f}")


def gap(found: Interval, metric: str) -> str:
    """A difference with its sign; of shares in points."""
    text = in_points(ranged(found, metric, difference=True)) if is_share(metric) else ranged(found)
    return text if found.mean < 0 else f"+{text}"


def fair(
    study: StoredStudy,
    metric: str = "test/accuracy",
    names: Sequence[str] | None = None,
    against: str | None = None,
) -> FairComparison:
    """Rank configurations by the last value of a metric, and hold each against the best, or against one named before.

    Raises `UnknownName` for a configuration that the study lacks, `StoreError` where nothing has the metric.
    """
    comparison = compare(study, metric, names)
    reference = comparison.names[0] if against is None else comparison.estimate(against).name
    told = lost(study)
    there = {name: each for name, each in told.items() if names is None or name in names}
    others = [name for name in comparison.names if name != reference]
    pairs = [(name, reference) for name in others]
    count = len(pairs) if against is not None else len(comparison.names) * len(others) // 2
    if against is None and len(comparison.names) <= MANY:
        pairs += [(a, b) for i, a in enumerate(others) for b in others[i + 1 :]]
    found = all_pairs(comparison, pairs, count)
    return FairComparison(comparison, reference, against is not None, found, count, there)


def all_pairs(comparison: Comparison, pairs: Sequence[tuple[str, str]], count: int | None = None) -> tuple[Paired, ...]:
    """Each pair's difference, corrected for all of these pairs (Holm), or for a larger `count` (Bonferroni)."""
    count = count or len(pairs)
    values_of = {o.name: dict(zip(o.seeds, o.values, strict=True)) for o in comparison.outcomes}
    columns = [_differences(values_of[first], values_of[second]) for first, second in pairs]
    mean, low, high, p, sd = np.full((5, len(pairs)), np.nan)
    wide = np.full((2, len(pairs)), np.nan)
    for size in {len(column) for column in columns if len(column)}:  # those with as many seeds are tested at once
        at = [i for i, column in enumerate(columns) if len(column) == size]
        values = np.stack([columns[i] for i in at], 1)
        sd[at] = values.std(0, ddof=1) if size > 1 else np.nan
        mean[at], low[at], high[at], p[at] = mean_test(values)
        wide[:, at] = np.stack(mean_test(values, 1 - LEVEL / count)[1:3])
    adjusted = holm(p) if count == len(pairs) else np.minimum(1.0, count * p)
    return tuple(
        Paired(
            mean=float(mean[i]),
            low=float(low[i]),
            high=float(high[i]),
            n=len(columns[i]),
            first=first,
            second=second,
            sd=float(sd[i]),
            p=float(p[i]),
            adjusted=float(adjusted[i]),
            wide=(float(wide[0, i]), float(wide[1, i])),
            needed=needed(float(mean[i]), float(low[i]), float(high[i]), float(sd[i]), LEVEL / count),
        )
        for i, (first, second) in enumerate(pairs)
    )


def _differences(first: Mapping[int | None, float], second: Mapping[int | None, float]) -> np.ndarray:
    """first − second over the seeds that both have: (n,), empty where they share none."""
    return np.array([value - second[seed] for seed, value in first.items() if seed in second])
