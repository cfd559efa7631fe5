"""How pixels 0..255 become the numbers a network reads; the statistics are the training part's own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from passo.registry import unknown

if TYPE_CHECKING:
    import torch

SCALES = ("standardize", "normalize", "symmetric", "none")
_CHUNK = 512  # images at a time: small enough for the processor's cache, large enough to cost no loop


@dataclass(frozen=True)
class Scaling:
    """value = (pixel / divisor − mean) / sd, in float32 and in this order.

    `mean` and `sd` are in units of pixel / divisor.
    """

    name: str
    divisor: float = 255.0
    mean: float = 0.0
    sd: float = 1.0

    def apply(self, pixels: np.ndarray, index: np.ndarray | None = None) -> torch.Tensor:
        """Scale uint8 images (N, H, W), or those at `index`, to float32 (N, 1, H, W)."""
        import torch

        count = len(pixels) if index is None else len(index)
        out = torch.empty((count, 1, *pixels.shape[1:]))  # (N, 1, H, W)
        for start, chunk in _chunks(pixels, index):
            part = out[start : start + len(chunk), 0].copy_(torch.from_numpy(chunk))
            if self.divisor != 1:
                part.div_(self.divisor)
            if self.mean != 0:
                part.sub_(self.mean)
            if self.sd != 1:
                part.div_(self.sd)
        return out

    def invert(self, images: torch.Tensor) -> torch.Tensor:
        """Back to pixels 0..255, as float."""
        return (images * self.sd + self.mean) * self.divisor

    def facts(self) -> dict[str, Any]:
        """JSON-able: name, divisor, mean, sd."""
        return asdict(self)


def check_scale(name: str) -> None:
    """Raise `UnknownName` for a way of scaling that is not known."""
    if name not in SCALES:
        raise unknown("scale", name, SCALES)


def scaling(name: str, pixels: np.ndarray, index: np.ndarray | None = None) -> Scaling:
    """A way of scaling by its name; "standardize" measures the images given: (N, H, W), or those at `index`.

    >>> scaling("standardize", np.array([[[0, 255]]], np.uint8))
    Scaling(name='standardize', divisor=255.0, mean=0.5, sd=0.5)
    """
    check_scale(name)
    if name == "none":
        return Scaling(name, divisor=1.0)
    if name == "normalize":
        return Scaling(name)
    if name == "symmetric":
        return Scaling(name, mean=0.5, sd=0.5)
    counts = histogram(pixels, index)
    mean, sd = moments(counts)
    return Scaling(name, mean=mean / 255, sd=(sd or 255.0) / 255)  # images all of one grey are only centred


def histogram(pixels: np.ndarray, index: np.ndarray | None = None) -> np.ndarray:
    """How often each value 0..255 occurs: (256,) int64."""
    import torch

    counts = torch.zeros(256, dtype=torch.int64)
    for _, chunk in _chunks(pixels, index):
        counts += torch.bincount(torch.from_numpy(chunk).view(-1), minlength=256)
    return counts.numpy()


def moments(counts: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation (of the population) from a histogram, by exact integer sums.

    >>> moments(np.bincount([0, 2], minlength=256))
    (1.0, 1.0)
    """
    n = first = second = 0
    for value, count in enumerate(counts.tolist()):
        n, first, second = n + count, first + count * value, second + count * value * value
    return first / n, math.sqrt(n * second - first * first) / n


def _chunks(pixels: np.ndarray, index: np.ndarray | None) -> Iterator[tuple[int, np.ndarray]]:
    """(start, a writable copy of some images); `pixels` may be a read-only map of a file."""
    count = len(pixels) if index is None else len(index)
    for start in range(0, count, _CHUNK):
        part = slice(start, start + _CHUNK)
        yield start, np.array(pixels[part]) if index is None else pixels[index[part]]
