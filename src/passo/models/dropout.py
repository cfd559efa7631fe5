"""Dropout whose masks depend on (seed, layer, step, micro-batch) and on nothing else.

`nn.Dropout` draws from the global generator: its masks change with everything else that draws. Here a mask can
be drawn again: after a resume, in a fused network, or to look at it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from passo.seeding import derive


class Dropout(nn.Module):
    """Zeroes each element with probability `p` while training, and scales the rest by 1/(1−p).

    `layer` is the position of this layer in its model. The training loop sets `step` and `seed` through
    `set_step`; elsewhere, each forward pass in training mode counts as one step.
    """

    def __init__(self, p: float = 0.5, layer: int = 0) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"dropout must be in [0, 1), got {p}")
        self.p, self.layer = p, layer
        self.seed, self.step, self.micro_batch = 0, 0, 0

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        seed = derive(self.seed, "dropout", self.layer, self.step, self.micro_batch)
        generator = torch.Generator(x.device).manual_seed(seed)
        keep = torch.rand(x.shape, generator=generator, device=x.device) >= self.p
        self.micro_batch += 1
        return x * keep / (1 - self.p)

    def extra_repr(self) -> str:
        return f"p={self.p}, layer={self.layer}"


def dropouts(model: nn.Module) -> list[Dropout]:
    """The dropout layers of a model, in its own order (found once, set at every step)."""
    return [module for module in model.modules() if isinstance(module, Dropout)]


def set_step(layers: list[Dropout], seed: int, step: int) -> None:
    """Tell every layer the seed and the step (counted from 1) whose masks it draws next."""
    for layer in layers:
        layer.seed, layer.step, layer.micro_batch = seed, step, 0
