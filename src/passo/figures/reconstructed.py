"""What an autoencoder was shown, what it gave back and what it should have given; its errors, with the worst images."""

from __future__ import annotations

from typing import Any

import numpy as np

from passo.analysis.reconstructed import OUTPUT, SHOWN, TARGET, Reconstructed
from passo.analysis.reconstructed import reconstructed as measured
from passo.analysis.recorded import Recorded
from passo.analysis.words import significant
from passo.errors import StoreError
from passo.figures.panels import heading
from passo.figures.pictures import Canvas, address
from passo.figures.style import BLUE, INK, STONE, Figure, altair, data, finished, thinned
from passo.language import later, t

SIDE, GAP, LEFT, MOST = 54, 6, 92, 10
EPOCHS = 4  # rows of the same images over the training


def pixels(unit: np.ndarray) -> np.ndarray:
    """An image (C, H, W) in [0, 1] as uint8 (H, W) or (H, W, 3); what lies outside is cut."""
    whole = np.clip(np.nan_to_num(np.asarray(unit, np.float64)), 0, 1) * 255
    return (np.moveaxis(whole, 0, -1) if len(whole) == 3 else whole[0]).round().astype(np.uint8)


def reconstructions(run: Recorded) -> Figure:
    """The first test images side by side, and fixed images as they were given back after some of the epochs."""
    found = _drawable(run)
    noisy = found.psnr_noisy is not None
    rows = [(word, found.first[:MOST, part]) for word, part in _parts(noisy)]
    canvas = Canvas(LEFT + min(MOST, len(found.first)) * (SIDE + GAP), 0)
    below = _grid(canvas, rows, 0)
    for column, error in enumerate(_errors(found.first[:MOST])):
        x = LEFT + column * (SIDE + GAP) + SIDE / 2
        canvas.word(x, below + 6, significant(error, 2), size=10, colour=STONE)
    canvas.word(LEFT - 8, below + 6, t("its error"), size=10, colour=STONE, align="right")
    canvas.height = below + 18
    parts = [_caption(found, noisy)]
    if found.over_epochs is not None and len(found.over_epochs) > 1:
        kept = thinned(len(found.over_epochs), EPOCHS)
        over = [(t("epoch {epoch}", epoch=epoch + 1), found.over_epochs[epoch, :MOST, OUTPUT]) for epoch in kept]
        canvas.height = _grid(canvas, [*over, (t("wanted"), found.over_epochs[-1, :MOST, TARGET])], below + 40)
        canvas.word(LEFT, below + 30, t("Other images after some epochs"), size=11.5, align="left", weight=600)
        parts.append(t("Below, fixed images that it was not trained on, after some of the epochs."))
    title = finished(canvas.chart(), t("What is given back"), _about(found, noisy))
    return Figure("reconstructions", title, " ".join(parts), found.sentence())


def _caption(found: Reconstructed, noisy: bool) -> str:
    if noisy:
        return t(
            "The first test images: shown with noise, given back by {run}, and as wanted; under each column its mean "
            "squared error, white being 1. Values outside black and white are cut.",
            run=found.run,
        )
    return t(
        "The first test images: given back by {run}, and as wanted; under each column its mean squared error, white "
        "being 1. Values outside black and white are cut.",
        run=found.run,
    )


def _about(found: Reconstructed, noisy: bool) -> str:
    return ", ".join([t("run {run}", run=found.run), *([found.noise] if noisy else [])])


def errors(run: Recorded) -> Figure:
    """How the images' errors are distributed, and the worst of them."""
    found = _drawable(run)
    noisy = found.psnr_noisy is not None
    canvas = Canvas(LEFT + min(MOST, len(found.worst)) * (SIDE + GAP), 0)
    below = _grid(canvas, [(word, found.worst[:MOST, part]) for word, part in _parts(noisy)], 0)
    for column, place in enumerate(found.places[:MOST]):
        x = LEFT + column * (SIDE + GAP) + SIDE / 2
        canvas.word(x, below + 6, t("no. {place}", place=int(place)), size=10, colour=STONE)
        canvas.word(x, below + 19, significant(float(found.errors[place]), 2), size=10, colour=INK)
    canvas.height = below + 28
    worst = canvas.chart().properties(title=heading(t("The worst ones")))
    chart = altair().vconcat(_histogram(found), worst, spacing=20).resolve_scale(x="independent", y="independent")
    caption = t(
        "Mean squared error of each of {count:,} test images that {run} gave back, white being 1; the dashed line is "
        "the mean. Below, those with the largest, their places in the test part (from 0) and errors.",
        count=len(found),
        run=found.run,
    )
    title = finished(chart, t("How large the errors are"), _about(found, noisy))
    return Figure("errors", title, caption, found.sentence())


def _drawable(run: Recorded) -> Reconstructed:
    found = measured(run)
    if not found.images:
        raise StoreError(f"run {run.id} gave rows back, not images: there is nothing to draw of them")
    return found


def _parts(noisy: bool) -> list[tuple[str, int]]:
    return [*([(t("shown"), SHOWN)] if noisy else []), (t("given back"), OUTPUT), (t("wanted"), TARGET)]


def _errors(images: np.ndarray) -> list[float]:
    """Each image's mean squared error: (n, 3, …)."""
    return np.square(images[:, OUTPUT] - images[:, TARGET]).reshape(len(images), -1).mean(1).tolist()


def _grid(canvas: Canvas, rows: list[tuple[str, np.ndarray]], top: float) -> float:
    """A row of images for each word; the height below them."""
    high = SIDE
    for number, (word, images) in enumerate(rows):
        high = SIDE * images.shape[-2] / images.shape[-1]
        y = top + number * (high + GAP)
        canvas.word(LEFT - 8, y + high / 2, word, align="right")
        for column, image in enumerate(images):
            canvas.picture(LEFT + column * (SIDE + GAP), y, SIDE, high, address(pixels(image), SIDE))
    return top + len(rows) * (high + GAP)


def _histogram(found: Reconstructed) -> Any:
    alt = altair()
    counts, edges = np.histogram(found.errors, int(np.clip(np.sqrt(len(found)), 8, 50)))
    x = alt.X(
        "low:Q",
        axis=alt.Axis(title=t("mean squared error of an image"), tickCount=7, grid=False),
        scale=alt.Scale(nice=False),
    )
    y = alt.Y("count:Q", axis=alt.Axis(title=t("test images"), tickCount=4))
    bars = alt.Chart(data({"low": edges[:-1], "high": edges[1:], "count": counts, "none": 0 * counts})).mark_rect(
        color=BLUE, opacity=0.85, stroke="white", strokeWidth=0.5
    )
    mean = float(found.errors.mean())
    rule = alt.Chart(data({"low": [mean]})).mark_rule(strokeDash=[4, 3], strokeWidth=1.4, color=INK).encode(x=x)
    word = alt.Chart(data({"low": [mean], "word": [t("mean {value}", value=significant(mean))]})).mark_text(
        align="left", dx=6, fontSize=11, color=INK
    )
    tips = [alt.Tooltip(f"{end}:Q", title=t(end), format=".3g") for end in (later("low"), later("high"))]
    tips.append(alt.Tooltip("count:Q", title=t("count")))
    layers = [
        bars.encode(x=x, x2="high:Q", y=y, y2="none:Q", tooltip=tips),
        rule,
        word.encode(x=x, y=alt.value(8), text="word:N"),
    ]
    wide = LEFT + min(MOST, len(found.worst)) * (SIDE + GAP)
    return alt.layer(*layers).properties(width=max(320, wide - 46), height=150, title=heading(t("All test images")))
