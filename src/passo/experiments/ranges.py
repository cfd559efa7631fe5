"""The LR range test: raise the learning rate a little at every step, and watch the loss.

Source: Smith 2015, "Cyclical learning rates for training neural networks", section 3.3; on a log scale, with a smoothed
loss, after Gugger 2018, "How do you find a good learning rate".
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from passo.errors import ConfigError, TrainingError
from passo.experiments.rehearsal import Copies, ModelSource, OptimizerSource, Pairs, rehearsing
from passo.experiments.suggesting import RULES, check_rule, suggest
from passo.models.dropout import Dropout, dropouts, set_step
from passo.training.machine import weights_sha256
from passo.training.penalty import Penalty
from passo.training.step import LossFunction, train_step

MODES = ("exponential", "linear")


@dataclass(frozen=True, kw_only=True)
class RangePlan:
    """What a range test does: rates from `lr_min` to `lr_max` in so many steps, one mini-batch each.

    The rates are evenly spaced on a log scale ("exponential") or as they are ("linear"). The smoothed loss is an EWMA
    with weight `beta` on the past and with bias correction: m ← β·m + (1−β)·loss, smoothed = m / (1 − βᵗ); β = 0 does
    not smooth. A test stops early once the smoothed loss exceeds `divergence` times its lowest value, or is not finite.
    """

    lr_min: float = 1e-6
    lr_max: float = 10.0
    steps: int = 100
    mode: str = "exponential"
    beta: float = 0.9
    divergence: float = 4.0

    def __post_init__(self) -> None:
        if not 0 < self.lr_min < self.lr_max < math.inf:
            raise ConfigError(
                f"lr_min and lr_max must satisfy 0 < lr_min < lr_max, got {self.lr_min:g} and {self.lr_max:g}"
            )
        if self.steps < 10:
            raise ConfigError(f"steps must be ≥ 10, got {self.steps}")
        if self.mode not in MODES:
            raise ConfigError(f"mode must be exponential or linear, got {self.mode!r}")
        if not 0 <= self.beta < 1:
            raise ConfigError(f"beta must satisfy 0 ≤ beta < 1, got {self.beta:g}")
        if not self.divergence > 1:
            raise ConfigError(f"divergence must be > 1 (times the lowest loss), got {self.divergence:g}")

    def rates(self) -> np.ndarray:
        """(steps,)

        >>> RangePlan(lr_min=1, lr_max=10, steps=10, mode="linear").rates()
        array([ 1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10.])
        """
        return (np.linspace if self.mode == "linear" else np.geomspace)(self.lr_min, self.lr_max, self.steps)


@dataclass(frozen=True)
class RangeTest:
    """One seed's test: learning rates (T,), the mini-batch losses (T,) and their smoothed values (T,) at each.

    `diverged_at` is the rate at which it stopped early, or None. `suggestions` has a rate for each rule, NaN where the
    rule finds none. `drawn` has a digest of each thing that the seed may have decided, to see what it did decide.
    """

    seed: int
    lr: np.ndarray
    loss: np.ndarray
    smoothed: np.ndarray
    diverged_at: float | None
    suggestions: Mapping[str, float]
    drawn: Mapping[str, str]


@dataclass(frozen=True)
class LrRange:
    """The tests of all seeds. With intervals, as a table: `passo.analysis.range_summary(found)`.

    Its picture: `passo.figures.range_figure(passo.analysis.range_summary(found))`.
    """

    plan: RangePlan
    rule: str
    tests: tuple[RangeTest, ...]

    @property
    def suggestion(self) -> float:
        """What the chosen rule suggests: the geometric mean over the seeds, since rates are compared by ratio."""
        return self.suggestions[self.rule]

    @property
    def suggestions(self) -> dict[str, float]:
        """What every rule suggests: the geometric mean over the seeds that have one, NaN where none has."""
        found = {name: np.array([test.suggestions[name] for test in self.tests]) for name in RULES}
        found = {name: values[np.isfinite(values)] for name, values in found.items()}
        return {name: float(np.exp(np.log(v).mean())) if len(v) else math.nan for name, v in found.items()}

    @property
    def diverged_at(self) -> float | None:
        """The lowest rate at which a seed's test diverged, or None."""
        return min((test.diverged_at for test in self.tests if test.diverged_at is not None), default=None)

    @property
    def varied(self) -> tuple[str, ...]:
        """What differed between the seeds: of "initialisation", "batch order" and "dropout"; () for one seed."""
        return tuple(what for what in self.tests[0].drawn if len({test.drawn[what] for test in self.tests}) > 1)


