"""RAdam's equations: Adam that trusts its second moment only once enough gradients have been seen.

    decayed          g with the weight decay that enters the gradient      g ← g + λθ
    exp_avg          first moment                                          m ← β₁m + (1−β₁)g
    exp_avg_sq       second moment                                         v ← β₂v + (1−β₂)g²
    exp_avg_hat      bias-corrected first moment                           m̂ = m / (1−β₁ᵗ)
    exp_avg_sq_hat   bias-corrected second moment                          v̂ = v / (1−β₂ᵗ)
                     how many gradients the average v is worth             ρ = ρ∞ − 2tβ₂ᵗ/(1−β₂ᵗ), ρ∞ = 2/(1−β₂) − 1
                     the rectification, where ρ > 5      r = √( (ρ−4)(ρ−2)ρ∞ / ((ρ∞−4)(ρ∞−2)ρ) )
    adapted          the direction that the learning rate multiplies       r · m̂ · √(1−β₂ᵗ) / (√v + ε); m̂ where ρ ≤ 5
    explained        the update                                            θ′ − θ = −lr · adapted (− lr · λθ)

ε is added to √v before the bias is corrected, so that it counts 1/√(1−β₂ᵗ) times as much as Adam's.

Sources: torch 2.13 `torch/optim/radam.py`; Liu et al. 2020, algorithm 2 (which has ρ > 4 and no ε).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from passo.optim.stages.explained import (
    Explanation,
    Group,
    Rows,
    State,
    average,
    average_square,
    counter,
    decay,
    of_torch,
    told,
)


def rectification(step: Any, beta2: float) -> Any | None:
    """r of a step; None while too few gradients were seen to divide by √v.

    ρ is a small difference of large numbers: torch's order of operations is kept, or float64 would show another one.
    """
    most = 2 / (1 - beta2) - 1
    worth = most - 2 * step * beta2**step / (1 - beta2**step)
    if worth <= 5:
        return None
    return ((worth - 4) * (worth - 2) * most / ((most - 4) * (most - 2) * worth)) ** 0.5


def radam(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """RAdam, with the decay in the gradient or decoupled from it."""
    lr, (beta1, beta2), rate = float(group["lr"]), group["betas"], float(group["weight_decay"])
    decoupled = bool(group["decoupled_weight_decay"])
    t = counter(step, group["capturable"])
    m_hat, adapted = out["exp_avg_hat"], out["adapted"]

    decayed = decay(grad, theta, 0.0 if decoupled else rate, group["maximize"], out)
    average(state["exp_avg"], decayed, 1 - beta1, out["exp_avg"])
    average_square(state["exp_avg_sq"], decayed, beta2, out["exp_avg_sq"])
    torch.div(out["exp_avg"], 1 - beta1**t, out=m_hat)
    torch.div(out["exp_avg_sq"], 1 - beta2**t, out=out["exp_avg_sq_hat"])
    rectified = rectification(t, beta2)
    if rectified is None:
        adapted.copy_(m_hat)
    else:
        torch.sqrt(out["exp_avg_sq"], out=adapted).add_(group["eps"])
        torch.div(m_hat, adapted, out=adapted).mul_(rectified * (1 - beta2**t) ** 0.5)
    torch.mul(adapted, -lr, out=out["explained"])
    if decoupled and rate:
        out["explained"].add_(theta, alpha=-lr * rate)


def explain(optimizer: Optimizer) -> Explanation:
    return Explanation(
        equations=radam,
        stages=told(optimizer, ("decayed", "exp_avg", "exp_avg_sq", "exp_avg_hat", "exp_avg_sq_hat", "adapted")),
        state=("exp_avg", "exp_avg_sq"),
        renewed={"exp_avg": "exp_avg", "exp_avg_sq": "exp_avg_sq"},
    )


EXPLAINED = of_torch(RAdam=explain)
