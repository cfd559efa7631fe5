"""L1 and L2 regularisation: a price on the weights that is added to the loss and goes through its gradient.

    trained loss = data loss + λ₁ Σ|w| + λ₂ Σ w²          gradient: ∂(data loss)/∂w + λ₁ sign(w) + 2 λ₂ w

The sums run over the weights of matrices and convolutions: what `optim.parameter_groups` gives decay to. Biases and
the parameters of normalising layers are free. That is Keras' `kernel_regularizer=L1L2(l1, l2)` on every layer
(keras 3, `keras/src/regularizers/regularizers.py`), with embedding tables and recurrent matrices taken in.

An optimiser's own `weight_decay` is something else:

    SGD, Adam, …   coupled: adds λw to the gradient, as the penalty λ/2 Σ w² would. `l2=λ` adds 2λw: twice as much
    AdamW          decoupled: w ← w − lr·λ·w beside the step; the adaptive scaling never sees it
    Ftrl           its own `l1` solves for the weight and lands on 0 exactly

|w| has no gradient at 0, and 0 is taken there (a subgradient, as torch and Keras do). A weight that L1 has drawn to 0
is pushed over it by one step and back by a later one: it hovers around 0, by about a step's length, and is hardly ever
0 itself. `analysis.weights` therefore counts the weights that are nearly zero.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from passo.errors import ConfigError
from passo.optim import parameter_groups
from passo.optim.arguments import number


def l1_norm(weights: list[Tensor]) -> Tensor:
    """Σ|w| over all elements of all tensors: 0-d. Its gradient is sign(w), and 0 where w is 0."""
    return torch.stack([w.abs().sum() for w in weights]).sum()


def squares(weights: list[Tensor]) -> Tensor:
    """Σ w² over all elements of all tensors: 0-d. Its gradient is 2w."""
    return torch.stack([w.square().sum() for w in weights]).sum()


def kernels(model: nn.Module) -> dict[str, nn.Parameter]:
    """The trainable weights of matrices and convolutions by name, each once: no biases, nothing of normalising layers.

    >>> list(kernels(nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))))
    ['0.weight']
    """
    decayed = {id(p) for group in parameter_groups(model, 1.0) if group["weight_decay"] for p in group["params"]}
    return {name: parameter for name, parameter in model.named_parameters() if id(parameter) in decayed}


class Penalty:
    """λ₁ Σ|w| + λ₂ Σ w² over a model's matrices and convolutions; called, it gives the sum as it is now, 0-d.

    Args:
        model: whose weights are penalised. Give `fit` and `train_step` the same model.
        l1, l2: λ₁ and λ₂, ≥ 0.

    Raises `ConfigError` for a λ that is negative or not finite, or a model without such weights.

    >>> model = nn.Linear(2, 1)
    >>> _ = nn.init.constant_(model.weight, -3.0)
    >>> Penalty(model, l1=0.5, l2=0.125)().item()  # 0.5 · (3 + 3) + 0.125 · (9 + 9)
    5.25
    """

    def __init__(self, model: nn.Module, *, l1: float = 0.0, l2: float = 0.0) -> None:
        for name, strength in (("l1", l1), ("l2", l2)):
            if number(name, strength) < 0:
                raise ConfigError(f"{name} must be ≥ 0, got {strength}")
        self.l1, self.l2 = float(l1), float(l2)
        self.weights: list[Tensor] = list(kernels(model).values())
        if not self.weights:
            raise ConfigError(
                f"l1 and l2 have nothing to act on: {type(model).__name__} has no trainable matrix or convolution"
            )

    def __call__(self) -> Tensor:
        parts = [self.l1 * l1_norm(self.weights)] if self.l1 else []
        if self.l2:
            parts.append(self.l2 * squares(self.weights))
        return sum(parts, start=self.weights[0].new_zeros(()))

    def on(self, model: nn.Module) -> Penalty:
        """The same penalty on another model, such as a copy that is trained in its place."""
        return Penalty(model, l1=self.l1, l2=self.l2)

    def check(self, optimizer: torch.optim.Optimizer) -> None:
        """Raise `ConfigError` where the optimizer holds none of these weights: it could not obey the penalty."""
        held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        if not any(id(weight) in held for weight in self.weights):
            raise ConfigError(
                "the penalty is on weights that this optimizer does not hold: build it on the model that is trained, "
                "penalty=Penalty(model, …)"
            )

    def __repr__(self) -> str:
        return f"Penalty(l1={self.l1:g}, l2={self.l2:g}, weights={sum(w.numel() for w in self.weights):,})"
