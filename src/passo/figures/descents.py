"""Paths over the loss surface of one weight and one bias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from passo.analysis import Descent, Surface, descent, surface, tell_descents
from passo.analysis.words import joined, significant
from passo.figures.panels import HALO, heading
from passo.figures.style import COLOURS, INK, Figure, altair, colour, data, finished, interactive, picking, shape
from passo.language import t
from passo.store import StoredStudy

LEVELS = 12
_SHADES = ("#EEF3F8", "#5F87AD")  # far from the minimum, at the minimum


def sgd_paths(study: StoredStudy) -> Figure:
    """Plain SGD, momentum and Nesterov from one start over one surface."""
    names = ["line-sgd", "line-momentum", "line-nesterov"]
    ground, paths = surface(study), [descent(study, name) for name in names]
    labels = {name: name.removeprefix("line-") for name in names}
    chart = interactive(_map(ground, paths, labels, width=560, height=380))
    caption = t(
        "From the {x} to the {y} by one weight and one bias; shades are levels of the mean squared error over all "
        "images, dots the mini-batch steps, rings the ends.",
        x=t(ground.x),
        y=t(ground.y),
    )
    title = finished(chart, t("Three ways down one valley"))
    return Figure("sgd-paths", title, caption, tell_descents(paths))


def schedule_paths(study: StoredStudy) -> Figure:
    """Momentum and Nesterov, each with no schedule, StepLR and CyclicLR."""
    alt = altair()
    ground, found, rows = surface(study), {}, []
    told = {"none": t("no schedule"), "step": "StepLR", "cyclic": "CyclicLR"}
    for kind in ("momentum", "nesterov"):
        cells = []
        for schedule, words in told.items():
            path = found[kind, schedule] = descent(study, f"line-{kind}-{schedule}")
            look = {"title": f"{kind}, {words}", "b_title": kind == "nesterov", "w_title": schedule == "none"}
            cells.append(_map(ground, [path], {path.name: kind}, width=172, height=160, small=True, **look))
        rows.append(alt.hconcat(*cells, spacing=12))
    chart = alt.vconcat(*rows, spacing=12)
    sentence = " ".join(_told(kind, [found[kind, schedule] for schedule in told]) for kind in ("momentum", "nesterov"))
    rates = joined(sorted({significant(float(path.lr.max())) for path in found.values()}))
    caption = t(
        "The same surface and start (square), the end of each path (ring) and the minimum (cross); {n} mini-batch "
        "steps each, the largest learning rate is {rates}.",
        n=found["momentum", "none"].steps,
        rates=rates,
    )
    title = finished(chart, t("Momentum and Nesterov under three schedules"))
    return Figure("schedule-paths", title, caption, sentence)


def _told(kind: str, paths: Sequence[Descent]) -> str:
    ends = [significant(path.distance, 2) for path in paths]
    swings = [f"{100 * path.overshoot:.0f}" for path in paths]
    return t(
        "{name} ends {plain} from the minimum without a schedule, {step} with StepLR and {cyclic} with CyclicLR; it "
        "swings past the minimum by {swings} % of the first distance.",
        name=kind.capitalize(),
        plain=ends[0],
        step=ends[1],
        cyclic=ends[2],
        swings=joined(swings),
    )


def _map(
    ground: Surface,
    paths: Sequence[Descent],
    labels: Mapping[str, str],
    *,
    width: float,
    height: float,
    small: bool = False,
    title: str = "",
    b_title: bool = True,
    w_title: bool = True,
) -> Any:
    """The surface in shades, the paths on it, and the start, the ends and the minimum marked."""
    alt = altair()
    x = alt.X(
        "x:Q",
        axis=alt.Axis(title=t("bias b") if b_title else None, labels=b_title, ticks=b_title, grid=False, tickCount=5),
        scale=alt.Scale(domain=[float(ground.b[0]), float(ground.b[-1])], nice=False),
    )
    y = alt.Y(
        "y:Q",
        axis=alt.Axis(title=t("weight w") if w_title else None, labels=w_title, ticks=w_title, grid=False, tickCount=5),
        scale=alt.Scale(domain=[float(ground.w[0]), float(ground.w[-1])], nice=False),
    )
    layers = [_shaded(ground, x, y), *_walked(paths, labels, x, y, small), *_marks(ground, paths, x, y, small)]
    extra = {"title": heading(title)} if title else {}
    return alt.layer(*layers).properties(width=width, height=height, **extra)


def _shaded(ground: Surface, x: Any, y: Any) -> Any:
    """Level sets as filled ellipses, the outermost first; the ground's own colour is that of the highest."""
    alt = altair()
    top = float(ground.loss.max())
    levels = ground.loss_minimum + (top - ground.loss_minimum) * np.geomspace(1, 4e-4, LEVELS)
    outlines = [ground.outline(value) for value in levels]  # each (n, 2)
    n = len(outlines[0])
    points = np.concatenate(outlines)
    columns = {
        "x": points[:, 0],
        "y": points[:, 1],
        "order": np.tile(np.arange(n), LEVELS),
        "rank": np.repeat(np.arange(LEVELS), n),
        "loss": np.repeat(levels, n),
    }
    shade = alt.Scale(domain=[0, LEVELS - 1], range=list(_SHADES))
    return (
        alt.Chart(data(columns, digits=4))
        .mark_line(filled=True, clip=True, stroke="white", strokeWidth=0.7)
        .encode(
            x=x,
            y=y,
            order="order:Q",
            detail="rank:O",
            fill=alt.Fill("rank:Q", scale=shade, legend=None),
        )
    )


