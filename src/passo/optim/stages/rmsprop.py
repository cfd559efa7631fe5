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

from passo.optim.stages.explained import (
    Explanation,
    Group,
    Rows,
    State,
    absent,
    average,
    average_square,
    decay,
    of_torch,
    row,
    told,
)


def rmsprop(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """RMSprop: the direction is g / (√v + ε), or with momentum the sum of such directions, fading by μ."""
    alpha, momentum = group["alpha"], group["momentum"]
    v, n = out["square_avg"], out["normalized"]
    decayed = decay(grad, theta, float(group["weight_decay"]), group["maximize"], out)
    average_square(state["square_avg"], decayed, alpha, v)
    if group["centered"]:
        a = row(out, "grad_avg", v)
        average(state["grad_avg"], decayed, 1 - alpha, a)
        torch.addcmul(v, a, a, value=-1, out=n).sqrt_()
    else:
        absent(out, "grad_avg")
        torch.sqrt(v, out=n)
    n.add_(group["eps"])
    before, update = state["momentum_buffer"], out["explained"]
    if momentum:
        velocity = row(out, "momentum_buffer", v)
        velocity.zero_() if before is None else torch.mul(before, momentum, out=velocity)
        torch.mul(velocity.addcdiv_(decayed, n), -float(group["lr"]), out=update)
    else:  # in torch's order, or gradients near the smallest number would be rounded elsewhere
        velocity = None
        absent(out, "momentum_buffer")
        torch.mul(decayed, -float(group["lr"]), out=update).div_(n)
    torch.div(decayed, n, out=n)
    out["adapted"].copy_(n if velocity is None else velocity)


def explain(optimizer: Optimizer) -> Explanation:
    stages = ("decayed", "square_avg", "grad_avg", "normalized", "momentum_buffer", "adapted")
    state = ("square_avg", "grad_avg", "momentum_buffer")
    return Explanation(
        equations=rmsprop,
        stages=told(optimizer, stages, grad_avg="centered", momentum_buffer="momentum"),
        state=state,
        renewed={name: name for name in state},
    )


EXPLAINED = of_torch(RMSprop=explain)
