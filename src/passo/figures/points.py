"""Points with their 95 % intervals over a number, joined by lines: what sensitivity, budgets and batch sizes share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from passo.analysis.intervals import Interval
from passo.analysis.words import is_share, spoken, within
from passo.figures.panels import log_ticks, tick_look, whole_ticks
from passo.figures.style import WIDTH, altair, colour, dash, data, picking, shape
from passo.language import t

FEW, FEW_APART = 10, 0.08  # ticks; the share of the axis between two
SIDEWAYS = 0.006  # of the axis, between groups at one place; less where there are more than five
Series = Mapping[str, Sequence[tuple[float, Interval]]]


def points(
    series: Series,
    shades: Mapping[str, str],
    *,
    x: str | None,
    metric: str,
    y: str | None = None,
    log_x: bool = True,
    log_y: bool = False,
    width: float = WIDTH,
    height: float = 240,
    over: Sequence[Any] = (),
) -> Any:
    """One line of points for each series of (x, interval), set apart sideways; `over` are layers on the same axes."""
    alt = altair()
    rows = [(at, found, name) for name, each in series.items() for at, found in each if math.isfinite(found.mean)]
    share = is_share(metric)
    ends = [_ends(found, share, log_y) for _, found, _ in rows]
    names, places = list(series), [float(at) for at, _, _ in rows]
    log_x = log_x and min(places) > 0
    span = min(places), max(places)
    columns = {
        "x": places,
        "drawn": [_aside(float(at), names.index(name), len(names), span, log_x) for at, _, name in rows],
        "y": [found.mean for _, found, _ in rows],
        "low": [low for low, _ in ends],
        "high": [high for _, high in ends],
        "within": [within(found, metric) for _, found, _ in rows],
        "label": [name for _, _, name in rows],
    }
    base = alt.Chart(data(columns)).encode(
        x=_x(places, x, log_x),
        color=colour("label", list(shades), list(shades.values())),
        opacity=alt.condition(picking(), alt.value(1.0), alt.value(0.15)),
    )
    drawn = [value for name in ("y", "low", "high") for value in columns[name] if math.isfinite(value)]
    axis = _y(drawn, y or spoken(metric), share, log_y)
    form = ".1%" if share else ".4~g"
    tips = [alt.Tooltip("label:N", title=t("group")), alt.Tooltip("x:Q", title=x or "x", format=".4~g")]
    tips += [alt.Tooltip("y:Q", title=t("mean"), format=form), alt.Tooltip("within:N", title=t("95 % interval"))]
    many = len(shades) > 1  # one series has no legend, and none to be told from
    lined = {"strokeDash": dash("label", list(shades), told=False)} if many else {}
    dotted = {"shape": shape("label", list(shades))} if many else {}
    return alt.layer(
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=1.6, strokeOpacity=0.5)
        .encode(y=axis(field="low"), y2="high:Q"),
        base.mark_line(clip=True).encode(y=axis(field="y"), **lined),
        base.mark_point(filled=True, size=46).encode(y=axis(field="y"), **dotted, tooltip=tips),
        *over,
    ).properties(width=width, height=height)


def _ends(found: Interval, share: bool, log: bool) -> tuple[float, float]:
    """The interval, cut to what the axis has; a mean without one has none drawn."""
    if not found.known:
        return math.nan, math.nan
    low, high = (max(0.0, found.low), min(1.0, found.high)) if share else (found.low, found.high)
    return (max(low, found.mean / 10) if log else low), high


def _x(values: Sequence[float], title: str | None, log: bool) -> Any:
    alt = altair()
    low, high = min(values), max(values)
    bare = {} if title else {"labels": False, "ticks": False}
    if not log:
        air = 0.04 * (high - low) or 0.5
        ends = [low - air, high + air]
        axis = alt.Axis(title=title, grid=False, values=whole_ticks(ends[0], ends[1]), format="d", **bare)
        return alt.X("drawn:Q", axis=axis, scale=alt.Scale(domain=ends, nice=False))
    room = (high / low) ** 0.04 if high > low else 1.5
    ends = [low / room, high * room]
    look = own_ticks(values, ends) or tick_look(log_ticks(ends[0], ends[1]))
    axis = alt.Axis(title=title, grid=False, labelOverlap=False, **look, **bare)
    return alt.X("drawn:Q", axis=axis, scale=alt.Scale(type="log", domain=ends, nice=False))


def own_ticks(values: Sequence[float], ends: Sequence[float]) -> dict[str, Any]:
    """Ticks at the values themselves, where these are few and stand apart."""
    there = sorted(set(values))
    least = FEW_APART * math.log(ends[1] / ends[0])
    apart = all(math.log(b / a) > least for a, b in pairwise(there))
    return {"values": there, "format": "~g"} if apart and len(there) <= FEW else {}


def _aside(at: float, place: int, count: int, span: tuple[float, float], log: bool) -> float:
    """A place on the axis, moved sideways so that groups at one place can all be seen."""
    share = min(SIDEWAYS, 5 * SIDEWAYS / count) * (place - (count - 1) / 2)
    return at * (span[1] / span[0]) ** share if log else at + share * (span[1] - span[0])


def _y(values: Sequence[float], title: str, share: bool, log: bool) -> Any:
    """How to make the y channel of a field, with room for all values."""
    alt = altair()
    low, high = min(values), max(values)
    if log:
        ends = [0.9 * low, 1.1 * high]
        axis = alt.Axis(title=title, **tick_look(log_ticks(ends[0], ends[1], most=7)), labelOverlap=False)
        return lambda field: alt.Y(f"{field}:Q", axis=axis, scale=alt.Scale(type="log", domain=ends, nice=False))
    air = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    ends = [max(0.0, low - air), min(1.0, high + air)] if share else [low - air, high + air]
    axis = alt.Axis(title=title, tickCount=5, **({"format": "~%"} if share else {}))
    return lambda field: alt.Y(f"{field}:Q", axis=axis, scale=alt.Scale(domain=ends, nice=False, zero=False))
