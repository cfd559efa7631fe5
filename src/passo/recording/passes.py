"""What the forward and backward passes of one step show of each layer, put together without waiting for the device."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import torch
from torch import Tensor

RAW = 5  # what a row holds of each layer until it is read: mean, spread, floor, dead, returned
SIZES = 3  # and the numbers that turn these into means: values, units, values of the gradient


class Seen:
    """What the passes of one layer in one step have shown so far; every number is a tensor on the layer's device.

    `mean`; `spread` = √Σ(x − mean)²; `floor`, the smallest value; `peaks`, the largest value of each unit, by the
    number of units (a module used in several places may have several); `returned` = √Σ(∂L/∂x)².
    """

    __slots__ = ("back", "floor", "mean", "peaks", "returned", "size", "spread")

    def __init__(self) -> None:
        self.size = self.back = 0
        self.mean: Tensor | None = None
        self.spread: Tensor | None = None
        self.floor: Tensor | None = None
        self.returned: Tensor | None = None
        self.peaks: dict[int, Tensor] = {}

    def forward(self, output: Tensor) -> None:
        """One more output, of any shape: its mean and spread join those before.

        Two parts make one as in Chan, Golub & LeVeque 1983, eq. 2.1; sums of squares would lose a small spread.
        """
        x = readable(output)
        mean = x.mean()
        spread = torch.dist(x, mean)
        if self.mean is not None and self.spread is not None:
            share = x.numel() / (self.size + x.numel())
            apart = mean - self.mean
            within = torch.hypot(self.spread, spread)
            mean = torch.add(self.mean, apart, alpha=share)
            spread = torch.hypot(within, apart * math.sqrt(self.size * share))
        self.mean, self.spread = mean, spread
        self.size += x.numel()

    def units(self, output: Tensor, channels: bool | None, rectifies: bool) -> None:
        """The largest value of each unit of one more output, and the smallest of all where it need not be ≥ 0."""
        x = output.detach()
        peak = peaks(x, channels)
        before = self.peaks.get(peak.numel())
        self.peaks[peak.numel()] = peak if before is None else torch.maximum(before, peak)
        if not rectifies:
            floor = x.amin()
            self.floor = floor if self.floor is None else torch.minimum(self.floor, floor)

    def backward(self, grad: Tensor) -> None:
        """One more gradient."""
        norm = torch.linalg.vector_norm(readable(grad))
        self.returned = norm if self.returned is None else torch.hypot(self.returned, norm)
        self.back += grad.numel()

    def dead(self) -> Tensor | None:
        """How many units were ≤ 0 in every pass."""
        counts = [(peak <= 0).sum(dtype=torch.float32) for peak in self.peaks.values()]
        return sum(counts[1:], start=counts[0]) if counts else None

    def told(self) -> tuple[Tensor | None, ...]:
        return self.mean, self.spread, self.floor, self.dead(), self.returned

    def sizes(self) -> tuple[float, ...]:
        return self.size or math.nan, sum(self.peaks) or math.nan, self.back or math.nan


@dataclass
class Step:
    """One optimiser step: what was seen of each layer, by its number, in the order of the first pass."""

    number: int
    seen: dict[int, Seen] = field(default_factory=dict)
    scale: Tensor | None = None  # what the loss was multiplied by before backward

    def row(self, count: int) -> tuple[Tensor, tuple[float, ...]]:
        """All of it in one tensor (count · RAW + 1), the scale last; and its sizes (count · SIZES)."""
        home = next(seen.mean.device for seen in self.seen.values() if seen.mean is not None)
        nan, zero, one = _fills(home)
        fills = (nan, nan, zero, nan, nan)  # a rectifier's smallest value is not asked for: it may be 0
        values: list[Tensor] = []
        sizes: list[float] = []
        for number in range(count):
            seen = self.seen.get(number)
            if seen is None or seen.mean is None:
                values += fills
                sizes += _NO_SIZES
                continue
            told = [fill if value is None else value for value, fill in zip(seen.told(), fills, strict=True)]
            if seen.mean.device != home:  # a model spread over several devices
                told = [value.to(home, non_blocking=True) for value in told]
            values += told
            sizes += seen.sizes()
        scale = one if self.scale is None else self.scale.to(home, non_blocking=True).reshape(())
        return torch.stack([*values, scale]), tuple(sizes)


_NO_SIZES = (math.nan,) * SIZES


@cache
def _fills(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """NaN, 0 and 1 on a device, made once."""
    return torch.full((), math.nan, device=device), torch.zeros((), device=device), torch.ones((), device=device)


def values(rows: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Mean, std, dead share and grad_rms: (T, L, 4), from `rows` (T, L · RAW + 1) and `sizes` (T, L · SIZES)."""
    steps, scale = len(rows), rows[:, -1:]
    mean, spread, floor, dead, returned = np.moveaxis(rows[:, :-1].reshape(steps, -1, RAW), 2, 0)
    size, units, back = np.moveaxis(sizes.reshape(steps, -1, SIZES), 2, 0)
    with np.errstate(all="ignore"):  # a loss scale of 0, gradients that are not finite: shown, not warned of
        share = np.where(floor == 0, dead / units, np.nan)
        told = [mean, spread / np.sqrt(size), share, returned / np.sqrt(back) / scale]
        return np.stack(told, 2).astype(rows.dtype)


def peaks(x: Tensor, channels: bool | None) -> Tensor:
    """The largest value of each unit over the batch and all positions: (units,); a 1-D output is one unit.

    `channels`: whether units lie on the second axis, or on the last; None where only the shape can tell: images have
    four axes or more.
    """
    if x.ndim < 2:
        return x.amax().reshape(1)
    second = x.ndim > 3 if channels is None else channels
    if second and not x.is_contiguous():  # channels-last memory is in order once they stand last
        x, second = x.movedim(1, -1), False
    x = x.reshape(len(x), -1).amax(0).view(x.shape[1:])  # neighbours at once: 8 µs where amax alone takes 600
    return x.flatten(1).amax(1) if second and x.ndim > 1 else x.reshape(-1, x.shape[-1]).amax(0)


def readable(x: Tensor) -> Tensor:
    """Apart from its graph, and precise enough to be added up."""
    x = x.detach()
    return x if x.dtype in (torch.float32, torch.float64) else x.float()
