"""What a task is: what the model is shown, what its output is held against, and how good it is called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from torch import Tensor, nn

from passo.training.step import LossFunction, Manner, Pair, StepRecord, accumulated_step

if TYPE_CHECKING:
    import torch

    from passo.data import Data
    from passo.training.config import TrainConfig


class Measure:
    """Collects over the batches of an evaluation; `values()` are its metrics by name.

    `add` gets what the model was shown, its output and the target, each (B, …).
    """

    def add(self, x: Tensor, output: Tensor, y: Tensor) -> None: ...

    def values(self) -> dict[str, float]:
        return {}


class Task:
    """One kind of learning. A subclass says what differs from the usual: a batch (x, y), one optimizer, one loss.

    `metrics` are the names that `measure` gives beside the loss, `higher` those of them that should rise. `figures` are
    names that `passo inspect RUN --figure` draws for such a run.
    """

    name: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]] = ()
    higher: ClassVar[tuple[str, ...]] = ()
    figures: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: TrainConfig) -> None:
        self.config = config

    def loss_fn(self, data: Data | None) -> nn.Module:
        """The loss of a batch, averaged over it; `data` are None where the caller brings batches of his own."""
        raise NotImplementedError

    def prepare(self, x: Tensor, y: Tensor, step: int) -> Pair:
        """What the model is shown at this step, and what it should give."""
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

    def kept(self, outputs: Tensor, targets: Tensor) -> Iterator[tuple[str, np.ndarray, dict[str, Any]]]:
        """What of a test is kept (`record.predictions`), as arrays of the run: name, values, facts about them."""
        yield "test/outputs", outputs.float().cpu().numpy(), {"axes": ["sample", "value"]}
        yield "test/targets", targets.cpu().numpy(), {"axes": ["sample", "value"]}
