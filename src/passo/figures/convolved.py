"""A convolution at one place, as numbers: patch × kernel = products, channel by channel, and their sum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from passo.analysis.words import significant
from passo.errors import UsageError
from passo.figures.pictures import Canvas, address, diverging, grey, numbers
from passo.figures.style import INK, RED, STONE, Figure, finished
from passo.language import numeral, t, tn

if TYPE_CHECKING:
    from passo.explaining import ConvolutionAt

MOST, LARGEST = 6, 7  # channels worked out; the largest kernel whose numbers can be read
HEAD, SIGN, SUM, GAP = 118, 24, 74, 30
MINUS = str.maketrans("-", "−")


def draw_convolution(found: ConvolutionAt, run: str = "", image: str = "") -> Figure:
    """One number of a feature map worked out; of more than six input channels, the six that add most.

    run, image: what the model and the image are called, in words.

    Raises `UsageError` for kernels of more than 7 × 7, whose numbers nobody could read.
    """
    high, wide = found.kernel.shape[1:]
    if max(high, wide) > LARGEST:
        raise UsageError(f"the kernels of {found.layer!r} are {high} × {wide}: numbers are drawn up to 7 × 7")
    order = np.argsort(-np.abs(found.sums), kind="stable")[:MOST]
    shown = np.sort(order)
    canvas = _canvas(found, shown)
    where = {
        "run": run or t("this model"),
        "layer": found.layer,
        "filter": found.filter,
        "image": image or t("one image"),
    }
    about = t("{run}, {layer}, filter {filter}, {image}", **where)
    title = finished(canvas.chart(), t("A convolution, number by number"), about)
    return Figure("convolution", title, _caption(found, len(shown), where), _told(found, where))


def _caption(found: ConvolutionAt, shown: int, where: Mapping[str, Any]) -> str:
    y, x = found.place
    parts = [
        t("Filter {filter} of {layer} in {run}, for {image}, at row {y}, column {x} of its map.", y=y, x=x, **where),
        t(
            "Above: the patch that it reads and the place in the map, framed. Below: each number of the patch times "
            "the one of the kernel at the same place, added up channel by channel, and the bias."
        ),
    ]
    if shown < len(found.sums):
        parts.append(
            t(
                "Of {count} input channels the {shown} that add most are written out.",
                count=len(found.sums),
                shown=shown,
            )
        )
    if not found.inside.all():
        parts.append(t("Cells with a grey frame are padding, outside the image."))
    return " ".join(parts)


def _told(found: ConvolutionAt, where: Mapping[str, Any]) -> str:
    y, x = found.place
    apart = abs(found.total - found.output)
    adds = tn(
        "At row {y}, column {x}, filter {filter} of {layer} in {run} adds {n} channel of {each} products each to "
        "{sum}, and its bias of {bias}: {total}",
        "At row {y}, column {x}, filter {filter} of {layer} in {run} adds {n} channels of {each} products each to "
        "{sum}, and its bias of {bias}: {total}",
        len(found.sums),
        y=y,
        x=x,
        each=found.kernel[0].size,
        sum=significant(float(found.sums.sum()), 4),
        bias=significant(found.bias, 4),
        total=significant(found.total, 4),
        **where,
    )
    if not apart:
        return t("{sum}, which is torch's own number exactly.", sum=adds)
    return t("{sum}, which is torch's own number but for {apart}, its rounding.", sum=adds, apart=significant(apart, 1))


def _canvas(found: ConvolutionAt, shown: np.ndarray) -> Canvas:
    high, wide = found.kernel.shape[1:]
    side = _side(found)
    row = max(high * side, 26) + GAP
    above = HEAD + 54
    width = max(3 * wide * side + 2 * SIGN + SUM, 470)
    canvas = Canvas(width, above + len(shown) * row + 44)
    _above(canvas, found, shown[np.abs(found.sums[shown]).argmax()])
    grids = (found.patch, found.kernel, found.products)
    most = [float(np.abs(grid).max()) for grid in grids]
    for place, channel in enumerate(shown):
        y = above + place * row
        if len(found.sums) > 1:
            word = t("input channel {channel}", channel=int(found.channels[channel]))
            canvas.word(0, y - 9, word, colour=STONE, align="left", weight=600)
        for column, grid in enumerate(grids):
            x = column * (wide * side + SIGN)
            numbers(canvas, x, y, grid[channel], [_short(v) for v in grid[channel].ravel()], most[column], side)
            sign = ("×", "=", "Σ")[column]
            canvas.word(x + wide * side + SIGN / 2, y + high * side / 2, sign, size=15)
        _padding(canvas, found, y, side)
        end = 3 * wide * side + 3 * SIGN
        canvas.word(end, y + high * side / 2, _signed(float(found.sums[channel])), size=13, align="left", weight=600)
    _sum(canvas, found, shown, above + len(shown) * row)
    return canvas


def _above(canvas: Canvas, found: ConvolutionAt, channel: int) -> None:
    """The input channel with the patch framed, the filter's whole map with the place framed, and what stands below."""
    number = int(found.channels[channel])
    picture = found.image[number]
    word = t("input channel {channel}", channel=number)
    _framed(canvas, 0, picture, found.corner, _reach(found), word, address(grey(picture), HEAD))
    most = float(np.abs(found.maps).max())
    source = address(diverging(found.maps, most), HEAD)
    aside = HEAD + max(90, 8 + 5.4 * len(word))  # the word has room between the two pictures
    word = t("map of filter {filter}", filter=found.filter)
    _framed(canvas, aside, found.maps, found.place, (1, 1), word, source)
    wide, side = found.kernel.shape[2], _side(found)
    for column, head in enumerate((t("patch"), t("kernel"), t("products"))):
        canvas.word(column * (wide * side + SIGN) + wide * side / 2, HEAD + 25, head, size=11.5, weight=600)


