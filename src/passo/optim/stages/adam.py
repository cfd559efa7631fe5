"""Adam's equations, AdamW's where the decay is decoupled, and AMSGrad's.

    decayed          g with the weight decay that enters the gradient      g ← g + λθ
    exp_avg          first moment                                          m ← β₁m + (1−β₁)g
    exp_avg_sq       second moment                                         v ← β₂v + (1−β₂)g²
    max_exp_avg_sq   the largest so far, with AMSGrad                      v̄ ← max(v̄, v)
    exp_avg_hat      bias-corrected first moment                           m̂ = m / (1−β₁ᵗ)
    exp_avg_sq_hat   bias-corrected second moment                          v̂ = v / (1−β₂ᵗ), or v̄ / (1−β₂ᵗ)
    adapted          the direction that the learning rate multiplies       m̂ / (√v̂ + ε)
    explained        the update                                            θ′ − θ = −lr · adapted (− lr · λθ)

Sources: torch 2.13 `torch/optim/adam.py`; Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019; Reddi et al. 2018.
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
    counter,
    decay,
    of_torch,
    row,
    told,
)


def adam(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """Adam, and AdamW where the group's decay is decoupled: the direction is m̂ / (√v̂ + ε)."""
    lr, (beta1, beta2), eps = float(group["lr"]), group["betas"], group["eps"]
    rate, decoupled = float(group["weight_decay"]), bool(group.get("decoupled_weight_decay", False))
    t = counter(step, group.get("capturable", False) or group.get("differentiable", False))
    correction1, correction2 = 1 - beta1**t, 1 - beta2**t
    m, v, m_hat = out["exp_avg"], out["exp_avg_sq"], out["exp_avg_hat"]
    v_hat, adapted = out["exp_avg_sq_hat"], out["adapted"]

    decayed = decay(grad, theta, 0.0 if decoupled else rate, group["maximize"], out)
    average(state["exp_avg"], decayed, 1 - beta1, m)
    average_square(state["exp_avg_sq"], decayed, beta2, v)
    torch.div(m, correction1, out=m_hat)
    if group["amsgrad"]:  # the largest v so far stands in for v in the denominator
        v_max, largest = state["max_exp_avg_sq"], row(out, "max_exp_avg_sq", v)
        v = largest.copy_(v) if v_max is None else torch.maximum(v_max, v, out=largest)
    else:
        absent(out, "max_exp_avg_sq")
    torch.div(v, correction2, out=v_hat)
    torch.sqrt(v_hat, out=adapted).add_(eps)
    torch.div(m_hat, adapted, out=adapted)
    if isinstance(t, Tensor):
        _folded(m, v, lr / correction1, correction2, eps, out["explained"])
    else:
        torch.mul(adapted, -lr, out=out["explained"])
    if decoupled and rate:
        out["explained"].add_(theta, alpha=-lr * rate)


def _folded(m: Tensor, v: Tensor, size: Tensor, correction2: Tensor, eps: float, out: Tensor) -> None:
    """−lr·m̂ / (√v̂ + ε) where t is a tensor: torch makes two numbers of its five, each rounded to float32."""
    torch.sqrt(v, out=out).div_(correction2.sqrt() * size).add_(eps / size)
    torch.div(m, out, out=out).neg_()


STAGES = ("exp_avg", "exp_avg_sq", "exp_avg_hat", "exp_avg_sq_hat", "adapted")


def explain(optimizer: Optimizer) -> Explanation:
    state = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    return Explanation(
        equations=adam,
        stages=told(optimizer, ("decayed", *state, *STAGES[2:]), max_exp_avg_sq="amsgrad"),
        state=state,
        renewed={name: name for name in state},
    )


EXPLAINED = of_torch(Adam=explain, AdamW=explain)
