"""What a loader of images tells of each channel, and a normaliser made of it, without torchvision."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from passo.errors import ConfigError


class Normalize(nn.Module):
    """(image − mean) / std for each channel: images (C, H, W) or (N, C, H, W), `mean` and `std` (C,).

    >>> Normalize(torch.tensor([0.5]), torch.tensor([0.25]))(torch.ones(1, 1, 2))
    tensor([[[2., 2.]]])
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, images: Tensor) -> Tensor:
        mean, std = (one.to(images.device)[:, None, None] for one in (self.mean, self.std))
        return (images - mean) / std

    def extra_repr(self) -> str:
        return f"mean={self.mean.tolist()}, std={self.std.tolist()}"


def loader_apply(loader: Iterable[Any], func: Callable[..., Tensor], reduce: str | None = "sum") -> Tensor:
    """func(x, y) of every mini-batch: their "sum" or "mean", or stacked (mini-batches, …) for None.

    >>> loader_apply([(torch.ones(2), None), (torch.ones(3), None)], lambda x, y: x.sum())
    tensor(5.)
    """
    if reduce not in ("sum", "mean", None):
        raise ConfigError(f"reduce must be 'sum', 'mean' or None, got {reduce!r}")
    results = torch.stack([func(x, y) for x, y in loader])
    if reduce is None:
        return results
    return results.sum(0) if reduce == "sum" else results.float().mean(0)


def statistics_per_channel(images: Tensor, labels: Any = None) -> Tensor:
    """Images (N, C, H, W) → (3, C): how many, the sum of their means, the sum of their standard deviations.

    A standard deviation is that of one image's own pixels in a channel (with n − 1).
    """
    pixels = images.flatten(2)  # (N, C, H·W)
    count = torch.full((images.shape[1],), float(len(images)), device=images.device)
    return torch.stack([count, pixels.mean(2).sum(0), pixels.std(2).sum(0)])


def normalizer(statistics: Tensor) -> Normalize:
    """From sums (3, C) over all mini-batches: the mean over images of their means and standard deviations."""
    count, means, stds = statistics
    if not (stds > 0).all():
        found = ", ".join(f"{std:.3g}" for std in (stds / count).tolist())
        raise ConfigError(f"a channel without contrast cannot be normalised: standard deviations {found}")
    return Normalize(means / count, stds / count)