def lr_range(
    model: ModelSource,
    loss_fn: LossFunction,
    optimizer: OptimizerSource,
    batches: Pairs,
    *,
    lr_min: float = 1e-6,
    lr_max: float = 10.0,
    steps: int = 100,
    mode: str = "exponential",
    beta: float = 0.9,
    divergence: float = 4.0,
    seeds: int | Sequence[int] = 1,
    suggest: str = "steepest",
    clip_norm: float | None = None,
    penalty: Penalty | None = None,
    device: Any = None,
) -> LrRange:
    """Test learning rates from `lr_min` to `lr_max`, once for each seed, and suggest one.

    It trains copies, from a fresh optimizer state: the weights, gradients, buffers and modes of the model, the
    optimizer, its schedulers, the order of the batches and every random generator are afterwards what they were,
    whether a test diverged, failed or was interrupted.

    Args:
        model: a module; or a function seed → module, so that seeds differ in their initialisation too.
        optimizer: one of that module; or a function module → optimizer (needed where the model is a function). All its
            options count; its learning rate does not. Where groups have different rates, the test moves the first
            group's, and the others keep their ratio to it.
        batches: pairs (x, y) that can be walked again and again: passo's `Batches`, a DataLoader, a list.
        lr_min, lr_max, steps, mode, beta, divergence: see `RangePlan`.
        seeds: how many, or which. A seed decides the order of the batches (where they draw from generators of their
            own, or from the global ones) and dropout; `varied` of the result says what did differ.
        suggest: the rule behind `suggestion`: "steepest", "valley", "minimum/10" or "slide" (`experiments.suggesting`).
        clip_norm: the norm to which the gradient is clipped, as in the training to come.
        penalty: what is trained beside the loss; the curve shows the loss alone.

    Raises `ConfigError` for limits that make no sense, batches that can be walked only once, an optimizer of other
    parameters, seeds that change nothing; `TrainingError` where the loss falls for no seed.

    >>> x, y = torch.linspace(-1, 1, 64)[:, None], 3 * torch.linspace(-1, 1, 64)[:, None]
    >>> model = nn.Linear(1, 1)
    >>> found = lr_range(model, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.1), [(x, y)], lr_max=100)
    >>> 0.01 < found.suggestion < found.diverged_at < 100
    True
    """
    plan = RangePlan(lr_min=lr_min, lr_max=lr_max, steps=steps, mode=mode, beta=beta, divergence=divergence)
    rule, chosen = check_rule(suggest), which(seeds)
    also: dict[str, Any] = {"clip_norm": clip_norm, "penalty": penalty, "device": device}
    tests = tuple(range_tests(model, loss_fn, optimizer, batches, plan, chosen, **also))
    found = LrRange(plan, rule, tests)
    if len(tests) > 1 and not found.varied:
        raise ConfigError(
            f"{len(tests)} seeds change nothing here: the batches come in one order, and there is no dropout. Give one "
            "seed, batches that are shuffled, or a function that builds the model from a seed"
        )
    if not math.isfinite(found.suggestion):
        raise TrainingError(no_suggestion(plan, rule))
    return found


