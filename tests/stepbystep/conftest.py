"""Small trainings for the book's class: what they share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from passo import seeding
from passo.stepbystep import StepByStep

os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Each test leaves torch's switches and generators as it found them."""
    threads, flags = torch.get_num_threads(), (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark)
    before = seeding.capture()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = flags
    seeding.restore(before)


@pytest.fixture(autouse=True)
def _no_open_figures() -> Iterator[None]:
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def images(n: int, seed: int) -> TensorDataset:
    """Images (n, 1, 8, 8) of two classes: brighter above, or brighter below."""
    drawn = torch.Generator().manual_seed(seed)
    y = torch.randint(2, (n,), generator=drawn)
    x = torch.randn(n, 1, 8, 8, generator=drawn)
    x[:, 0, :4] += (2 * y - 1)[:, None, None]
    return TensorDataset(x, y)


def network(seed: int = 1) -> nn.Sequential:
    torch.manual_seed(seed)
    model = nn.Sequential()
    model.add_module("conv1", nn.Conv2d(1, 3, 3))
    model.add_module("norm1", nn.BatchNorm2d(3))
    model.add_module("relu1", nn.ReLU())
    model.add_module("maxp1", nn.MaxPool2d(2))
    model.add_module("drop1", nn.Dropout(0.3))
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc1", nn.Linear(27, 2))
    return model


def loaders(own_generator: bool = False) -> tuple[DataLoader, DataLoader]:
    drawn = torch.Generator() if own_generator else None
    return (
        DataLoader(images(50, 0), batch_size=16, shuffle=True, generator=drawn),
        DataLoader(images(30, 1), batch_size=16),
    )


@pytest.fixture
def build() -> Callable[..., StepByStep]:
    """A new training, always from the same weights: 4 mini-batches an epoch, the last one short."""

    def built(optimizer: Any = torch.optim.Adam, own_generator: bool = False, **options: Any) -> StepByStep:
        model = network()
        sbs = StepByStep(model, nn.CrossEntropyLoss(), optimizer(model.parameters(), **{"lr": 0.01, **options}))
        sbs.set_loaders(*loaders(own_generator))
        return sbs

    return built
