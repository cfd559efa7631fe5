"""One optimiser step, and the record that it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from passo.training.evaluate import Evaluation

LossFunction = Callable[[Any, Tensor], Tensor]


@dataclass(frozen=True)
class EpochEnd:
    """What the end of an epoch knows: the mean of its batch losses, and the validation where there is one."""

    train_loss: float
    validation: Evaluation | None
    seconds: float


class StepRecord(NamedTuple):
    """One optimiser step.

    `step` and `epoch` count from 1. `loss` is the batch's mean loss, a 0-d tensor on the model's device (reading
    it with `float` waits for the device). `lr` and `momentum` (β₁ for Adam's family, None where there is none)
    are those that this step used. `end` is there at the last step of an epoch.
    """

    step: int
    epoch: int
    loss: Tensor
    lr: float
    momentum: float | None
    size: int
    end: EpochEnd | None = None


def train_step(
    model: nn.Module,
    loss_fn: LossFunction,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    *,
    step: int = 1,
    epoch: int = 1,
    clip_norm: float | None = None,
) -> StepRecord:
    """Forward, loss, backward, (clipping,) update. x: (B, …), y: (B, …).

    >>> model = nn.Linear(1, 1)
    >>> record = train_step(model, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.1),
    ...                     torch.ones(4, 1), torch.ones(4, 1))
    >>> record.size, record.lr
    (4, 0.1)
    """
    group = optimizer.param_groups[0]
    lr, momentum = float(group["lr"]), _momentum(group)
    if isinstance(optimizer, torch.optim.LBFGS):  # evaluates the loss several times a step
        loss = _closure_step(model, loss_fn, optimizer, x, y, clip_norm)
    else:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        optimizer.step()
    return StepRecord(step, epoch, loss.detach(), lr, momentum, len(y))


def _closure_step(
    model: nn.Module,
    loss_fn: LossFunction,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    clip: float | None,
) -> Tensor:
    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        return loss

    return torch.as_tensor(optimizer.step(closure))  # type: ignore[arg-type]


def _momentum(group: dict[str, Any]) -> float | None:
    if "momentum" in group:
        return float(group["momentum"])
    return float(group["betas"][0]) if "betas" in group else None
