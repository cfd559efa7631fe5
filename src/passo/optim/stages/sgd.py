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

from passo.optim.stages.explained import Explanation, Group, Rows, State, absent, decay, of_torch, row, told


def sgd(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """SGD with weight decay, momentum μ, dampening d and Nesterov's look-ahead.

    b ← μb + (1−d)g, and at the first step b ← g; the direction is g, or b, or with Nesterov g + μb.
    """
    lr, momentum = float(group["lr"]), float(group["momentum"])
    decayed = decay(grad, theta, float(group["weight_decay"]), group["maximize"], out)
    adapted, before = out["adapted"], state["momentum_buffer"]
    if not momentum:
        absent(out, "momentum_buffer")
        adapted.copy_(decayed)
    else:
        velocity = row(out, "momentum_buffer", decayed)
        if before is None:
            velocity.copy_(decayed)
        else:
            torch.mul(before, momentum, out=velocity).add_(decayed, alpha=1 - group["dampening"])
        if group["nesterov"]:
            torch.add(decayed, velocity, alpha=momentum, out=adapted)
        else:
            adapted.copy_(velocity)
    torch.mul(adapted, -lr, out=out["explained"])


def explain(optimizer: Optimizer) -> Explanation:
    return Explanation(
        equations=sgd,
        stages=told(optimizer, ("decayed", "momentum_buffer", "adapted"), momentum_buffer="momentum"),
        state=("momentum_buffer",),
        renewed={"momentum_buffer": "momentum_buffer"},
    )


EXPLAINED = of_torch(SGD=explain)
