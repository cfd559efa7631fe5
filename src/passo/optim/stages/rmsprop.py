"""RMSprop's equations: each gradient over the root of a running average of its square; centred, with momentum, or both.

    decayed           g with the weight decay that enters the gradient      g ← g + λθ
    square_avg        running average of squared gradients                  v ← αv + (1−α)g²
    grad_avg          running average of gradients, where centred           a ← αa + (1−α)g
    normalized        the gradient over its usual size                      n = g / (√v + ε), or g / (√(v−a²) + ε)
    momentum_buffer   the velocity, where there is momentum                 b ← μb + n
    adapted           the direction that the learning rate multiplies       n, or b
    explained         the update                                            θ′ − θ = −lr · adapted

Centred, v − a² is a small difference of large numbers wherever gradients hardly change: each rounding of v counts as
often as v is larger than v − a², and torch itself may take the root of a number below zero there.

Sources: torch 2.13 `torch/optim/rmsprop.py`; Hinton 2012, lecture 6e; Graves 2013, equations 38 to 41 (centred).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

from passo.optim.stages.explained import Explanation, Group, Rows, State, average, average_square, decay, of_torch


def rmsprop(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """RMSprop: the direction is g / (√v + ε), or with momentum the sum of such directions, fading by μ."""
    alpha, momentum = group["alpha"], group["momentum"]
    decayed, v, a, n = out["decayed"], out["square_avg"], out["grad_avg"], out["normalized"]
    decay(grad, theta, float(group["weight_decay"]), group["maximize"], decayed)
    average_square(state["square_avg"], decayed, alpha, v)
    if group["centered"]:
        average(state["grad_avg"], decayed, 1 - alpha, a)
        torch.addcmul(v, a, a, value=-1, out=n).sqrt_()
    else:
        a.fill_(torch.nan)
        torch.sqrt(v, out=n)
    n.add_(group["eps"])
    velocity, before, update = out["momentum_buffer"], state["momentum_buffer"], out["explained"]
    if momentum:
        velocity.zero_() if before is None else torch.mul(before, momentum, out=velocity)
        torch.mul(velocity.addcdiv_(decayed, n), -float(group["lr"]), out=update)
    else:  # in torch's order, or gradients near the smallest number would be rounded elsewhere
        velocity.fill_(torch.nan)
        torch.mul(decayed, -float(group["lr"]), out=update).div_(n)
    torch.div(decayed, n, out=n)
    out["adapted"].copy_(velocity if momentum else n)


def explain(optimizer: Optimizer) -> Explanation:
    groups = optimizer.param_groups
    told = {
        "grad_avg": any(group["centered"] for group in groups),
        "momentum_buffer": any(group["momentum"] for group in groups),
    }
    stages = ("decayed", "square_avg", "grad_avg", "normalized", "momentum_buffer", "adapted")
    state = ("square_avg", "grad_avg", "momentum_buffer")
    return Explanation(
        equations=rmsprop,
        stages=tuple(stage for stage in stages if told.get(stage, True)),
        untold=tuple(stage for stage, is_told in told.items() if not is_told),
        state=state,
        renewed={name: name for name in state},
    )


EXPLAINED = of_torch(RMSprop=explain)
