"""A GAN over its training: D(x) and D(G(z)) with both losses, and what is made of the same noise after every epoch."""

from __future__ import annotations

import math

import numpy as np

from passo.analysis.adversaries import Adversaries
from passo.analysis.adversaries import adversaries as measured
from passo.errors import StoreError
from passo.figures.panels import EPOCH, level, lines, stacked
from passo.figures.pictures import Canvas, address
from passo.figures.reconstructed import pixels
from passo.figures.style import BLUE, INK, ORANGE, RED, Figure, finished, interactive, thinned
from passo.language import later, t
from passo.store import StoredRun

REAL, FAKE = later("D(x), real"), later("D(G(z)), generated")
OF_G, OF_D = later("loss of the generator"), later("loss of the discriminator")
SHADES = {REAL: BLUE, FAKE: ORANGE, OF_G: RED, OF_D: INK}
SIDE, GAP, LEFT, ROWS, MOST = 50, 4, 66, 8, 10


def discriminator(run: StoredRun) -> Figure:
    """What the discriminator says of real and of generated images, and both losses, over the training."""
    found = measured(run)
    x = found.windows(found.epochs)
    shades = {t(name): shade for name, shade in SHADES.items()}
    above = {t(REAL): found.windows(found.d_real), t(FAKE): found.windows(found.d_fake)}
    below = {t(OF_G): found.windows(found.generator), t(OF_D): found.windows(found.discriminator)}
    half = level(0.5, t("cannot tell"))
    panels = (
        lines(x, above, shades, y=t("probability"), x_title=None, height=190, scale={"domain": [0, 1]}, over=half),
        lines(x, below, shades, y=t("loss"), x_title=EPOCH, height=150, over=level(2 * math.log(2), "2 log 2"),
              scale={"zero": True}),
    )  # fmt: skip
    chart = interactive(stacked(*panels), zoom=True)
    title = finished(chart, t("Who deceives whom"), t("run {run}", run=found.run))
    return Figure("discriminator", title, _caption(found.run, -(-len(found.steps) // len(x))), found.sentence())


def _caption(run: str, each: int) -> str:
    """What is drawn; `each`: how many steps a point is the mean of."""
    if each > 1:
        drawn = t(
            "The probability of being real that the discriminator of {run} gives to real and to generated images of a "
            "mini-batch before its step, and both losses, each point the mean of about {steps:,} steps.",
            run=run,
            steps=each,
        )
    else:
        drawn = t(
            "The probability of being real that the discriminator of {run} gives to real and to generated images of a "
            "mini-batch before its step, and both losses.",
            run=run,
        )
    doubt = t(
        "Where it cannot tell, both probabilities are 1/2 and its loss is 2 log 2 = {loss:.3f} (without label "
        "smoothing).",
        loss=2 * math.log(2),
    )
    return f"{drawn} {doubt}"


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
        canvas.word(LEFT - 8, y + high / 2, t("epoch {epoch}", epoch=epoch + 1), align="right")
        for column in range(count):
            source = address(pixels(found.samples[epoch, column]), SIDE)
            canvas.picture(LEFT + column * (SIDE + GAP), y, SIDE, high, source)
    told = {"run": found.run, "count": count, "epochs": len(found.samples)}
    if len(kept) == len(found.samples):
        caption = t(
            "What the generator of {run} makes of the same {count} noise vectors: a column each, a row after each "
            "epoch.",
            **told,
        )
    else:
        caption = t(
            "What the generator of {run} makes of the same {count} noise vectors: a column each, a row after some of "
            "{epochs} epochs.",
            **told,
        )
    title = finished(canvas.chart(), t("Samples over time"), t("run {run}", run=found.run))
    return Figure("samples", title, caption, _told(found))


def _told(found: Adversaries) -> str:
    """How much the samples still change, and how much they differ among themselves."""
    images = found.samples.astype(np.float64)
    told = {"epochs": len(images), "count": images.shape[1], "run": found.run, "apart": images[-1].std(0).mean()}
    if len(images) < 2:
        said = t("After {epochs} epochs {count} samples of {run} differ by {apart:.3f} per pixel.", **told)
        return f"{said} {found.sentence()}"
    told["first"], told["last"] = (np.abs(images[at] - images[at - 1]).mean() for at in (1, -1))
    said = t(
        "After {epochs} epochs {count} samples of {run} differ by {apart:.3f} per pixel, white being 1; the second "
        "epoch changed them by {first:.3f}, the last one by {last:.3f}.",
        **told,
    )
    return f"{said} {found.sentence()}"
