"""A layer's filters, and its feature maps of one image, all of them in one picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from passo.analysis.words import joined, significant
from passo.errors import UsageError
from passo.figures.pictures import Canvas, address, diverging, grey, mosaic, scale_bar
from passo.figures.style import STONE, Figure, finished
from passo.language import t, tn

if TYPE_CHECKING:
    from passo.explaining import FeatureMaps, Filters

WIDE, MOST = 600, 4096  # points across; tiles that can still be told apart
SIDE, GAP, LEFT, TOP = 76, 6, 34, 18


def draw_filters(found: Filters, run: str = "", channel: int | None = None) -> Figure:
    """All kernels of a layer: a row for each filter, a column for each input channel; or all for one `channel`.

    Of one input channel, they fill lines from left to right. run: what the model is called. Raises `UsageError` for a
    channel that is not there, and for more kernels than can be told apart.
    """
    kernels = found.kernels  # (F, C, h, w)
    count, channels = kernels.shape[:2]
    if channel is not None:
        if not 0 <= channel < channels:
            raise UsageError(f"the filters of {found.layer!r} have input channels 0 to {channels - 1}, got {channel}")
        kernels = kernels[:, channel : channel + 1]
    shown = kernels.shape[0] * kernels.shape[1]
    if shown > MOST:
        raise UsageError(
            f"layer {found.layer!r} has {count} × {channels} kernels, more than can be told apart: choose one input "
            f"channel, from 0 to {channels - 1}"
        )
    most = float(np.abs(kernels).max())
    canvas = _lines(kernels[:, 0], most) if kernels.shape[1] == 1 else _rows(kernels, most)
    run = run or t("this model")
    title = finished(canvas.chart(), t("The filters of {layer}", layer=found.layer), f"{run}: {_shape(found)}")
    scale = t("White is 0, blue above, red below, by one scale for all of them; numbers count from 0.")
    caption = f"{_caption(found.layer, count, channel, kernels.shape[1] == 1)} {scale}"
    return Figure("filters", title, caption, _told_filters(found, run))


def _caption(layer: str, count: int, channel: int | None, alone: bool) -> str:
    """Which kernels are drawn, and where, if not line by line."""
    if channel is not None:
        return tn(
            "The one filter of {layer} for input channel {channel}.",
            "All {n} filters of {layer} for input channel {channel}.",
            count,
            layer=layer,
            channel=channel,
        )
    if alone:
        return tn("The one filter of {layer}.", "All {n} filters of {layer}.", count, layer=layer)
    return tn(
        "The one filter of {layer}: a row for each filter, a column for each input channel.",
        "All {n} filters of {layer}: a row for each filter, a column for each input channel.",
        count,
        layer=layer,
    )


def _shape(found: Filters) -> str:
    count, channels, high, wide = found.kernels.shape
    size = f"{channels} × {high} × {wide}"
    return tn("{n} filter of {size}", "{n} filters of {size}", count, size=size)


def _told_filters(found: Filters, run: str) -> str:
    sizes = np.sqrt((found.kernels.astype(np.float64) ** 2).sum((1, 2, 3)))  # (F,)
    below = float((found.kernels < 0).mean())
    low, high = int(sizes.argmin()), int(sizes.argmax())
    said = t(
        "{layer} of {run} has {shape}, {weights:,} weights from {low} to {high}, {below:.0f} % of them below 0",
        layer=found.layer,
        run=run,
        shape=_shape(found),
        weights=found.kernels.size,
        low=significant(float(found.kernels.min())),
        high=significant(float(found.kernels.max())),
        below=100 * below,
    )
    if len(sizes) == 1:
        return t("{said}; its norm is {norm}.", said=said, norm=significant(float(sizes[0])))
    return t(
        "{said}; the largest by its norm is number {high} ({most}), the smallest number {low} ({least}).",
        said=said,
        high=high,
        most=significant(float(sizes[high])),
        low=low,
        least=significant(float(sizes[low])),
    )


def _lines(kernels: np.ndarray, most: float) -> Canvas:
    """Kernels (F, h, w), line by line, each with its number."""
    return _tiled(diverging(kernels, most), most)


def _tiled(tiles: np.ndarray, most: float | None, first: tuple[np.ndarray, str] | None = None) -> Canvas:
    """Tiles (F, h, w, 3) line by line with their numbers; a `first` picture stands before all others, with its word."""
    count = len(tiles) + (first is not None)
    across = max(1, min(count, 8 if count > 16 else math.ceil(count / max(1, round(count / 7)))))
    side = min(SIDE if across > 4 else 110, (WIDE - GAP) // across - GAP)
    rows = math.ceil(count / across)
    step = side * tiles.shape[1] / tiles.shape[2] + TOP + GAP
    canvas = Canvas(max(across * (side + GAP), 260), rows * step + (34 if most is not None else 0))
    for place in range(count):
        x, y = place % across * (side + GAP), place // across * step
        number = place - (first is not None)
        source, word = first if first is not None and number < 0 else (tiles[number], str(number))
        canvas.word(x + side / 2, y + 9, word, size=10.5, colour=STONE)
        canvas.picture(x, y + TOP, side, side * tiles.shape[1] / tiles.shape[2], address(source, side))
    if most is not None:
        scale_bar(canvas, 0, rows * step + 8, most, significant(most, 2))
    return canvas


def _rows(kernels: np.ndarray, most: float) -> Canvas:
    """Kernels (F, C, h, w) as one mosaic: filters down, input channels across."""
    count, channels, high, wide = kernels.shape
    side = min(46.0, (WIDE - LEFT) / channels - 4, max(16.0, 1400 / count))  # points across a kernel
    pixels = max(1, round(2 * side / wide))
    picture = mosaic(diverging(kernels, most), pixels, 8)
    step = (wide * pixels + 8) / 2, (high * pixels + 8) / 2  # points, for two pixels are one
    canvas = Canvas(LEFT + picture.shape[1] / 2, 2 * TOP + picture.shape[0] / 2 + 34)
    canvas.picture(LEFT, 2 * TOP, picture.shape[1] / 2, picture.shape[0] / 2, address(picture))
    canvas.word(LEFT, 9, t("input channel"), size=10.5, colour=STONE, align="left")
    for place in range(0, channels, 1 if step[0] >= 16 else 4):
        canvas.word(LEFT + (place + 0.5) * step[0], 27, str(place), size=10, colour=STONE)
    for place in range(0, count, 1 if step[1] >= 12 else 4):
        canvas.word(LEFT - 8, 2 * TOP + (place + 0.5) * step[1], str(place), size=10, colour=STONE, align="right")
    scale_bar(canvas, LEFT, 2 * TOP + picture.shape[0] / 2 + 8, most, significant(most, 2))
    return canvas


def draw_feature_maps(found: FeatureMaps, run: str = "", image: str = "") -> Figure:
    """All feature maps of a layer for one image, which stands first; `image` says which it is, in words."""
    run, image = run or t("this model"), image or t("one image")
    most = float(np.abs(found.maps).max())
    canvas = _tiled(diverging(found.maps, most), most, first=(grey(_three(found.image)), t("image")))
    count, high, wide = found.maps.shape
    title = finished(canvas.chart(), t("The feature maps of {layer}", layer=found.layer), f"{run}, {image}")
    caption = tn(
        "What {layer} of {run} makes of {image}, which stands first: {n} map of {size}, with their channels' numbers "
        "from 0. White is 0, blue above, red below, by one scale for all maps.",
        "What {layer} of {run} makes of {image}, which stands first: {n} maps of {size}, with their channels' numbers "
        "from 0. White is 0, blue above, red below, by one scale for all maps.",
        count,
        layer=found.layer,
        run=run,
        image=image,
        size=f"{high} × {wide}",
    )
    return Figure("feature-maps", title, caption, _told_maps(found, run, image))


def _three(image: np.ndarray) -> np.ndarray:
    return image if image.shape[0] == 3 else image[:1]


def _told_maps(found: FeatureMaps, run: str, image: str) -> str:
    tops = found.maps.reshape(len(found.maps), -1).max(1)
    silent = [str(number) for number, one in enumerate(found.maps) if not one.any()]
    y, x = np.unravel_index(int(found.maps[tops.argmax()].argmax()), found.maps.shape[1:])
    told = tn(
        "Of the {n} feature map of {layer} in {run}, for {image}, number {most} answers most: {value} at row {y}, "
        "column {x}",
        "Of the {n} feature maps of {layer} in {run}, for {image}, number {most} answers most: {value} at row {y}, "
        "column {x}",
        len(found.maps),
        layer=found.layer,
        run=run,
        image=image,
        most=int(tops.argmax()),
        value=significant(float(tops.max())),
        y=int(y),
        x=int(x),
    )
    if not silent:
        return t("{told}; none is 0 everywhere.", told=told)
    if len(silent) > 8:
        return t("{told}; {count} maps are 0 everywhere.", told=told, count=len(silent))
    return tn(
        "{told}; {names} is 0 everywhere.",
        "{told}; {names} are 0 everywhere.",
        len(silent),
        told=told,
        names=joined(silent),
    )
