"""A metric over two settings as a heatmap: finer rounds over the first, numbers or lines of equal height."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from passo.analysis.planes import Cell, Plane, plane
from passo.analysis.varied import called
from passo.analysis.words import amount, is_share, spoken
from passo.figures.contours import label_places, outlines, round_levels
from passo.figures.curves import about
from passo.figures.panels import HALO, log_ticks, tick_look
from passo.figures.points import own_ticks
from passo.figures.style import INK, Figure, altair, data, finished
from passo.language import t, tn
from passo.store import StoredStudy

WIDE, HIGH = 460, 330
ROOM = 29, 22  # points that a number in a cell needs
FENCE = 1.5  # Tukey's, Exploratory Data Analysis (1977), section 2D
SCHEME = "viridis"


def heatmap(study: StoredStudy, metric: str = "validation/accuracy", keys: tuple[str, str] | None = None) -> Figure:
    """The means of every configuration over two settings; a frame around each finer round."""
    alt = altair()
    found = plane(study, metric, keys)
    words = _values(found)
    heights = [] if words else _contours(found)
    layers = [_cells(found, 0 if heights else 1), *heights, *_rounds(found), *words, *_best(found, bool(words))]
    chart = alt.layer(*layers).properties(width=WIDE, height=HIGH)
    x, y = map(called, found.keys)
    told = (
        t(
            "Mean {metric} over seeds for each {x} and {y}; a cell reaches half-way to its neighbours.",
            metric=spoken(metric),
            x=x,
            y=y,
        ),
        t("Lines: heights between the first round's points, straight between neighbours.") if heights else "",
        t("Finer rounds are drawn over the first, in a frame each.") if len(found.rounds) > 1 else "",
        t("The diamond is the best mean."),
        _beyond(found),
        t("What else varies is as in the best configuration: {held}.", held=found.held) if found.held else "",
    )
    heading = t("{metric} over {x} and {y}", metric=spoken(metric).capitalize(), x=x, y=y)
    sentences = (found.sentence(), _ended(study, metric))
    title = finished(chart, heading, _subtitle(found, study))
    return Figure("heatmap", title, _together(told), _together(sentences))


def _together(sentences: Iterable[str]) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _subtitle(found: Plane, study: StoredStudy) -> list[str]:
    held = t("{held}, as in the best configuration", held=found.held) if found.held else ""
    return [line for line in (about(study), held) if line]


def _ended(study: StoredStudy, metric: str) -> str:
    """Why the search ended that made the rounds, where it went by this metric."""
    told = [each for each in study.facts.get("search") or [] if each["metric"] == metric and each["best"] is not None]
    return t("The search ended, since {why}.", why=t(told[0]["why"])) if len(told) == 1 else ""


def _scales(found: Plane) -> tuple[Any, Any]:
    """What both axes are in every layer."""
    alt = altair()
    ends = np.array([cell.edges for cell in found.cells])
    made = []
    for i, (log, kind) in enumerate(((found.log_x, alt.X), (found.log_y, alt.Y))):
        low, high = float(ends[:, 2 * i].min()), float(ends[:, 2 * i + 1].max())
        first = [(cell.x, cell.y)[i] for cell in found.cells if cell.round == found.rounds[0]]
        ticks = {} if not log else own_ticks(first, (low, high)) or tick_look(log_ticks(low, high, most=9))
        look = {**ticks, "labelOverlap": False} if log else {"tickCount": 8}
        axis = alt.Axis(title=called(found.keys[i]), grid=False, **look)
        scale = alt.Scale(type="log" if log else "linear", domain=[low, high], nice=False, zero=False)
        made.append(lambda field, kind=kind, axis=axis, scale=scale: kind(f"{field}:Q", axis=axis, scale=scale))
    return made[0], made[1]


def _shade(found: Plane) -> Any:
    alt = altair()
    legend = alt.Legend(
        title=spoken(found.metric), orient="right", direction="vertical", gradientLength=180, symbolSize=100,
        tickCount=6, **({"format": "~%"} if is_share(found.metric) else {}),
    )  # fmt: skip
    reverse = not is_share(found.metric)  # bright is good, for a loss too
    scale = alt.Scale(scheme=SCHEME, domain=list(_reach(found)), reverse=reverse, clamp=True)
    return alt.Color("mean:Q", scale=scale, legend=legend)


def _reach(found: Plane) -> tuple[float, float]:
    """From the least to the greatest mean that has a colour of its own.

    Means that are bad outliers by Tukey's rule (beyond the quartile by more than 1.5 times the quartiles' distance)
    share the last colour: where a corner of the plane failed, the rest would otherwise be all of one colour.
    """
    means = np.array([cell.found.mean for cell in found.cells if math.isfinite(cell.found.mean)])
    below, above = np.quantile(means, [0.25, 0.75])
    room = FENCE * (above - below)
    inside = means[means >= below - room] if is_share(found.metric) else means[means <= above + room]
    return float(inside.min()), float(inside.max())


def _beyond(found: Plane) -> str:
    """What a caption says of means beyond the colours."""
    low, high = _reach(found)
    means = [cell.found.mean for cell in found.cells]
    out = [mean for mean in means if mean < low] if is_share(found.metric) else [mean for mean in means if mean > high]
    if not out:
        return ""
    worst = min(out) if is_share(found.metric) else max(out)
    return tn(
        "One cell is worse than the strongest colour says (to {worst}).",
        "{n} cells are worse than the strongest colour says (to {worst}).",
        len(out),
        worst=amount(worst, found.metric),
    )


def _cells(found: Plane, gap: float = 1) -> Any:
    alt = altair()
    x, y = _scales(found)
    columns = {
        "name": [cell.name for cell in found.cells],
        "mean": [cell.found.mean for cell in found.cells],
        **{side: [cell.edges[i] for cell in found.cells] for i, side in enumerate(("left", "right", "below", "above"))},
    }
    tips = [
        alt.Tooltip("name:N", title=t("name")),
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
        "text": [t("round {n}", n=r) for r in later],
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
    shown = [c for c in found.cells if c is not found.best and _room(found, c)]
    shown = [c for c in shown if not any(_touch(found, o, c) for o in found.cells if o.round > c.round)]
    shown = [c for c in shown if math.isfinite(c.found.mean)]
    middle = sum(_reach(found)) / 2
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


def _room(found: Plane, cell: Cell) -> bool:
    """Whether a cell is large enough for its number."""
    ends = np.array([other.edges for other in found.cells])
    sizes = []
    for i, (log, points) in enumerate(((found.log_x, WIDE), (found.log_y, HIGH))):
        at = np.array([ends[:, 2 * i].min(), ends[:, 2 * i + 1].max(), *cell.edges[2 * i : 2 * i + 2]])
        low, high, start, stop = np.log10(at) if log else at
        sizes.append(points * (stop - start) / (high - low))
    return sizes[0] >= ROOM[0] and sizes[1] >= ROOM[1]


def _short(value: float, metric: str) -> str:
    return f"{100 * value:.0f} %" if is_share(metric) else amount(value)


def _touch(found: Plane, over: Cell, under: Cell) -> bool:
    """Whether a cell of a finer round lies over the middle of another, or so near that it would cut its number."""
    ends = np.array([cell.edges for cell in found.cells])
    near = []
    for i, (log, room) in enumerate(((found.log_x, 0.03), (found.log_y, 0.03))):
        at = np.array(
            [ends[:, 2 * i].min(), ends[:, 2 * i + 1].max(), *over.edges[2 * i : 2 * i + 2], (under.x, under.y)[i]]
        )
        low, high, start, stop, middle = np.log10(at) if log else at
        near.append(start - room * (high - low) < middle < stop + room * (high - low))
    return all(near)


def _best(found: Plane, told: bool) -> list[Any]:
    """A diamond at the best mean; `told`: with its number below, where there is room for both."""
    x, y = _scales(found)
    best = found.best
    told = told and _room(found, best) and not any(_touch(found, o, best) for o in found.cells if o.round > best.round)
    columns = {"x": [best.x], "y": [best.y], "text": [_short(best.found.mean, found.metric)]}
    place = altair().Chart(data(columns))
    look = {"shape": "diamond", "size": 110 if told else 150, "strokeWidth": 2, "stroke": "#FFFFFF", "fill": INK}
    mark = place.mark_point(**look, opacity=1, yOffset=-5 if told else 0).encode(x=x("x"), y=y("y"))
    word = place.mark_text(dy=8, fontSize=10.5, fontWeight=700, color=INK).encode(x=x("x"), y=y("y"), text="text:N")
    return [mark, word] if told else [mark]
