"""In what two models differ, as a forest: every number with its intervals, by unit, the surest on top."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from passo.analysis.contrasts import EPOCHS, POINTS, RATIO, Contrasted
from passo.analysis.differences import Differences, differences
from passo.analysis.paired import ALONE, APART
from passo.figures.panels import heading, log_ticks, tick_look
from passo.figures.style import BLUE, GREY, INK, RED, SHAPES, STONE, Figure, altair, data, finished
from passo.language import later, t
from passo.store import StoredStudy

HIGH, WIDE = 19, 260  # of a row, of the plot
MOST = 60  # rows
HEADS = {
    POINTS: later("percentage points"),
    RATIO: later("times"),
    EPOCHS: later("epochs"),
    "nats": later("nats"),
    "": later("loss"),
}
SCALED = {POINTS: 100.0}  # what is drawn is the value times that


def forest(study: StoredStudy) -> Figure:
    """Every number in which the models may differ: right of 0 the second is ahead, left of it the first."""
    found = differences(study)
    shown = (*found.told, *found.level)[:MOST]
    units = [unit for unit in HEADS if any(one.contrast.unit == unit for one in shown)]
    panels = [_panel(found, [one for one in shown if one.contrast.unit == unit], unit) for unit in units]
    chart = altair().vconcat(*panels, spacing=12).resolve_scale(color="shared")
    names = {"first": found.labels[0], "second": found.labels[1]}
    caption = t(
        "By how much the {second} is ahead of the {first}, paired by seed: thick the 95 % interval of each by itself, "
        "thin those that hold for all {count} at once (Bonferroni; cut at the frame). In colour is what is told apart "
        "after Holm's correction for all of them, by who is ahead, the surest on top; grey what is not, a triangle "
        "where its own interval leaves out 0.",
        count=len(found.each),
        **names,
    )
    if len(found.each) > MOST:
        drawn = t("Of {count} numbers {most} are drawn; the table has all.", count=len(found.each), most=MOST)
        caption = f"{caption} {drawn}"
    title = finished(
        chart,
        t("What sets the {first} and the {second} apart", **names),
        t("to the right of the line the {second} is ahead, to the left the {first}", **names),
    )
    return Figure("differences", title, caption, found.sentence())


def _panel(found: Differences, shown: Sequence[Contrasted], unit: str) -> Any:
    """The rows of one unit, on an axis of their own."""
    alt = altair()
    log, scale = unit == RATIO, SCALED.get(unit, 1.0)

    def place(value: float) -> float:
        return math.exp(min(value, 700)) if log else scale * value

    names = [one.name for one in shown]
    states = [*(t("the {label} is ahead", label=label) for label in found.labels), t(ALONE), t(APART)]
    columns = {
        "name": names,
        "x": [place(one.mean) for one in shown],
        "low": [place(one.low) for one in shown],
        "high": [place(one.high) for one in shown],
        "wide_low": [place(one.wide[0]) for one in shown],
        "wide_high": [place(one.wide[1]) for one in shown],
        "state": [_state(one, states) for one in shown],
        "text": [one.amount() for one in shown],
    }
    x = _x([columns["x"], columns["low"], columns["high"]], unit)
    y = alt.Y("name:N", sort=None, scale=alt.Scale(domain=names), axis=alt.Axis(title=None, labelLimit=0, grid=True))
    shade = alt.Color(
        "state:N",
        scale=alt.Scale(domain=states, range=[BLUE, RED, STONE, GREY]),
    )
    marks = alt.Shape("state:N", scale=alt.Scale(domain=states, range=list(SHAPES[: len(states)])))
    base = alt.Chart(data(columns)).encode(y=y, color=shade)
    known = base.transform_filter("isValid(datum.low)")
    tips = [alt.Tooltip("name:N", title=t("name")), alt.Tooltip("text:N", title=t("text"))]
    tips.append(alt.Tooltip("state:N", title=t("state")))
    words = base.mark_text(align="left", dx=8, fontSize=10.5).encode(
        x=alt.value("width"), text="text:N", color=alt.value(INK)
    )
    rule = alt.Chart(data({"x": [1.0 if log else 0.0]})).mark_rule(color=INK, opacity=0.6).encode(x=x)
    return alt.layer(
        rule,
        known.mark_rule(strokeWidth=1, clip=True).encode(x=alt.X("wide_low:Q"), x2="wide_high:Q"),
        known.mark_rule(strokeWidth=3.2, clip=True).encode(x=alt.X("low:Q"), x2="high:Q"),
        base.mark_point(filled=True, size=64, opacity=1).encode(x=x, shape=marks, tooltip=tips),
        words,
    ).properties(width=WIDE, height=HIGH * len(shown), title=heading(t(HEADS[unit])))


def _state(one: Contrasted, states: Sequence[str]) -> str:
    """Who is ahead, that this is so only by itself, or that it cannot be told."""
    return states[one.labels.index(one.ahead) if one.told else 2 if one.alone else 3]


def _x(columns: Sequence[Sequence[float]], unit: str) -> Any:
    """An axis with all means, their own intervals and what stands for no difference, and a little air."""
    alt, log = altair(), unit == RATIO
    ends = [1.0 if log else 0.0, *(end for column in columns for end in column if math.isfinite(end))]
    low, high = min(ends), max(ends)
    if log:
        room = (high / low) ** 0.12 if high > low else 1.5
        domain = [low / room, high * room]
        ticks = log_ticks(domain[0], domain[1], most=7)
        look = {**tick_look(ticks), "labelOverlap": False} if len(ticks) > 1 else {"tickCount": 4, "format": "~g"}
        axis = alt.Axis(title=None, grid=False, **look)
        return alt.X("x:Q", axis=axis, scale=alt.Scale(type="log", domain=domain, nice=False))
    air = 0.12 * (high - low) or 1.0
    most = 100.0 if unit == POINTS else math.inf  # two shares differ by no more
    scale = alt.Scale(domain=[max(low - air, -most), min(high + air, most)], nice=False)
    return alt.X("x:Q", axis=alt.Axis(title=None, grid=False, tickCount=5), scale=scale)
