"""Parallel coordinates: an axis for each setting that varies and one for the result, a line for each configuration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from passo.analysis.compare import compare
from passo.analysis.varied import called, is_number, settings, told_number
from passo.analysis.words import amount, is_share, joined, ranged, significant, spoken
from passo.errors import StoreError
from passo.figures.curves import about
from passo.figures.panels import GLYPHS, log_ticks, tick_words
from passo.figures.style import INK, WIDTH, Figure, altair, data, finished
from passo.language import t, tn
from passo.store import StoredStudy

MARKS = 10  # values that an axis can write out
MANY = 60  # lines, from which on they are thin
TOP = 0.25  # of the configurations: what the sentence calls the best ones


@dataclass(frozen=True)
class _Axis:
    """A setting's values at their heights, 0 to 1: numbers in their own order, logarithmic from a factor of ten on."""

    title: str
    marks: tuple[tuple[str, float], ...]
    height: dict[Any, float]


def _axis(key: str, values: Sequence[Any]) -> _Axis:
    if all(map(is_number, values)) and len(values) > 1:
        log = min(values) > 0 and max(values) / min(values) > 9.99
        at = [math.log10(value) if log else float(value) for value in values]
        heights = [(place - min(at)) / (max(at) - min(at)) for place in at]
    else:
        heights = [0.5 if len(values) == 1 else i / (len(values) - 1) for i in range(len(values))]
    told = [told_number(value) for value in values]
    marks = list(zip(told, heights, strict=True))
    if len(values) > MARKS and all(map(is_number, values)):
        marks = _ticks(values)
    return _Axis(called(key), tuple(_legible(marks)), dict(zip(values, heights, strict=True)))


