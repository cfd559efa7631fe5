"""A task whose evidence is known: the stripes in one corner tell the class, and those in the others are chance.

All four corners look alike, so that nothing but the weights can tell where the evidence lies: a map that marks the
first corner knows the model, one that marks all four knows the image alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from passo.models import build

SIDE, PATCH = 16, 5
CORNERS = ((0, 0), (0, SIDE - PATCH), (SIDE - PATCH, 0), (SIDE - PATCH, SIDE - PATCH))


def cornered(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Images (N, 1, 16, 16) of noise with a patch in each corner, and classes (N,): 1 where the first one lies flat."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.3 * torch.randn(count, 1, SIDE, SIDE, generator=generator)
    flat = torch.randint(0, 2, (count, len(CORNERS)), generator=generator)
    stripes = torch.ones(PATCH, PATCH)
    stripes[1::2] = -1
    for number, (row, column) in enumerate(CORNERS):
        patch = torch.where(flat[:, number, None, None] == 1, stripes, stripes.T)
        images[:, 0, row : row + PATCH, column : column + PATCH] += patch
    return images, flat[:, 0]


def network(seed: int, name: str = "cnn", **options: object) -> nn.Module:
    """A small network with random weights."""
    chosen = options or ({"filters": [8, 16], "units": []} if name == "cnn" else {"hidden": [16]})
    return build(name, (1, SIDE, SIDE), 2, seed=seed, **chosen).eval()


def taught(model: nn.Module, steps: int = 60) -> nn.Module:
    """The same network after some steps of Adam, on images of seed 0."""
    images, labels = cornered(512, 0)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    model.train()
    for step in range(steps):
        places = torch.arange(64 * step, 64 * step + 64) % len(images)
        optimizer.zero_grad()
        functional.cross_entropy(model(images[places]), labels[places]).backward()
        optimizer.step()
    return model.eval()
