"""Keras' Adam, Adamax and Nadam: ε is added before the bias correction, and Nadam's momentum warms up fast."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from passo.optim.keras.optimizer import KerasOptimizer

DECAY = 0.96  # of Nadam's warm-up; Dozat 2016 has 0.96^(t·0.004), Keras 0.96^t


class Adam(KerasOptimizer):
    """A running average of gradients over the root of one of their squares, corrected through the learning rate.

        m ← β₁m + (1−β₁)g,   v ← β₂v + (1−β₂)g²
        αₜ = lr·√(1−β₂ᵗ)/(1−β₁ᵗ)
        θ ← θ − αₜ·m/(√v + ε)                 amsgrad:   v̄ ← max(v̄, v) stands for v

    It is lr·m̂/(√v̂ + ε/√(1−β₂ᵗ)): in the first steps ε weighs more than torch's, at t = 1 by 1/√(1−β₂) = 31.6.

    Args: lr (Keras: learning_rate), betas (beta_1, beta_2), eps (epsilon), amsgrad, weight_decay (decoupled).

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([2.0])
    >>> Adam([w], lr=0.1).step(); round(w.item(), 4)
    0.9

    Source: keras 3.15 `adam.py`, `update_step`; Kingma & Ba 2015, section 2, last paragraph (their ε̂).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 0.001,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-7,
        amsgrad: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, amsgrad=amsgrad, weight_decay=weight_decay)

    def _start(self, theta: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if group["amsgrad"] else ("exp_avg", "exp_avg_sq")
        return {name: torch.zeros_like(theta) for name in names}

    def _update(self, theta: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        (beta1, beta2), t = group["betas"], state["step"]
        m, v = state["exp_avg"], state["exp_avg_sq"]
        alpha = float(group["lr"]) * math.sqrt(1 - beta2**t) / (1 - beta1**t)
        m.lerp_(grad, 1 - beta1)
        v.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        if group["amsgrad"]:
            v = torch.maximum(state["max_exp_avg_sq"], v, out=state["max_exp_avg_sq"])
        theta.addcdiv_(m, v.sqrt().add_(group["eps"]), value=-alpha)


class Adamax(KerasOptimizer):
    """Adam with the largest recent gradient for the root of the second moment; ε is added to that maximum.

        m ← β₁m + (1−β₁)g,   u ← max(β₂u, |g|)
        θ ← θ − lr·m/((1−β₁ᵗ)(u + ε))

    torch's Adamax adds ε to |g|, inside the maximum.

    Args: lr (Keras: learning_rate), betas (beta_1, beta_2), eps (epsilon), weight_decay (decoupled).

    Source: keras 3.15 `adamax.py`, `update_step`; Kingma & Ba 2015, algorithm 2.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 0.001,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-7,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def _start(self, theta: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {name: torch.zeros_like(theta) for name in ("exp_avg", "exp_inf")}

    def _update(self, theta: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        (beta1, beta2), m, u = group["betas"], state["exp_avg"], state["exp_inf"]
        m.lerp_(grad, 1 - beta1)
        torch.maximum(u.mul_(beta2), grad.abs(), out=u)
        theta.addcdiv_(m, u + group["eps"], value=-float(group["lr"]) / (1 - beta1 ** state["step"]))


class Nadam(KerasOptimizer):
    """Adam with Nesterov's look-ahead, its momentum μ warming up from about β₁/2 to β₁ within a hundred steps.

        μₜ = β₁(1 − ½·0.96ᵗ),   Πₜ = μ₁μ₂…μₜ
        m ← β₁m + (1−β₁)g,   v ← β₂v + (1−β₂)g²
        m̂ = μₜ₊₁·m/(1−Πₜμₜ₊₁) + (1−μₜ)·g/(1−Πₜ),   v̂ = v/(1−β₂ᵗ)
        θ ← θ − lr·m̂/(√v̂ + ε)

    torch's NAdam has 0.96^(t·0.004), 250 times slower; `torch.optim.NAdam(momentum_decay=1.0)` warms up like this one.

    Args: lr (Keras: learning_rate), betas (beta_1, beta_2), eps (epsilon), weight_decay (decoupled).

    Source: keras 3.15 `nadam.py`, `update_step`; Dozat 2016.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 0.001,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-7,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def _start(self, theta: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {"exp_avg": torch.zeros_like(theta), "exp_avg_sq": torch.zeros_like(theta), "mu_product": 1.0}

    def _count(self, state: dict[str, Any], group: dict[str, Any]) -> None:
        super()._count(state, group)
        state["mu_product"] *= warmed(group["betas"][0], state["step"])

    def _update(self, theta: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        (beta1, beta2), t, product = group["betas"], state["step"], state["mu_product"]
        m, v = state["exp_avg"], state["exp_avg_sq"]
        mu, mu_next = warmed(beta1, t), warmed(beta1, t + 1)
        m.lerp_(grad, 1 - beta1)
        v.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        m_hat = (m * (mu_next / (1 - product * mu_next))).add_(grad, alpha=(1 - mu) / (1 - product))
        theta.addcdiv_(m_hat, (v / (1 - beta2**t)).sqrt_().add_(group["eps"]), value=-float(group["lr"]))


def warmed(beta1: float, t: int) -> float:
    """Nadam's momentum at step t: β₁(1 − ½·0.96ᵗ)."""
    return beta1 * (1 - 0.5 * DECAY**t)
