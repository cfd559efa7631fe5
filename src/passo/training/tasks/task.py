"""What a task is: what the model is shown, what its output is held against, and how good it is called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from torch import Tensor, nn

from passo.errors import ConfigError
from passo.training.step import LossFunction, Manner, Pair, StepRecord, accumulated_step

if TYPE_CHECKING:
    import torch

    from passo.data import Data
    from passo.training.config import TrainConfig


Kept = tuple[str, np.ndarray, dict[str, Any]]  # an array of a run: its name, its values, facts about them


class Measure:
    """Collects over the batches of an evaluation; `values()` are its metrics by name.

    `add` gets what the model was shown, its output and the target, each (B, …).
    """

    def add(self, x: Tensor, output: Tensor, y: Tensor) -> None: ...

    def values(self) -> dict[str, float]:
        return {}

    def kept(self) -> Iterator[Kept]:
        """What a test keeps in every case: small arrays of the run, under test/NAME."""
        yield from ()


class Task:
    """One kind of learning. A subclass says what differs from the usual: a batch (x, y), one optimizer, one loss.

    `metrics` are the names that `measure` gives beside the loss, `higher` those of them that should rise; the best
    weights are those of the epoch with the best `watched`. `figures` are names that `passo inspect RUN --figure` draws
    for such a run.
    """

    name: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]] = ()
    higher: ClassVar[tuple[str, ...]] = ()
    watched: ClassVar[str] = "loss"
    figures: ClassVar[tuple[str, ...]] = ()
    predicts: ClassVar[bool] = True  # whether a batch's loss is loss_fn(model(x), y), with nothing prepared

    def __init__(self, config: TrainConfig) -> None:
        self.config = config

    def begin(self, data: Data | None, model: nn.Module) -> None:
        """Look at what is to be trained, and on what: raise `ConfigError` where they do not suit the task.

        Called once, before anything else. `data` are None where the caller brings batches of his own.
        """

    def without_classes(self, why: str) -> None:
        """Raise `ConfigError` where the configuration asks for what only classes have."""
        for name, told in (("class_weights", "class_weights are"), ("label_smoothing", "label_smoothing is")):
            if getattr(self.config, name):
                raise ConfigError(f"{told} of classes: {why}")

    def halves(self) -> dict[str, dict[str, Any]]:
        """The parts of the model that have an optimizer each, and its options where they are others.

        None where one optimizer trains all; else `step` gets them as `Halves`, by these names.
        """
        return {}

    def loss_fn(self, data: Data | None) -> nn.Module:
        """The loss of a batch, averaged over it; `data` are None where the caller brings batches of his own."""
        raise NotImplementedError

    def prepare(self, x: Tensor, y: Tensor, step: int, part: int = 0) -> Pair:
        """What the model is shown at this step, in this of its mini-batches, and what it should give."""
        return x, y

    def step(
        self,
        model: nn.Module,
        loss_fn: LossFunction,
        optimizer: torch.optim.Optimizer,
        pairs: Sequence[Pair],
        manner: Manner,
        *,
        step: int,
        epoch: int,
    ) -> StepRecord:
        """One update of the weights."""
        return accumulated_step(model, loss_fn, optimizer, pairs, manner, step=step, epoch=epoch)

    def shown(self, x: Tensor, y: Tensor, batch: int) -> Pair:
        """As `prepare`, for the batch of this number (from 0) of an evaluation: the same at every evaluation."""
        return x, y

    def measure(self) -> Measure:
        """A new collector of this task's metrics."""
        return Measure()

    def at_epoch(self, model: nn.Module) -> Iterator[Kept]:
        """What is kept after every epoch: arrays of the run, of one row each time."""
        yield from ()

    def kept(self, outputs: Tensor, targets: Tensor) -> Iterator[Kept]:
        """What of a test is kept (`record.predictions`), as arrays of the run: name, values, facts about them."""
        yield "test/outputs", outputs.float().cpu().numpy(), {"axes": ["sample", "value"]}
        yield "test/targets", targets.cpu().numpy(), {"axes": ["sample", "value"]}
