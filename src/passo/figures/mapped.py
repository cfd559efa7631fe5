"""Two models' first filters side by side, and what each of their layers makes of the same image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from passo.analysis.mapped import Mapped, mapped_pair
from passo.analysis.words import joined, significant
from passo.figures.pictures import Canvas, address, diverging, scale_bar
from passo.figures.style import BLUE, INK, RED, STONE, Figure, finished
from passo.language import t
from passo.store import StoredStudy

WIDE, GAP, SPACE = 640, 5, 24  # points: all of it, between tiles, between two models
HEAD, LABEL, IMAGE = 20, 106, 64
ACROSS, FILTERS, MAPS, LAYERS = 4, 16, 10, 9  # filters in a line, filters, maps of a layer, layers
HALF = (WIDE - SPACE) / 2
FILTER, TILE = (HALF + GAP) / ACROSS - GAP, (WIDE - LABEL + GAP) / MAPS - GAP  # points of a filter, and of a map
CELL, CELLS = 10, 52  # points of a unit's cell, and cells in a line
EDGE, FRAME = 226, "#E2E2E2"  # the grey around what may be white


def filters_pair(study: StoredStudy) -> Figure:
    """The filters of the first layer of a study's two models, up to sixteen each: those with the largest norm."""
    both = mapped_pair(study)
    chosen = [_largest(found.kernels, FILTERS) for found in both]
    lines = [math.ceil(len(numbers) / ACROSS) * _step(found) for found, numbers in zip(both, chosen, strict=True)]
    canvas = Canvas(WIDE, HEAD + max(lines) + 34)
    for number, (found, numbers) in enumerate(zip(both, chosen, strict=True)):
        x, most = number * (HALF + SPACE), float(np.abs(found.kernels).max())
        _headed(canvas, x, found, _few(found, len(numbers)), number)
        for place, at in enumerate(numbers):
            left, top = x + place % ACROSS * (FILTER + GAP), HEAD + place // ACROSS * _step(found)
            canvas.word(left + FILTER / 2, top + 8, str(found.numbers[at]), size=10, colour=STONE)
            picture = address(_coloured(found.kernels[at], most), round(FILTER))
            box = left, top + HEAD - 3, FILTER, _step(found) - HEAD - GAP
            canvas.picture(*box, picture)
            canvas.frame(*box, FRAME)
        scale_bar(canvas, x + 14, HEAD + max(lines) + 10, most, significant(most, 2))
    chart = finished(canvas.chart(), t("What two models look for first"), joined([_of(found) for found in both]))
    caption = t(
        "The filters of each model's first layer that have the largest norm, with their numbers from 0. Blue is above "
        "0, red below, white 0, by one scale for each model; a filter of three channels is drawn in its colours, grey "
        "where it is 0. The filters of a linear layer are as large as the image."
    )
    return Figure("filters-pair", chart, caption, " ".join(_told_filters(found) for found in both))


def feature_maps_pair(study: StoredStudy) -> Figure:
    """What the layers of a study's two models make of one image, the first model above the second."""
    both = mapped_pair(study)
    told = t("test image {place}, true class {true}", place=both[0].place, true=both[0].label)
    return _layers("feature-maps-pair", both, t("The same image inside two models"), told)


def draw_mapped(found: Mapped) -> Figure:
    """What every layer of one model makes of one image."""
    return _layers("layers", (found,), t("One image, layer by layer"), f"{found.name}, {found.image}")


def _layers(name: str, both: Sequence[Mapped], title: str, subtitle: str) -> Figure:
    rows = [_spread(len(found.names)) for found in both]
    high = [HEAD + sum(_high(found.outputs[at]) + GAP for at in own) for found, own in zip(both, rows, strict=True)]
    top = IMAGE + 2 * GAP
    canvas = Canvas(WIDE, top + sum(high) + GAP * len(both))
    canvas.word(0, IMAGE / 2, t("the image"), align="left", size=10.5)
    canvas.picture(LABEL, 0, IMAGE * _wide(both[0].pixels), IMAGE, address(both[0].pixels, IMAGE))
    y = float(top)
    for number, (found, chosen) in enumerate(zip(both, rows, strict=True)):
        _headed(canvas, 0, found, t("takes it for {predicted}", predicted=found.predicted), number, y)
        below = y + HEAD
        for at in chosen:
            _layer(canvas, found, at, below)
            below += _high(found.outputs[at]) + GAP
        y = below + GAP
    chart = finished(canvas.chart(), title, subtitle)
    caption = t(
        "Each layer's output for one test image, in the order of the layers: up to {maps} maps, those that answer "
        "most, or all units as cells, up to {units} of them, from left to right. White is 0, blue above, red below, by "
        "one scale for each layer.",
        maps=MAPS,
        units=2 * CELLS,
    )
    return Figure(name, chart, caption, " ".join(found.sentence() for found in both))


