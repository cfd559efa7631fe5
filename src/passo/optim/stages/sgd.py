"""SGD's equations: weight decay, momentum, dampening, Nesterov's look-ahead.

    decayed          g with the weight decay that enters the gradient      g ← g + λθ
    momentum_buffer  the velocity                                          b ← μb + (1−d)g
    adapted          the direction that the learning rate multiplies       g, or b, or g + μb
    explained        the update                                            θ′ − θ = −lr · adapted

Source: torch 2.13 `torch/optim/sgd.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

from passo.optim.stages.explained import Explanation, Group, Rows, State, decay, of_torch


def sgd(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """SGD with weight decay, momentum μ, dampening d and Nesterov's look-ahead.

    b ← μb + (1−d)g, and at the first step b ← g; the direction is g, or b, or with Nesterov g + μb.
    """
    lr, momentum = float(group["lr"]), float(group["momentum"])
    decayed, adapted = out["decayed"], out["adapted"]
    decay(grad, theta, float(group["weight_decay"]), group["maximize"], decayed)
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


def explain(optimizer: Optimizer) -> Explanation:
    momentum = any(group["momentum"] for group in optimizer.param_groups)
    buffer = ("momentum_buffer",)
    return Explanation(
        equations=sgd,
        stages=("decayed", *buffer, "adapted") if momentum else ("decayed", "adapted"),
        untold=() if momentum else buffer,  # plain SGD has none, but a scheduler may switch momentum on
        state=buffer,
        renewed={"momentum_buffer": "momentum_buffer"} if momentum else {},
    )


EXPLAINED = of_torch(SGD=explain)
