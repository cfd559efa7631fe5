"""Arrays as pictures, and a canvas that puts pictures, cells and words at places in pixels."""

from __future__ import annotations

import base64
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from passo.errors import require
from passo.figures.style import INK, altair, data

POSITIVE, NEGATIVE = (0, 114, 178), (213, 94, 0)  # the palette's blue and red: above 0, below 0
GAP = 255  # white between tiles


def address(pixels: np.ndarray, side: int | None = None) -> str:
    """An image (H, W) or (H, W, 3) as a PNG inside an address; with a `side`, enlarged to about twice that many points.

    Pixels are repeated, never smoothed: smoothing would add what is not there.
    """
    image = require("PIL.Image", "figures")
    pixels = np.asarray(pixels, np.uint8)
    if side is not None:
        larger = max(1, 2 * side // max(pixels.shape[:2]))
        pixels = pixels.repeat(larger, 0).repeat(larger, 1)
    buffer = io.BytesIO()
    image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def diverging(values: np.ndarray, most: float) -> np.ndarray:
    """Numbers (…) as colours (…, 3): white at 0, blue at `most`, red at −`most`, evenly between.

    >>> diverging(np.array([0.0, 1.0, -1.0]), 1.0).tolist()
    [[255, 255, 255], [0, 114, 178], [213, 94, 0]]
    """
    share = np.clip(np.asarray(values, np.float64) / (most or 1.0), -1, 1)[..., None]
    ends = np.where(share >= 0, np.array(POSITIVE), np.array(NEGATIVE))
    return (255 + np.abs(share) * (ends - 255)).round().astype(np.uint8)


def grey(values: np.ndarray) -> np.ndarray:
    """Numbers (H, W), or (C, H, W) of one or three channels, as an image: black at the least, white at the greatest."""
    values = np.asarray(values, np.float64)
    if values.ndim == 3:
        values = np.moveaxis(values, 0, -1) if values.shape[0] == 3 else values[0]
    low, high = float(values.min()), float(values.max())
    return ((values - low) / ((high - low) or 1.0) * 255).round().astype(np.uint8)


def mosaic(tiles: np.ndarray, cell: int, gap: int) -> np.ndarray:
    """Tiles (R, C, h, w, 3) as one picture, each cell of a tile `cell` pixels wide, with white gaps between tiles."""
    rows, columns, high, wide, _ = tiles.shape
    large = tiles.repeat(cell, 2).repeat(cell, 3)  # (R, C, h·cell, w·cell, 3)
    whole = np.full((rows * (high * cell + gap) - gap, columns * (wide * cell + gap) - gap, 3), GAP, np.uint8)
    for row in range(rows):
        for column in range(columns):
            y, x = row * (high * cell + gap), column * (wide * cell + gap)
            whole[y : y + high * cell, x : x + wide * cell] = large[row, column]
    return whole


def hex_colours(colours: np.ndarray) -> list[str]:
    """Colours (N, 3) as "#rrggbb"."""
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in colours.reshape(-1, 3).tolist()]


@dataclass
class Canvas:
    """Things at places in pixels, y downwards; drawn in this order: pictures, cells, frames, words."""

    width: float
    height: float
    _pictures: dict[tuple[float, float], list[tuple[float, float, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _cells: list[tuple[float, float, float, float, str]] = field(default_factory=list)
    _frames: list[tuple[float, float, float, float, str]] = field(default_factory=list)
    _words: dict[tuple[Any, ...], list[tuple[float, float, str]]] = field(default_factory=lambda: defaultdict(list))

    def picture(self, x: float, y: float, width: float, height: float, source: str) -> None:
        """A picture by its address, with its upper left corner at (x, y)."""
        self._pictures[width, height].append((x, y, source))

    def cell(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        self._cells.append((x, y, x + width, y + height, fill))

    def frame(self, x: float, y: float, width: float, height: float, stroke: str) -> None:
        """The outline of a rectangle."""
        self._frames.append((x, y, x + width, y + height, stroke))

    def word(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 11,
        colour: str = INK,
        align: str = "center",
        weight: int = 400,
    ) -> None:
        """A line of text, its middle at height y."""
        self._words[size, colour, align, weight].append((x, y, text))

    def chart(self) -> Any:
        """All of it as layers of one chart."""
        alt = altair()
        layers = []
        for (width, height), placed in self._pictures.items():
            look = {"width": width, "height": height, "align": "left", "baseline": "top", "aspect": False}
            mark = alt.Chart(_columns(placed, "x", "y", "picture")).mark_image(**look)
            layers.append(mark.encode(**self._at(), url="picture:N"))
        for boxes, look in ((self._cells, {"stroke": "#FFFFFF", "strokeWidth": 1}), (self._frames, {"fill": None})):
            if boxes:
                layers.append(self._boxes(boxes, **look))
        for (size, colour, align, weight), placed in self._words.items():
            look = {"fontSize": size, "color": colour, "align": align, "fontWeight": weight, "baseline": "middle"}
            mark = alt.Chart(_columns(placed, "x", "y", "word")).mark_text(**look)
            layers.append(mark.encode(**self._at(), text="word:N"))
        return alt.layer(*layers).properties(width=self.width, height=self.height)

    def _boxes(self, boxes: Sequence[tuple[Any, ...]], **look: Any) -> Any:
        alt = altair()
        mark = alt.Chart(_columns(boxes, "x", "y", "x2", "y2", "shade")).mark_rect(**look)
        framed = "fill" in look  # an outline alone
        shade = {"stroke": alt.Stroke("shade:N", scale=None)} if framed else {"fill": alt.Fill("shade:N", scale=None)}
        return mark.encode(**self._at(), x2="x2:Q", y2="y2:Q", **shade)

    def _at(self) -> dict[str, Any]:
        alt = altair()
        across = alt.Scale(domain=[0, self.width], nice=False, zero=False)
        down = alt.Scale(domain=[self.height, 0], nice=False, zero=False)
        return {"x": alt.X("x:Q", axis=None, scale=across), "y": alt.Y("y:Q", axis=None, scale=down)}


def _columns(rows: Sequence[tuple[Any, ...]], *names: str) -> Any:
    return data(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def numbers(
    canvas: Canvas, x: float, y: float, values: np.ndarray, texts: Sequence[str], most: float, side: float
) -> None:
    """A grid of numbers (h, w) as coloured cells of `side` points with their texts; its upper left corner at (x, y)."""
    high, wide = values.shape
    shades = hex_colours(diverging(values, 1.6 * most))  # paler than a picture: the numbers are to be read
    for place in range(high * wide):
        left, top = x + place % wide * side, y + place // wide * side
        canvas.cell(left, top, side, side, shades[place])
        canvas.word(left + side / 2, top + side / 2, texts[place], size=max(7.0, min(10.5, side / 3.2)))


def scale_bar(canvas: Canvas, x: float, y: float, most: float, told: str, width: float = 120) -> None:
    """What the colours mean: −most, 0, most; with its upper left corner at (x, y), 24 points high."""
    strip = diverging(np.linspace(-most, most, 121)[None], most)
    canvas.picture(x, y, width, 8, address(np.repeat(strip, 8, 0)))
    for place, text in ((0, f"−{told}"), (width / 2, "0"), (width, told)):
        canvas.word(x + place, y + 17, text, size=10)