def _layer(canvas: Canvas, found: Mapped, at: int, y: float) -> None:
    """One line: the layer's name and what it gives, then its maps or units."""
    values = found.outputs[at]
    most, high = float(np.abs(values).max()), _high(values)
    canvas.word(0, y + high / 2 - 6, found.names[at], align="left", size=10.5, weight=600)
    shape = f"{len(values)} × {values.shape[1]} × {values.shape[2]}" if values.ndim > 1 else ""
    told = shape or t("{n:,} units", n=len(values))
    canvas.word(0, y + high / 2 + 7, told, align="left", size=9, colour=STONE)
    if values.ndim == 1:
        cells = _cells(values[: 2 * CELLS], most)
        canvas.picture(LABEL, y + (high - len(cells) / 2) / 2, cells.shape[1] / 2, len(cells) / 2, address(cells))
        return
    for place, number in enumerate(_largest(values, MAPS)):
        picture = address(diverging(values[number], most), round(TILE))
        box = LABEL + place * (TILE + GAP), y, TILE * min(1.0, _wide(values[0])), high
        canvas.picture(*box, picture)
        canvas.frame(*box, FRAME)


def _cells(values: np.ndarray, most: float) -> np.ndarray:
    """Units (U,) as cells in lines, with a grey edge that shows those that are 0; two pixels a point."""
    lines, across, edge = math.ceil(len(values) / CELLS), min(CELLS, len(values)), 2 * CELL
    picture = np.full((lines * edge + 2, across * edge + 2, 3), 255, np.uint8)
    for place, shade in enumerate(diverging(values, most)):
        y, x = place // CELLS * edge, place % CELLS * edge
        picture[y : y + edge + 2, x : x + edge + 2] = EDGE
        picture[y + 2 : y + edge, x + 2 : x + edge] = shade
    return picture


def _headed(canvas: Canvas, x: float, found: Mapped, told: str, number: int, y: float = 0) -> None:
    """The model's name in its colour, and a few words beside it."""
    canvas.word(x, y + 8, found.name, size=12, align="left", weight=600, colour=(BLUE, RED)[number])
    canvas.word(x + 10 + 7 * len(found.name), y + 8, told, size=10.5, align="left", colour=INK)


def _coloured(kernel: np.ndarray, most: float) -> np.ndarray:
    """A kernel (C, h, w) as an image: signed colours of one channel, its own colours of three, else of their mean."""
    if len(kernel) == 3:
        return np.moveaxis(127.5 + 127.5 * np.clip(kernel / (most or 1.0), -1, 1), 0, -1).round().astype(np.uint8)
    return diverging(kernel.mean(0), most)


def _largest(values: np.ndarray, most: int) -> np.ndarray:
    """Which of the values (F, …) have the largest norm, in rising order: at most so many."""
    sizes = np.sqrt((values.reshape(len(values), -1).astype(np.float64) ** 2).sum(1))
    return np.sort(np.argsort(-sizes, kind="stable")[:most])


def _spread(count: int) -> list[int]:
    """Which layers are drawn: all, or the first, the last, and evenly between."""
    return [int(at) for at in np.unique(np.linspace(0, count - 1, min(count, LAYERS)).round())]


def _high(values: np.ndarray) -> float:
    """Points of a layer's line."""
    if values.ndim == 1:
        return max(28, CELL * math.ceil(min(len(values), 2 * CELLS) / CELLS) + 4)
    return TILE / max(1.0, _wide(values[0]))


def _wide(image: np.ndarray) -> float:
    """Width over height of an image (H, W) or (H, W, 3)."""
    return image.shape[1] / image.shape[0]


def _step(found: Mapped) -> float:
    """Points from one line of filters to the next."""
    return HEAD + FILTER * found.kernels.shape[2] / found.kernels.shape[3] + GAP


def _few(found: Mapped, shown: int) -> str:
    """Which filters are drawn."""
    fields = {"layer": found.layer, "shown": shown, "count": found.count, "shape": _shape(found)}
    if shown == found.count:
        return t("{layer}: {count} filters of {shape}", **fields)
    return t("{layer}: {shown} of {count} filters of {shape}", **fields)


def _shape(found: Mapped) -> str:
    return " × ".join(map(str, found.kernels.shape[1:]))


def _of(found: Mapped) -> str:
    return f"{found.name} ({found.layer})"


def _told_filters(found: Mapped) -> str:
    values = found.kernels.astype(np.float64)
    sizes = np.sqrt((values**2).sum((1, 2, 3)))
    return t(
        "{name} begins with {count} filters of {shape}; the largest by its norm is number {number} ({size}).",
        name=found.name,
        count=found.count,
        shape=_shape(found),
        number=found.numbers[int(sizes.argmax())],
        size=significant(float(sizes.max())),
    )
