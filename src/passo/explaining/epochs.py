"""What an iteration, a mini-batch and an epoch are, on a run's own data: the very images of its first steps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from passo.data import Batches, Data
from passo.errors import UsageError
from passo.seeding import generator
from passo.training.config import TrainConfig


@dataclass(frozen=True)
class Counts:
    """`count` examples in mini-batches of `batch_size`, `epochs` times: how often, and how many in the last one."""

    count: int
    batch_size: int
    epochs: int

    @property
    def per_epoch(self) -> int:
        """Mini-batches in an epoch, and so iterations: each is one step of the optimiser."""
        return math.ceil(self.count / self.batch_size)

    @property
    def last(self) -> int:
        """Examples in an epoch's last mini-batch."""
        return self.count - (self.per_epoch - 1) * self.batch_size

    @property
    def steps(self) -> int:
        """Iterations in all."""
        return self.per_epoch * self.epochs


@dataclass(frozen=True)
class MiniBatch:
    """The examples of one step: `index` (B,), their places in the training part; `labels` (B,)."""

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
        """The same data one by one, in this run's mini-batches, and all at once."""
        sizes = sorted({1, self.counts.batch_size, self.counts.count})
        return tuple(Counts(self.counts.count, size, self.counts.epochs) for size in sizes)


def first_epochs(config: TrainConfig, data: Data, *, first: int = 3) -> Epochs:
    """The mini-batches that a training of this configuration draws, in its own order.

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
    shown, drawn = [], []
    for step, (index, target) in enumerate(batches, start=1):
        drawn.append(index)
        if step <= first or step == counts.per_epoch:
            shown.append(MiniBatch(step, 1, index.numpy(), target.numpy()))
    if config.epochs > 1:
        index, target = next(iter(batches))
        shown.append(MiniBatch(counts.per_epoch + 1, 2, index.numpy(), target.numpy()))
    different = len(torch.cat(drawn).unique())
    return Epochs(counts, tuple(shown), different, config.sampling, bool(config.dataset.augment), data.classes)


def counts_of(config: TrainConfig, data: Data) -> Counts:
    """How many mini-batches an epoch of this training has."""
    count = len(data.train)
    return Counts(count, count if config.batch_size == "all" else config.batch_size, config.epochs)


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

    `accumulate` mini-batches make one step, as in the configuration.

    >>> from passo.data import load
    >>> from passo.training import train_config
    >>> order = Order(train_config({"epochs": 2, "batch_size": 100}), load("fashion-mnist-sample"))
    >>> one = order.batch(28)
    >>> one.epoch, len(one.index), order.per_epoch
    (2, 100, 27)
    """

    def __init__(self, config: TrainConfig, data: Data, accumulate: int = 1) -> None:
        self.counts, self.accumulate = counts_of(config, data), accumulate
        self._batches, self._labels = _places(config, data), data.train.labels.numpy()
        self._epochs: list[list[np.ndarray]] = []

    @property
    def per_epoch(self) -> int:
        """Steps in an epoch."""
        return math.ceil(self.counts.per_epoch / self.accumulate)

    def batch(self, step: int) -> MiniBatch:
        """The examples of a step, from 1; raises `UsageError` for one that the training has not."""
        if not 1 <= step <= self.per_epoch * self.counts.epochs:
            raise UsageError(f"this run has steps 1 to {self.per_epoch * self.counts.epochs:,}, got {step:,}")
        epoch, place = divmod(step - 1, self.per_epoch)
        while len(self._epochs) <= epoch:
            self._epochs.append([index.numpy().copy() for index, _ in self._batches])
        drawn = self._epochs[epoch][place * self.accumulate : (place + 1) * self.accumulate]
        index = np.concatenate(drawn)
        return MiniBatch(step, epoch + 1, index, self._labels[index])
