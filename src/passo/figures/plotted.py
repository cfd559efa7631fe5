"""Curves that a page draws anew at every movement of a slider, as specifications that are written by hand.

One metric of one run, learning rates under schedules, and a series with its averages. A page's script puts new points
into them; a browser without scripts gets them as pictures, with their sentences.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from passo.analysis.words import joined, significant, spoken
from passo.figures.style import GREY, OTHERS, Written, themed
from passo.language import t

BLUE = OTHERS[0]
DASHES = ([1, 0], [7, 3], [2, 3], [9, 3, 2, 3], [4, 2], [12, 4])
WIDE = 560  # of a picture; on a page a chart is as wide as its place
Points = Sequence[tuple[float, float | None]]


def curve(name: str, steps: np.ndarray, values: np.ndarray, *, log: bool = False, wide: float | None = None) -> Written:
    """One metric over the steps at which it was recorded, (n,) each; what is not finite is a gap."""
    rows = [{"x": float(x), "y": float(y) if math.isfinite(y) else None} for x, y in zip(steps, values, strict=True)]
    spec = {
        **_place(wide, 180),
        "data": {"name": "curve", "values": [row for row in rows if not log or row["y"] is None or row["y"] > 0]},
        "params": [{"name": "zoom", "select": {"type": "interval", "encodings": ["x"]}}],
        "mark": {"type": "line", "strokeWidth": 1.4, "color": BLUE, "tooltip": True},
        "encoding": {
            "x": _x(t("step")),
            "y": {**_y(None), "scale": {"zero": False, "type": "log" if log else "linear"}},
        },
    }
    return Written("curve", themed(spec, name), "", told_curve(name, steps, values))


def told_curve(name: str, steps: np.ndarray, values: np.ndarray) -> str:
    """Where a metric began and ended, and its extremes."""
    there = np.flatnonzero(np.isfinite(values))
    if not len(there):
        return t("{metric} was never a finite number.", metric=_begun(spoken(name)))
    first, last = there[0], there[-1]
    low, high = there[np.argmin(values[there])], there[np.argmax(values[there])]
    told = {"metric": _begun(spoken(name)), "last": significant(float(values[last])), "b": int(steps[last])}
    if len(there) == 1:
        return t("{metric} is {last} at step {b:,}.", **told)
    if values[low] == values[high]:
        return t("{metric} stays at {last} from step {a:,} to step {b:,}.", a=int(steps[first]), **told)
    return t(
        "{metric} goes from {first} at step {a:,} to {last} at step {b:,}; the least is {low} (step {c:,}), the most "
        "{high} (step {d:,}).",
        first=significant(float(values[first])),
        a=int(steps[first]),
        low=significant(float(values[low])),
        c=int(steps[low]),
        high=significant(float(values[high])),
        d=int(steps[high]),
        **told,
    )


def plans(curves: Sequence[Mapping[str, Any]], *, wide: float | None = None) -> Written:
    """Learning rates: for each schedule its `spec`, the `points` (epoch, rate) where it changes, `first` and `last`."""
    names = [str(one["spec"]) for one in curves]
    rows = [{"spec": one["spec"], "x": x, "y": y} for one in curves for x, y in one["points"]]
    spec = {
        **_place(wide, 300),
        "data": {"values": rows},
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.8},
        "encoding": {
            "x": {**_x(t("epoch")), "axis": {"grid": False}},
            "y": _y(t("learning rate")),
            **_told_apart("spec", names, columns=2),
        },
    }
    ends = [
        t("{name} from {first} to {last}", name=name, first=significant(one["first"]), last=significant(one["last"]))
        for name, one in zip(names, curves, strict=True)
    ]
    sentence = t("Learning rates: {ends}.", ends=joined(ends)) if ends else ""
    return Written("plans", themed(spec, t("Learning rates")), "", sentence)


def smoothed(
    behind: Points, curves: Mapping[str, Points], told: Sequence[str], of: str, *, wide: float | None = None
) -> Written:
    """A series in grey, and its averages by name; `told`: how long each remembers, `of`: what the series is."""
    grey = {
        "data": {"values": _rows(behind)},
        "mark": {"type": "line", "strokeWidth": 1, "color": GREY, "opacity": 0.7},
        "encoding": {"x": _x(t("step")), "y": _y("")},
    }
    spec = {**_place(wide, 280), "layer": [grey, _over(curves, t("step"), "")]}
    return Written("averages", themed(spec, t("Averages")), "", f"{_begun(of)}. {'; '.join(told)}.")


def remembered(weights: Mapping[str, Points], told: Sequence[str], *, wide: float | None = None) -> Written:
    """How much each step weighs in an average, by how long ago it was."""
    spec = {**_place(wide, 200), **_over(weights, t("steps ago"), t("weight in the average"))}
    return Written("weights", themed(spec, ""), "", f"{'; '.join(told)}.")


def _over(curves: Mapping[str, Points], x: str, y: str) -> dict[str, Any]:
    return {
        "data": {"values": [{"name": name, **row} for name, points in curves.items() for row in _rows(points)]},
        "mark": {"type": "line", "strokeWidth": 2},
        "encoding": {"x": _x(x), "y": _y(y), **_told_apart("name", list(curves))},
    }


def _rows(points: Points) -> list[dict[str, float | None]]:
    return [{"x": x, "y": y} for x, y in points]


def _place(wide: float | None, high: float) -> dict[str, Any]:
    autosize = {"autosize": {"type": "fit", "contains": "padding"}}
    return {"height": high, "width": wide} if wide else {"height": high, "width": "container", **autosize}


def _x(title: str) -> dict[str, Any]:
    look = {"scale": {"nice": False, "zero": False}, "axis": {"grid": False, "tickMinStep": 1, "tickCount": 10}}
    return {"field": "x", "type": "quantitative", "title": title, **look}


def _y(title: str | None) -> dict[str, Any]:
    return {"field": "y", "type": "quantitative", "title": title, "axis": {"format": "~g", "tickCount": 6}}


def _told_apart(field: str, names: Sequence[str], **legend: Any) -> dict[str, Any]:
    """Colours and dashes of lines by name."""
    shades = {"domain": list(names), "range": [OTHERS[i % len(OTHERS)] for i in range(len(names))]}
    dashes = {"domain": list(names), "range": [DASHES[i % len(DASHES)] for i in range(len(names))]}
    look = {"field": field, "type": "nominal", "title": None}
    return {
        "color": {**look, "scale": shades, "legend": {"orient": "top", "labelLimit": 420, **legend}},
        "strokeDash": {**look, "scale": dashes},
    }


def _begun(words: str) -> str:
    """Words as a sentence begins."""
    return words[:1].upper() + words[1:]
