"""A metric over two settings as a heatmap: finer rounds over the first, numbers or lines of equal height."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from passo.analysis.planes import Cell, Plane, plane
from passo.analysis.varied import called
from passo.analysis.words import amount, is_share, spoken
from passo.figures.contours import label_places, outlines, round_levels
from passo.figures.curves import about
from passo.figures.panels import HALO, log_ticks, tick_look
from passo.figures.style import INK, Figure, altair, data, finished
from passo.store import StoredStudy

WIDE, HIGH = 460, 330
SCHEME = "viridis"


def heatmap(study: StoredStudy, metric: str = "validation/accuracy", keys: tuple[str, str] | None = None) -> Figure:
    """The means of every configuration over two settings; a frame around each finer round."""
    alt = altair()
    found = plane(study, metric, keys)
    words = _values(found)
    heights = [] if words else _contours(found)
    layers = [_cells(found, 0 if heights else 1), *heights, *_rounds(found), *words, *_best(found)]
    chart = alt.layer(*layers).properties(width=WIDE, height=HIGH)
    x, y = map(called, found.keys)
    finer = " Finer rounds are drawn over the first, in a frame each." if len(found.rounds) > 1 else ""
    lines = " Lines: heights between the first round's points, straight between neighbours." if heights else ""
    caption = (
        f"Mean {spoken(metric)} over seeds for each {x} and {y}; a cell reaches half-way to its neighbours.{lines}"
        f"{finer} The diamond is the best mean."
    )
    title = finished(chart, f"{spoken(metric).capitalize()} over {x} and {y}", about(study))
    return Figure("heatmap", title, caption, found.sentence())


def _scales(found: Plane) -> tuple[Any, Any]:
    """What both axes are in every layer."""
    alt = altair()
    ends = np.array([cell.edges for cell in found.cells])
    made = []
    for i, (log, kind) in enumerate(((found.log_x, alt.X), (found.log_y, alt.Y))):
        low, high = float(ends[:, 2 * i].min()), float(ends[:, 2 * i + 1].max())
        look = {**tick_look(log_ticks(low, high, most=9)), "labelOverlap": False} if log else {"tickCount": 8}
        axis = alt.Axis(title=called(found.keys[i]), grid=False, **look)
        scale = alt.Scale(type="log" if log else "linear", domain=[low, high], nice=False, zero=False)
        made.append(lambda field, kind=kind, axis=axis, scale=scale: kind(f"{field}:Q", axis=axis, scale=scale))
    return made[0], made[1]


def _shade(found: Plane) -> Any:
    alt = altair()
    legend = alt.Legend(
        title=spoken(found.metric), orient="right", direction="vertical", gradientLength=180, symbolSize=100,
        **({"format": "~%"} if is_share(found.metric) else {}),
    )  # fmt: skip
    means = [cell.found.mean for cell in found.cells if math.isfinite(cell.found.mean)]
    reverse = not is_share(found.metric)  # bright is good, for a loss too
    scale = alt.Scale(scheme=SCHEME, domain=[min(means), max(means)], reverse=reverse)
    return alt.Color("mean:Q", scale=scale, legend=legend)


def _cells(found: Plane, gap: float = 1) -> Any:
    alt = altair()
    x, y = _scales(found)
    columns = {
        "name": [cell.name for cell in found.cells],
        "mean": [cell.found.mean for cell in found.cells],
        **{side: [cell.edges[i] for cell in found.cells] for i, side in enumerate(("left", "right", "below", "above"))},
    }
    tips = [
        "name:N",
        alt.Tooltip("mean:Q", title=spoken(found.metric), format=".1%" if is_share(found.metric) else ".4~g"),
    ]
    base = alt.Chart(data(columns)).mark_rect(stroke="#FFFFFF", strokeWidth=gap)
    return base.encode(x=x("left"), x2="right:Q", y=y("below"), y2="above:Q", color=_shade(found), tooltip=tips)


def _contours(found: Plane) -> list[Any]:
    """Lines of equal height over the first round, where that is a full grid of 3 × 3 or more."""
    alt = altair()
    grid = found.full(found.rounds[0])
    if grid is None or min(grid[2].shape) < 3 or not np.isfinite(grid[2]).all():
        return []
    across, up, means = grid
    heights, levels = round_levels(means)
    flat = np.log10(across) if found.log_x else across
    tall = np.log10(up) if found.log_y else up
    lines = [(level, line) for level, height in levels.items() for _, line in outlines(flat, tall, heights, [height])]
    if not lines:
        return []
    columns: dict[str, list[Any]] = {"x": [], "y": [], "piece": [], "at": []}
    for piece, (_, line) in enumerate(lines):
        for at, place in enumerate(line):
            a, b = _back(found, place)
            for column, value in zip(columns.values(), (a, b, str(piece), at), strict=True):
                column.append(value)
    x, y = _scales(found)
    drawn = alt.Chart(data(columns)).mark_line(strokeWidth=1.2, color="#FFFFFF", opacity=0.85)
    return [drawn.encode(x=x("x"), y=y("y"), detail="piece:N", order="at:Q"), *_levels(found, lines, flat, tall)]


def _back(found: Plane, place: np.ndarray) -> tuple[float, float]:
    """A place on the axes as they are drawn, in the settings' own units."""
    a, b = map(float, place)
    return (10**a if found.log_x else a), (10**b if found.log_y else b)


