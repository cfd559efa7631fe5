"""What each schedule wants: when it is stepped, which arguments are durations, and what the run fills in."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch.optim import Optimizer, lr_scheduler

from passo.language import later
from passo.optim.arguments import plain
from passo.optim.durations import Run, Unit

WARMUP_COSINE = "warmup-cosine"
HIDDEN = ("optimizer", "schedulers", "last_epoch", "verbose", "epochs", "steps_per_epoch")


@dataclass(frozen=True)
class Place:
    """Where a scheduler stands: on which optimizer, in which run, stepped by which unit, and how many."""

    optimizer: Optimizer
    run: Run
    unit: Unit
    span: int


@dataclass(frozen=True)
class Rule:
    """How one schedule is treated.

    `when` is its own moment, or "any" where it fits both units. `absolute` marks those that set the learning
    rate outright, and so undo what is chained with them.
    `fill` computes an absent argument from the Place; None leaves it to torch's default.
    """

    when: Literal["epoch", "step", "plateau", "any"] = "epoch"
    durations: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()  # durations that may be zero
    function: str | None = None
    fill: tuple[tuple[str, Callable[[Place], Any]], ...] = ()
    needs: str = ""  # what to give, where a required argument is absent
    absolute: bool = False


def _whole_span(place: Place) -> int:
    return place.span


def _own_rate(place: Place) -> Any:
    """The learning rates that the optimizer was built with."""
    rates = [group.get("initial_lr", group["lr"]) for group in place.optimizer.param_groups]
    return rates[0] if len(rates) == 1 else rates


def _rise(place: Place) -> int:
    """Two epochs, as in Smith's paper (arXiv 1506.01186, 2 to 10 epochs), but at most half of the span."""
    return max(1, min(2 * place.run.steps_per_epoch, place.span // 2))


def _uses_momentum(place: Place) -> bool:
    """Torch's default would turn momentum on in an optimizer that was built without it."""
    groups = place.optimizer.param_groups
    return any("betas" in group or group.get("momentum", 0) != 0 for group in groups)


RULES: dict[str, Rule] = {
    "StepLR": Rule(durations=("step_size",), needs=later("step_size, such as '2 epochs'")),
    "MultiStepLR": Rule(durations=("milestones",), needs=later("milestones, such as ['3 epochs', '5 epochs']")),
    "ConstantLR": Rule(durations=("total_iters",)),
    "LinearLR": Rule(durations=("total_iters",), fill=(("total_iters", _whole_span),)),
    "LambdaLR": Rule(function="lr_lambda", needs=later("lr_lambda, such as '1/(1+0.1*epoch)'"), absolute=True),
    "MultiplicativeLR": Rule(function="lr_lambda", needs=later("lr_lambda, such as '0.95'")),
    "ExponentialLR": Rule(needs=later("gamma, such as 0.9")),
    "PolynomialLR": Rule(durations=("total_iters",), fill=(("total_iters", _whole_span),)),
    "CosineAnnealingLR": Rule(durations=("T_max",), fill=(("T_max", _whole_span),)),
    "CosineAnnealingWarmRestarts": Rule(
        "any", ("T_0",), needs=later("T_0, the length of the first cycle, such as '2 epochs'"), absolute=True
    ),
    "CyclicLR": Rule(
        "step",
        ("step_size_up", "step_size_down"),
        function="scale_fn",
        fill=(("base_lr", _own_rate), ("step_size_up", _rise), ("cycle_momentum", _uses_momentum)),
        needs=later("max_lr, the top of its cycle (a learning-rate range test finds one)"),
        absolute=True,
    ),
    "OneCycleLR": Rule(
        "step",
        ("total_steps",),
        fill=(("total_steps", _whole_span), ("cycle_momentum", _uses_momentum)),
        needs=later("max_lr, the top of its cycle (a learning-rate range test finds one)"),
        absolute=True,
    ),
    "ReduceLROnPlateau": Rule("plateau", waits=("patience", "cooldown")),
    "SequentialLR": Rule("any", ("milestones",), needs=later("milestones, such as ['1 epoch']"), absolute=True),
    "ChainedScheduler": Rule("any"),
    WARMUP_COSINE: Rule("step", absolute=True),
}

CLASSES: dict[str, type] = {
    name: member
    for name, member in vars(lr_scheduler).items()
    if inspect.isclass(member)
    and issubclass(member, (lr_scheduler.LRScheduler, lr_scheduler.ReduceLROnPlateau))
    and not name.startswith("_")
    and name != "LRScheduler"
}


def rule_of(name: str) -> Rule:
    """The rule of a schedule; one that a newer torch brings is stepped per epoch, as most are."""
    return RULES.get(name, Rule())


def names() -> dict[str, str]:
    """Plain names and aliases ("step", "cosineannealing", "plateau") → proper names."""
    known: dict[str, str] = {plain(WARMUP_COSINE): WARMUP_COSINE, "plateau": "ReduceLROnPlateau"}
    for name in CLASSES:
        short = plain(name).removesuffix("lr").removesuffix("scheduler")
        known |= {short: name, plain(name): name}
    return known


def warmup_cosine(warm: int, total: int, final: float) -> Callable[[int], float]:
    """The factor of "warmup-cosine" at step i = 0, 1, …: (i + 1) / warm, then half a cosine to `final`.

    >>> factor = warmup_cosine(warm=2, total=6, final=0.0)
    >>> [round(factor(step), 3) for step in range(7)]
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0]
    """

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        progress = min(1.0, (step - warm) / (total - warm))
        return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * progress))

    return factor
