"""Keras' Ftrl: follow the regularised leader, which forgets where the weights began."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from passo.errors import TrainingError
from passo.optim.keras.optimizer import KerasOptimizer


class Ftrl(KerasOptimizer):
    """FTRL-Proximal: after each gradient the weights are the minimiser of everything seen so far, in closed form.

        n′ = n + g²,   σ = (n′^−p − n^−p)/lr              p: learning_rate_power, so that n^−p is √n; n starts at a₀
        z ← z + g + 2·l2_shrinkage·θ − σθ                 z starts at 0
        q = n′^−p/lr + 2·l2 + β/lr
        θ ← (clip(z, −l1, l1) − z)/q,   n ← n′

    The weights are computed anew from z, so what they were before the first step lives on only in σθ: with
    l1 = l2 = β = 0 the first step is θ ← θ·(1 − √(a₀/(a₀+g²))) − lr·g/√(a₀+g²). That suits the linear models with
    many zeros that Ftrl was made for, and erases the random start that a network with hidden layers needs.

    `keep_start=True` begins with z = −(a₀^−p + β)/lr·θ, which centres the first proximal term at θ instead of 0:
    with l1 = l2 = 0 the closed form then returns the start itself, and every step is one of Adagrad's (ε = 0).

    Args: lr (Keras: learning_rate), learning_rate_power (≤ 0), initial_accumulator_value (a₀), l1, l2 and
    l2_shrinkage (l1_regularization_strength, …), beta, weight_decay (decoupled), keep_start (not in Keras).

    A weight whose gradient is exactly 0 while a₀ = l2 = β = 0 becomes 0/0 = NaN, as in Keras: start above 0. Since z
    holds the learning rate, changing lr in mid-training scales the weights with it (docs/keras.md).

    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    >>> optimizer = Ftrl([w], lr=0.1)
    >>> for _ in range(3):
    ...     w.grad = torch.tensor([0.5, -0.1, 2.0]); optimizer.step()
    >>> [round(x, 5) for x in w.tolist()]
    [0.26218, -0.00632, 2.30494]

    Source: keras 3.15 `ftrl.py`, `update_step`; McMahan et al. 2013, algorithm 1.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 0.001,
        *,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1: float = 0.0,
        l2: float = 0.0,
        l2_shrinkage: float = 0.0,
        beta: float = 0.0,
        weight_decay: float = 0.0,
        keep_start: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            learning_rate_power=learning_rate_power,
            initial_accumulator_value=initial_accumulator_value,
            l1=l1,
            l2=l2,
            l2_shrinkage=l2_shrinkage,
            beta=beta,
            weight_decay=weight_decay,
            keep_start=keep_start,
        )

    def _start(self, theta: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        a0 = group["initial_accumulator_value"]
        z = torch.zeros_like(theta)
        if group["keep_start"]:
            z.add_(theta, alpha=-(a0 ** -group["learning_rate_power"] + group["beta"]) / rate(group))
        return {"accumulator": torch.full_like(theta, a0), "linear": z}

    def _update(self, theta: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, power, l1 = rate(group), -group["learning_rate_power"], group["l1"]
        n, z = state["accumulator"], state["linear"]
        n_new = n + grad * grad  # in Keras' order of operations: σ is a small difference, and roundings show in it
        sigma = n_new.pow(power).sub_(n.pow(power)).div_(lr)
        z.add_(grad + 2 * group["l2_shrinkage"] * theta - sigma * theta)
        q = n_new.pow(power).div_(lr).add_(2 * group["l2"] + group["beta"] / lr)
        torch.div(z.clamp(-l1, l1).sub_(z), q, out=theta)
        n.copy_(n_new)


def rate(group: dict[str, Any]) -> float:
    """The learning rate, which Ftrl divides by; raises `TrainingError` at 0."""
    lr = float(group["lr"])
    if lr == 0:
        raise TrainingError("Ftrl divides by its learning rate, and lr is 0 at this step: start the schedule above 0")
    return lr
