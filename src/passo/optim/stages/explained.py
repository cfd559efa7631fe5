"""How one optimiser class is explained: its equations, the stages that they fill, the state that they start from.

Equations are free functions `(theta, grad, state, step, group, out)` of tensors, readable next to the paper:

    theta, grad   θ and the gradient as the optimiser read it, before the step: flat (P,), or, where the explanation is
                  `shaped`, one parameter at a time in its own shape
    state         the optimiser's state *before* the step, by its own names: tensors, and for `numbers` floats or the
                  state's own tensors of one element; every value is None where the state has none yet. With sparse
                  gradients `touched` holds the rows (an index tensor) that the gradient names, else None
    step          t of this step, counted from 1
    group         the parameter group, as `optimizer.param_groups` holds it
    out           stage → a preallocated tensor like theta; each stage is written into its row, where it has one, and
                  `explained` into its own: nothing of size P is allocated where that can be avoided, so that watching
                  stays cheap. The row of a stage that renews a state may be that very state: read it before you write

`explanation(optimizer)` looks the class up, exactly: a subclass may do something else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

Rows = Mapping[str, Tensor]
State = Mapping[str, Any]
Group = Mapping[str, Any]
Equations = Callable[[Tensor, Tensor, State, float, Group, Rows], None]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What is known about the inside of one optimiser.

    stages: the rows that are told, in the order in which a step goes through them, between gradient and update; an
        option's only where a group has it (`told` finds these; `absent` is for its other groups, `row` for an option
        that is switched on later).
    state: state tensors that the equations start from, shaped like the parameter (any shape where `shaped`).
    numbers: scalars of the state that they start from, other than `step` (NAdam's mu_product, …).
    shaped: the equations need a parameter's own shape: they are called once for each parameter.
    renewed: stage → key of the optimiser's state that must equal it after the step; the proof checks it. A state of
        fewer axes (Adafactor's rows and columns) must equal it when broadcast.
    counted: the `numbers` after the step, from state, step and group; the proof checks them too.
    bound: how many roundings the residual may have, and the new state; None where only a printed number is promised.
    inside: facts after a step that belong to no single parameter (LBFGS: its step length, …), by name.
    equations: None where the update is only measured.
    """

    equations: Equations | None
    stages: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    shaped: bool = False
    renewed: Mapping[str, str] = field(default_factory=dict)
    counted: Callable[[State, float, Group], Mapping[str, float]] | None = None
    bound: float | None = 8.0
    inside: Callable[[Optimizer], Mapping[str, float]] | None = None


Explain = Callable[[Optimizer], Explanation]


def row(out: Rows, stage: str, like: Tensor) -> Tensor:
    """A stage's row; one of its own where none is told: an option may be switched on once the watching has begun."""
    found = out.get(stage)
    return torch.empty_like(like) if found is None else found


def absent(out: Rows, *stages: str) -> None:
    """NaN in the rows of options that this group does not have and another has."""
    for stage in stages:
        if stage in out:
            out[stage].fill_(torch.nan)


def told(optimizer: Optimizer, stages: Sequence[str], **options: str) -> tuple[str, ...]:
    """The stages of an optimiser, without those whose option (stage=option) no group has, nor a decay where none is."""
    groups = optimizer.param_groups
    shown = {stage: any(group[option] for group in groups) for stage, option in options.items()}
    shown["decayed"] = any(decays(group) for group in groups)
    return tuple(stage for stage in stages if shown.get(stage, True))


def decays(group: Group) -> bool:
    """Whether what the optimiser reads is another thing than the gradient: a decay enters it, or its sign is turned."""
    coupled = group.get("weight_decay", 0.0) and not group.get("decoupled_weight_decay", False)
    return bool(coupled or group.get("maximize", False))


def decay(grad: Tensor, theta: Tensor, weight_decay: float, maximize: bool, out: Rows) -> Tensor:
    """g, with its sign for maximisation, plus λθ; g itself where neither is told nor asked."""
    if "decayed" not in out and not weight_decay and not maximize:
        return grad
    decayed = row(out, "decayed", grad)
    if maximize:
        torch.neg(grad, out=decayed)
    else:
        decayed.copy_(grad)
    if weight_decay:
        decayed.add_(theta, alpha=weight_decay)
    return decayed


def average(before: Tensor | None, value: Tensor, weight: float, out: Tensor) -> None:
    """A running average, (1−w)·before + w·value; it starts from zero."""
    if before is None:
        out.zero_().lerp_(value, weight)
    else:
        torch.lerp(before, value, weight, out=out)


def average_square(before: Tensor | None, value: Tensor, beta: float, out: Tensor) -> None:
    """A running average of squares, β·before + (1−β)·value²; it starts from zero."""
    if before is None:
        out.zero_().addcmul_(value, value, value=1 - beta)
    else:
        torch.mul(before, beta, out=out).addcmul_(value, value, value=1 - beta)


def scalar(before: Tensor | float | None, start: float) -> Tensor:
    """A number of the state, `start` before the first step, as torch keeps it.

    That is a tensor of one element, in float32 even beside float64 weights (unless float64 is torch's default), so
    that what is multiplied onto it is rounded to float32 at every step.
    """
    if isinstance(before, Tensor):
        return before
    wide = torch.get_default_dtype() == torch.float64
    return torch.tensor(start if before is None else before, dtype=torch.float64 if wide else torch.float32)


def counter(step: float, as_tensor: bool) -> Any:
    """t, as the optimiser counts with it: a float, or (`capturable`, sometimes `differentiable`) a float32 tensor.

    1 − β₂ᵗ is a small difference: in float32 it is off by up to 6·10⁻⁵ of itself, and so is the step.
    """
    return scalar(step, 0.0) if as_tensor else step


def runs_foreach(group: Group, theta: Tensor) -> bool:
    """Whether torch takes its foreach implementation, which rounds in another order; left open, it does on a GPU."""
    if group["foreach"] is None:
        return theta.device.type != "cpu" and not group["differentiable"]
    return bool(group["foreach"])


def of_torch(**explained: Explain) -> dict[type[Optimizer], Explain]:
    """Classes of torch.optim by name, without those that this torch does not have yet."""
    return {getattr(torch.optim, name): explain for name, explain in explained.items() if hasattr(torch.optim, name)}
