"""A schedule seen before any training: torch's own scheduler, run on an optimizer with one idle parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from passo.errors import ConfigError
from passo.optim.arguments import positive
from passo.optim.catalogue import make_optimizer, needs_closure
from passo.optim.schedules import make_schedule
from passo.optim.stepping import When


@dataclass(frozen=True)
class SchedulePreview:
    """The learning rate (and momentum, or Adam's β₁) in force at each mini-batch of a run.

    epochs: (T,) where each mini-batch begins, in epochs: 0, 1/steps_per_epoch, …
    lr, momentum: (T,); momentum is None where the optimizer has none.
    """

    name: str
    when: When
    epochs: np.ndarray
    lr: np.ndarray
    momentum: np.ndarray | None


def preview(
    name: str,
    *,
    lr: float,
    epochs: int,
    steps_per_epoch: int,
    losses: float | Sequence[float] | None = None,
    optimizer: str | Mapping[str, Any] = "sgd",
    **options: Any,
) -> SchedulePreview:
    """What a schedule would do in a run, without the run.

    Args:
        lr: the optimizer's learning rate.
        losses: the validation losses that ReduceLROnPlateau follows: one per epoch, or a number for all.
        optimizer: a name, or a table with a name and options, such as {"name": "sgd", "momentum": 0.9}.
        options: as in `make_schedule`.

    >>> seen = preview("StepLR", lr=0.1, epochs=3, steps_per_epoch=2, step_size=1)
    >>> [round(float(rate), 4) for rate in seen.lr]
    [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]

    Raises UnknownName and ConfigError, in one sentence.
    """
    positive("lr", lr)
    idle = _idle_optimizer(optimizer, lr)
    schedule = make_schedule(name, idle, epochs=epochs, steps_per_epoch=steps_per_epoch, **options)
    given = _losses(schedule.name, losses, epochs) if schedule.when == "plateau" else [None] * epochs
    step = (lambda: idle.step(lambda: 0.0)) if needs_closure(idle) else idle.step
    rates, momenta = [], []
    for loss in given:
        for _ in range(steps_per_epoch):
            rates.append(float(idle.param_groups[0]["lr"]))
            momenta.append(_momentum(idle))
            step()  # it has no gradient, so it moves nothing; torch wants it before the scheduler's step
            schedule.after_step()
        schedule.after_epoch(loss)
    momentum = np.array(momenta) if any(momenta) else None
    return SchedulePreview(
        schedule.name, schedule.when, np.arange(len(rates)) / steps_per_epoch, np.array(rates), momentum
    )


def _idle_optimizer(optimizer: str | Mapping[str, Any], lr: float) -> Optimizer:
    table = dict(optimizer) if isinstance(optimizer, Mapping) else {"name": optimizer}
    if "name" not in table:
        raise ConfigError(f"optimizer must be a name, or a table with a name, got {optimizer!r}")
    name = table.pop("name")
    parameter = nn.Parameter(torch.zeros(1, 1))  # a matrix, which every optimizer accepts
    return make_optimizer(name, [parameter], **{**table, "lr": lr})


def _momentum(optimizer: Optimizer) -> float | None:
    group = optimizer.param_groups[0]
    momentum = group["betas"][0] if "betas" in group else group.get("momentum")
    return None if momentum is None else float(momentum)


def _losses(name: str, losses: float | Sequence[float] | None, epochs: int) -> list[float]:
    if losses is None:
        raise ConfigError(f"{name} follows a validation loss: give losses, one per epoch or a number for all")
    try:
        given = np.asarray(losses, dtype=np.float64)
    except (TypeError, ValueError):
        raise ConfigError(f"losses must be numbers, got {losses!r}") from None
    if given.ndim == 0:
        return [float(given)] * epochs
    if given.shape != (epochs,):
        raise ConfigError(f"losses must hold one loss for each of the {epochs} epochs, got {len(given)}")
    return given.tolist()