def _levels(found: Plane, lines: list[tuple[float, np.ndarray]], flat: np.ndarray, tall: np.ndarray) -> list[Any]:
    """Each line's height, once, where there is room for it."""
    frame = np.array([[flat[0], tall[0]], [flat[-1], tall[-1]]])
    later = [cell for cell in found.cells if cell.round != found.rounds[0]]
    taken = np.array([(cell.x, cell.y) for cell in [*later, found.best]])
    taken = np.where([found.log_x, found.log_y], np.log10(np.where(taken > 0, taken, 1.0)), taken)
    places = label_places(lines, frame, HIGH / WIDE, taken)
    columns = {
        "x": [_back(found, place)[0] for _, place in places],
        "y": [_back(found, place)[1] for _, place in places],
        "text": [_short(level, found.metric) for level, _ in places],
    }
    x, y = _scales(found)
    words = altair().Chart(data(columns))
    looks = ({"stroke": INK, "strokeWidth": 2.5, "strokeOpacity": 0.55}, {})
    return [
        words.mark_text(fontSize=10, color="#FFFFFF", **look).encode(x=x("x"), y=y("y"), text="text:N")
        for look in looks
    ]


def _rounds(found: Plane) -> list[Any]:
    """The frame of each round after the first, with its cells over what lies below, and its number."""
    alt = altair()
    later = found.rounds[1:]
    if not later:
        return []
    edges = {r: np.array([cell.edges for cell in found.cells if cell.round == r]) for r in later}
    columns = {
        "left": [float(edges[r][:, 0].min()) for r in later],
        "right": [float(edges[r][:, 1].max()) for r in later],
        "below": [float(edges[r][:, 2].min()) for r in later],
        "above": [float(edges[r][:, 3].max()) for r in later],
        "text": [f"round {r}" for r in later],
    }
    x, y = _scales(found)
    base = alt.Chart(data(columns))
    cells = _cells(
        Plane(found.metric, found.keys, found.log_x, found.log_y, tuple(c for c in found.cells if c.round in later))
    )
    cells = cells.encode(x=x("left"), y=y("below"), color=_shade(found))
    frame = base.mark_rect(fillOpacity=0, stroke=INK, strokeWidth=2).encode(
        x=x("left"), x2="right:Q", y=y("below"), y2="above:Q"
    )
    words = [
        base.mark_text(align="left", baseline="bottom", dx=1, dy=-3, fontSize=11, fontWeight=600, color=INK, **look)
        for look in (HALO, {})
    ]
    return [cells, frame, *(word.encode(x=x("left"), y=y("above"), text="text:N") for word in words)]


def _values(found: Plane) -> list[Any]:
    """Each cell's number, where the cells are few enough to hold one and no finer round lies over it."""
    alt = altair()
    first = [cell for cell in found.cells if cell.round == found.rounds[0]]
    if len({c.x for c in first}) > 9 or len({c.y for c in first}) > 12:
        return []
    over = [cell for cell in found.cells if cell.round != found.rounds[0]]
    shown = [c for c in first if c is not found.best and not any(_touch(found, o, c) for o in over)]
    shown = [c for c in shown if math.isfinite(c.found.mean)]
    means = [c.found.mean for c in found.cells if math.isfinite(c.found.mean)]
    middle = (min(means) + max(means)) / 2
    x, y = _scales(found)
    layers = []
    for dark_text, shade in ((True, INK), (False, "#FFFFFF")):
        some = [c for c in shown if ((c.found.mean > middle) == is_share(found.metric)) == dark_text]
        columns = {
            "x": [c.x for c in some],
            "y": [c.y for c in some],
            "text": [_short(c.found.mean, found.metric) for c in some],
        }
        words = alt.Chart(data(columns)).mark_text(fontSize=10.5, color=shade)
        layers += [words.encode(x=x("x"), y=y("y"), text="text:N")] if some else []
    return layers


def _short(value: float, metric: str) -> str:
    return f"{100 * value:.0f} %" if is_share(metric) else amount(value)


def _touch(found: Plane, over: Cell, under: Cell) -> bool:
    """Whether a cell of a finer round lies over the middle of another, or so near that it would cut its number."""
    ends = np.array([cell.edges for cell in found.cells])
    near = []
    for i, (log, room) in enumerate(((found.log_x, 0.035), (found.log_y, 0.03))):
        at = np.array(
            [ends[:, 2 * i].min(), ends[:, 2 * i + 1].max(), *over.edges[2 * i : 2 * i + 2], (under.x, under.y)[i]]
        )
        low, high, start, stop, middle = np.log10(at) if log else at
        near.append(start - room * (high - low) < middle < stop + room * (high - low))
    return all(near)


def _best(found: Plane) -> list[Any]:
    """A diamond at the best mean."""
    x, y = _scales(found)
    place = altair().Chart(data({"x": [found.best.x], "y": [found.best.y]}))
    look = {"shape": "diamond", "size": 150, "strokeWidth": 2, "stroke": "#FFFFFF", "fill": INK, "opacity": 1}
    return [place.mark_point(**look).encode(x=x("x"), y=y("y"))]
