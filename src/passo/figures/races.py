"""A race of optimizers over a surface: the paths over contours, and each one's loss, step by step."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from passo.analysis.races import Race, Racer, conditions, plans, race, tell
from passo.figures.contours import outlines, regions
from passo.figures.panels import tick_look
from passo.figures.style import (
    INK,
    WIDTH,
    Figure,
    altair,
    colour,
    colours,
    data,
    finished,
    interactive,
    picking,
    thinned,
)
from passo.language import later, numeral, t, tn

LEVELS = 13
DEEP, HIGH = (0x6F, 0x94, 0xB8), (0xF3, 0xF6, 0xFA)  # the shades of the lowest and of the highest ground
TURNS = 8  # jumps of a learning rate that are drawn; more would be a hatching
LINE = 95  # letters in a line below the heading
DECADES = 9  # of loss below the start's that are drawn


@dataclass(frozen=True)
class Scene:
    """What every picture of a race shows, before it is drawn: contours, colours, limits, marks and words."""

    race: Race

    @cached_property
    def levels(self) -> list[float]:
        """Losses evenly spaced on a log scale, from that of the lowest ground to the highest."""
        ground = self.race
        excess = ground.loss[np.isfinite(ground.loss)] - ground.lowest
        low, high = float(np.quantile(excess, 0.015)), float(excess.max())
        return [ground.lowest + value for value in np.geomspace(max(low, 1e-4 * high), high, LEVELS + 1)[:-1]]

    @cached_property
    def bands(self) -> list[tuple[str, np.ndarray]]:
        """Shades and polygons (n, 2), in the order in which they are laid on one another."""
        ground = self.race
        (x0, x1), (y0, y1) = self.x, self.y
        everywhere = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)])
        shade = {level: _shade((i + 1) / len(self.levels)) for i, level in enumerate(self.levels)}
        higher = regions(ground.x, ground.y, ground.loss, self.levels)
        return [(_shade(0), everywhere), *((shade[level], shape) for level, shape in higher)]

    @cached_property
    def contours(self) -> list[tuple[float, np.ndarray]]:
        """Lines of one loss, each with its level."""
        return outlines(self.race.x, self.race.y, self.race.loss, self.levels)

    @property
    def x(self) -> tuple[float, float]:
        return float(self.race.x[0]), float(self.race.x[-1])

    @property
    def y(self) -> tuple[float, float]:
        return float(self.race.y[0]), float(self.race.y[-1])

    @cached_property
    def colours(self) -> dict[str, str]:
        """One for each label."""
        return dict(zip(self.race.labels, colours(self.race.labels), strict=True))

    def excess(self, racer: Racer) -> np.ndarray:
        """The loss above that of the deepest minimum at each step (T+1,), held near the ends of the axis."""
        low, high = self.loss_limits
        return np.minimum(np.maximum(racer.losses - self.race.lowest, 1e-3 * low), 1e3 * high)

    @cached_property
    def loss_limits(self) -> tuple[float, float]:
        """The ends of the loss axis, powers of ten at the bottom: nine decades below the start at most."""
        first = max(float(racer.losses[0]) for racer in self.race.racers) - self.race.lowest
        paths = [racer.losses - self.race.lowest for racer in self.race.racers if racer.diverged is None]
        seen = np.concatenate(paths) if paths else np.array([first])
        seen = seen[np.isfinite(seen) & (seen > 0)]
        bottom = max(float(seen.min(initial=first)), first * 10.0**-DECADES)
        top = min(float(seen.max(initial=first)), 100 * first)
        return 10.0 ** math.floor(math.log10(bottom)), 1.4 * top

    @property
    def loss_title(self) -> str:
        return t("loss") if self.race.lowest == 0 else t("loss above the minimum's")

    @cached_property
    def shown_minima(self) -> list[tuple[float, float, bool]]:
        """x, y and whether it is a deepest one, of the minima in the picture."""
        (x0, x1), (y0, y1) = self.x, self.y
        inside = [m for m in self.race.minima if x0 <= m.at[0] <= x1 and y0 <= m.at[1] <= y1]
        return [(*m.at, m.loss - self.race.lowest < 1e-9) for m in inside]

    @cached_property
    def exits(self) -> list[tuple[Racer, float, float]]:
        """Where each that diverged was seen last: on the edge of the picture, or at its last point inside."""
        return [(r, *_exit(r.points, self.x, self.y)) for r in self.race.racers if r.diverged is not None]

    @property
    def title(self) -> str:
        n = len(self.race.labels)
        count = t(_COUNTS.get(n, str(n)))
        return tn(
            "{count} way down {surface}", "{count} ways down {surface}", n, count=count, surface=t(self.race.title)
        )

    @property
    def subtitle(self) -> list[str]:
        """Lines: the surface's formula and, below it, how the learning rates move, where they do."""
        return [line for words in (self.race.told_formula, plans(self.race)) for line in textwrap.wrap(words, LINE)]

    @cached_property
    def turns(self) -> list[int]:
        """The steps after which a learning rate jumps; a rate that moves all the time has none."""
        jumps = [np.flatnonzero(np.diff(racer.lr)) + 1 for racer in self.race.racers]
        return sorted({int(step) for steps in jumps if len(steps) <= TURNS for step in steps})

    @property
    def marks(self) -> str:
        """What is drawn, wherever the parts stand: the end of a sentence that begins with the surface, and another."""
        minimum = t("the minimum") if len(self.race.minima) == 1 else t("a minimum (larger: a deepest one)")
        marks = t(
            "its contours evenly spaced on a log scale; the square is the start, a circle where an optimiser is, an "
            "upright cross {minimum}",
            minimum=minimum,
        )
        if self.exits:
            marks = f"{marks}, {t('a slanted cross where a diverging path left')}"
        panel = t("The other panel has the {loss} after each step", loss=self.loss_title)
        if self.turns:
            panel = f"{panel}; {t('dashed: a learning rate changes there')}"
        return f"{marks}. {panel}."

    @property
    def caption(self) -> str:
        """What is drawn, and under which conditions."""
        moving = plans(self.race)
        told = f"{moving[0].upper()}{moving[1:]}. " if moving else ""
        common = t("Common to all: {conditions}", conditions=conditions(self.race))
        return f"{self.race.told_formula}, {self.marks} {common} {told}{t(self.race.note)}".rstrip()


