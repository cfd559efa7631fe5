"""Curves over training: the mean of a metric over seeds, and a band around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from passo.analysis.intervals import Interval, intervals
from passo.analysis.words import amount, joined, ranged, seeds, spoken
from passo.language import t
from passo.registry import unknown
from passo.store import StoredRun, StoredStudy


@dataclass(frozen=True)
class Band:
    """A metric of one configuration: mean and 95 % t-interval over seeds at each recorded step.

    steps, epochs, mean, low, high: (n,); low and high are None with one seed. values: (seeds, n).
    """

    name: str
    metric: str
    steps: np.ndarray
    epochs: np.ndarray
    mean: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    values: np.ndarray

    @property
    def seeds(self) -> int:
        return len(self.values)

    @property
    def last(self) -> Interval:
        """The end of the curve."""
        return self.at(-1)

    def at(self, record: int) -> Interval:
        """The mean of one record, and its interval."""
        if self.low is None or self.high is None:
            return Interval(float(self.mean[record]), np.nan, np.nan, 1)
        return Interval(float(self.mean[record]), float(self.low[record]), float(self.high[record]), self.seeds)


def runs_of(study: StoredStudy, name: str, kind: str = "train") -> tuple[StoredRun, ...]:
    """The finished runs of a configuration, by seed; raises `UnknownName` with the list where there is none."""
    found = study.select(name, kind)
    if not found:
        raise unknown(f"configuration in {study.folder}", name, study.names(kind))
    return tuple(sorted(found, key=lambda run: -1 if run.seed is None else run.seed))


def bands(study: StoredStudy, metric: str, names: Sequence[str] | None = None) -> tuple[Band, ...]:
    """One band per configuration, in the order of `names` (all that have the metric, where none are given).

    Where seeds recorded different steps, the band covers those that all have.
    """
    study = study.holding(metric)
    if names is None:
        names = [n for n in study.names() if all(run.has(metric) for run in study.select(n))]
    return tuple(_band(runs_of(study, name), name, metric) for name in names)


def _band(runs: Sequence[StoredRun], name: str, metric: str) -> Band:
    series = [run.metric(metric) for run in runs]
    steps = reduce(np.intersect1d, [s.steps for s in series])
    values = np.stack([s.values[np.isin(s.steps, steps)] for s in series])  # (seeds, n)
    epochs = series[0].epochs[np.isin(series[0].steps, steps)]
    mean, low, high = intervals(values)
    known = len(values) > 1
    return Band(name, metric, steps, epochs, mean, low if known else None, high if known else None, values)


def tell(found: Sequence[Band]) -> str:
    """Where the curves end, in one sentence.

    "After 5 epochs adam reaches a validation loss of 0.38 [0.36, 0.40] and sgd 0.61 [0.58, 0.64] (mean and …)."
    """
    first, *others = found
    metric = first.metric
    parts = [
        t("{name} reaches a {metric} of {end}", name=first.name, metric=spoken(metric), end=ranged(first.last, metric))
    ]
    parts += [f"{band.name} {ranged(band.last, metric)}" for band in others]
    ends, over = {round(float(band.epochs[-1]), 3) for band in found}, seeds(min(band.seeds for band in found))
    if len(ends) > 1:
        return t("At the end {told} ({seeds}).", told=joined(parts), seeds=over)
    last = amount(ends.pop())
    if last == "1":
        return t("After one epoch {told} ({seeds}).", told=joined(parts), seeds=over)
    return t("After {n} epochs {told} ({seeds}).", n=last, told=joined(parts), seeds=over)
