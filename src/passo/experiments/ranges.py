"""The LR range test: raise the learning rate a little at every step, and watch the loss.

Source: Smith 2015, "Cyclical learning rates for training neural networks", section 3.3; smoothing and the steepest
slope as the suggestion after Gugger 2018.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from passo import seeding
from passo.errors import ConfigError, TrainingError
from passo.models.dropout import dropouts, set_step
from passo.training.step import LossFunction, train_step


@dataclass(frozen=True)
class LrRange:
    """Learning rates (T,), the batch losses (T,) and their smoothed values (T,) at each.

    `suggestion` is the rate at which the smoothed loss falls most steeply per decade; `diverged_at` is the rate at
    which the test stopped because the loss had grown far above its best, or None. Its picture:
    `passo.figures.range_chart(found.lr, found.loss, found.smoothed, found.suggestion)`.
    """

    lr: np.ndarray
    loss: np.ndarray
    smoothed: np.ndarray
    suggestion: float
    diverged_at: float | None


def check_limits(lr_min: float, lr_max: float, steps: int) -> None:
    """Raise `ConfigError` where a range test cannot go from `lr_min` to `lr_max` in so many steps."""
    if not 0 < lr_min < lr_max:
        raise ConfigError(f"lr_min and lr_max must satisfy 0 < lr_min < lr_max, got {lr_min:g} and {lr_max:g}")
    if steps < 10:
        raise ConfigError(f"steps must be ≥ 10, got {steps}")


def lr_range(
    model: nn.Module,
    loss_fn: LossFunction,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    lr_min: float = 1e-6,
    lr_max: float = 10.0,
    steps: int = 100,
    beta: float = 0.9,
    device: Any = None,
    seed: int = 0,
) -> LrRange:
    """Test learning rates from `lr_min` to `lr_max`, evenly on a log scale, one mini-batch each.

    It works on copies: the model, the optimizer, the batches' generator and the global random states are afterwards
    what they were before. It stops early once the smoothed loss exceeds four times its best.
    """
    check_limits(lr_min, lr_max, steps)
    trial = copy.deepcopy(model).train()
    twin = _twin(optimizer, model, trial)
    lrs = np.geomspace(lr_min, lr_max, steps)
    losses: list[float] = []
    smoothed: list[float] = []
    best, mean = math.inf, 0.0
    layers = dropouts(trial)
    with _left_untouched(batches):
        endless = _forever(batches)
        for step, lr in enumerate(lrs, start=1):
            for group in twin.param_groups:
                group["lr"] = float(lr)
            x, y = next(endless)
            if device is not None:
                x, y = x.to(device), y.to(device)
            set_step(layers, seed, step)
            losses.append(float(train_step(trial, loss_fn, twin, x, y).loss))
            mean = beta * mean + (1 - beta) * losses[-1]
            smoothed.append(mean / (1 - beta**step))
            best = min(best, smoothed[-1])
            if not math.isfinite(smoothed[-1]) or smoothed[-1] > 4 * best:
                break
    diverged = float(lrs[len(losses) - 1]) if len(losses) < steps or not math.isfinite(smoothed[-1]) else None
    seen = lrs[: len(losses)]
    return LrRange(seen, np.array(losses), np.array(smoothed), _steepest(seen, np.array(smoothed)), diverged)


def _twin(optimizer: torch.optim.Optimizer, model: nn.Module, trial: nn.Module) -> torch.optim.Optimizer:
    """A fresh optimizer of the same class and options on the copied parameters, with no hooks and no state."""
    copies = {id(old): new for old, new in zip(model.parameters(), trial.parameters(), strict=True)}
    try:
        groups = [{**g, "params": [copies[id(p)] for p in g["params"]]} for g in optimizer.param_groups]
    except KeyError:
        raise ConfigError("the optimizer holds parameters that are not the model's") from None
    for group in groups:
        group.pop("initial_lr", None)
    first = {k: v for k, v in groups[0].items() if k in optimizer.defaults and k != "decoupled_weight_decay"}
    kind: Any = type(optimizer)
    return kind(groups, **first)


@contextmanager
def _left_untouched(batches: Any) -> Iterator[None]:
    before = seeding.capture()
    own = getattr(batches, "generator", None)
    own_state = own.get_state() if isinstance(own, torch.Generator) else None
    try:
        yield
    finally:
        seeding.restore(before)
        if isinstance(own, torch.Generator) and own_state is not None:
            own.set_state(own_state)


def _forever(batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        empty = True
        for pair in batches:
            empty = False
            yield pair
        if empty:
            raise TrainingError("the range test ran out of batches: give a set that can be walked again")


def _steepest(lrs: np.ndarray, smoothed: np.ndarray) -> float:
    """The rate with the steepest fall of the smoothed loss, before its minimum; the first steps are noise.

    Raises `TrainingError` where the loss never falls: nothing can be suggested then.
    """
    start = max(2, len(lrs) // 10)
    seen = np.where(np.isfinite(smoothed), smoothed, np.inf)
    stop = int(np.argmin(seen)) + 1
    if stop - start < 3:
        raise TrainingError(
            f"the loss did not fall between {lrs[0]:.3g} and {lrs[-1]:.3g}, so no learning rate can be suggested: "
            "try a smaller lr_min"
        )
    slope = np.gradient(smoothed[start:stop], np.log10(lrs[start:stop]))
    return float(lrs[start + int(np.argmin(slope))])
