"""Adadelta's equations: the size of past updates over the size of past gradients.

    decayed      g with the weight decay that enters the gradient      g ← g + λθ
    square_avg   running average of squared gradients                  v ← ρv + (1−ρ)g²
    adapted      the direction that the learning rate multiplies       d = √(u + ε) / √(v + ε) · g
    acc_delta    running average of squared directions                 u ← ρu + (1−ρ)d²
    explained    the update                                            θ′ − θ = −lr · adapted

The u under the root is the one from before the step.

Sources: torch 2.13 `torch/optim/adadelta.py`; Zeiler 2012, algorithm 1 (which has lr = 1).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

from passo.optim.stages.explained import Explanation, Group, Rows, State, average_square, decay, of_torch, told


def adadelta(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """Adadelta: the direction is √(u + ε) / √(v + ε) · g."""
    rho, eps, before = group["rho"], group["eps"], state["acc_delta"]
    v, u, adapted = out["square_avg"], out["acc_delta"], out["adapted"]
    decayed = decay(grad, theta, float(group["weight_decay"]), group["maximize"], out)
    average_square(state["square_avg"], decayed, rho, v)
    if before is None:
        adapted.fill_(eps).sqrt_()
    else:
        torch.add(before, eps, out=adapted).sqrt_()
    adapted.div_(torch.add(v, eps, out=out["explained"]).sqrt_()).mul_(decayed)
    average_square(before, adapted, rho, u)
    torch.mul(adapted, -float(group["lr"]), out=out["explained"])


def explain(optimizer: Optimizer) -> Explanation:
    return Explanation(
        equations=adadelta,
        stages=told(optimizer, ("decayed", "square_avg", "adapted", "acc_delta")),
        state=("square_avg", "acc_delta"),
        renewed={"square_avg": "square_avg", "acc_delta": "acc_delta"},
    )


EXPLAINED = of_torch(Adadelta=explain)
