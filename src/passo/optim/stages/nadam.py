"""NAdam's equations: Adam with Nesterov's look-ahead, and a momentum that warms up.

    decayed          g with the weight decay that enters the gradient      g ← g + λθ
    exp_avg          first moment                                          m ← β₁m + (1−β₁)g
    exp_avg_sq       second moment                                         v ← β₂v + (1−β₂)g²
                     the momentum of this step, and of the next            μₜ = β₁(1 − ½·0.96^(tψ))
                     their product so far (a number of the state)          Πₜ = μ₁·μ₂ ⋯ μₜ
    exp_avg_hat      the look-ahead, bias-corrected                        m̂ = μₜ₊₁m / (1−Πₜ₊₁) + (1−μₜ)g / (1−Πₜ)
    exp_avg_sq_hat   bias-corrected second moment                          v̂ = v / (1−β₂ᵗ)
    adapted          the direction that the learning rate multiplies       m̂ / (√v̂ + ε)
    explained        the update                                            θ′ − θ = −lr · adapted (− lr · λθ)

Sources: torch 2.13 `torch/optim/nadam.py`; Dozat 2016, algorithm 2; the decoupled decay: Loshchilov & Hutter 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    runs_foreach,
    scalar,
    told,
)


def momentum(step: Any, group: Group) -> Any:
    """μₜ = β₁(1 − ½·0.96^(tψ)), with ψ the momentum decay."""
    return group["betas"][0] * (1 - 0.5 * 0.96 ** (step * group["momentum_decay"]))


def counted(state: State, step: float, group: Group) -> Mapping[str, float]:
    """Πₜ = Πₜ₋₁ · μₜ."""
    return {"mu_product": _product(state, counter(step, group["capturable"]), group).item()}


def _product(state: State, t: Any, group: Group) -> Tensor:
    return scalar(state["mu_product"], 1.0) * momentum(t, group)


def nadam(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """NAdam, with the decay in the gradient or decoupled from it."""
    lr, (beta1, beta2), rate = float(group["lr"]), group["betas"], float(group["weight_decay"])
    decoupled, t = bool(group["decoupled_weight_decay"]), counter(step, group["capturable"])
    now, following, product = momentum(t, group), momentum(t + 1, group), _product(state, t, group)
    if not (group["capturable"] or group["differentiable"]):
        product = product.item()  # else what comes of it is rounded to float32 again and again
    of_grad, of_average = -lr * (1 - now) / (1 - product), -lr * following / (1 - product * following)
    m, v, adapted = out["exp_avg"], out["exp_avg_sq"], out["adapted"]

    decayed = decay(grad, theta, 0.0 if decoupled else rate, group["maximize"], out)
    average(state["exp_avg"], decayed, 1 - beta1, m)
    average_square(state["exp_avg_sq"], decayed, beta2, v)
    m_hat = torch.mul(m, float(following / (1 - product * following)), out=out["exp_avg_hat"])
    m_hat.add_(decayed, alpha=float((1 - now) / (1 - product)))
    v_hat = torch.div(v, 1 - beta2**t, out=out["exp_avg_sq_hat"])
    if runs_foreach(group, theta):
        torch.sqrt(v, out=adapted).div_((1 - beta2**t) ** 0.5).add_(group["eps"])
    else:
        torch.sqrt(v_hat, out=adapted).add_(group["eps"])
    update = out["explained"].copy_(theta)  # the two parts may cancel, and torch rounds to θ's spacing in between
    if decoupled and rate:
        update.mul_(1 - lr * rate)
    update.addcdiv_(decayed, adapted, value=float(of_grad)).addcdiv_(m, adapted, value=float(of_average)).sub_(theta)
    torch.div(m_hat, adapted, out=adapted)


def explain(optimizer: Optimizer) -> Explanation:
    return Explanation(
        equations=nadam,
        stages=told(optimizer, ("decayed", "exp_avg", "exp_avg_sq", "exp_avg_hat", "exp_avg_sq_hat", "adapted")),
        state=("exp_avg", "exp_avg_sq"),
        numbers=("mu_product",),
        renewed={"exp_avg": "exp_avg", "exp_avg_sq": "exp_avg_sq"},
        counted=counted,
    )


EXPLAINED = of_torch(NAdam=explain)
