"""How one optimiser class is explained: its equations, the stages that they fill, the state that they start from.

Equations are free functions `(theta, grad, state, step, group, out)` of tensors, readable next to the paper:

    theta, grad   θ and the gradient as the optimiser read it, before the step: flat (P,), or, where the explanation is
                  `shaped`, one parameter at a time in its own shape
    state         the optimiser's state *before* the step, by its own names: tensors, and floats for `numbers`; every
                  value is None before the parameter's first step. With sparse gradients `touched` holds the rows
                  (an index tensor) that the gradient names, else None
    step          t of this step, counted from 1
    group         the parameter group, as `optimizer.param_groups` holds it
    out           stage → a preallocated tensor like theta; each stage is written into its row, and `explained` into its
                  own: nothing of size P is allocated where that can be avoided, so that watching stays cheap

`explanation(optimizer)` looks the class up, exactly: a subclass may do something else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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

    stages: the rows that are told, in the order in which a step goes through them, between gradient and update.
    state: state tensors that the equations start from, shaped like the parameter (any shape where `shaped`).
    numbers: scalars of the state that they start from, other than `step` (NAdam's mu_product, …).
    untold: rows that the equations fill and that are not told now (a scheduler may switch momentum on).
    shaped: the equations need a parameter's own shape: they are called once for each parameter.
    renewed: stage → key of the optimiser's state that must equal it after the step; the proof checks it.
    bound: how many roundings the residual may have; None where only a printed number is promised.
    inside: facts after a step that belong to no single parameter (LBFGS: its step length, …), by name.
    equations: None where the update is only measured.
    """

    equations: Equations | None
    stages: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    shaped: bool = False
    renewed: Mapping[str, str] = field(default_factory=dict)
    bound: float | None = 8.0
    inside: Callable[[Optimizer], Mapping[str, float]] | None = None

    @property
    def rows(self) -> tuple[str, ...]:
        return (*self.stages, *self.untold)


def decay(grad: Tensor, theta: Tensor, weight_decay: float, maximize: bool, out: Tensor) -> None:
    """g, with its sign for maximisation, plus λθ."""
    if maximize:
        torch.neg(grad, out=out)
    else:
        out.copy_(grad)
    if weight_decay:
        out.add_(theta, alpha=weight_decay)
