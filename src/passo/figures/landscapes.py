"""The loss surface of a real network, with the way that its training went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from passo.analysis.landscapes import Kept, LossSurface, loss_surface, missed, share, shown, tell
from passo.analysis.words import significant
from passo.figures.contours import label_places, outlines, regions, round_levels
from passo.figures.panels import HALO, STEP, lines
from passo.figures.style import BLUE, INK, RED, WIDTH, Figure, altair, data, finished, interactive
from passo.language import later, t

ON_PLANE = later("loss on the plane")
_GROUND = ("#5F87AD", "#EEF3F8")  # the lowest loss, the highest
_WAY = ("#661133", "#D55E00", "#FFD34E")  # from the first step to the last: dark on light ground, light on dark
_HEIGHTS = (280.0, 560.0)  # within these, a unit is as long upwards as to the right
_HALO = {**HALO, "strokeJoin": "round"}  # without it, corners of letters grow spikes


def landscape_chart(run: Kept) -> Figure:
    """A landscape, stored or in memory: the loss over its plane, the path on it, and the error of the projection."""
    alt, found = altair(), loss_surface(run)
    if found.random:
        chart = interactive(_map(found))
    else:
        chart = alt.vconcat(_map(found), _along(found), spacing=16)
        chart = interactive(chart.resolve_scale(color="independent", strokeDash="independent"))
    told: Any = _subtitle(found)
    return Figure("landscape", finished(chart, _title(found), told), _caption(found), tell(found))


# ── Words ─────────────────────────────────────────────────────────────────────────────────────────────────


def _title(found: LossSurface) -> str:
    source = found.info.get("source")
    if not source:
        return t("The loss around the end of its training") if found.random else t("The loss along its training")
    model, optimizer = source["model"], source["optimizer"]
    if found.random:
        return t(
            "The loss of {model} around the end of its training with {optimizer}", model=model, optimizer=optimizer
        )
    return t("The loss of {model} along its training with {optimizer}", model=model, optimizer=optimizer)


def _subtitle(found: LossSurface) -> list[str]:
    """Lines: what the plane shows, broken after its first half, and how far its loss is off."""
    if found.random:
        return [shown(found)]
    first, bracket, rest = shown(found).partition(") ")
    return [*(line for line in (first + bracket.rstrip(), rest) if line), missed(found)]


def _caption(found: LossSurface) -> str:
    info, told = found.info, [_shades(found)]
    if not found.random:
        told.append(
            t(
                "Dots are the feet of {n} recorded points on the plane, from the start (square) to the end (ring). "
                "Below, the real loss at these points, and that at their feet.",
                n=len(found.steps),
            )
        )
    _, stretched = _height(found)
    if not 0.99 < stretched < 1.01:
        told.append(t("A unit is {n} times as long upwards as to the right.", n=significant(stretched, 2)))
    if info["buffers"] and info["batch_norm"] == "batch":
        told.append(t("BatchNorm normalises by the statistics of all these images at once."))
    elif info["buffers"]:
        told.append(t("BatchNorm normalises by the statistics that were running at the end."))
    if info["second_is_random"]:
        told.append(t("The path is a straight line: the second direction is a random one at right angles."))
    if n := found.not_finite:
        told.append(t("At {n:,} points the loss is not finite: they have the shade of the highest.", n=n))
    return " ".join(told)


def _shades(found: LossSurface) -> str:
    """What the shades are: levels of which loss, over what, on which plane."""
    info = found.info
    all_, images = info.get("of", info["images"]) == info["images"], info["images"]
    if "part" in info:
        every = t("all {part} images of {data}", part=t(info["part"]), data=info["data"])
        some = t("{n:,} of {all:,} {part} images of {data}", n=images, all=info.get("of", images), part=t(info["part"]),
                 data=info["data"])  # fmt: skip
    else:
        every = t("all samples of {data}", data=info["data"])
        some = t("{n:,} of {all:,} samples of {data}", n=images, all=info.get("of", images), data=info["data"])
    scattered, main = t("two random directions, scaled filter by filter"), t("the path's two main directions")
    return t(
        "Shades are levels of the mean loss ({loss}) over {what}, in evaluation mode, at {across} × {up} points of a "
        "plane through the end of the path, along {directions} (of {weights:,} weights; seed {seed}).",
        loss=info["loss"],
        what=every if all_ else some,
        across=len(found.x),
        up=len(found.y),
        directions=scattered if found.random else main,
        weights=info["weights"],
        seed=info["seed"],
    )


# ── The map ───────────────────────────────────────────────────────────────────────────────────────────────


def _map(found: LossSurface) -> Any:
    alt = altair()
    titles = _axis_titles(found)
    ends = [(float(axis[0]), float(axis[-1])) for axis in (found.x, found.y)]
    x, y = (
        channel(
            f"{name}:Q", axis=alt.Axis(title=title, grid=False, tickCount=6), scale=alt.Scale(domain=end, nice=False)
        )
        for channel, name, title, end in zip((alt.X, alt.Y), "xy", titles, ends, strict=True)
    )
    heights, levels = round_levels(found.loss)
    layers = [_bands(found, heights, levels, x, y), *_isolines(found, heights, levels, x, y)]
    if not found.random:
        layers += _walked(found, x, y)
    return alt.layer(*layers, *_ends(found, x, y)).properties(width=_width(found), height=_height(found)[0])


def _width(found: LossSurface) -> float:
    return 440 if found.random else WIDTH


def _height(found: LossSurface) -> tuple[float, float]:
    """The map's height, and how many times as long as to the right a unit is upwards: 1 where there is room."""
    sides = [float(axis[-1] - axis[0]) for axis in (found.x, found.y)]
    equal = _width(found) * sides[1] / sides[0]
    height = float(np.clip(equal, *_HEIGHTS))
    return height, height / equal


