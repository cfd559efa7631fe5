"""Heat maps over the images that they explain: the predicted class beside another, at every convolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from passo.analysis.attributed import Attributed, attributed_pair
from passo.analysis.words import joined
from passo.figures.pictures import Canvas, address, grey
from passo.figures.style import GREEN, INK, RED, STONE, Figure, finished
from passo.language import later, numeral, t
from passo.store import StoredStudy

WIDE, GAP, SPACE = 640, 6, 22  # points: all of it, between tiles, between two models
HEAD, LINES = 18, 30  # points: a line of heading, the words under a tile
LAYERS, ROWS, ROWS_ALONE = 4, 3, 5  # layers that fit; images of each kind, of two models and of one
RIGHT = later("right"), later("none right"), later("second likeliest")
WRONG = later("wrong"), later("none wrong"), later("true class")
"""What stands over predictions of a kind, over none, and over the map of the other class."""
INFERNO = ((0, 0, 4), (31, 12, 72), (85, 15, 109), (136, 34, 106), (186, 54, 85), (227, 89, 51), (249, 140, 10),
           (249, 201, 50), (252, 255, 164))  # fmt: skip
"""Smith and van der Walt's colour map (matplotlib, CC0) at nine even places; its lightness rises evenly."""


def heated(pixels: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """A heat map (H, W) over its image (H, W) or (H, W, 3): (H, W, 3) uint8.

    The image is grey and dimmed; each pixel takes the colour of its share of the map's greatest value, and the more of
    it the greater that share.
    """
    image = pixels.mean(-1) if pixels.ndim == 3 else pixels
    base = 25 + 0.6 * grey(image)[..., None].astype(np.float64)
    share = np.clip(weight.astype(np.float64) / (float(weight.max()) or 1.0), 0, 1)
    at = np.linspace(0, 1, len(INFERNO))
    shade = np.stack([np.interp(share, at, channel) for channel in np.array(INFERNO).T], -1)
    cover = 0.85 * share[..., None] ** 0.7
    return ((1 - cover) * base + cover * shade).round().astype(np.uint8)


def draw_attributed(found: Attributed) -> Figure:
    """A row for each image, first those predicted rightly; the image, then two maps at each layer.

    Of more than four layers the first, the last and two between are drawn.
    """
    layers = [int(at) for at in np.unique(np.linspace(0, len(found.layers) - 1, LAYERS).round())]
    block = Block(found, layers, ROWS_ALONE, min(84.0, (WIDE + GAP) / (1 + 2 * len(layers)) - GAP))
    counts = block.counts
    canvas = Canvas(block.width, block.height(counts))
    block.draw(canvas, 0, counts)
    chart = finished(canvas.chart(), t("Where the evidence lies"), f"{found.name}: {found.way}")
    caption = _caption((found,))
    if len(layers) < len(found.layers):
        drawn = t("{shown} of {count} layers are drawn.", shown=len(layers), count=len(found.layers))
        caption = f"{caption} {drawn}"
    return Figure("attributed", chart, caption, found.sentence())


def gradcam(study: StoredStudy) -> Figure:
    """Maps of a study's two models side by side, at the last layer of each; three right and three wrong predictions."""
    both = attributed_pair(study)
    side = (WIDE - SPACE - 4 * GAP) / 6
    blocks = [Block(found, [len(found.layers) - 1], ROWS, side, headed=True) for found in both]
    counts = [max(one.counts[part] for one in blocks) for part in (0, 1)]
    canvas = Canvas(WIDE, blocks[0].height(counts))
    for number, block in enumerate(blocks):
        block.draw(canvas, number * (block.width + SPACE), counts)
    told = joined([f"{found.name} ({found.way})" for found in both])
    chart = finished(canvas.chart(), t("Where two models find their evidence"), told)
    return Figure("gradcam", chart, _caption(both), " ".join(found.sentence() for found in both))


@dataclass(frozen=True)
class Block:
    """The images and maps of one model: at some of its layers, of each kind of prediction at most `most` images.

    `side`: points of a tile; `headed`: whether the model's name stands above the layers' names.
    """

    found: Attributed
    layers: Sequence[int]
    most: int
    side: float
    headed: bool = False

    @property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Which images are drawn: those predicted rightly, and wrongly."""
        right, wrong = (np.flatnonzero(part)[: self.most] for part in (self.found.correct, ~self.found.correct))
        return right, wrong

    @property
    def counts(self) -> list[int]:
        return [len(rows) for rows in self.rows]

    @property
    def width(self) -> float:
        return (1 + 2 * len(self.layers)) * (self.side + GAP) - GAP

    @property
    def high(self) -> float:
        """Points of an image that is `side` wide."""
        return self.side * self.found.pixels.shape[1] / self.found.pixels.shape[2]

    def height(self, counts: Sequence[int]) -> float:
        """Points of so many rows of right and of wrong predictions."""
        return HEAD * (1 + self.headed) + sum(HEAD + count * (self.high + LINES) for count in counts if count)

    def draw(self, canvas: Canvas, x: float, counts: Sequence[int]) -> None:
        """Everything, from x on to the right; `counts` rows are left free for each kind of prediction."""
        y = float(HEAD * (1 + self.headed))
        if self.headed:
            canvas.word(x, 8, self.found.name, size=12, align="left", weight=600)
        for number, layer in enumerate(self.layers):
            middle = x + (1 + 2 * number) * (self.side + GAP) + self.side + GAP / 2
            canvas.word(middle, y - 10, self.found.layers[layer], size=11, weight=600)
        for rows, count, (kind, none, other) in zip(self.rows, counts, (RIGHT, WRONG), strict=True):
            if not count:
                continue
            canvas.word(x, y + 7, t(kind if len(rows) else none), size=10.5, colour=STONE, align="left")
            if len(rows):
                self._heads(canvas, x, y + 7, t(other))
            for number, row in enumerate(rows):
                self._row(canvas, int(row), x, y + HEAD + number * (self.high + LINES))
            y += HEAD + count * (self.high + LINES)

    def _heads(self, canvas: Canvas, x: float, y: float, other: str) -> None:
        """Above the maps, whose they are."""
        for number in range(2 * len(self.layers)):
            left = x + (1 + number) * (self.side + GAP)
            canvas.word(left + self.side / 2, y, other if number % 2 else t("predicted"), size=10.5, colour=STONE)

    def _row(self, canvas: Canvas, row: int, x: float, y: float) -> None:
        """One image with its maps, and what they are below."""
        found, pixels = self.found, self.found.pixels[row]
        true = found.classes[found.labels[row]]
        self._tile(canvas, x, y, pixels, true, INK, t("no. {place}", place=found.places[row]), weight=600)
        shades = (GREEN if found.correct[row] else RED, INK)
        for number, layer in enumerate(self.layers):
            for which, (label, shade) in enumerate(zip((found.predicted[row], found.other[row]), shades, strict=True)):
                left = x + (1 + 2 * number + which) * (self.side + GAP)
                picture = heated(pixels, found.maps[layer, row, which])
                told = _percent(float(found.probabilities[row, label]))
                if np.isnan(found.half[layer, row, which]):
                    told = t("{share}, empty", share=told)
                self._tile(canvas, left, y, picture, found.classes[label], shade, told)

    def _tile(
        self,
        canvas: Canvas,
        x: float,
        y: float,
        pixels: np.ndarray,
        name: str,
        shade: str,
        told: str,
        weight: int = 400,
    ) -> None:
        canvas.picture(x, y, self.side, self.high, address(pixels, round(self.side)))
        middle, most = x + self.side / 2, max(4, int(self.side / 5.6))
        short = name if len(name) <= most else f"{name[: most - 1]}…"
        canvas.word(middle, y + self.high + 8, short, size=10, colour=shade, weight=weight)
        canvas.word(middle, y + self.high + 20, told, size=9, colour=STONE)


def _percent(share: float) -> str:
    """A probability in percent; below a tenth of one only as less than that."""
    percent = 100 * share
    if percent < 0.1:
        return numeral("<0.1 %")
    return numeral(f"{percent:.0f} %" if percent > 99.95 or 10 <= percent < 99 else f"{percent:.1f} %")


def _caption(both: Sequence[Attributed]) -> str:
    of_one, of_each = (
        later(
            "Test images that the model is surest of, among its right and among its wrong predictions; below, the true "
            "class and the image's place in the test part."
        ),
        later(
            "Test images that each model is surest of, among its right and among its wrong predictions; below, the "
            "true class and the image's place in the test part."
        ),
    )
    full, with_empty = (
        later("Colours go from 0 (none) to each map's own greatest value (light yellow)."),
        later(
            "Colours go from 0 (none) to each map's own greatest value (light yellow); an empty map is 0 everywhere."
        ),
    )
    maps = t(
        "Each with two maps ({ways}): for the predicted class (green where right, red where wrong), then for the true "
        "class of a wrong prediction, the second likeliest of a right one; below, their probabilities.",
        ways=joined(list(dict.fromkeys(found.way for found in both))),
    )
    empty = any(np.isnan(found.half).any() for found in both)
    return f"{t(of_one if len(both) == 1 else of_each)} {maps} {t(with_empty if empty else full)}"