_COUNTS = {
    1: later("One"),
    2: later("Two"),
    3: later("Three"),
    4: later("Four"),
    5: later("Five"),
    6: later("Six"),
    7: later("Seven"),
    8: later("Eight"),
    9: later("Nine"),
    10: later("Ten"),
}


def _shade(share: float) -> str:
    return "#" + "".join(f"{round(low + share * (high - low)):02X}" for low, high in zip(DEEP, HIGH, strict=True))


def _exit(points: np.ndarray, x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    low, high = np.array([x[0], y[0]]), np.array([x[1], y[1]])
    inside = np.flatnonzero(((points >= low) & (points <= high)).all(1))
    if not len(inside):
        first = np.clip(points[0], low, high)
        return float(first[0]), float(first[1])
    last = points[inside[-1]]
    if inside[-1] + 1 == len(points):
        return float(last[0]), float(last[1])
    way = points[inside[-1] + 1] - last
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(way > 0, (high - last) / way, np.where(way < 0, (low - last) / way, np.inf))
    edge = last + min(1.0, float(shares.min())) * way
    return float(edge[0]), float(edge[1])


# ── The chart ─────────────────────────────────────────────────────────────────────────────────────────────


def race_chart(source: Any) -> Figure:
    """The race as a figure: the paths over the contours, the losses below; a click in the legend picks.

    `source` is what `passo.descend` returned, a study that holds a race, or a record of one.
    """
    scene = Scene(race(source))
    alt = altair()
    chart = interactive(alt.vconcat(_map(scene), _losses(scene), spacing=14))
    return Figure("race", finished(chart, scene.title, scene.subtitle), scene.caption, tell(scene.race))


def _map(scene: Scene) -> Any:
    alt = altair()
    look, (across, up) = {"grid": False, "tickCount": 6}, scene.race.told_axes
    x = alt.X("x:Q", axis=alt.Axis(title=across, **look), scale=alt.Scale(domain=list(scene.x), nice=False))
    y = alt.Y("y:Q", axis=alt.Axis(title=up, **look), scale=alt.Scale(domain=list(scene.y), nice=False))
    layers = [*_ground(scene, x, y), *_paths(scene, x, y), *_marks(scene, x, y)]
    return alt.layer(*layers).properties(width=WIDTH, height=380)


def _ground(scene: Scene, x: Any, y: Any) -> list[Any]:
    alt = altair()
    shapes = [shape for _, shape in scene.bands]
    shades = [shade for shade, _ in scene.bands]
    fill = alt.Fill("rank:O", scale=alt.Scale(domain=list(range(len(shades))), range=shades), legend=None)
    bands = alt.Chart(_polygons(shapes)).mark_line(filled=True, clip=True, strokeWidth=0, opacity=1)
    rims = alt.Chart(_polygons([line for _, line in scene.contours])).mark_line(
        clip=True, stroke="#FFFFFF", strokeWidth=0.7, opacity=0.9
    )
    return [
        bands.encode(x=x, y=y, order="order:Q", detail="rank:O", fill=fill),
        rims.encode(x=x, y=y, order="order:Q", detail="rank:O"),
    ]


def _polygons(shapes: Sequence[np.ndarray]) -> Any:
    points = np.concatenate(shapes)
    order = np.concatenate([np.arange(len(shape)) for shape in shapes])
    rank = np.repeat(np.arange(len(shapes)), [len(shape) for shape in shapes])
    return data({"x": points[:, 0], "y": points[:, 1], "order": order, "rank": rank}, digits=4)


def _paths(scene: Scene, x: Any, y: Any) -> list[Any]:
    alt = altair()
    racers = scene.race.racers
    lengths = [len(racer.points) for racer in racers]
    points = np.concatenate([racer.points for racer in racers])
    columns = {
        "x": points[:, 0],
        "y": points[:, 1],
        "step": np.concatenate([np.arange(length) for length in lengths]),
        "loss": np.concatenate([racer.losses for racer in racers]),
        "label": np.repeat([racer.label for racer in racers], lengths),
        "path": np.repeat(np.arange(len(racers)), lengths),
    }
    tips = [
        alt.Tooltip("label:N", title=t("optimiser")),
        alt.Tooltip("step:Q", title=t("step")),
        alt.Tooltip("x:Q", title=scene.race.told_axes[0], format=".4~g"),
        alt.Tooltip("y:Q", title=scene.race.told_axes[1], format=".4~g"),
        alt.Tooltip("loss:Q", title=t("loss"), format=".4~g"),
    ]
    front = alt.condition(picking(), alt.value(1.0), alt.value(0.08))
    shade = colour("label", list(scene.colours), list(scene.colours.values()))
    base = alt.Chart(data(columns)).encode(x=x, y=y, color=shade, opacity=front, detail="path:O")
    line = base.mark_line(clip=True, strokeWidth=1.7).encode(order="step:Q")
    dots = base.mark_point(filled=True, clip=True, size=9, opacity=1).encode(tooltip=tips)
    return [line, dots]


def _marks(scene: Scene, x: Any, y: Any) -> list[Any]:
    """Ends as rings, exits as crosses, the start as a square, and over all the minima."""
    alt = altair()
    shade = colour("label", list(scene.colours), list(scene.colours.values()))
    front = alt.condition(picking(), alt.value(1.0), alt.value(0.08))
    ends = [(*racer.points[-1], racer.label) for racer in scene.race.racers if racer.diverged is None]
    left = [(x, y, racer.label) for racer, x, y in scene.exits]
    layers = []
    for places, clip, shape in ((ends, True, "circle"), (left, False, "M-1,-1L1,1M-1,1L1,-1")):
        if places:
            columns = {name: [place[i] for place in places] for i, name in enumerate(("x", "y", "label"))}
            mark = alt.Chart(data(columns)).mark_point(filled=False, clip=clip, strokeWidth=2.2, size=80, shape=shape)
            layers.append(mark.encode(x=x, y=y, color=shade, opacity=front))
    layers.append(
        _points(np.array(scene.race.starts), shape="square", filled=True, size=75, color=INK).encode(x=x, y=y)
    )
    for deepest, fill, size in ((False, "#C9D3DE", 45), (True, "#FFFFFF", 90)):
        some = np.array([(x, y) for x, y, deep in scene.shown_minima if deep is deepest])
        if len(some):
            cross = _points(some, shape="cross", filled=True, size=size, color=fill, stroke=INK, strokeWidth=1)
            layers.append(cross.encode(x=x, y=y))
    return layers


def _points(at: np.ndarray, **look: Any) -> Any:
    return altair().Chart(data({"x": at[:, 0], "y": at[:, 1]})).mark_point(clip=True, opacity=1, **look)


def _losses(scene: Scene) -> Any:
    alt = altair()
    racers, (low, high) = scene.race.racers, scene.loss_limits
    kept = [thinned(len(racer.losses)) for racer in racers]
    columns = {
        "step": np.concatenate(kept),
        "loss": np.concatenate([scene.excess(racer)[k] for racer, k in zip(racers, kept, strict=True)]),
        "label": np.repeat([racer.label for racer in racers], [len(k) for k in kept]),
        "path": np.repeat(np.arange(len(racers)), [len(k) for k in kept]),
    }
    ticks = powers(low, high)
    axis = alt.Axis(title=scene.loss_title, **tick_look(ticks))
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    steps = alt.Scale(domain=[0, scene.race.steps], nice=False)
    across = alt.X("step:Q", axis=alt.Axis(title=t("step"), grid=False, tickCount=8), scale=steps)
    lines = (
        alt.Chart(data(columns))
        .mark_line(clip=True, strokeWidth=1.7)
        .encode(
            x=across,
            y=alt.Y("loss:Q", axis=axis, scale=scale),
            color=colour("label", list(scene.colours), list(scene.colours.values())),
            opacity=alt.condition(picking(), alt.value(1.0), alt.value(0.08)),
            detail="path:O",
        )
    )
    layers = [lines]
    if scene.turns:
        rules = alt.Chart(data({"step": scene.turns})).mark_rule(strokeDash=[4, 3], color=INK, opacity=0.5)
        layers.insert(0, rules.encode(x=across))
    return alt.layer(*layers).properties(width=WIDTH, height=150)


def powers(low: float, high: float, most: int = 6) -> list[float]:
    """Powers of ten from `low` to `high` for the ticks of a log axis: every one, or every second, third, …"""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    step = max(1, math.ceil((last - first + 1) / most))
    return [float(f"1e{exponent}") for exponent in range(last, first - 1, -step)][::-1]


def power(value: float) -> str:
    """A power of ten as it stands at a tick.

    >>> power(100.0), power(0.1), power(1e-7)
    ('100', '0.1', '10⁻⁷')
    """
    exponent = round(math.log10(value))
    return numeral(f"{value:g}") if -3 <= exponent <= 4 else f"10{str(exponent).translate(_RAISED)}"


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