def _side(found: ConvolutionAt) -> float:
    """Points across one cell of a grid: three grids, two signs and a sum stand side by side."""
    return min(40.0, (660 - 2 * SIGN - SUM) / (3 * found.kernel.shape[2]))


def _reach(found: ConvolutionAt) -> tuple[int, int]:
    """How many rows and columns of the input a patch spans."""
    high, wide = found.kernel.shape[1:]
    return (high - 1) * found.dilation[0] + 1, (wide - 1) * found.dilation[1] + 1


def _framed(
    canvas: Canvas,
    x: float,
    values: np.ndarray,
    corner: tuple[int, int],
    size: tuple[int, int],
    word: str,
    source: str,
) -> None:
    high, wide = values.shape
    scale = HEAD / max(high, wide)
    canvas.picture(x, 0, wide * scale, high * scale, source)
    top, left = max(corner[0], 0), max(corner[1], 0)
    bottom, right = min(corner[0] + size[0], high), min(corner[1] + size[1], wide)
    canvas.frame(x + left * scale, top * scale, (right - left) * scale, (bottom - top) * scale, RED)
    canvas.word(x + wide * scale + 6, 8, word, size=10.5, colour=STONE, align="left")


def _padding(canvas: Canvas, found: ConvolutionAt, y: float, side: float) -> None:
    """A grey frame for each cell of the patch that stands outside the image."""
    for row, column in zip(*np.nonzero(~found.inside), strict=True):
        canvas.frame(column * side + 1.5, y + row * side + 1.5, side - 3, side - 3, "#A3A9B1")


def _sum(canvas: Canvas, found: ConvolutionAt, shown: np.ndarray, y: float) -> None:
    """The last line: every channel, the bias, and what comes out."""
    parts = [_signed(float(found.sums[channel])) for channel in shown]
    rest = float(found.sums.sum() - found.sums[shown].sum())
    if len(shown) < len(found.sums):
        count = len(found.sums) - len(shown)
        parts.append(t("({sum} of the other {count} channels)", sum=_signed(rest), count=count))
    text = " + ".join([*parts, t("bias {bias}", bias=_signed(found.bias))]) + f"  =  {_signed(found.total)}"
    canvas.word(0, y + 4, text.replace("+ −", "− "), size=13, align="left", weight=600)
    both = t("{ours} worked out here, {torch} from torch", ours=digits(found.total), torch=digits(found.output))
    canvas.word(0, y + 26, both, size=12, colour=INK, align="left")


def _short(value: float) -> str:
    """A number for a cell: two decimals, one from 10 on, none from 100 on."""
    size = abs(value)
    text = f"{value:.{0 if size >= 99.95 else 1 if size >= 9.995 else 2}f}"
    return numeral((text if float(text) else "0").translate(MINUS))


def digits(value: float) -> str:
    """Seven significant digits, as many as float32 has."""
    return numeral(f"{value:.7g}".translate(MINUS))


def _signed(value: float) -> str:
    return significant(value, 4)
