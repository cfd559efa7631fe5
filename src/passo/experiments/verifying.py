"""Whether a suggested learning rate holds: train briefly at it, at a third of it and at three times it.

The trainings of one seed start from the same weights and see the same batches and dropout, so their differences are
paired. Few steps favour large rates over what many steps would (Wu et al. 2018, "Understanding short-horizon bias in
stochastic meta-optimization"): a verdict is one about the steps that were trained.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from passo.errors import ConfigError
from passo.experiments.ranges import forever, which
from passo.experiments.rehearsal import ModelSource, OptimizerSource, Pairs, rehearsing
from passo.models.dropout import dropouts, set_step
from passo.training.evaluate import evaluate
from passo.training.penalty import Penalty
from passo.training.step import LossFunction, train_step

FACTOR = 3.0
STEPS = 200


@dataclass(frozen=True)
class BriefTraining:
    """One training at a constant rate: its mini-batch losses (T,), and the loss at its end.

    `factor` is the rate over the suggested one. `final` is what `measured` says; infinite where the training diverged,
    which it did where it has fewer losses than steps were asked for.
    """

    factor: float
    lr: float
    seed: int
    loss: np.ndarray
    final: float
    measured: str


@dataclass(frozen=True)
class VerifiedRange:
    """Trainings at a third of the suggested rate, at it and at three times it, for every seed.

    Whether it held, in a sentence: `passo.analysis.range_check(found).sentence()`.
    """

    lr: float
    factor: float
    steps: int
    trainings: tuple[BriefTraining, ...]


def verify_range(
    model: ModelSource,
    loss_fn: LossFunction,
    optimizer: OptimizerSource,
    batches: Pairs,
    lr: float,
    *,
    factor: float = FACTOR,
    steps: int = STEPS,
    seeds: int | Sequence[int] = 3,
    validation: Pairs | None = None,
    clip_norm: float | None = None,
    penalty: Penalty | None = None,
    device: Any = None,
) -> VerifiedRange:
    """Train copies for `steps` steps at lr/factor, lr and lr·factor, once for each seed.

    Everything is left as it was, and the arguments are those of `lr_range`. The loss at the end is the one on
    `validation` where that is given, else the mean mini-batch loss of the last fifth of the steps.

    Raises `ConfigError` for a rate, a factor or a number of steps that makes no sense.
    """
    check_verification(lr, factor, steps)
    trainings = [
        brief_training(
            model,
            loss_fn,
            optimizer,
            batches,
            lr,
            each,
            seed,
            steps=steps,
            validation=validation,
            clip_norm=clip_norm,
            penalty=penalty,
            device=device,
        )
        for seed, each in pairs(which(seeds), factor)
    ]
    return VerifiedRange(lr, factor, steps, tuple(trainings))


def pairs(seeds: Sequence[int], factor: float = FACTOR) -> Iterator[tuple[int, float]]:
    """Every training's seed and factor; a seed's three come together, so that what is interrupted is still paired."""
    yield from ((seed, each) for seed in seeds for each in (1 / factor, 1.0, factor))


def check_verification(lr: float, factor: float, steps: int) -> None:
    """Raise `ConfigError` where trainings at lr/factor, lr and lr·factor cannot be."""
    if not 0 < lr < math.inf:
        raise ConfigError(f"the learning rate to verify must be > 0, got {lr:g}")
    if not factor > 1:
        raise ConfigError(f"factor must be > 1, got {factor:g}")
    if steps < 5:
        raise ConfigError(f"a verification takes at least 5 steps, got {steps}")


def brief_training(
    model: ModelSource,
    loss_fn: LossFunction,
    optimizer: OptimizerSource,
    batches: Pairs,
    lr: float,
    factor: float,
    seed: int,
    *,
    steps: int = STEPS,
    validation: Pairs | None = None,
    clip_norm: float | None = None,
    penalty: Penalty | None = None,
    device: Any = None,
) -> BriefTraining:
    """One of the trainings of `verify_range`: at lr·factor, with one seed."""
    walked = batches if validation is None else (batches, validation)
    losses: list[float] = []
    with rehearsing(model, loss_fn, optimizer, walked, seed) as copies:
        copies.set_lr(lr * factor)
        layers = dropouts(copies.model)
        priced = None if penalty is None else penalty.on(copies.model)
        options: dict[str, Any] = {"clip_norm": clip_norm, "penalty": priced}
        for step, (x, y) in enumerate(forever(batches), start=1):
            if device is not None:
                x, y = x.to(device), y.to(device)
            set_step(layers, seed, step)
            record = train_step(copies.model, copies.loss_fn, copies.optimizer, x, y, **options)
            losses.append(float(record.loss))
            if step == steps or not math.isfinite(losses[-1]):
                break
        last, measured = max(1, steps // 5), "validation loss"
        if len(losses) < steps or not math.isfinite(losses[-1]):
            final = math.inf
        elif validation is not None:
            final = evaluate(copies.model, copies.loss_fn, validation, device=device).loss
        else:
            final = float(np.mean(losses[-last:]))
    if validation is None:
        measured = f"mean mini-batch loss of the last {last} steps"
    final = final if math.isfinite(final) else math.inf
    return BriefTraining(factor, lr * factor, seed, np.array(losses), final, measured)
