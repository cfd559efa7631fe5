"""The test images that cost a run most, as pictures with what they are and what they were taken for."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from passo.analysis.answers import answers
from passo.analysis.hardest import Hardest
from passo.analysis.hardest import hardest as measured
from passo.analysis.recorded import Recorded
from passo.analysis.words import significant
from passo.errors import StoreError, UsageError, require
from passo.figures.style import GREEN, RED, STONE, Figure, altair, data, finished
from passo.language import numeral, t

ACROSS, WIDE, HIGH, SIDE = 5, 124, 146, 84


def hardest(run: Recorded, *, images: Sequence[Any] | np.ndarray | None = None, most: int = 20) -> Figure:
    """The `most` hardest images; `images` is the whole test part, in its own order.

    images: (N, H, W) grey, (N, H, W, 3) or (N, 3, H, W) colour, uint8: `passo.load(…).test.raw`. Raises `UsageError`
    without them, `StoreError` where they are not as many as the run tested.
    """
    if images is None:
        raise UsageError("figure 'hardest' draws images: pass the test's, images=passo.load(…).test.raw")
    seen = answers(run)
    if len(images) != len(seen):
        raise StoreError(f"run {run.id} was tested on {len(seen):,} images, but {len(images):,} were given")
    found = measured(seen, most)
    pictures = [_picture(np.asarray(images[int(index)])) for index in found.index]
    caption = t(
        "The {shown} of {count:,} test images whose true class {run} held for least likely, the hardest first. Green: "
        "the true class with the probability it was given; red: the class it was taken for; below, the image's place "
        "in the test part (from 0) and its loss.",
        shown=len(found),
        count=found.count,
        run=run.id,
    )
    title = finished(_grid(found, pictures), t("The hardest images"), t("run {run}", run=run.id))
    return Figure("hardest", title, caption, found.sentence())


def _grid(found: Hardest, pictures: Sequence[str]) -> Any:
    alt = altair()
    place = np.arange(len(found))
    rows = -(-len(found) // ACROSS)
    source = data(
        {
            "x": (place % ACROSS + 0.5) * WIDE,
            "y": (place // ACROSS) * HIGH,
            "picture": list(pictures),
            "true": [f"{_short(found.classes[c])} {_q(q)}" for c, q in zip(found.true, found.probability, strict=True)],
            "taken": _taken(found),
            "place": [
                t("no. {place} · {nats} nats", place=int(i), nats=significant(float(v)))
                for i, v in zip(found.index, found.losses, strict=True)
            ],
        }
    )
    base = alt.Chart(source).encode(
        x=alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, ACROSS * WIDE], nice=False)),
        y=alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[rows * HIGH, 0], nice=False)),
    )
    words = (("true", GREEN, 11, 600), ("taken", RED, 11, 600), ("place", STONE, 10, 400))
    return alt.layer(
        base.mark_image(width=SIDE, height=SIDE, align="center", baseline="top").encode(url="picture:N"),
        *(
            base.mark_text(dy=SIDE + 12 + 15 * row, fontSize=size, color=shade, fontWeight=weight).encode(
                text=f"{field}:N"
            )
            for row, (field, shade, size, weight) in enumerate(words)
        ),
    ).properties(width=min(len(found), ACROSS) * WIDE if len(found) < ACROSS else ACROSS * WIDE, height=rows * HIGH)


def _taken(found: Hardest) -> list[str]:
    """What each was taken for; an image that was named rightly, and is hard all the same, has no such line."""
    both = zip(found.true, found.predicted, found.confidence, strict=True)
    return ["" if true == given else f"{_short(found.classes[given])} {_q(q)}" for true, given, q in both]


def _short(name: str, most: int = 13) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _q(probability: float) -> str:
    """A probability in percent, two digits, below 0.01 % only as less than that."""
    percent = 100 * float(probability)
    if percent < 0.01:
        return numeral("<0.01 %")
    return f"{percent:.0f} %" if percent >= 9.5 else f"{significant(percent, 1)} %"


def _picture(pixels: np.ndarray) -> str:
    """An image as a PNG inside an address, its pixels enlarged as they are: no smoothing adds what is not there."""
    image = require("PIL.Image", "figures")
    if pixels.ndim == 3 and pixels.shape[0] in (1, 3) and pixels.shape[-1] not in (1, 3):
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    larger = max(1, 2 * SIDE // max(pixels.shape[:2]))
    pixels = pixels.astype(np.uint8).repeat(larger, 0).repeat(larger, 1)
    buffer = io.BytesIO()
    image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
