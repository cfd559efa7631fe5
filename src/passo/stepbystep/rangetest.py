"""The book's range test, on copies: nothing is changed but what it returns, whether it diverged or not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from passo.errors import ConfigError
from passo.experiments.ranges import RangePlan, forever
from passo.experiments.rehearsal import rehearsing
from passo.models.dropout import dropouts, set_step
from passo.registry import unknown
from passo.training import train_step

Clip = Callable[[Iterable[Tensor]], Any]
MODES = {"exp": "exponential", "exponential": "exponential", "lin": "linear", "linear": "linear"}


def plan(optimizer: Optimizer, end_lr: float, num_iter: int, step_mode: str, alpha: float) -> RangePlan:
    """From the optimizer's own rate to `end_lr`, or what is wrong with that."""
    if step_mode not in MODES:
        raise unknown("step_mode", step_mode, MODES)
    start = float(optimizer.param_groups[0]["lr"])
    if not 0 < start < end_lr:
        raise ConfigError(
            f"the test starts at the optimizer's learning rate, {start:g}, so end_lr must be above it, got {end_lr:g}"
        )
    if not 0 < alpha <= 1:
        raise ConfigError(f"alpha, the weight of the newest loss, must satisfy 0 < alpha ≤ 1, got {alpha:g}")
    return RangePlan(lr_min=start, lr_max=end_lr, steps=num_iter, mode=MODES[step_mode], beta=1 - alpha)


def tracked(
    plan: RangePlan,
    model: nn.Module,
    loss_fn: Any,
    optimizer: Optimizer,
    loader: Any,
    *,
    seed: int,
    clip: Clip | None,
    device: Any,
) -> dict[str, list[float]]:
    """{"loss", "lr"}: s₁ = loss₁, sₜ = α·lossₜ + (1−α)·sₜ₋₁ with α = 1 − `plan.beta`, at each rate; as the book has it.

    It ends early where s is not finite, or exceeds `plan.divergence` times its lowest value.
    """
    rates: list[float] = []
    smoothed: list[float] = []
    with rehearsing(model, loss_fn, optimizer, loader, seed) as copies:
        if clip is not None:
            copies.optimizer.register_step_pre_hook(lambda *_: _clipped(clip, copies.model))
        layers = dropouts(copies.model)
        for step, (rate, (x, y)) in enumerate(zip(plan.rates().tolist(), forever(loader), strict=False), start=1):
            copies.set_lr(rate)
            set_step(layers, seed, step)
            record = train_step(copies.model, copies.loss_fn, copies.optimizer, x.to(device), y.to(device))
            loss = record.loss.item()
            smoothed.append((1 - plan.beta) * loss + plan.beta * smoothed[-1] if smoothed else loss)
            rates.append(rate)
            best = min(smoothed)
            if not math.isfinite(smoothed[-1]) or smoothed[-1] - best > (plan.divergence - 1) * abs(best):
                break
    return {"loss": smoothed, "lr": rates}


def _clipped(clip: Clip, model: nn.Module) -> None:
    clip(model.parameters())  # what it returns is no answer to an optimizer's hook