def _axis_titles(found: LossSurface) -> list[str]:
    if found.random:
        return [
            t("first random direction (1: as long as the filters)"),
            t("second random direction (1: as long as the filters)"),
        ]
    shares = [share(float(part)) for part in found.shares]
    first = t("first main direction: {share} of the squared distance", share=shares[0])
    if found.info["second_is_random"]:
        return [first, t("a random direction")]
    return [first, *(t("second main direction: {share}", share=part) for part in shares[1:2])]


def _bands(found: LossSurface, heights: np.ndarray, levels: dict[float, float], x: Any, y: Any) -> Any:
    """Each level's region upon those of lower ones; the first covers the whole map."""
    alt = altair()
    ground = float(heights.min()) - 1
    order = [ground, *levels.values()]
    shapes = regions(found.x, found.y, heights, order)
    sizes = [len(shape) for _, shape in shapes]
    points = np.concatenate([shape for _, shape in shapes])
    columns = {
        "x": points[:, 0],
        "y": points[:, 1],
        "order": np.concatenate([np.arange(size) for size in sizes]),
        "shape": np.repeat(np.arange(len(shapes)), sizes),
        "rank": np.repeat([order.index(level) for level, _ in shapes], sizes),
    }
    shade = alt.Scale(domain=[0, max(1, len(levels))], range=list(_GROUND))
    return (
        alt.Chart(data(columns, digits=4))
        .mark_line(filled=True, clip=True, strokeWidth=0)
        .encode(x=x, y=y, order="order:Q", detail="shape:O", fill=alt.Fill("rank:Q", scale=shade, legend=None))
    )


def _isolines(found: LossSurface, heights: np.ndarray, levels: dict[float, float], x: Any, y: Any) -> list[Any]:
    """White lines between the bands, and the loss on some of them, where the path leaves room."""
    alt = altair()
    back = {height: label for label, height in levels.items()}
    curves = [(back[height], line) for height, line in outlines(found.x, found.y, heights, list(back))]
    if not curves:
        return []
    sizes = [len(line) for _, line in curves]
    points = np.concatenate([line for _, line in curves])
    columns = {
        "x": points[:, 0],
        "y": points[:, 1],
        "order": np.concatenate([np.arange(size) for size in sizes]),
        "curve": np.repeat(np.arange(len(curves)), sizes),
    }
    line = alt.Chart(data(columns, digits=4)).mark_line(clip=True, strokeWidth=0.7, color="#FFFFFF")
    labels = data(_labels(found, curves))
    words = [
        alt.Chart(labels).mark_text(fontSize=10, color=INK, **look).encode(x=x, y=y, text="label:N")
        for look in (_HALO, {})
    ]
    return [line.encode(x=x, y=y, order="order:Q", detail="curve:O"), *words]


