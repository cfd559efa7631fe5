"""Problems with known gradients, small, for the proof: a bowl, two valleys, two networks, an embedding.

All are made so that lr 0.01 with momentum 0.9 does not diverge. The weights of the first three lie in one matrix, so
that Muon can take part; SparseAdam has an embedding, whose gradients are sparse.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Problem:
    """Parameters, and the loss at them as a function of the step (counted from 0)."""

    parameters: list[Tensor]
    loss: Callable[[int], Tensor]


def bowl(dtype: torch.dtype) -> Problem:
    """½‖W‖², W of 6 × 7: every weight falls to 0, where updates are as large as the weights."""
    weights = _matrix(6, 7, dtype)
    return Problem([weights], lambda step: weights.square().sum() / 2)


def rosenbrock(dtype: torch.dtype) -> Problem:
    """Σ (xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)²/100 over 8 coordinates, from (−1.2, 1, −1.2, …): a curved valley."""
    weights = nn.Parameter(torch.tensor([-1.2, 1.0] * 4, dtype=dtype).view(2, 4))

    def loss(step: int) -> Tensor:
        x = weights.reshape(-1)
        return ((x[1:] - x[:-1].square()).square() + (1 - x[:-1]).square() / 100).sum()

    return Problem([weights], loss)


def quadratic(dtype: torch.dtype) -> Problem:
    """½(x−c)ᵀA(x−c) over 24 coordinates; A's eigenvalues go from 0.001 to 10, its axes lie askew."""
    weights, generator = _matrix(4, 6, dtype), torch.Generator().manual_seed(2)
    axes = torch.linalg.qr(torch.randn(24, 24, generator=generator, dtype=torch.float64))[0]
    curved = (axes * torch.logspace(-3, 1, 24, dtype=torch.float64)) @ axes.T
    center = torch.randn(24, generator=generator, dtype=torch.float64).to(dtype)
    curved = curved.to(dtype)

    def loss(step: int) -> Tensor:
        away = weights.reshape(-1) - center
        return away @ (curved @ away) / 2

    return Problem([weights], loss)


def cnn(dtype: torch.dtype) -> Problem:
    """A convolution, ReLU and a linear layer, with biases, on mini-batches of 16 images of fashion-mnist-sample."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Conv2d(1, 4, 5, stride=3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 8 * 8, 10)).to(dtype)
    return _classifier(model, dtype)


def mlp(dtype: torch.dtype) -> Problem:
    """Two linear layers without biases: matrices alone, one tall and one wide, on the CNN's mini-batches."""
    torch.manual_seed(3)
    layers = nn.AvgPool2d(4), nn.Flatten(), nn.Linear(49, 64, bias=False), nn.ReLU(), nn.Linear(64, 10, bias=False)
    return _classifier(nn.Sequential(*layers).to(dtype), dtype)


def embedding(dtype: torch.dtype) -> Problem:
    """20 rows of 5, of which 8 drawn ones (some twice) are pulled to their targets at each step."""
    torch.manual_seed(4)
    table, targets = nn.Embedding(20, 5, sparse=True).to(dtype), torch.randn(20, 5).to(dtype)
    drawn = torch.randint(0, 20, (200, 8))

    def loss(step: int) -> Tensor:
        rows = drawn[step % len(drawn)]
        return (table(rows) - targets[rows]).square().sum()

    return Problem([table.weight], loss)


PROBLEMS: dict[str, Callable[[torch.dtype], Problem]] = {
    "bowl": bowl,
    "Rosenbrock": rosenbrock,
    "quadratic": quadratic,
    "CNN": cnn,
    "MLP": mlp,
    "embedding": embedding,
}


def _matrix(rows: int, columns: int, dtype: torch.dtype) -> nn.Parameter:
    generator = torch.Generator().manual_seed(1)
    return nn.Parameter(torch.randn(rows, columns, generator=generator, dtype=torch.float64).to(dtype))


def _classifier(model: nn.Module, dtype: torch.dtype) -> Problem:
    images, labels = _images(dtype)

    def loss(step: int) -> Tensor:
        part = slice(16 * (step % 20), 16 * (step % 20) + 16)
        return nn.functional.cross_entropy(model(images[part]), labels[part])

    return Problem(list(model.parameters()), loss)


@cache
def _images(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    from passo.data import load

    train = load("fashion-mnist-sample").train
    chosen = torch.randperm(len(train.labels), generator=torch.Generator().manual_seed(5))[:320]
    return train.images[chosen].to(dtype), train.labels[chosen]
