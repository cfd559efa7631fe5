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
        chart = interactive(alt.vconcat(_map(found), _along(found), spacing=16).resolve_scale(color="independent"))
    told: Any = _subtitle(found)
    return Figure("landscape", finished(chart, _title(found), told), _caption(found), tell(found))


# ── Words ─────────────────────────────────────────────────────────────────────────────────────────────────


def _title(found: LossSurface) -> str:
    source = found.info.get("source")
    where = "around the end of its training" if found.random else "along its training"
    return f"The loss of {source['model']} {where} with {source['optimizer']}" if source else f"The loss {where}"


def _subtitle(found: LossSurface) -> list[str]:
    told = shown(found).replace(") and ", ")\nand ")
    return (told if found.random else f"{told}\n{missed(found)}").split("\n")


def _caption(found: LossSurface) -> str:
    info = found.info
    part = f"{info['part']} images of " if "part" in info else "samples of "
    count = f"{info['images']:,} of {info['of']:,}" if info.get("of", info["images"]) != info["images"] else "all"
    directions = "two random directions, scaled filter by filter" if found.random else "the path's two main directions"
    text = (
        f"Shades are levels of the mean loss ({info['loss']}) over {count} {part}{info['data']}, in evaluation mode, "
        f"at {len(found.x)} × {len(found.y)} points of a plane through the end of the path, along {directions} "
        f"(of {info['weights']:,} weights; seed {info['seed']})."
    )
    if not found.random:
        text += (
            f" Dots are the feet of {len(found.steps)} recorded points on the plane, from the start (square) to the "
            "end (ring). Below, the real loss at these points, and that at their feet."
        )
    _, stretched = _height(found)
    if not 0.99 < stretched < 1.01:
        text += f" A unit is {significant(stretched, 2)} times as long upwards as to the right."
    if info["buffers"]:
        used = "of all these images at once" if info["batch_norm"] == "batch" else "that were running at the end"
        text += f" BatchNorm normalises by the statistics {used}."
    if info["second_is_random"]:
        text += " The path is a straight line: the second direction is a random one at right angles."
    if found.not_finite:
        text += f" At {found.not_finite:,} points the loss is not finite: they have the shade of the highest."
    return text


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
        return [f"{n} random direction (1: as long as the filters)" for n in ("first", "second")]
    names = zip(("first", "second"), found.shares, strict=False)
    titles = [f"{n} main direction: {share(float(part))}" for n, part in names]
    titles[0] += " of the squared distance"
    return [titles[0], "a random direction"] if found.info["second_is_random"] else titles


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
    legend = alt.Legend(title=STEP, type="gradient", gradientLength=200, gradientThickness=8, **look)
    shade = alt.Color("step:Q", scale=scale, legend=legend)
    tips = [
        alt.Tooltip("step:Q", title=STEP),
        alt.Tooltip("real:Q", title="loss", format=".4~g"),
        alt.Tooltip("plane:Q", title="loss on the plane", format=".4~g"),
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
    marks = [({"x": [end[0]], "y": [end[1]], "label": ["end"]}, {"filled": False, "size": 110})]
    if not found.random:
        marks.append(
            ({"x": [start[0]], "y": [start[1]], "label": ["start"]}, {"shape": "square", "filled": True, "size": 80})
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
    series = {"real loss": found.path_loss, "loss on the plane": found.plane_loss}
    positive = min(float(np.nanmin(values)) for values in series.values()) > 0
    return lines(
        found.steps,
        series,
        {"real loss": BLUE, "loss on the plane": RED},
        y="loss (log scale)" if positive else "loss",
        height=130,
        dashed=["loss on the plane"],
        scale={"type": "log"} if positive else None,
        title=None,
    )
