"""Keras' Adagrad and Adadelta: the sum starts above zero; the default learning rate is small for both."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from passo.optim.keras.optimizer import KerasOptimizer


class Adagrad(KerasOptimizer):
    """Each gradient over the root of the sum of all its squares; the sum starts at a₀, and ε stands inside the root.

        a ← a + g²                            a starts at initial_accumulator_value
        θ ← θ − lr·g/√(a + ε)

    torch's Adagrad starts at 0 and divides by √a + ε, so that its first step is lr in every weight, whatever g is;
    with a₀ = 0.1 small gradients make small steps, and only gradients near 1 make steps near lr.

    Args: lr (Keras: learning_rate), initial_accumulator_value, eps (epsilon), weight_decay (decoupled).

    Source: keras 3.15 `adagrad.py`, `update_step`; Duchi, Hazan & Singer 2011.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 0.001,
        *,
        initial_accumulator_value: float = 0.1,
        eps: float = 1e-7,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            params, lr=lr, initial_accumulator_value=initial_accumulator_value, eps=eps, weight_decay=weight_decay
        )

    def _start(self, theta: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {"sum": torch.full_like(theta, group["initial_accumulator_value"])}

    def _update(self, theta: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        a = state["sum"].addcmul_(grad, grad)
        theta.add_(grad / (a + group["eps"]).sqrt_(), alpha=-float(group["lr"]))


class Adadelta(KerasOptimizer):
    """Steps scaled by the root of averaged squared updates over that of averaged squared gradients.

        a ← ρa + (1−ρ)g²
        Δ = −√(d + ε)/√(a + ε)·g
        d ← ρd + (1−ρ)Δ²
        θ ← θ + lr·Δ

    torch's Adadelta is the same with another default: lr is 1 there (Zeiler's own rule has none), 0.001 in Keras.

    Args: lr (Keras: learning_rate), rho, eps (epsilon), weight_decay (decoupled).

    Source: keras 3.15 `adadelta.py`, `update_step`; Zeiler 2012, algorithm 1.
    """

    def __init__(
        self, params: Any, lr: float = 0.001, *, rho: float = 0.95, eps: float = 1e-7, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)

    def _start(self, theta: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {"square_avg": torch.zeros_like(theta), "acc_delta": torch.zeros_like(theta)}

    def _update(self, theta: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        rho, eps, a, d = group["rho"], group["eps"], state["square_avg"], state["acc_delta"]
        a.mul_(rho).addcmul_(grad, grad, value=1 - rho)
        delta = (d + eps).sqrt_().div_((a + eps).sqrt_()).mul_(grad).neg_()
        d.mul_(rho).addcmul_(delta, delta, value=1 - rho)
        theta.add_(delta, alpha=float(group["lr"]))
