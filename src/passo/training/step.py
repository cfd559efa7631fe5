"""One optimiser step, and the record that it returns."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from passo.errors import Diverged
from passo.training.evaluate import Evaluation, Precision, autocast

LossFunction = Callable[[Any, Tensor], Tensor]
Penalising = Callable[[], Tensor]
Pair = tuple[Tensor, Tensor]
NonFinite = Literal["stop", "skip"]


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
    regularisation added to `loss` in what was trained, at the weights before the step; None without one. `skipped` says
    that nothing was updated, because the gradient was not finite. `told` are further values of a task's own, 0-d.
    `positions` are those of the images in the training part, for each of the step's mini-batches, where batches tell.
    """

    step: int
    epoch: int
    loss: Tensor
    lr: float
    momentum: float | None
    size: int
    end: EpochEnd | None = None
    penalty: Tensor | None = None
    skipped: bool = False
    told: Mapping[str, Tensor] | None = None
    positions: Sequence[Any] = ()


class Manner(NamedTuple):
    """How a step is made.

    `clip_norm` bounds the norm of the whole gradient, `clip_value` each of its elements. `penalty()` is added to the
    loss that is trained. `precision` is that of the forward pass (torch's autocast); fp16 wants a `scaler`. A loss that
    is not finite raises `Diverged` before its step (`nonfinite="stop"`; on a CPU, where looking costs next to nothing),
    or costs the step, as a gradient that is not finite does (`"skip"`), or is not looked at (None).
    `whole` makes of this process's loss that of all processes, where several make the step (`distributed`); it is this
    one that is looked at.
    """

    clip_norm: float | None = None
    clip_value: float | None = None
    penalty: Penalising | None = None
    precision: Precision = "float32"
    scaler: torch.amp.GradScaler | None = None
    nonfinite: NonFinite | None = None
    whole: Callable[[Tensor], Tensor] | None = None


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
    manner = Manner(clip_norm=clip_norm, penalty=penalty)
    return accumulated_step(model, loss_fn, optimizer, [(x, y)], manner, step=step, epoch=epoch)


def accumulated_step(
    model: nn.Module,
    loss_fn: LossFunction,
    optimizer: torch.optim.Optimizer,
    pairs: Sequence[Pair],
    manner: Manner,
    *,
    step: int,
    epoch: int,
) -> StepRecord:
    """One update from several mini-batches: the gradient of their mean loss, each image counting alike.

    Equal to one mini-batch of them all to rounding, where no layer looks at the batch as batch normalisation does.
    """
    group = optimizer.param_groups[0]
    lr, momentum = float(group["lr"]), momentum_of(group)
    images = len(pairs[0][1]) if len(pairs) == 1 else sum(len(y) for _, y in pairs)
    at = (step, epoch)
    skipped = False
    if isinstance(optimizer, torch.optim.LBFGS):  # evaluates the loss several times a step
        first: list[tuple[Tensor, Tensor | None]] = []

        def closure() -> Tensor:
            loss, price = _gradient(model, loss_fn, optimizer, pairs, images, manner, at)
            clip(model, optimizer, manner)
            first.append((loss, price))  # the first: at the weights before the step
            return loss if price is None else loss + price

        optimizer.step(closure)  # type: ignore[arg-type]
        loss, price = first[0]
    else:
        loss, price = _gradient(model, loss_fn, optimizer, pairs, images, manner, at)
        if manner.nonfinite == "skip" and manner.scaler is None and not finite_gradient(model, loss):
            optimizer.zero_grad()  # a step without gradients changes nothing, and whoever counts steps has counted it
            skipped = True
        else:
            clip(model, optimizer, manner)  # after that look: a value that is clipped is finite again
        if manner.scaler is None:
            optimizer.step()
        else:
            skipped = scaled_step(manner.scaler, optimizer)
    return StepRecord(step, epoch, loss, lr, momentum, images, penalty=price, skipped=skipped)


def _gradient(
    model: nn.Module,
    loss_fn: LossFunction,
    optimizer: torch.optim.Optimizer,
    pairs: Sequence[Pair],
    images: int,
    manner: Manner,
    at: tuple[int, int],
) -> tuple[Tensor, Tensor | None]:
    """Leave the gradient; the mean loss and the penalty, 0-d, without their graphs."""
    optimizer.zero_grad()
    losses: list[Tensor] = []
    price = None
    for x, y in pairs:
        with autocast(manner.precision, x.device):
            loss = loss_fn(model(x), y)
        if manner.whole is None and _stops(manner, loss):
            raise Diverged(*at, batch=(x, y), part=len(losses))
        if len(pairs) > 1:
            loss = loss * (len(y) / images)
        losses.append(loss.detach())
        if manner.penalty is not None and len(losses) == len(pairs):
            price = manner.penalty()
            loss = loss + price
        (loss if manner.scaler is None else manner.scaler.scale(loss)).backward()
    total = losses[0] if len(losses) == 1 else torch.stack(losses).sum()
    if manner.whole is not None:
        total = manner.whole(total)
        if _stops(manner, total):
            raise Diverged(*at)
    return total, None if price is None else price.detach()


def _stops(manner: Manner, loss: Tensor) -> bool:
    """Whether this loss is the end of the training."""
    return manner.nonfinite == "stop" and loss.device.type == "cpu" and not math.isfinite(loss.item())


def clip(model: nn.Module, optimizer: torch.optim.Optimizer, manner: Manner) -> None:
    """Bound the gradient as `manner` says; a scaled one is unscaled first."""
    if manner.clip_norm is None and manner.clip_value is None:
        return
    if manner.scaler is not None:
        manner.scaler.unscale_(optimizer)
    if manner.clip_value is not None:
        nn.utils.clip_grad_value_(model.parameters(), manner.clip_value)
    if manner.clip_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), manner.clip_norm)


def scaled_step(scaler: torch.amp.GradScaler, optimizer: torch.optim.Optimizer) -> bool:
    """A step through a scaler; whether it was skipped, because a gradient was not finite."""
    before = scaler.get_scale()
    scaler.step(optimizer)
    scaler.update()
    return scaler.get_scale() < before


def finite_gradient(model: nn.Module, loss: Tensor) -> bool:
    """Whether the loss and every gradient is finite: one number is read from the device, where they are."""
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    if not gradients:
        return bool(torch.isfinite(loss))
    if torch.isfinite(torch.stack([torch.linalg.vector_norm(one.float()) for one in gradients]).sum() + loss):
        return True
    return all(bool(torch.isfinite(one).all()) for one in (loss, *gradients))  # a norm overflows before its elements


def momentum_of(group: Mapping[str, Any]) -> float | None:
    """What a parameter group calls momentum: β₁ in Adam's family; None where there is none."""
    if "momentum" in group:
        return float(group["momentum"])
    return float(group["betas"][0]) if "betas" in group else None
