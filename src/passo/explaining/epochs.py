"""What an iteration, a mini-batch and an epoch are, on a run's own data: the very images of its first steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from passo.data import Batches, Data
from passo.errors import UsageError
from passo.seeding import generator
from passo.training.config import TrainConfig


@dataclass(frozen=True)
class Counts:
    """`count` examples in mini-batches of `batch_size`, `epochs` times: how often, and how many in the last one.

    `accumulate` mini-batches make one iteration, which is one step of the optimiser.
    """

    count: int
    batch_size: int
    epochs: int
    accumulate: int = 1

    @property
    def batches(self) -> int:
        """Mini-batches in an epoch."""
        return math.ceil(self.count / self.batch_size)

    @property
    def per_epoch(self) -> int:
        """Steps in an epoch; the last may have fewer mini-batches."""
        return math.ceil(self.batches / self.accumulate)

    @property
    def last(self) -> int:
        """Examples in an epoch's last mini-batch."""
        return self.count - (self.batches - 1) * self.batch_size

    @property
    def last_step(self) -> int:
        """Examples in an epoch's last step."""
        return self.count - (self.per_epoch - 1) * self.accumulate * self.batch_size

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self.per_epoch * self.epochs


@dataclass(frozen=True)
class MiniBatch:
    """The examples of one step, of all of its mini-batches: `index` (B,), their places in the training part; `labels`
    (B,)."""

    step: int
    epoch: int
    index: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Epochs:
    """A run's epochs, worked out again from its seed: nothing of this is in its folder.

    counts: of this run. batches: the first steps of epoch 1, its last one, and the first of epoch 2 where there is one.
    different: how many different examples epoch 1 draws: all of them, unless it draws with replacement.
    sampling: "shuffle", "balanced" or "sequential". augmented: whether each image is changed anew as it is drawn.
    """

    counts: Counts
    batches: tuple[MiniBatch, ...]
    different: int
    sampling: str
    augmented: bool
    classes: tuple[str, ...]

    def others(self) -> tuple[Counts, ...]:
        """The same data one by one, as in this run, and all at once."""
        own = self.counts
        others = {Counts(own.count, size, own.epochs) for size in (1, own.count) if size != own.batch_size}
        return tuple(sorted((*others, own), key=lambda one: one.batch_size))


def first_epochs(config: TrainConfig, data: Data, *, first: int = 3) -> Epochs:
    """The examples that the steps of a training of this configuration draw, in its own order.

    They are drawn by `Batches` itself, with the run's own generator, over the examples' places in place of the images.
    Raises `UsageError` for no step at all.

    >>> from passo.data import load
    >>> from passo.training import train_config
    >>> found = first_epochs(train_config({"epochs": 2, "batch_size": 100}), load("fashion-mnist-sample"))
    >>> found.counts.per_epoch, found.counts.steps, [batch.step for batch in found.batches]
    (27, 54, [1, 2, 3, 27, 28])
    """
    if first < 1:
        raise UsageError(f"at least one step is shown, got {first}")
    counts, batches = counts_of(config, data), _places(config, data)
    drawn = list(batches)
    steps = [_joined(drawn, place * counts.accumulate, counts.accumulate) for place in range(counts.per_epoch)]
    shown = [
        MiniBatch(step, 1, *pair)
        for step, pair in enumerate(steps, start=1)
        if step <= first or step == counts.per_epoch
    ]
    if config.epochs > 1:
        again = list(islice(batches, counts.accumulate))
        shown.append(MiniBatch(counts.per_epoch + 1, 2, *_joined(again, 0, counts.accumulate)))
    different = len(np.unique(np.concatenate([index for index, _ in steps])))
    return Epochs(counts, tuple(shown), different, config.sampling, bool(config.dataset.augment), data.classes)


def counts_of(config: TrainConfig, data: Data) -> Counts:
    """How many mini-batches and steps an epoch of this training has."""
    count = len(data.train)
    return Counts(count, count if config.batch_size == "all" else config.batch_size, config.epochs, config.accumulate)


def _joined(drawn: Sequence[tuple[torch.Tensor, torch.Tensor]], at: int, many: int) -> tuple[np.ndarray, np.ndarray]:
    """So many mini-batches as one step has them."""
    index, labels = zip(*drawn[at : at + many], strict=True)
    return torch.cat(index).numpy(), torch.cat(labels).numpy()


def _places(config: TrainConfig, data: Data) -> Batches:
    """The training's own batches, over the examples' places in place of the images."""
    count = len(data.train)
    return Batches(
        torch.arange(count),
        data.train.labels,
        count if config.batch_size == "all" else config.batch_size,
        shuffle=config.sampling == "shuffle",
        weights="balanced" if config.sampling == "balanced" else None,
        generator=generator(config.seed, "batches"),
    )


class Order:
    """Which examples each step of a training draws, from its seed; epochs that were worked out are kept.

    >>> from passo.data import load
    >>> from passo.training import train_config
    >>> order = Order(train_config({"epochs": 2, "batch_size": 100}), load("fashion-mnist-sample"))
    >>> one = order.batch(28)
    >>> one.epoch, len(one.index), order.per_epoch
    (2, 100, 27)
    """

    def __init__(self, config: TrainConfig, data: Data) -> None:
        self.counts = counts_of(config, data)
        self._batches, self._labels = _places(config, data), data.train.labels.numpy()
        self._epochs: list[list[np.ndarray]] = []

    @property
    def per_epoch(self) -> int:
        """Steps in an epoch."""
        return self.counts.per_epoch

    def batch(self, step: int) -> MiniBatch:
        """The examples of a step, from 1; raises `UsageError` for one that the training has not."""
        if not 1 <= step <= self.per_epoch * self.counts.epochs:
            raise UsageError(f"this run has steps 1 to {self.per_epoch * self.counts.epochs:,}, got {step:,}")
        epoch, place = divmod(step - 1, self.per_epoch)
        while len(self._epochs) <= epoch:
            self._epochs.append([index.numpy().copy() for index, _ in self._batches])
        many = self.counts.accumulate
        index = np.concatenate(self._epochs[epoch][place * many : (place + 1) * many])
        return MiniBatch(step, epoch + 1, index, self._labels[index])
