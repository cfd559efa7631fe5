"""How much the learning rate matters: the value at each rate, and how wide the band is within one point of the best.

Of the means over seeds at each rate, the band is the stretch around the best that stays within the tolerance: one point
of a share (0.01), 5 % of the best of any other metric. Its ends are where the line between neighbouring rates, straight
in log₁₀(rate), crosses the tolerance; its width is in decades. An end at the last rate that was tried is a bound only
("at least"). A rate at which any seed diverged is no part of a band: an end beside it is at the last rate that held.

The same for any other positive number that varies: a batch size, a weight decay.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from passo.analysis.curves import runs_of
from passo.analysis.intervals import Interval, interval
from passo.analysis.tables import Table
from passo.analysis.varied import RATE, Settings, called, is_number, lost, settings
from passo.analysis.words import amount, higher_is_better, is_share, ranged, significant, spoken
from passo.errors import StoreError, UsageError
from passo.language import numeral, t, tn
from passo.store import StoredStudy

TOLD = 5  # groups in a sentence; the table has all


@dataclass(frozen=True)
class Sensitivity:
    """One group's values over a setting: at (n,) ascending, found[i] over seeds (NaN where all were lost), whole[i].

    low, high: the band's ends, with whether each is only a bound. names: the configurations.
    """

    name: str
    at: tuple[float, ...]
    found: tuple[Interval, ...]
    names: tuple[str, ...]
    whole: tuple[bool, ...]
    best: int
    low: float
    high: float
    open_low: bool
    open_high: bool

    @property
    def top(self) -> Interval:
        """The value at the best."""
        return self.found[self.best]

    @property
    def decades(self) -> float:
        return math.log10(self.high / self.low)

    def words(self) -> str:
        """The band's width: "at least 0.8 decades"."""
        width = numeral(f"{self.decades:.1f}") if self.decades >= 0.1 else significant(self.decades, 1)
        if self.open_low or self.open_high:
            return t("at least {width} decades", width=width)
        return t("{width} decades", width=width)


@dataclass(frozen=True)
class Sensitivities:
    """All groups (what else varies), the best first. key: the setting; within: the tolerance, as a difference."""

    metric: str
    key: str
    within: str
    groups: tuple[Sensitivity, ...]

    def table(self) -> Table:
        best, there = t("best {setting}", setting=called(self.key)), t("{metric} there", metric=spoken(self.metric))
        columns = (t("group"), best, there, t("band"), t("width"), t("tried"))
        rows = [
            (
                group.name,
                significant(group.at[group.best]),
                ranged(group.top, self.metric),
                _span(group.low, group.high, 2),
                group.words(),
                f"{_span(group.at[0], group.at[-1])} ({len(group.at)})",
            )
            for group in self.groups
        ]
        note = t(
            "Band: where the mean over seeds stays within {within} of the best, between rates by a line in the "
            "logarithm; at least: it ends at the last value tried.",
            within=self.within,
        )
        return Table(columns, tuple(rows), note)

    def sentence(self) -> str:
        """Where each group is best, and how wide its band is."""
        parts = [
            t(
                "{name} is best at {place} ({value}) and within {within} of that over {width}",
                name=group.name,
                place=significant(group.at[group.best]),
                value=amount(group.top.mean, self.metric),
                within=self.within,
                width=group.words(),
            )
            for group in self.groups[:TOLD]
        ]
        left = len(self.groups) - TOLD
        parts += [tn("and {n} group more", "and {n} groups more", left)] if left > 0 else []
        return t("By the {setting}: {parts}.", setting=called(self.key), parts="; ".join(parts))


def _span(low: float, high: float, digits: int = 3) -> str:
    return t("{low} to {high}", low=significant(low, digits), high=significant(high, digits))


def sensitivity(
    study: StoredStudy, metric: str = "validation/accuracy", key: str = RATE, within: float | None = None
) -> Sensitivities:
    """The value over one number that varies, for each group of what else does; `within` in the metric's own unit.

    Raises `UsageError` where it does not vary or is no positive number, `StoreError` where nothing has the metric.
    """
    study = study.holding(lasts=[metric])
    varied = settings(study)
    if key == RATE and RATE not in varied.keys:
        there = ", ".join(varied.keys) or "nothing but the seed"
        raise UsageError(f"the learning rate does not vary in {study.folder}; there vary: {there}")
    key = varied.key(key)
    if not all(is_number(value) and value > 0 for value in varied.values(key)):
        raise UsageError(f"{key} has values that are no positive numbers, so it has no decades")
    grouped: dict[str, list[str]] = {}
    for name in varied.of:
        grouped.setdefault(varied.label(name, (key,)), []).append(name)
    found = [_group(study, label, names, varied, key, metric, within) for label, names in grouped.items()]
    there = [group for group in found if group is not None]
    if not there:
        raise StoreError(f"no two finished configurations in {study.folder} differ in {key} alone and have {metric!r}")
    sign = -1 if higher_is_better(metric) else 1
    return Sensitivities(
        metric, key, _tolerance_told(metric, within), tuple(sorted(there, key=lambda g: sign * g.top.mean))
    )


def _tolerance_told(metric: str, within: float | None) -> str:
    if within is None:
        return t("one point") if is_share(metric) else "5 %"
    return t("{count:g} points", count=100 * within) if is_share(metric) else numeral(f"{within:g}")


def _group(
    study: StoredStudy, label: str, names: list[str], varied: Settings, key: str, metric: str, within: float | None
) -> Sensitivity | None:
    names = sorted(names, key=lambda name: varied.of[name][key])
    at = tuple(float(varied.of[name][key]) for name in names)
    found = tuple(_value(study, name, metric) for name in names)
    diverged = lost(study)
    whole = tuple(name not in diverged and math.isfinite(f.mean) for name, f in zip(names, found, strict=True))
    if len(set(at)) < 2 or not any(whole):
        return None
    sign = 1 if higher_is_better(metric) else -1
    heights = np.array([sign * f.mean if good else -np.inf for f, good in zip(found, whole, strict=True)])
    best = int(heights.argmax())
    room = within if within is not None else 0.01 if is_share(metric) else 0.05 * abs(float(heights[best]))
    low, open_low = _edge(np.log10(at[best::-1]), heights[best::-1], heights[best] - room)
    high, open_high = _edge(np.log10(at[best:]), heights[best:], heights[best] - room)
    return Sensitivity(label, at, found, tuple(names), whole, best, 10**low, 10**high, open_low, open_high)


def _edge(at: np.ndarray, heights: np.ndarray, level: float) -> tuple[float, bool]:
    """Walking from the best outwards: where the height falls below the level, and whether it never does."""
    for i in range(1, len(at)):
        if not np.isfinite(heights[i]):
            return float(at[i - 1]), False
        if heights[i] < level:
            share = (heights[i - 1] - level) / (heights[i - 1] - heights[i])
            return float(at[i - 1] + share * (at[i] - at[i - 1])), False
    return float(at[-1]), True


def _value(study: StoredStudy, name: str, metric: str) -> Interval:
    runs: Sequence = runs_of(study, name) if study.select(name) else ()
    values = [run.last(metric) for run in runs if run.has(metric)]
    return interval(values) if values else Interval(math.nan, math.nan, math.nan, 0)
