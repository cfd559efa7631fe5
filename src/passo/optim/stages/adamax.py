"""Adamax's equations: Adam with a decaying maximum in place of the root of the second moment.

    decayed       g with the weight decay that enters the gradient        g ← g + λθ
    exp_avg       first moment                                            m ← β₁m + (1−β₁)g
    exp_inf       the largest gradient, fading                            u ← max(β₂u, |g| + ε)
    exp_avg_hat   bias-corrected first moment                             m̂ = m / (1−β₁ᵗ)
    adapted       the direction that the learning rate multiplies         m̂ / u
    explained     the update                                              θ′ − θ = −lr · adapted

Sources: torch 2.13 `torch/optim/adamax.py`; Kingma & Ba 2015, algorithm 2 (which has no ε).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

from passo.optim.stages.explained import Explanation, Group, Rows, State, average, counter, decay, of_torch, told


def adamax(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """Adamax: the direction is m̂ / u, where u is the largest of β₂u and |g| + ε."""
    beta1, beta2 = group["betas"]
    u, m_hat, adapted = out["exp_inf"], out["exp_avg_hat"], out["adapted"]

    decayed = decay(grad, theta, float(group["weight_decay"]), group["maximize"], out)
    average(state["exp_avg"], decayed, 1 - beta1, out["exp_avg"])
    size = torch.abs(decayed, out=adapted).add_(group["eps"])  # a row that is not needed yet holds |g| + ε
    if state["exp_inf"] is None:
        u.copy_(size)
    else:
        torch.maximum(torch.mul(state["exp_inf"], beta2, out=u), size, out=u)
    torch.div(out["exp_avg"], 1 - beta1 ** counter(step, group["capturable"]), out=m_hat)
    torch.div(m_hat, u, out=adapted)
    torch.mul(adapted, -float(group["lr"]), out=out["explained"])


def explain(optimizer: Optimizer) -> Explanation:
    return Explanation(
        equations=adamax,
        stages=told(optimizer, ("decayed", "exp_avg", "exp_inf", "exp_avg_hat", "adapted")),
        state=("exp_avg", "exp_inf"),
        renewed={"exp_avg": "exp_avg", "exp_inf": "exp_inf"},
    )


EXPLAINED = of_torch(Adamax=explain)
