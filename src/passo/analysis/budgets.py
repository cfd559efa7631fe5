"""Results as a function of the budget for tuning: what the best of k configurations would have given.

With the n configurations of a group, sorted by validation v₁ ≤ … ≤ v_n (best last), the best of k drawn at
random is configuration i with probability

    P(i) = (i/n)^k − ((i − 1)/n)^k           drawn with replacement (Dodge et al. 2019, section 3)
    P(i) = C(i − 1, k − 1) / C(n, k)         drawn without (Tang et al. 2020): unbiased

and the expected result is Σ P(i)·vᵢ; the expected *test* of what validation chooses is Σ P(i)·testᵢ. The second form is
used unless `replacement` is asked for: the first is too low for k near n. Each seed is a tuner of its own, who sees one
run of each configuration; the interval is Student's t over seeds. A grid stands for the draws that could have been
made from it: the curve holds for this set of values, and no wider one.

J. Dodge, S. Gururangan, D. Card, R. Schwartz, N. A. Smith, "Show Your Work: Improved Reporting of Experimental
Results", EMNLP 2019. R. Tang et al., "Showing Your Work Doesn't Always Work", ACL 2020.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from passo.analysis.curves import runs_of
from passo.analysis.intervals import Interval, intervals
from passo.analysis.tables import Table
from passo.analysis.tuning import BY, REPORT, complete, restored, validated
from passo.analysis.varied import groups
from passo.analysis.words import amount, higher_is_better, joined, ranged, spoken
from passo.errors import StoreError, UsageError
from passo.language import t
from passo.store import StoredStudy


def chances(n: int, k: int, replacement: bool = False) -> np.ndarray:
    """P(i) of the module: that the best of k draws out of n is the i-th, ascending: (n,), sums to 1.

    >>> chances(3, 2).round(3).tolist(), chances(3, 2, replacement=True).round(3).tolist()
    ([0.0, 0.333, 0.667], [0.111, 0.333, 0.556])
    """
    if not 1 <= k <= n:
        raise ValueError(f"need 1 ≤ k ≤ n, got k = {k} of {n}")
    place = np.arange(1, n + 1)
    if replacement:
        return (place / n) ** k - ((place - 1) / n) ** k
    falls = np.maximum(0, place[:0:-1] - k) / (place[:0:-1] - 1)  # P(i − 1)/P(i) = (i − k)/(i − 1), from P(n) = k/n
    return np.cumprod(np.append(k / n, falls))[::-1]


@dataclass(frozen=True)
class Budget:
    """One group: the expected result of the best of k = 1 … n; mean, low, high (n,), None without an interval."""

    group: str
    by: np.ndarray
    mean: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    seeds: int

    def at(self, k: int) -> Interval:
        """The expected report with a budget of k."""
        if self.low is None or self.high is None:
            return Interval(float(self.mean[k - 1]), math.nan, math.nan, self.seeds)
        return Interval(float(self.mean[k - 1]), float(self.low[k - 1]), float(self.high[k - 1]), self.seeds)


@dataclass(frozen=True)
class Budgets:
    """Results as a function of the number of configurations tried."""

    by: str
    report: str
    groups: tuple[Budget, ...]

    @property
    def shared(self) -> int:
        """The largest budget that all groups have."""
        return min(len(group.mean) for group in self.groups)

    def table(self) -> Table:
        ks = sorted({1, *(k for k in (2, 3, 5, 10, 20, 50, 100) if k < self.shared), self.shared})
        rows = [(g.group, *(ranged(g.at(k), self.report) for k in ks)) for g in self.groups]
        report, by = spoken(self.report), spoken(self.by)
        note = t(
            "Expected {report} of the best of k configurations drawn at random, chosen by {by}.", report=report, by=by
        )
        return Table((t("group"), *(f"k = {k}" for k in ks)), tuple(rows), note)

    def sentence(self) -> str:
        """What one and what all tries give, and where the order changes."""

        def reached(group: Budget, k: int) -> str:
            return amount(group.at(k).mean, self.report)

        if self.shared == 1:
            start = t(
                "With one configuration tried, all that some groups have, the expected {metric} is",
                metric=spoken(self.report),
            )
            parts = [f"{g.group} {reached(g, 1)}" for g in self.groups]
        else:
            start = t(
                "With one configuration tried, and with {count}, the expected {metric} is",
                count=self.shared,
                metric=spoken(self.report),
            )
            parts = [f"{g.group} {joined([reached(g, 1), reached(g, self.shared)])}" for g in self.groups]
        return f"{start}: {'; '.join(parts)}. {self._order()}".strip()

    def _order(self) -> str:
        if len(self.groups) < 2:
            return ""
        sign = 1 if higher_is_better(self.report) else -1
        curves = np.stack([sign * group.mean[: self.shared] for group in self.groups])
        leaders = curves.argmax(0)
        if (leaders == leaders[-1]).all():
            return t("{name} leads at every budget.", name=self.groups[leaders[-1]].group)
        changed = int(np.flatnonzero(np.diff(leaders))[-1]) + 2
        return t("From {count} on, {name} leads.", count=changed, name=self.groups[leaders[-1]].group)


def budgets(
    study: StoredStudy, by: str = BY, report: str = REPORT, group: str | None = None, replacement: bool = False
) -> Budgets:
    """Expected results by the number of configurations tried; each group over the seeds that all its runs have."""
    if by.startswith("test/"):
        raise UsageError(
            f"a choice by {by} would use the test to tune: choose by validation/…, and let the test report"
        )
    study = study.holding(*restored(study, by), lasts=[by, report])
    kept: Mapping[str, list[str]] = {
        label: complete(study, members, by, report, None) for label, members in groups(study, group).items()
    }
    found = [_budget(study, label, names, by, report, replacement) for label, names in kept.items() if names]
    if not found:
        raise StoreError(f"no configuration in {study.folder} has both {by!r} and {report!r} for all of its seeds")
    if all(len(one.mean) == 1 for one in found):
        raise StoreError(
            f"each of the {len(found)} groups in {study.folder} has one configuration, so nothing was tuned: "
            "--group KEY makes others"
        )
    return Budgets(by, report, tuple(found))


def _budget(study: StoredStudy, label: str, names: Sequence[str], by: str, report: str, replacement: bool) -> Budget:
    runs = [{run.seed: run for run in runs_of(study, name)} for name in names]
    seeds = sorted(
        reduce(set.intersection, (set(each) for each in runs)), key=lambda seed: -1 if seed is None else seed
    )
    if not seeds:
        raise StoreError(f"the configurations of {label} in {study.folder} share no seed")
    v = np.array([[validated(each[seed], by) for each in runs] for seed in seeds])  # (seeds, n)
    w = np.array([[each[seed].last(report) for each in runs] for seed in seeds])
    order = np.argsort((1 if higher_is_better(by) else -1) * np.where(np.isfinite(v), v, np.nan), axis=1, kind="stable")
    v, w = np.take_along_axis(v, order, 1), np.take_along_axis(w, order, 1)
    n = len(names)
    expected = np.empty((2, len(seeds), n))  # of v and w, for k = 1 … n; all chances at once would be (n, n)
    both = np.stack([v, w])
    for k in range(1, n + 1):
        expected[:, :, k - 1] = both @ chances(n, k, replacement)
    mean, low, high = intervals(expected[1])
    known = len(seeds) > 1
    return Budget(label, expected[0].mean(0), mean, low if known else None, high if known else None, len(seeds))
