"""What the forward and backward passes of one step show of each layer, put together without waiting for the device."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

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
        nan, zero, one = (
            torch.full((), math.nan, device=home),
            torch.zeros((), device=home),
            torch.ones((), device=home),
        )
        values: list[Tensor] = []
        sizes: list[float] = []
        for number in range(count):
            seen = self.seen.get(number, _NOTHING)
            told = seen.told()
            if seen.mean is not None and seen.mean.device != home:  # a model spread over several devices
                told = [None if value is None else value.to(home, non_blocking=True) for value in told]
            fills = (nan, nan, zero, nan, nan)  # a rectifier's smallest value is not asked for: it may be 0
            values += [fill if value is None else value for value, fill in zip(told, fills, strict=True)]
            sizes += seen.sizes()
        scale = one if self.scale is None else self.scale.to(home, non_blocking=True).reshape(())
        return torch.stack([*values, scale]), tuple(sizes)


_NOTHING = Seen()


def values(rows: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Mean, std, dead share and grad_rms: (T, L, 4), from `rows` (T, L · RAW + 1) and `sizes` (T, L · SIZES)."""
    steps, scale = len(rows), rows[:, -1:]
    mean, spread, floor, dead, returned = np.moveaxis(rows[:, :-1].reshape(steps, -1, RAW), 2, 0)
    size, units, back = np.moveaxis(sizes.reshape(steps, -1, SIZES), 2, 0)
    share = np.where(floor == 0, dead / units, np.nan)
    return np.stack([mean, spread / np.sqrt(size), share, returned / np.sqrt(back) / scale], 2).astype(rows.dtype)


def peaks(x: Tensor, channels: bool | None) -> Tensor:
    """The largest value of each unit over the batch and all positions: (units,); a 1-D output is one unit.

    `channels`: whether units lie on the second axis, or on the last; None where only the shape can tell: images have
    four axes or more.
    """
    if x.ndim < 2:
        return x.amax().reshape(1)
    second = x.ndim > 3 if channels is None else channels
    x = x.amax(0)  # over the batch first: in every memory format that is a pass over neighbours
    if x.ndim > 1:
        x = x.amax(tuple(range(1, x.ndim)) if second else tuple(range(x.ndim - 1)))
    return x


def readable(x: Tensor) -> Tensor:
    """Apart from its graph, and precise enough to be added up."""
    x = x.detach()
    return x if x.dtype in (torch.float32, torch.float64) else x.float()