def _walked(paths: Sequence[Descent], labels: Mapping[str, str], x: Any, y: Any, small: bool) -> list[Any]:
    alt = altair()
    columns = {
        "x": np.concatenate([path.points[:, 0] for path in paths]),
        "y": np.concatenate([path.points[:, 1] for path in paths]),
        "step": np.concatenate([np.arange(len(path.points)) for path in paths]),
        "loss": np.concatenate([path.loss for path in paths]),
        "label": np.concatenate([np.repeat(labels[path.name], len(path.points)) for path in paths]),
    }
    names = [labels[path.name] for path in paths]
    shade: Any = colour("label", names)
    if small:
        shade = alt.value(COLOURS.get(names[0], INK))
    front = alt.value(1.0) if small else alt.condition(picking(), alt.value(1.0), alt.value(0.12))
    tips = [
        alt.Tooltip("label:N", title=t("path")),
        alt.Tooltip("step:Q", title=t("step")),
        alt.Tooltip("x:Q", title="b", format=".3~f"),
        alt.Tooltip("y:Q", title="w", format=".3~f"),
        alt.Tooltip("loss:Q", title=t("loss"), format=".4~g"),
    ]
    base = alt.Chart(data(columns)).encode(x=x, y=y, color=shade, opacity=front)
    line = base.mark_line(clip=True, strokeWidth=1.2 if small else 1.8).encode(order="step:Q")
    dots = base.mark_point(filled=True, clip=True, size=7 if small else 24, opacity=1).encode(tooltip=tips)
    return [line, dots if small else dots.encode(shape=shape("label", names))]


def _marks(ground: Surface, paths: Sequence[Descent], x: Any, y: Any, small: bool) -> list[Any]:
    """Start (square), ends (circles) and minimum (cross), named where there is room."""
    alt = altair()
    start = paths[0].points[0]
    least = data({"x": [ground.minimum[0]], "y": [ground.minimum[1]], "label": [t("minimum")]})
    begin = data({"x": [start[0]], "y": [start[1]], "label": [t("start")]})
    ends = data({"x": [path.points[-1][0] for path in paths], "y": [path.points[-1][1] for path in paths]})
    size = 45 if small else 90
    marks = [
        alt.Chart(begin).mark_point(shape="square", filled=True, size=size, color=INK, opacity=1).encode(x=x, y=y),
        alt.Chart(ends)
        .mark_point(size=size * 0.9, stroke=INK, strokeWidth=1.6, opacity=1, clip=True, filled=False)
        .encode(x=x, y=y),
        alt.Chart(least)
        .mark_point(shape="cross", filled=True, size=size * 1.5, color="#FFFFFF", stroke=INK, strokeWidth=1, opacity=1)
        .encode(x=x, y=y),
    ]
    if small:
        return marks
    words = [
        alt.Chart(source)
        .mark_text(align="left", dx=dx, dy=dy, fontSize=11.5, fontWeight=600, color=INK, **look)
        .encode(x=x, y=y, text="label:N")
        for source, dx, dy in ((begin, 9, 0), (least, -64, -12))
        for look in (HALO, {})
    ]
    return [*marks, *words]
