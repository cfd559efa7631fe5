"""The very images of a run's first mini-batches, step by step: what an iteration, a mini-batch and an epoch are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from passo.analysis.tables import Table
from passo.errors import UsageError
from passo.figures.pictures import Canvas, address
from passo.figures.style import STONE, Figure, finished
from passo.language import later, numeral, t, tn

if TYPE_CHECKING:
    from passo.explaining import Epochs
    from passo.explaining.epochs import MiniBatch

THIS_RUN = later("this run")
ACROSS, SIDE, GAP, LEFT, ROW = 12, 40, 5, 128, 66


def draw_epochs(found: Epochs, images: np.ndarray, run: str = THIS_RUN) -> Figure:
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
    run = t(run)
    title = finished(canvas.chart(), t("Iterations, mini-batches and an epoch"), f"{run}, {told_counts(found)}")
    return Figure("epochs", title, _caption(found, run, more), told_epochs(found, run))


def _caption(found: Epochs, run: str, more: bool) -> str:
    rows = t(
        "The very images that {run} drew, worked out again from its seed, with their places in the training part; each "
        "row is one mini-batch, and one iteration: the gradient of its mean loss, then a step.",
        run=run,
    )
    if found.counts.accumulate > 1:
        rows = t(
            "The very images that {run} drew, worked out again from its seed, with their places in the training part; "
            "each row is one iteration, of {n} mini-batches: the gradient of their mean loss, then a step.",
            run=run,
            n=found.counts.accumulate,
        )
    over = t("An epoch is over after {n:,} of them.", n=found.counts.per_epoch)
    if _reorders(found):
        over = t("An epoch is over after {n:,} of them; the next one draws another order.", n=found.counts.per_epoch)
    told = (
        rows,
        over,
        t("Of each row, up to {n} images are drawn.", n=ACROSS) if more else "",
        t("They are shown as they are in the data; this run changes them anew each time.") if found.augmented else "",
    )
    return " ".join(sentence for sentence in told if sentence)


def _reorders(found: Epochs) -> bool:
    return found.sampling != "sequential" and found.counts.epochs > 1 and found.counts.batch_size < found.counts.count


def _row(canvas: Canvas, found: Epochs, batch: MiniBatch, images: np.ndarray, y: float) -> None:
    below = t("epoch {epoch}, {n:,} images", epoch=batch.epoch, n=len(batch.index))
    canvas.word(0, y + 12, t("step {n:,}", n=batch.step), size=12, align="left", weight=600)
    canvas.word(0, y + 28, below, size=10, colour=STONE, align="left")
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
        rest = numeral(f"+{len(batch.index) - ACROSS:,}")
        canvas.word(LEFT + ACROSS * (SIDE + GAP) + 2, y + SIDE / 2, rest, colour=STONE, align="left")


def told_counts(found: Epochs) -> str:
    if found.counts.accumulate > 1:
        return t(
            "{n:,} training examples, {many} × {size:,} at a time, {epochs}",
            n=found.counts.count,
            many=found.counts.accumulate,
            size=found.counts.batch_size,
            epochs=_epochs(found),
        )
    return t(
        "{n:,} training examples, {size:,} at a time, {epochs}",
        n=found.counts.count,
        size=found.counts.batch_size,
        epochs=_epochs(found),
    )


def _epochs(found: Epochs) -> str:
    return tn("{n} epoch", "{n} epochs", found.counts.epochs)


def told_epochs(found: Epochs, run: str) -> str:
    """What the three words mean in this run, with its numbers."""
    counts, run = found.counts, t(run)
    epoch = t(
        "An epoch of {run} is one pass over its {n:,} training examples, in {batches}",
        run=run,
        n=counts.count,
        batches=_batches(found),
    )
    if found.sampling == "balanced":
        epoch = t(
            "An epoch of {run} draws {n:,} times with replacement, each class alike: {different:,} different examples "
            "in the first one, in {batches}",
            run=run,
            n=counts.count,
            different=found.different,
            batches=_batches(found),
        )
    numbers = {"told": epoch, "n": counts.per_epoch, "all": counts.steps, "epochs": _epochs(found)}
    if counts.accumulate > 1:
        return t(
            "{told}; {many} mini-batches make one iteration, so one step of the optimiser, by the gradient of their "
            "mean loss: {n:,} steps in an epoch, {all:,} in {epochs}.",
            many=counts.accumulate,
            **numbers,
        )
    return t(
        "{told}; each mini-batch is one iteration, so one step of the optimiser: {n:,} in an epoch, {all:,} in "
        "{epochs}.",
        **numbers,
    )


def told_first(accumulate: int) -> str:
    """What the steps that are shown first are called: a step is one mini-batch, or several."""
    return t("Its first steps") if accumulate > 1 else t("Its first mini-batches")


def _batches(found: Epochs) -> str:
    """The mini-batches of an epoch; the last may be smaller."""
    n, size, last = found.counts.batches, found.counts.batch_size, found.counts.last
    if n <= 1:
        return t("one batch")
    if last == size:
        return t("{n:,} mini-batches of {size:,}", n=n, size=size)
    return t("{n:,} mini-batches of {size:,}, the last of {last:,}", n=n, size=size, last=last)


def sizes_table(found: Epochs) -> Table:
    """The same data one by one, in this run's mini-batches, and all at once: how many steps an epoch then has."""
    own = found.counts.batch_size
    names = {1: t("single samples"), found.counts.count: t("the full batch")}
    rows = []
    for one in found.others():
        name = names.get(one.batch_size, t("mini-batches"))
        size = f"{one.accumulate} × {one.batch_size:,}" if one.accumulate > 1 else f"{one.batch_size:,}"
        counts = (size, *(f"{count:,}" for count in (one.per_epoch, one.last_step, one.steps)))
        mine = t("{name} (this run)", name=name) if one.batch_size == own else name
        rows.append((mine, *map(numeral, counts)))
    note = tn(
        "Every one of them sees each example once an epoch, {n} times in all.",
        "Every one of them sees each example once an epoch, {n} times in all.",
        found.counts.epochs,
    )
    if found.sampling == "balanced":
        note = t("Drawn with replacement: an epoch is as many draws as there are examples.")
    heads = (t("trained on"), t("batch size"), t("steps an epoch"), t("in the last"), t("steps in all"))
    return Table(heads, tuple(rows), note)


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
        step, size = (numeral(f"{count:,}") for count in (batch.step, len(batch.index)))
        rows.append((step, str(batch.epoch), size, first, classes))
    note = t("Places count from 0 in the training part; of the classes, the three most frequent.")
    heads = (t("step"), t("epoch"), t("examples"), t("the first of them"), t("classes"))
    return Table(heads, tuple(rows), note)