def _ticks(values: Sequence[float]) -> list[tuple[str, float]]:
    """Round numbers along an axis with more values than can be written."""
    low, high = min(values), max(values)
    if low > 0 and high / low > 9.99:
        ticks = log_ticks(low, high, most=MARKS)
        heights = [math.log10(tick / low) / math.log10(high / low) for tick in ticks]
        return list(zip(tick_words(ticks), heights, strict=True))
    return [(significant(low + share * (high - low), 2), share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]


def _legible(marks: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Marks that do not touch: those less than a line apart from the last one are left out."""
    kept: list[tuple[str, float]] = []
    for mark in sorted(marks, key=lambda mark: mark[1]):
        if not kept or mark[1] - kept[-1][1] >= 0.055:
            kept.append(mark)
    return kept


def parallel(study: StoredStudy, metric: str = "validation/accuracy", names: Sequence[str] | None = None) -> Figure:
    """Every configuration as a line through its settings to its mean result, coloured by it."""
    alt = altair()
    found = compare(study, metric, names)
    varied = settings(study, list(found.names))
    if not varied.keys:
        raise StoreError(f"nothing but the seed varies in {study.folder}, so there is no axis to draw")
    outcomes = [o for o in found.outcomes if math.isfinite(o.mean)]
    axes = [_axis(key, varied.values(key)) for key in varied.keys]
    low, high = min(o.mean for o in outcomes), max(o.mean for o in outcomes)
    span = high - low or 1.0
    columns: dict[str, list[Any]] = {"axis": [], "height": [], "name": [], "mean": []}
    for outcome in reversed(outcomes):  # the best is drawn last, on top
        heights = [axis.height[varied.of[outcome.name][key]] for axis, key in zip(axes, varied.keys, strict=True)]
        for place, height in enumerate([*heights, (outcome.mean - low) / span]):
            for column, value in zip(columns.values(), (float(place), height, outcome.name, outcome.mean), strict=True):
                column.append(value)
    lines = _lines(columns, metric, (low, high), len(axes))
    chart = alt.layer(lines, *_frame(axes, metric, low, high)).properties(width=WIDTH, height=300)
    caption = t(
        "Each line is a configuration, through its settings to its mean {metric} over seeds; brighter is better. "
        "Numbers over a factor of ten or more are logarithmic; labels that would touch are left out.",
        metric=spoken(metric),
    )
    best = outcomes[: max(1, round(TOP * len(outcomes)))]
    title = finished(chart, t("Settings and result"), about(study))
    return Figure("parallel", title, caption, _told(best, varied, metric, len(outcomes)))


def _told(best: Sequence[Any], varied: Any, metric: str, count: int) -> str:
    """What the best quarter has in common."""
    shared = []
    for key in varied.keys:
        values = list(dict.fromkeys(varied.of[o.name][key] for o in best))
        if all(map(is_number, values)):
            low, high = told_number(min(values)), told_number(max(values))
            told = low if low == high else t("{low} to {high}", low=low, high=high)
        else:
            told = joined([told_number(value) for value in values])
        shared.append(f"{called(key)} {told}")
    return tn(
        "The best of {count} configurations by mean {metric} ({value} at best) has: {settings}.",
        "The best {n} of {count} configurations by mean {metric} ({value} at best) have: {settings}.",
        len(best),
        count=count,
        metric=spoken(metric),
        value=ranged(best[0], metric),
        settings="; ".join(shared),
    )


def _x(last: int) -> Any:
    alt = altair()
    return alt.X("axis:Q", axis=None, scale=alt.Scale(domain=[-0.12, last + 0.12], nice=False))


def _y(field: str = "height") -> Any:
    alt = altair()
    return alt.Y(f"{field}:Q", axis=None, scale=alt.Scale(domain=[-0.04, 1.12], nice=False))


def _lines(columns: dict[str, list[Any]], metric: str, ends: tuple[float, float], last: int) -> Any:
    alt = altair()
    scale = alt.Scale(scheme="viridis", domain=list(ends), reverse=not is_share(metric))
    many = len(set(columns["name"])) > MANY
    base = alt.Chart(data(columns)).mark_line(strokeWidth=1 if many else 2, opacity=0.55 if many else 0.8)
    form = ".1%" if is_share(metric) else ".4~g"
    return base.encode(
        x=_x(last),
        y=_y(),
        detail=alt.Detail("name:N"),
        color=alt.Color("mean:Q", scale=scale, legend=None),
        tooltip=[
            alt.Tooltip("name:N", title=t("configuration")),
            alt.Tooltip("mean:Q", title=spoken(metric), format=form),
        ],
    )


def _frame(axes: Sequence[_Axis], metric: str, low: float, high: float) -> list[Any]:
    """The axes themselves, their titles and the values along them."""
    alt = altair()
    last = len(axes)
    ends = tuple((amount(low + share * (high - low), metric), share) for share in (0.0, 0.25, 0.5, 0.75, 1.0))
    every = [*axes, _Axis(spoken(metric), ends, {})]
    rules = {"axis": [float(i) for i in range(last + 1)], "height": [0.0] * (last + 1), "end": [1.0] * (last + 1)}
    marks = [(float(i), height, text) for i, axis in enumerate(every) for text, height in axis.marks]
    heads = {"axis": rules["axis"], "height": [1.07] * (last + 1), "text": [axis.title for axis in every]}
    placed = {name: [mark[i] for mark in marks] for i, name in enumerate(("axis", "height", "text"))}
    words = alt.Chart(data(placed))
    halo = {"stroke": "#FFFFFF", "strokeWidth": 4.5}
    font = {"font": GLYPHS} if any("⁻" in str(text) for text in placed["text"]) else {}
    return [
        alt.Chart(data(rules)).mark_rule(color=INK, strokeWidth=1.2).encode(x=_x(last), y=_y(), y2="end:Q"),
        *(
            words.transform_filter(f"datum.axis {which} 0")
            .mark_text(align=side, dx=aside, fontSize=10.5, color=INK, **look, **font)
            .encode(x=_x(last), y=_y(), text="text:N")
            for which, side, aside in (("==", "right", -6), (">", "left", 6))  # left of the first axis are no lines
            for look in (halo, {})
        ),
        alt.Chart(data(heads))
        .mark_text(fontSize=11.5, fontWeight=600, color=INK)
        .encode(x=_x(last), y=_y(), text="text:N"),
    ]
