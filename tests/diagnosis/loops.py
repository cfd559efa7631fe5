"""A plain training loop on real images, whose parts a test replaces to break it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

import passo
from passo.recording import Lens


@cache
def images() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training and validation: standardised images, and labels."""
    part = passo.load("fashion-mnist-sample").train
    x, y = torch.as_tensor(part.images).float(), torch.as_tensor(part.labels).long()
    x = (x - x.mean()) / x.std()
    return x[:1600], y[:1600], x[1600:2000], y[1600:2000]


def mlp(*last: nn.Module, bias: float = 0.0) -> nn.Module:
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10), *last
    )
    if bias:
        nn.init.constant_(model[1].bias, bias)
    return model


def adam(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=1e-3)


def trained(
    model: nn.Module | None = None,
    optimizer: Callable[[nn.Module], torch.optim.Optimizer] = adam,
    *,
    epochs: int = 3,
    size: int = 32,
    shuffle: bool = True,
    data: tuple[Tensor, Tensor, Tensor, Tensor] | None = None,
    clear: bool = True,
    before_step: Callable[[nn.Module], Any] = lambda model: None,
    schedule: Callable[[torch.optim.Optimizer], Any] | None = None,
    per_batch: bool = False,
    mode: Callable[[nn.Module, bool], Any] = lambda model, training: model.train(training),
    activations: bool = True,
    seed: int = 0,
) -> Lens:
    """The lens of a finished training; it stays readable."""
    torch.manual_seed(seed)
    model = mlp() if model is None else model
    x, y, new_x, _ = data or images()
    optimizer_ = optimizer(model)
    turning = None if schedule is None else schedule(optimizer_)
    lens = passo.watch(optimizer_, model, activations=activations, warn=False)
    for _ in range(epochs):
        mode(model, True)
        order = torch.randperm(len(x)) if shuffle else torch.arange(len(x))
        for batch in order.split(size):
            if clear:
                optimizer_.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            before_step(model)
            optimizer_.step()
            if turning is not None and per_batch:
                turning.step()
        if turning is not None and not per_batch:
            turning.step()
        mode(model, False)
        with torch.no_grad():
            model(new_x)
    lens.close()
    return lens
