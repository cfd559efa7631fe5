"""Each optimiser's equations, stage by stage, as free functions of tensors.

They explain a step that torch's own optimiser does: from θ, the gradient and the state as they were *before* the
step, they compute every intermediate quantity and the update that these explain. Names are the field's:

    decayed          g with the weight decay that enters the gradient      g ← g + λθ
    momentum_buffer  SGD's velocity                                        b ← μb + (1−d)g
    exp_avg          first moment                                          m ← β₁m + (1−β₁)g
    exp_avg_sq       second moment                                         v ← β₂v + (1−β₂)g²
    exp_avg_hat      bias-corrected first moment                           m̂ = m / (1−β₁ᵗ)
    exp_avg_sq_hat   bias-corrected second moment                          v̂ = v / (1−β₂ᵗ)
    adapted          the direction that the learning rate multiplies
    explained        the update that these equations give                  θ′ − θ

Every function takes flat tensors of one shape (P,) and writes its stages into the rows of `out`, a mapping
from stage to a preallocated (P,) tensor: nothing is allocated, so that watching stays cheap.

Sources: torch 2.13 `torch/optim/sgd.py`, `adam.py`; Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

Rows = Mapping[str, Tensor]
State = Mapping[str, Tensor | None]
Group = Mapping[str, Any]


def _decay(grad: Tensor, theta: Tensor, weight_decay: float, maximize: bool, out: Tensor) -> None:
    """g, with its sign for maximisation, plus λθ."""
    if maximize:
        torch.neg(grad, out=out)
    else:
        out.copy_(grad)
    if weight_decay:
        out.add_(theta, alpha=weight_decay)


def sgd(theta: Tensor, grad: Tensor, state: State, step: Any, group: Group, out: Rows) -> None:
    """SGD with weight decay, momentum μ, dampening d and Nesterov's look-ahead.

    b ← μb + (1−d)g, and at the first step b ← g; the direction is g, or b, or with Nesterov g + μb.
    """
    lr, momentum = float(group["lr"]), float(group["momentum"])
    decayed, adapted = out["decayed"], out["adapted"]
    _decay(grad, theta, float(group["weight_decay"]), group["maximize"], decayed)
    velocity, before = out["momentum_buffer"], state["momentum_buffer"]
    if not momentum or before is None:
        velocity.copy_(decayed)
    else:
        torch.mul(before, momentum, out=velocity).add_(decayed, alpha=1 - group["dampening"])
    if momentum and group["nesterov"]:
        torch.add(decayed, velocity, alpha=momentum, out=adapted)
    else:
        adapted.copy_(velocity if momentum else decayed)
    torch.mul(adapted, -lr, out=out["explained"])


def adam(theta: Tensor, grad: Tensor, state: State, step: Any, group: Group, out: Rows) -> None:
    """Adam, and AdamW where the group's decay is decoupled: the direction is m̂ / (√v̂ + ε).

    `step` is t, counted from 1: a number, or a (P,) tensor where parameters differ in how often they moved.
    """
    lr, (beta1, beta2), eps = float(group["lr"]), group["betas"], group["eps"]
    decay, decoupled = float(group["weight_decay"]), bool(group.get("decoupled_weight_decay", False))
    correction1, correction2 = 1 - beta1**step, 1 - beta2**step
    decayed, m, v = out["decayed"], out["exp_avg"], out["exp_avg_sq"]
    m_hat, v_hat, adapted = out["exp_avg_hat"], out["exp_avg_sq_hat"], out["adapted"]

    _decay(grad, theta, 0.0 if decoupled else decay, group["maximize"], decayed)
    m_before, v_before = state["exp_avg"], state["exp_avg_sq"]
    if m_before is None or v_before is None:
        torch.mul(decayed, 1 - beta1, out=m)
        torch.mul(decayed, decayed, out=v).mul_(1 - beta2)
    else:
        torch.lerp(m_before, decayed, 1 - beta1, out=m)
        torch.mul(v_before, beta2, out=v).addcmul_(decayed, decayed, value=1 - beta2)
    torch.div(m, correction1, out=m_hat)
    torch.div(v, correction2, out=v_hat)
    if group["amsgrad"]:  # the largest v so far stands in for v in the denominator
        v_max = state.get("max_exp_avg_sq")
        largest = v if v_max is None else torch.maximum(v_max, v)
        torch.div(largest, correction2, out=v_hat)
    torch.sqrt(v_hat, out=adapted).add_(eps)
    torch.div(m_hat, adapted, out=adapted)
    torch.mul(adapted, -lr, out=out["explained"])
    if decoupled and decay:
        out["explained"].add_(theta, alpha=-lr * decay)


class Explanation:
    """How one optimiser class is explained: its equations, the stages that are told, the state they start from.

    `rows` are all that the equations fill: a stage that is not told now may be needed later (a scheduler can switch
    momentum on).
    """

    def __init__(
        self,
        equations: Callable[..., None],
        rows: tuple[str, ...],
        state: tuple[str, ...],
        untold: tuple[str, ...] = (),
    ) -> None:
        self.equations, self.rows, self.state = equations, rows, state
        self.stages = tuple(row for row in rows if row not in untold)


_ADAM_STAGES = ("decayed", "exp_avg", "exp_avg_sq", "exp_avg_hat", "exp_avg_sq_hat", "adapted")


def explanation(optimizer: torch.optim.Optimizer) -> Explanation | None:
    """The equations of an optimiser, chosen by its exact class; None where none are written here."""
    kind = type(optimizer)
    if kind is torch.optim.SGD:
        if any(group["momentum"] for group in optimizer.param_groups):
            return Explanation(sgd, ("decayed", "momentum_buffer", "adapted"), ("momentum_buffer",))
        untold = ("momentum_buffer",)  # plain SGD has none
        return Explanation(sgd, ("decayed", "momentum_buffer", "adapted"), ("momentum_buffer",), untold)
    if kind in (torch.optim.Adam, torch.optim.AdamW):
        state = ("exp_avg", "exp_avg_sq")
        if any(group["amsgrad"] for group in optimizer.param_groups):
            state = (*state, "max_exp_avg_sq")
        return Explanation(adam, _ADAM_STAGES, state)
    return None
