"""The best value of a run against its last one, and the area under its curve.

The best of many readings is chosen with their noise and so looks better than it is: a gap between best and last is
what early stopping could gain *at most*. The area is the trapezoid's over epochs, divided by their span, so that it is
the metric's own mean over training and has its unit:

    area = 1/(e_n − e_1) · Σ (e_{i+1} − e_i)(y_i + y_{i+1})/2
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from passo.analysis.compare import in_points
from passo.analysis.curves import runs_of
from passo.analysis.intervals import Interval, interval
from passo.analysis.tables import Table
from passo.analysis.words import amount, higher_is_better, is_share, ranged, significant, spoken
from passo.errors import StoreError
from passo.language import t
from passo.store import Series, StoredStudy


@dataclass(frozen=True)
class Ending:
    """One configuration: the best value over training, in which epoch (the median), the last, best − last, area."""

    name: str
    best: Interval
    epoch: float
    last: Interval
    gap: Interval
    area: Interval


@dataclass(frozen=True)
class Endings:
    """All configurations, by the area under the curve; `span` is the epochs that it goes over."""

    metric: str
    span: tuple[float, float]
    each: tuple[Ending, ...]

    def table(self) -> Table:
        columns = (t("configuration"), t("best"), t("in epoch"), t("last"), t("best − last"), t("area"))
        rows = [
            (e.name, ranged(e.best, m), significant(e.epoch), ranged(e.last, m), _points(e.gap, m), ranged(e.area, m))
            for m in [self.metric]
            for e in self.each
        ]
        first, last = (significant(end) for end in self.span)
        note = t(
            "{metric}, means over seeds and 95 % intervals. The best is the best of all readings and flatters. Area: "
            "the mean under the curve from epoch {first} to {last}.",
            metric=spoken(self.metric).capitalize(),
            first=first,
            last=last,
        )
        return Table(columns, tuple(rows), note)

    def sentence(self) -> str:
        """Who learns most over the whole training, and who falls back furthest from its best."""
        first = self.each[0]
        told = {"name": first.name, "metric": spoken(self.metric), "area": ranged(first.area, self.metric)}
        far = max(self.each, key=lambda e: abs(e.gap.mean) if np.isfinite(e.gap.mean) else -1.0)
        if not far.gap.mean:
            return t(
                "{name} has the best {metric} over the whole training, {area}; every run is best at its end.", **told
            )
        by = in_points(amount(abs(far.gap.mean), self.metric))
        if len(self.each) == 1:
            return t(
                "{name} ends {by} from its own best, {when}; the area: {area}.",
                name=first.name,
                by=by,
                when=_when(far),
                area=told["area"],
            )
        return t(
            "{name} has the best {metric} over the whole training, {area}; {far} ends furthest from its own best, by "
            "{by}; {when}.",
            far=far.name,
            by=by,
            when=_when(far),
            **told,
        )


def _when(found: Ending) -> str:
    epoch = significant(found.epoch)
    if found.best.n > 1:
        return t("that was in epoch {epoch} (the median of {n} runs)", epoch=epoch, n=found.best.n)
    return t("that was in epoch {epoch}", epoch=epoch)


def _points(found: Interval, metric: str) -> str:
    return in_points(ranged(found, metric, difference=True)) if is_share(metric) else ranged(found)


def area(series: Series, start: float, end: float) -> float:
    """The mean under a curve between two epochs, by the trapezoid; the value itself where they are one."""
    epochs, values = series.epochs, series.values
    if end <= start:
        return float(np.interp(start, epochs, values))
    inside = epochs[(epochs > start) & (epochs < end)]
    at = np.concatenate([[start], inside, [end]])
    return float(np.trapezoid(np.interp(at, epochs, values), at) / (end - start))


def endings(study: StoredStudy, metric: str = "validation/accuracy", names: Sequence[str] | None = None) -> Endings:
    """Best, last and area of every finished configuration, over the epochs that all of them recorded.

    Raises `UnknownName` for a configuration that the study lacks, `StoreError` where none recorded the metric.
    """
    study = study.holding(metric)
    there = names or [n for n in study.names() if all(run.has(metric) for run in study.select(n))]
    if not there:
        raise StoreError(f"no finished run in {study.folder} has {metric!r}, so there is no curve")
    curves = {name: [run.metric(metric) for run in runs_of(study, name)] for name in there}
    every = [series for group in curves.values() for series in group]
    span = max(float(s.epochs[0]) for s in every), min(float(s.epochs[-1]) for s in every)
    sign = -1 if higher_is_better(metric) else 1
    found = [_ending(name, group, sign, span) for name, group in curves.items()]
    return Endings(metric, span, tuple(sorted(found, key=lambda e: (np.isnan(e.area.mean), sign * e.area.mean))))


def _ending(name: str, curves: Sequence[Series], sign: int, span: tuple[float, float]) -> Ending:
    places = [int(np.nanargmin(sign * s.values)) if np.isfinite(s.values).any() else -1 for s in curves]
    bests = np.array([s.values[at] for s, at in zip(curves, places, strict=True)])
    epoch = float(np.median([s.epochs[at] for s, at in zip(curves, places, strict=True)]))
    lasts = np.array([s.last for s in curves])
    areas = [area(s, *span) for s in curves]
    return Ending(name, interval(bests), epoch, interval(lasts), interval(bests - lasts), interval(areas))
