"""What Keras' optimisers share: one count of steps for all weights, and weight decay before the update."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from passo.errors import ConfigError, TrainingError
from passo.optim.ranges import LEAST_0, SHARE, Range, check_ranges

RANGES = {
    "lr": LEAST_0,
    "weight_decay": LEAST_0,
    "momentum": SHARE,
    "betas": SHARE,
    "alpha": SHARE,
    "rho": SHARE,
    "eps": LEAST_0,
    "initial_accumulator_value": LEAST_0,
    "learning_rate_power": Range(most=0),
    "l1": LEAST_0,
    "l2": LEAST_0,
    "l2_shrinkage": LEAST_0,
    "beta": LEAST_0,
}


class KerasOptimizer(Optimizer):
    """A step of any of the eight: θ ← θ − lr·λ·θ with the weight decay λ, then the optimiser's own update.

    As in Keras, t counts the steps of the optimizer and not those of a parameter: a weight without a gradient stays
    where it is while its bias correction goes on. (PyTorch counts for each parameter.) A step without any gradient is
    none. A subclass says what the state starts from (`_start`) and how a weight moves (`_update`).

    Source: keras 3.15 `base_optimizer.py`, `apply` and `_apply_weight_decay`.
    """

    def __init__(self, params: Any, /, **defaults: Any) -> None:
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own; raises `ConfigError` for an option out of its range."""
        check({**self.defaults, **param_group})
        super().add_param_group(param_group)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One step, and the closure's loss where a closure recomputes the gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if all(theta.grad is None for group in self.param_groups for theta in group["params"]):
            return loss
        for group in self.param_groups:
            for theta in group["params"]:
                self._step(theta, group, self.state[theta])
        return loss

    def _step(self, theta: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        if not state:
            state.update(step=0, **self._start(theta, group))
        self._count(state, group)
        if theta.grad is None:
            return
        if theta.grad.is_sparse:
            raise TrainingError(
                f"Keras' {type(self).__name__} takes dense gradients only, and a parameter of shape "
                f"{tuple(theta.shape)} has a sparse one: use nn.Embedding(..., sparse=False) for it"
            )
        if group["weight_decay"]:
            theta.mul_(1 - float(group["lr"]) * group["weight_decay"])
        self._update(theta, theta.grad, state, group)

    def _start(self, theta: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """The state of a parameter before its first step, other than the count."""
        return {}

    def _count(self, state: dict[str, Any], group: dict[str, Any]) -> None:
        """What goes on with every step of the optimizer, gradient or not."""
        state["step"] += 1

    def _update(self, theta: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Move θ in place, and the state with it."""
        raise NotImplementedError


def check(options: Mapping[str, Any]) -> None:
    """Raise `ConfigError` for the first option that is out of its range: `eps must be ≥ 0, got -1`."""
    check_ranges("", options, RANGES)
    if options.get("nesterov") and not options["momentum"]:
        raise ConfigError("nesterov looks ahead along the momentum, and momentum is 0: set momentum too")