def which(seeds: int | Sequence[int]) -> tuple[int, ...]:
    """3 means 0, 1 and 2.

    >>> which(3), which([7])
    ((0, 1, 2), (7,))
    """
    chosen = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    if not chosen or len(set(chosen)) < len(chosen):
        raise ConfigError(f"seeds must be different and at least one, got {seeds}")
    return chosen


def no_suggestion(plan: RangePlan, rule: str) -> str:
    """One sentence for the case that a rule has nothing to suggest."""
    return (
        f"the loss did not fall beyond its noise between {plan.lr_min:.3g} and {plan.lr_max:.3g}, or not in a way that "
        f"the rule {rule!r} reads, so no learning rate can be suggested: try other limits "
        f"({'a smaller lr_max' if plan.mode == 'linear' else 'a smaller lr_min'} first), more steps, or another rule"
    )


def range_tests(
    model: ModelSource,
    loss_fn: LossFunction,
    optimizer: OptimizerSource,
    batches: Pairs,
    plan: RangePlan,
    seeds: Sequence[int],
    *,
    clip_norm: float | None = None,
    penalty: Penalty | None = None,
    device: Any = None,
) -> Iterator[RangeTest]:
    """The tests of `lr_range`, one at a time; between them, everything is the caller's again."""
    for seed in seeds:
        with rehearsing(model, loss_fn, optimizer, batches, seed) as copies:
            priced = None if penalty is None else penalty.on(copies.model)
            test = _tested(copies, batches, plan, seed, {"clip_norm": clip_norm, "penalty": priced}, device)
        yield test


def _tested(
    copies: Copies, batches: Pairs, plan: RangePlan, seed: int, options: Mapping[str, Any], device: Any
) -> RangeTest:
    rates, layers, endless = plan.rates(), dropouts(copies.model), forever(batches)
    losses: list[float] = []
    smoothed: list[float] = []
    best, mean, drawn = math.inf, 0.0, {"initialisation": weights_sha256(copies.model)}
    for step, lr in enumerate(rates, start=1):
        x, y = next(endless)
        if step == 1:
            drawn |= {"batch order": _digest(x, y), "dropout": str(seed) if drops(copies.model) else ""}
        if device is not None:
            x, y = x.to(device), y.to(device)
        copies.set_lr(float(lr))
        set_step(layers, seed, step)
        record = train_step(copies.model, copies.loss_fn, copies.optimizer, x, y, **options)
        losses.append(float(record.loss))
        mean = plan.beta * mean + (1 - plan.beta) * losses[-1]
        smoothed.append(mean / (1 - plan.beta**step))
        best = min(best, smoothed[-1])
        if not math.isfinite(smoothed[-1]) or smoothed[-1] - best > (plan.divergence - 1) * abs(best):
            break
    seen = rates[: len(losses)]
    stopped = len(seen) < len(rates) or not math.isfinite(smoothed[-1])
    columns = seen, np.array(losses), np.array(smoothed)
    suggestions = suggest(*columns, plan.steps, beta=plan.beta, linear=plan.mode == "linear")
    return RangeTest(seed, *columns, float(seen[-1]) if stopped else None, suggestions, drawn)


def forever(batches: Iterable[tuple[Any, Tensor]]) -> Iterator[tuple[Any, Tensor]]:
    """The batches, again and again."""
    while True:
        empty = True
        for pair in batches:
            empty = False
            yield pair
        if empty:
            raise TrainingError("the batches came to an end: give a set that is not empty and can be walked again")


def drops(model: nn.Module) -> bool:
    """Whether a module of it drops out at random."""
    kinds = (Dropout, nn.modules.dropout._DropoutNd)
    return any(isinstance(module, kinds) and module.p > 0 for module in model.modules())


def _digest(*tensors: Any) -> str:
    """SHA-256 of what the first batch holds; what is no tensor is left out."""
    digest = hashlib.sha256()
    for tensor in tensors:
        if isinstance(tensor, Tensor):
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
