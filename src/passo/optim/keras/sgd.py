"""Keras' SGD and RMSprop: the learning rate enters the velocity, so an old rate acts on for a while.

In each equation ← is an assignment, in the order in which they are made.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from passo.optim.keras.optimizer import KerasOptimizer


class SGD(KerasOptimizer):
    """Gradient descent with momentum μ: the velocity holds steps, the learning rate included.

        v ← μv − lr·g
        θ ← θ + v             with Nesterov's look-ahead   θ ← θ + μv − lr·g
        θ ← θ − lr·g          where μ = 0

    While lr stays, this is torch's SGD. After a change Keras' velocity still carries the old lr; torch's does not.

    Args: lr (Keras: learning_rate), momentum, nesterov, weight_decay (decoupled).

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([2.0])
    >>> SGD([w], lr=0.1).step(); w.item()
    0.800000011920929

    Source: keras 3.15 `sgd.py`, `update_step`.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 0.01,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)

    def _update(self, theta: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, momentum = float(group["lr"]), group["momentum"]
        if not momentum:
            theta.add_(grad, alpha=-lr)
            return
        v = velocity(state, theta)
        v.mul_(momentum).add_(grad, alpha=-lr)
        if group["nesterov"]:
            theta.add_((v * momentum).add_(grad, alpha=-lr))
        else:
            theta.add_(v)


class RMSprop(KerasOptimizer):
    """Each gradient over the root of a running average of its square; ε stands inside the root.

        v ← αv + (1−α)g²                      α: Keras' rho
        d = v + ε                             centered:   m ← αm + (1−α)g,   d = v − m² + ε
        θ ← θ − lr·g/√d                       with momentum μ:   b ← μb + lr·g/√d,   θ ← θ − b

    torch's RMSprop divides by √v + ε, and keeps lr outside of b.

    Args: lr (Keras: learning_rate), alpha (rho), eps (epsilon), momentum, centered, weight_decay (decoupled).

    Source: keras 3.15 `rmsprop.py`, `update_step`; Hinton 2012, lecture 6e.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 0.001,
        *,
        alpha: float = 0.9,
        eps: float = 1e-7,
        momentum: float = 0.0,
        centered: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            params, lr=lr, alpha=alpha, eps=eps, momentum=momentum, centered=centered, weight_decay=weight_decay
        )

    def _start(self, theta: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        averages = ("square_avg", "grad_avg") if group["centered"] else ("square_avg",)
        return {name: torch.zeros_like(theta) for name in averages}

    def _update(self, theta: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, alpha, momentum = float(group["lr"]), group["alpha"], group["momentum"]
        v = state["square_avg"]
        v.mul_(alpha).addcmul_(grad, grad, value=1 - alpha)
        d = v + group["eps"]
        if group["centered"]:
            m = state["grad_avg"]
            m.lerp_(grad, 1 - alpha)
            d.addcmul_(m, m, value=-1)
        direction = grad / d.sqrt_()
        if momentum:
            theta.sub_(velocity(state, theta).mul_(momentum).add_(direction, alpha=lr))
        else:
            theta.add_(direction, alpha=-lr)


def velocity(state: dict[str, Any], theta: Tensor) -> Tensor:
    """The velocity, at rest when momentum is first asked for (a scheduler may switch it on)."""
    if "velocity" not in state:
        state["velocity"] = torch.zeros_like(theta)
    return state["velocity"]
