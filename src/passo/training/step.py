"""One optimiser step, and the record that it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from passo.training.evaluate import Evaluation

LossFunction = Callable[[Any, Tensor], Tensor]
Penalising = Callable[[], Tensor]


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
    are those that this step used. `end` is there at the last step of an epoch. `penalty` (0-d) is what
    regularisation added to `loss` in what was trained, at the weights before the step; None without one.
    """

    step: int
    epoch: int
    loss: Tensor
    lr: float
    momentum: float | None
    size: int
    end: EpochEnd | None = None
    penalty: Tensor | None = None


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
    penalty: Penalising | None = None,
) -> StepRecord:
    """Forward, loss, backward, (clipping,) update. x: (B, …), y: (B, …).

    What is trained is the loss plus `penalty()`, such as a `Penalty` of the model; the record keeps the two apart.

    >>> model = nn.Linear(1, 1)
    >>> record = train_step(model, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.1),
    ...                     torch.ones(4, 1), torch.ones(4, 1))
    >>> record.size, record.lr
    (4, 0.1)
    """
    group = optimizer.param_groups[0]
    lr, momentum = float(group["lr"]), _momentum(group)
    if isinstance(optimizer, torch.optim.LBFGS):  # evaluates the loss several times a step
        loss, price = _closure_step(model, loss_fn, optimizer, x, y, clip_norm, penalty)
    else:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        price = None if penalty is None else penalty()
        (loss if price is None else loss + price).backward()
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        optimizer.step()
    paid = None if price is None else price.detach()
    return StepRecord(step, epoch, loss.detach(), lr, momentum, len(y), penalty=paid)


def _closure_step(
    model: nn.Module,
    loss_fn: LossFunction,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    clip: float | None,
    penalty: Penalising | None,
) -> tuple[Tensor, Tensor | None]:
    """The loss and the penalty of the first evaluation: at the weights before the step."""
    first: list[tuple[Tensor, Tensor | None]] = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        price = None if penalty is None else penalty()
        if not first:
            first.append((loss.detach(), price))
        total = loss if price is None else loss + price
        total.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        return total

    optimizer.step(closure)  # type: ignore[arg-type]
    return first[0]


def _momentum(group: dict[str, Any]) -> float | None:
    if "momentum" in group:
        return float(group["momentum"])
    return float(group["betas"][0]) if "betas" in group else None
