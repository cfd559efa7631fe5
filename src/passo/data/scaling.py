"""How pixels 0..255 become the numbers a network reads; the statistics are the training part's own.

Colour has a mean and a standard deviation for each channel, a table for each column.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from passo.data.files import ImageFiles
from passo.registry import unknown

if TYPE_CHECKING:
    import torch

SCALES = ("standardize", "normalize", "symmetric", "none")
_CHUNK = 512  # images at a time: small enough for the processor's cache, large enough to cost no loop
Numbers = float | tuple[float, ...]  # one for all, or one for each channel or column


@dataclass(frozen=True)
class Scaling:
    """value = (pixel / divisor − mean) / sd, in float32 and in this order.

    `mean` and `sd` are in units of pixel / divisor; for colour they are tuples (C,), for a table tuples (F,).
    """

    name: str
    divisor: float = 255.0
    mean: Numbers = 0.0
    sd: Numbers = 1.0

    def apply(self, pixels: np.ndarray | ImageFiles, index: np.ndarray | None = None) -> torch.Tensor:
        """Scale uint8 images (N, H, W) or (N, C, H, W), or those at `index`, to float32 (N, C, H, W).

        A table (N, F) of float64 stays one, in float32.
        """
        import torch

        count = len(pixels) if index is None else len(index)
        shape = pixels.shape[1:] if pixels.ndim != 3 else (1, *pixels.shape[1:])
        out = torch.empty((count, *shape))  # (N, C, H, W)
        if pixels.ndim == 2:  # in float64 first: a year or a price loses its last digits in float32
            values = np.asarray(pixels if index is None else pixels[index])
            return out.copy_(torch.from_numpy((values / self.divisor - np.array(self.mean)) / np.array(self.sd)))
        for start, chunk in _chunks(pixels, index):
            part = out[start : start + len(chunk)]
            self._scale_(part.copy_(torch.from_numpy(chunk.reshape(part.shape))))
        return out

    def scaled(self, pixels: torch.Tensor) -> torch.Tensor:
        """`apply` for a tensor (N, H, W) or (N, C, H, W) of uint8, on its own device: float32 (N, C, H, W)."""
        return self._scale_((pixels[:, None] if pixels.dim() == 3 else pixels).float())

    def _scale_(self, images: torch.Tensor) -> torch.Tensor:
        """In place: (N, C, H, W) float32."""
        import torch

        def here(values: Numbers) -> torch.Tensor:  # a GPU multiplies by 1 / x where x is on the CPU, to other bits
            along = torch.tensor(values, dtype=torch.float32, device=images.device)
            return along.view(-1, 1, 1) if along.dim() else along

        if self.divisor != 1:
            images.div_(here(self.divisor))
        if self.mean != 0:
            images.sub_(here(self.mean))
        if self.sd != 1:
            images.div_(here(self.sd))
        return images

    def invert(self, images: torch.Tensor) -> torch.Tensor:
        """Back to pixels 0..255, as float: (N, C, H, W)."""
        return (images * self._along(self.sd, images) + self._along(self.mean, images)) * self.divisor

    def to_unit(self, images: torch.Tensor) -> torch.Tensor:
        """Scaled images to [0, 1], black to white: (N, C, H, W)."""
        return self.invert(images) / 255

    def from_unit(self, images: torch.Tensor) -> torch.Tensor:
        """Images in [0, 1] to scaled ones: (N, C, H, W)."""
        return (images * (255 / self.divisor) - self._along(self.mean, images)) / self._along(self.sd, images)

    def facts(self) -> dict[str, Any]:
        """JSON-able: name, divisor, mean, sd."""
        return asdict(self)

    @staticmethod
    def _along(values: Numbers, like: torch.Tensor | None = None) -> Any:
        """One number as it is; one for each channel as (C, 1, 1), for each column as (F,)."""
        import torch

        if isinstance(values, float | int):
            return values
        along = torch.tensor(values, dtype=torch.float32 if like is None else like.dtype)
        along = along if like is None else along.to(like.device)
        return along if like is not None and like.dim() == 2 else along.view(-1, 1, 1)


def check_scale(name: str) -> None:
    """Raise `UnknownName` for a way of scaling that is not known."""
    if name not in SCALES:
        raise unknown("scale", name, SCALES)


def scaling(name: str, pixels: np.ndarray | ImageFiles, index: np.ndarray | None = None) -> Scaling:
    """A way of scaling by its name; "standardize" measures the images given, or those at `index`.

    `pixels` are (N, H, W), (N, C, H, W) with statistics for each channel, or a table (N, F): its columns are measured
    for "normalize" (least to greatest become 0 to 1) and "symmetric" (−1 to 1) too.

    >>> scaling("standardize", np.array([[[0, 255]]], np.uint8))
    Scaling(name='standardize', divisor=255.0, mean=0.5, sd=0.5)
    """
    check_scale(name)
    if name == "none":
        return Scaling(name, divisor=1.0)
    if isinstance(pixels, np.ndarray) and pixels.ndim == 2:
        return _of_columns(name, pixels if index is None else pixels[index])
    if name == "normalize":
        return Scaling(name)
    if name == "symmetric":
        return Scaling(name, mean=0.5, sd=0.5)
    if isinstance(pixels, ImageFiles):
        found = [_spread(*totals) for totals in pixels.totals(index)]
    else:
        counts = histogram(pixels, index)
        found = [moments(channel) for channel in (counts if counts.ndim == 2 else counts[None])]
    means = tuple(mean / 255 for mean, _ in found)
    sds = tuple((sd or 255.0) / 255 for _, sd in found)  # images all of one grey are only centred
    return Scaling(name, mean=means, sd=sds) if len(found) > 1 else Scaling(name, mean=means[0], sd=sds[0])


def _of_columns(name: str, values: np.ndarray) -> Scaling:
    """Scaling of a table's columns (N, F) by their own statistics; a column of one value is only centred."""
    low, high = values.min(axis=0), values.max(axis=0)
    centre, width = {
        "standardize": (values.mean(axis=0), values.std(axis=0)),
        "normalize": (low, high - low),
        "symmetric": ((low + high) / 2, (high - low) / 2),
    }[name]
    width = np.where(high > low, width, 1.0)
    return Scaling(name, divisor=1.0, mean=tuple(centre.tolist()), sd=tuple(width.tolist()))


