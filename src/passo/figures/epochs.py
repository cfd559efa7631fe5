"""The very images of a run's first mini-batches, step by step: what an iteration, a mini-batch and an epoch are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from passo.analysis.tables import Table
from passo.errors import UsageError
from passo.figures.pictures import Canvas, address
from passo.figures.style import STONE, Figure, finished

if TYPE_CHECKING:
    from passo.explaining import Epochs
    from passo.explaining.epochs import MiniBatch

ACROSS, SIDE, GAP, LEFT, ROW = 12, 40, 5, 128, 66


def draw_epochs(found: Epochs, images: np.ndarray, run: str = "this run") -> Figure:
    """A row of images for each step that was worked out; `images`: the training part, (N, H, W) or (N, C, H, W) uint8.

    Raises `UsageError` for data that are no images.
    """
    if images.ndim < 3:
        raise UsageError("rows of a table are no pictures: passo inspect RUN --epochs tells of them in words")
    rows = len(found.batches)
    more = max(len(batch.index) for batch in found.batches) > ACROSS
    canvas = Canvas(LEFT + ACROSS * (SIDE + GAP) + (44 if more else 0), rows * ROW - 10)
    for place, batch in enumerate(found.batches):
        _row(canvas, found, batch, images, place * ROW)
    counts = found.counts
    title = finished(canvas.chart(), "Iterations, mini-batches and an epoch", f"{run}, {told_counts(found)}")
    caption = (
        f"The very images that {run} drew, worked out again from its seed, with their places in the training part; "
        f"each row is one mini-batch, and one iteration: the gradient of its mean loss, then a step. An epoch is over "
        f"after {counts.per_epoch:,} of them"
        + ("; the next one draws another order" if _reorders(found) else "")
        + "."
        + (f" Of each mini-batch, up to {ACROSS} images are drawn." if more else "")
        + (" They are shown as they are in the data; this run changes them anew each time." if found.augmented else "")
    )
    return Figure("epochs", title, caption, told_epochs(found, run))


def _reorders(found: Epochs) -> bool:
    return found.sampling != "sequential" and found.counts.epochs > 1 and found.counts.batch_size < found.counts.count


def _row(canvas: Canvas, found: Epochs, batch: MiniBatch, images: np.ndarray, y: float) -> None:
    canvas.word(0, y + 12, f"step {batch.step:,}", size=12, align="left", weight=600)
    canvas.word(0, y + 28, f"epoch {batch.epoch}, {len(batch.index):,} images", size=10, colour=STONE, align="left")
    for place, index in enumerate(batch.index[:ACROSS]):
        pixels = images[index]
        pixels = (
            np.moveaxis(pixels, 0, -1)
            if pixels.ndim == 3 and pixels.shape[0] == 3
            else pixels.reshape(pixels.shape[-2:])
        )
        x = LEFT + place * (SIDE + GAP)
        canvas.picture(x, y, SIDE, SIDE, address(pixels, SIDE))
        canvas.word(x + SIDE / 2, y + SIDE + 8, str(index), size=8.5, colour=STONE)
    if len(batch.index) > ACROSS:
        rest = f"+{len(batch.index) - ACROSS:,}"
        canvas.word(LEFT + ACROSS * (SIDE + GAP) + 2, y + SIDE / 2, rest, colour=STONE, align="left")


def told_counts(found: Epochs) -> str:
    counts = found.counts
    epochs = f"{counts.epochs} epoch{'s' * (counts.epochs != 1)}"
    return f"{counts.count:,} training examples, {counts.batch_size:,} at a time, {epochs}"


def told_epochs(found: Epochs, run: str) -> str:
    """What the three words mean in this run, with its numbers."""
    counts = found.counts
    last = "" if counts.last == counts.batch_size else f", the last of {counts.last:,}"
    many = f"{counts.per_epoch:,} mini-batches of {counts.batch_size:,}{last}" if counts.per_epoch > 1 else "one batch"
    epoch = (
        f"An epoch of {run} draws {counts.count:,} times with replacement, each class alike: {found.different:,} "
        f"different examples in the first one, in {many}"
        if found.sampling == "balanced"
        else f"An epoch of {run} is one pass over its {counts.count:,} training examples, in {many}"
    )
    return (
        f"{epoch}; each mini-batch is one iteration, so one step of the optimiser: {counts.per_epoch:,} in an epoch, "
        f"{counts.steps:,} in {counts.epochs} epoch{'s' * (counts.epochs != 1)}."
    )


def sizes_table(found: Epochs) -> Table:
    """The same data one by one, in this run's mini-batches, and all at once: how many steps an epoch then has."""
    own = found.counts.batch_size
    names = {1: "single samples", found.counts.count: "the full batch"}
    rows = tuple(
        (
            names.get(one.batch_size, "mini-batches") + (" (this run)" if one.batch_size == own else ""),
            f"{one.batch_size:,}",
            f"{one.per_epoch:,}",
            f"{one.last:,}",
            f"{one.steps:,}",
        )
        for one in found.others()
    )
    note = f"Every one of them sees each example once an epoch, {found.counts.epochs} times in all."
    if found.sampling == "balanced":
        note = "Drawn with replacement: an epoch is as many draws as there are examples."
    return Table(("trained on", "batch size", "steps an epoch", "in the last", "steps in all"), rows, note)


def batches_table(found: Epochs) -> Table:
    """A row for each step that was worked out: the places of its first examples, and its classes."""
    rows = []
    for batch in found.batches:
        first = ", ".join(map(str, batch.index[:6])) + (", …" if len(batch.index) > 6 else "")
        classes = "–"
        if found.classes:
            times = np.bincount(batch.labels, minlength=len(found.classes))
            top = np.argsort(-times, kind="stable")[:3]
            classes = ", ".join(f"{times[c]} {found.classes[c]}" for c in top if times[c])
        rows.append((f"{batch.step:,}", str(batch.epoch), f"{len(batch.index):,}", first, classes))
    note = "Places count from 0 in the training part; of the classes, the three most frequent."
    return Table(("step", "epoch", "examples", "the first of them", "classes"), tuple(rows), note)
