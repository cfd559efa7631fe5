"""A GAN over its training: D(x) and D(G(z)) with both losses, and what is made of the same noise after every epoch."""

from __future__ import annotations

import math

import numpy as np

from passo.analysis.adversaries import Adversaries
from passo.analysis.adversaries import adversaries as measured
from passo.errors import StoreError
from passo.figures.panels import level, lines, stacked
from passo.figures.pictures import Canvas, address
from passo.figures.reconstructed import pixels
from passo.figures.style import BLUE, INK, ORANGE, RED, Figure, finished, interactive, thinned
from passo.store import StoredRun

REAL, FAKE, OF_G, OF_D = "D(x), real", "D(G(z)), generated", "loss of the generator", "loss of the discriminator"
SHADES = {REAL: BLUE, FAKE: ORANGE, OF_G: RED, OF_D: INK}
SIDE, GAP, LEFT, ROWS, MOST = 50, 4, 66, 8, 10


def discriminator(run: StoredRun) -> Figure:
    """What the discriminator says of real and of generated images, and both losses, over the training."""
    found = measured(run)
    x = found.windows(found.epochs)
    above = {REAL: found.windows(found.d_real), FAKE: found.windows(found.d_fake)}
    below = {OF_G: found.windows(found.generator), OF_D: found.windows(found.discriminator)}
    half = level(0.5, "cannot tell")
    panels = (
        lines(x, above, SHADES, y="probability", x_title=None, height=190, scale={"domain": [0, 1]}, over=half),
        lines(x, below, SHADES, y="loss", x_title="epoch", height=150, over=level(2 * math.log(2), "2 log 2"),
              scale={"zero": True}),
    )  # fmt: skip
    chart = interactive(stacked(*panels), zoom=True)
    each = -(-len(found.steps) // len(x))
    mean = f", each point the mean of about {each:,} steps" if each > 1 else ""
    caption = (
        f"The probability of being real that the discriminator of {found.run} gives to real and to generated images of "
        f"a mini-batch before its step, and both losses{mean}. Where it cannot tell, both probabilities are 1/2 and "
        "its loss is 2 log 2 = 1.386 (without label smoothing)."
    )
    return Figure("discriminator", finished(chart, "Who deceives whom", f"run {found.run}"), caption, found.sentence())


def samples(run: StoredRun) -> Figure:
    """A row for each of some epochs, a column for each noise vector."""
    found = measured(run)
    if found.samples.ndim != 5 or found.samples.shape[2] not in (1, 3):
        raise StoreError(f"run {run.id} made rows, not images: there is nothing to draw of them")
    kept = thinned(len(found.samples), ROWS)
    count = min(MOST, found.samples.shape[1])
    high = SIDE * found.samples.shape[-2] / found.samples.shape[-1]
    canvas = Canvas(LEFT + count * (SIDE + GAP), len(kept) * (high + GAP))
    for row, epoch in enumerate(kept):
        y = row * (high + GAP)
        canvas.word(LEFT - 8, y + high / 2, f"epoch {epoch + 1}", align="right")
        for column in range(count):
            source = address(pixels(found.samples[epoch, column]), SIDE)
            canvas.picture(LEFT + column * (SIDE + GAP), y, SIDE, high, source)
    caption = (
        f"What the generator of {found.run} makes of the same {count} noise vectors: a column each, a row after "
        f"{'each epoch' if len(kept) == len(found.samples) else f'some of {len(found.samples)} epochs'}."
    )
    return Figure("samples", finished(canvas.chart(), "Samples over time", f"run {found.run}"), caption, _told(found))


def _told(found: Adversaries) -> str:
    """How much the samples still change, and how much they differ among themselves."""
    images = found.samples.astype(np.float64)
    apart = images[-1].std(0).mean()
    said = f"After {len(images)} epochs {images.shape[1]} samples of {found.run} differ by {apart:.3f} per pixel"
    if len(images) > 1:
        first, last = (np.abs(images[at] - images[at - 1]).mean() for at in (1, -1))
        said += f", white being 1; the second epoch changed them by {first:.3f}, the last one by {last:.3f}"
    return f"{said}. {found.sentence()}"