def _labels(found: LossSurface, curves: Sequence[tuple[float, np.ndarray]]) -> dict[str, list[Any]]:
    """The loss on its lines, where the path leaves room."""
    frame = np.array([[found.x[0], found.y[0]], [found.x[-1], found.y[-1]]])
    height = _height(found)[0] / _width(found)
    places = label_places(curves, frame, height, np.zeros((1, 2)) if found.random else found.path)
    points = [place.tolist() for _, place in places]
    return {
        "x": [x for x, _ in points],
        "y": [y for _, y in points],
        "label": [significant(level) for level, _ in places],
    }


def _walked(found: LossSurface, x: Any, y: Any) -> list[Any]:
    """The path, coloured by step, on a white line that sets it off."""
    alt = altair()
    columns = {
        "x": found.path[:, 0],
        "y": found.path[:, 1],
        "step": found.steps,
        "real": found.path_loss,
        "plane": found.plane_loss,
    }
    pieces = {
        **{name: values[:-1] for name, values in columns.items()},
        "x2": found.path[1:, 0],
        "y2": found.path[1:, 1],
    }
    last = int(found.steps[-1])
    scale = alt.Scale(range=list(_WAY), domain=[0, last], nice=False)
    look: dict[str, Any] = {"titleOrient": "left", "titleFontWeight": "normal", "values": [0, last // 2, last]}
    legend = alt.Legend(title=t(STEP), type="gradient", gradientLength=200, gradientThickness=8, **look)
    shade = alt.Color("step:Q", scale=scale, legend=legend)
    tips = [
        alt.Tooltip("step:Q", title=t(STEP)),
        alt.Tooltip("real:Q", title=t("loss"), format=".4~g"),
        alt.Tooltip("plane:Q", title=t(ON_PLANE), format=".4~g"),
    ]
    halo = alt.Chart(data(columns)).mark_line(clip=True, strokeWidth=4, color="#FFFFFF", opacity=0.55)
    piece = alt.Chart(data(pieces)).mark_rule(clip=True, strokeWidth=2, strokeCap="round")
    dots = alt.Chart(data(columns)).mark_point(clip=True, size=5, strokeWidth=3, opacity=1)  # a stroke, as the
    # pieces have one: with strokes and fills both, the legend of steps would be no gradient
    return [
        halo.encode(x=x, y=y, order="step:Q"),
        piece.encode(x=x, y=y, x2="x2:Q", y2="y2:Q", color=shade),
        dots.encode(x=x, y=y, color=shade, tooltip=tips),
    ]


def _ends(found: LossSurface, x: Any, y: Any) -> list[Any]:
    """Start (square) and end (ring), by name; on random directions the end alone, which is where they cross."""
    alt = altair()
    start, end = found.path[0], found.path[-1]
    marks = [({"x": [end[0]], "y": [end[1]], "label": [t("end")]}, {"filled": False, "size": 110})]
    if not found.random:
        marks.append(
            ({"x": [start[0]], "y": [start[1]], "label": [t("start")]}, {"shape": "square", "filled": True, "size": 80})
        )
    layers = []
    for columns, look in marks:
        place = alt.Chart(data(columns))
        colours = {"stroke": INK, "strokeWidth": 2} if not look["filled"] else {"color": INK}
        layers.append(place.mark_point(opacity=1, **look, **colours).encode(x=x, y=y))
        right = columns["x"][0] > (found.x[0] + found.x[-1]) / 2
        text = {"align": "right" if right else "left", "dx": -11 if right else 11, "dy": 0, "fontSize": 11.5}
        layers += [
            place.mark_text(color=INK, fontWeight=600, **text, **halo).encode(x=x, y=y, text="label:N")
            for halo in (_HALO, {})
        ]
    return layers


# ── Along the path ────────────────────────────────────────────────────────────────────────────────────────


def _along(found: LossSurface) -> Any:
    """The real loss at the recorded points, and the loss at their feet: what the projection gets wrong."""
    real, plane = t("real loss"), t(ON_PLANE)
    series = {real: found.path_loss, plane: found.plane_loss}
    positive = min(float(np.nanmin(values)) for values in series.values()) > 0
    return lines(
        found.steps,
        series,
        {real: BLUE, plane: RED},
        y=t("loss (log scale)") if positive else t("loss"),
        height=130,
        scale={"type": "log"} if positive else None,
        title=None,
    )
