"""Weights, gradients and updates of a parameter over the steps: histograms side by side, as a map of shares."""

from __future__ import annotations

from typing import Any

import numpy as np

from passo.analysis.distributions import Distributions, Spread
from passo.analysis.distributions import distributions as read
from passo.analysis.recorded import Recorded, told_run
from passo.analysis.words import significant
from passo.figures.style import INK, ORANGE, Figure, Written, columns_of, themed, thinned
from passo.language import later, t, tn

HIGH, WIDE = 120, 520
TITLES = {"theta": later("weights"), "grad": later("gradients"), "update": later("updates")}


def distributions(run: Recorded, *, parameter: str | None = None) -> Figure:
    """Each column is a histogram of a stretch of steps; lines are the mean and one standard deviation around it."""
    found = read(run, parameter)
    panels = [_panel(one, last=one is found.spreads[-1]) for one in found.spreads]
    spec = {"vconcat": panels, "spacing": 10, "resolve": {"scale": {"color": "shared", "x": "shared"}}}
    subtitle = t("{weight}, run {run}", weight=found.parameter, run=found.run)
    figure = themed(spec, t("How weights, gradients and updates are spread"), subtitle)
    return Written("distributions", figure, _caption(found), _told(found))


def _caption(found: Distributions) -> str:
    if found.whole:
        of = t(
            "Each column is a histogram of all {n:,} weights of {parameter} at a step.",
            n=found.size or 0,
            parameter=found.parameter,
        )
    else:
        of = tn(
            "Each column is a histogram of what was recorded in a stretch of steps of the {n} weight of {parameter} "
            "that was followed: no histogram of all weights was recorded. record.histograms=40 records them, "
            "record.coordinates=100 follows more.",
            "Each column is a histogram of what was recorded in a stretch of steps of the {n} weights of {parameter} "
            "that were followed: no histogram of all weights was recorded. record.histograms=40 records them, "
            "record.coordinates=100 follows more.",
            found.followed,
            parameter=found.parameter,
        )
    ends = t("The outermost bins hold the half percent beyond them as well.")
    if not len(found.spreads[0].steps):
        return f"{of} {ends}"
    return f"{of} {t('Lines: the mean of all weights of the tensor, and one standard deviation on each side.')} {ends}"


def _told(found: Distributions) -> str:
    """How wide each is at the first step and at the last: of all weights, or of those that were followed."""
    parts = []
    for one in found.spreads:
        first, last = _ends(one)
        what = {"what": t(TITLES[one.stage]), "first": significant(first), "last": significant(last)}
        parts.append(t("{what} from {first} to {last}", **what))
    which = t("all weights") if len(found.spreads[0].steps) else t("the weights that were followed")
    return t(
        "In {run} the standard deviation of {which} of {parameter} goes, from the first recorded step to the last: "
        "{ways}.",
        run=told_run(found.run),
        which=which,
        parameter=found.parameter,
        ways="; ".join(parts),
    )


def _ends(one: Spread) -> tuple[float, float]:
    if len(one.sd):
        there = one.sd[np.isfinite(one.sd)]
        return (float(there[0]), float(there[-1])) if len(there) else (float("nan"), float("nan"))
    middles = (one.edges[1:] + one.edges[:-1]) / 2
    widths = [float(np.sqrt(max(0.0, share @ middles**2 - (share @ middles) ** 2))) for share in one.shares[[0, -1]]]
    return widths[0], widths[1]


def _panel(one: Spread, *, last: bool) -> dict[str, Any]:
    layers = [_map(one, last)]
    if len(one.steps):
        layers += [
            _line(one, one.mean, {}),
            *(_line(one, one.mean + s * one.sd, {"strokeDash": [4, 3]}) for s in (1, -1)),
        ]
    return {"layer": layers, "width": WIDE, "height": HIGH}


def _map(one: Spread, last: bool) -> dict[str, Any]:
    """A cell for each stretch and bin that holds something, darker where more does."""
    at, bins = np.nonzero(one.shares)
    columns = {
        "x": one.left[at],
        "x2": one.right[at],
        "y": one.edges[bins],
        "y2": one.edges[bins + 1],
        "share": one.shares[at, bins],
    }
    tips = (("x", t("step"), "d"), ("y", t("from"), ".3~g"), ("y2", t("to"), ".3~g"), ("share", t("share"), ".0%"))
    encoding = {
        **_axes(one, last),
        "x2": {"field": "x2"},
        "y2": {"field": "y2"},
        "color": {
            "field": "share",
            "type": "quantitative",
            "scale": {"range": ["#E3ECF4", "#0064A8"], "domainMin": 0},
            "legend": {"title": t("share of the values"), "format": ".0%", "gradientLength": 140, "titleLimit": 0},
        },
        "tooltip": [{"field": f, "type": "quantitative", "title": title, "format": form} for f, title, form in tips],
    }
    return {"data": columns_of(columns), "mark": {"type": "rect", "strokeWidth": 0, "clip": True}, "encoding": encoding}


def _line(one: Spread, values: np.ndarray, look: dict[str, Any]) -> dict[str, Any]:
    kept = thinned(len(one.steps), 300)
    mark = {"type": "line", "color": ORANGE if look else INK, "strokeWidth": 1.3, "clip": True, **look}
    return {
        "data": columns_of({"x": one.steps[kept], "y": values[kept]}),
        "mark": mark,
        "encoding": {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}},
    }


def _axes(one: Spread, last: bool) -> dict[str, Any]:
    bare = {"title": None, "labels": False, "ticks": False, "grid": False}
    x = {"title": t("optimiser step"), "grid": False, "tickMinStep": 1} if last else bare
    across = {"domain": [float(one.left[0]), float(one.right[-1])], "nice": False}
    up = {"domain": [float(one.edges[0]), float(one.edges[-1])], "nice": False, "zero": False}
    y = {"title": t(TITLES[one.stage]), "tickCount": 4, "format": "~g", "grid": False}
    return {
        "x": {"field": "x", "type": "quantitative", "axis": x, "scale": across},
        "y": {"field": "y", "type": "quantitative", "axis": y, "scale": up},
    }