def histogram(pixels: np.ndarray, index: np.ndarray | None = None) -> np.ndarray:
    """How often each value 0..255 occurs: (256,) int64; in colour, (N, C, H, W), for each channel: (C, 256)."""
    import torch

    channels = 1 if pixels.ndim == 3 else pixels.shape[1]
    counts = torch.zeros(channels, 256, dtype=torch.int64)
    for _, chunk in _chunks(pixels, index):
        for channel, values in enumerate(torch.from_numpy(chunk).view(len(chunk), channels, -1).unbind(1)):
            counts[channel] += torch.bincount(values.reshape(-1), minlength=256)
    return counts[0].numpy() if pixels.ndim == 3 else counts.numpy()


def moments(counts: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation (of the population) from a histogram, by exact integer sums.

    >>> moments(np.bincount([0, 2], minlength=256))
    (1.0, 1.0)
    """
    n = first = second = 0
    for value, count in enumerate(counts.tolist()):
        n, first, second = n + count, first + count * value, second + count * value * value
    return _spread(n, first, second)


def _spread(n: int, first: int, second: int) -> tuple[float, float]:
    """Mean and standard deviation of n whole numbers, by their sum and their squares' sum, both exact."""
    return first / n, math.sqrt(n * second - first * first) / n


def _chunks(pixels: np.ndarray | ImageFiles, index: np.ndarray | None) -> Iterator[tuple[int, np.ndarray]]:
    """(start, a writable copy of some images); `pixels` may be a read-only map of a file."""
    count = len(pixels) if index is None else len(index)
    for start in range(0, count, _CHUNK):
        part = slice(start, start + _CHUNK)
        yield start, np.array(pixels[part]) if index is None else pixels[index[part]]
