"""A convolution worked out at one place, number by number: patch × kernel, channel by channel, their sum, the bias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from passo.errors import UsageError
from passo.explaining.layers import array, chosen, one, passed


@dataclass(frozen=True)
class ConvolutionAt:
    """One number of a feature map, in its parts: y[f, i, j] = b[f] + Σ_c Σ_uv patch[c, u, v] · kernel[c, u, v].

    patch, kernel: (C, h, w), float64 copies of what torch multiplied; `channels` (C,) says which input channels these
    are (all, or those of the filter's group). `inside` (h, w): False where the patch hangs over the edge, on padding.
    output: torch's own number, float32 mostly. image: (C, H, W), what the layer reads. maps: (h′, w′), the whole map of
    this filter. corner: the (y, x) in `image` of the patch's first cell, below 0 in the padding. dilation: from cell to
    cell of the patch.
    """

    layer: str
    filter: int
    filters: int
    place: tuple[int, int]
    corner: tuple[int, int]
    dilation: tuple[int, int]
    channels: np.ndarray
    patch: np.ndarray
    kernel: np.ndarray
    inside: np.ndarray
    bias: float
    output: float
    image: np.ndarray
    maps: np.ndarray

    @property
    def products(self) -> np.ndarray:
        """patch × kernel, cell by cell: (C, h, w)."""
        return self.patch * self.kernel

    @property
    def sums(self) -> np.ndarray:
        """What each channel adds: (C,)."""
        return self.products.sum((1, 2))

    @property
    def total(self) -> float:
        """All channels and the bias: what the parts add up to."""
        return float(self.sums.sum()) + self.bias


def convolution_at(
    model: nn.Module,
    image: Tensor,
    layer: str | None = None,
    *,
    channel: int = 0,
    place: Sequence[int] | None = None,
) -> ConvolutionAt:
    """Work out one number of a convolution's output for one image (C, H, W).

    layer: a `Conv2d` by name, the first by default. channel: which of its filters, so which channel of its output.
    place: (y, x) in the output map; by default where the patch that is read varies most, whatever the filter.

    Stride, padding (of any mode), dilation and groups are taken into account. Raises `UnknownName` for a layer that is
    not there; `UsageError` for one that is no convolution, and a filter or place that it lacks.
    """
    there = {name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}
    name = chosen(model, layer, there, "convolution")
    module = there[name]
    given, made, _ = passed(model, one(image))
    if name not in given:
        raise UsageError(f"the model never calls layer {name!r} on an image")
    maps = array(made[name][0])  # (F, h′, w′)
    if not 0 <= channel < len(maps):
        raise UsageError(f"layer {name!r} has filters 0 to {len(maps) - 1}, got {channel}")
    padded, (top, left) = _padded(module, given[name])
    y, x = _place(maps.shape[1:], place, name) if place is not None else _liveliest(module, padded, maps.shape[1:])
    ones, _ = _padded(module, given[name].new_ones(given[name].shape), zeros=True)
    share = module.in_channels // module.groups
    channels = np.arange(share) + channel // (module.out_channels // module.groups) * share
    rows, columns = (_cells(module, axis, at) for axis, at in enumerate((y, x)))
    patch, inside = array(padded[0])[:, rows, columns][channels], array(ones[0])[0, rows, columns]
    return ConvolutionAt(
        layer=name,
        filter=channel,
        filters=len(maps),
        place=(y, x),
        corner=(y * module.stride[0] - top, x * module.stride[1] - left),
        dilation=(module.dilation[0], module.dilation[1]),
        channels=channels,
        patch=patch.astype(np.float64),
        kernel=array(module.weight[channel]).astype(np.float64),
        inside=inside > 0,
        bias=0.0 if module.bias is None else float(module.bias.detach()[channel]),
        output=float(maps[channel, y, x]),
        image=array(given[name][0]),
        maps=maps[channel],
    )


def _place(size: Sequence[int], place: Sequence[int], layer: str) -> tuple[int, int]:
    """The place asked for, in a map of `size` (h′, w′)."""
    if len(place) != 2 or not (0 <= place[0] < size[0] and 0 <= place[1] < size[1]):
        told = ",".join(map(str, place))
        raise UsageError(
            f"the output of {layer!r} has places 0,0 to {size[0] - 1},{size[1] - 1} (row, column), got {told}"
        )
    return int(place[0]), int(place[1])


def _liveliest(module: nn.Conv2d, padded: Tensor, size: Sequence[int]) -> tuple[int, int]:
    """Where the values of the patch vary most, summed over input channels."""
    options: Any = {"dilation": module.dilation, "stride": module.stride}
    patches = functional.unfold(padded, module.kernel_size, **options)  # (1, C·h·w, h′·w′)
    spread = patches.view(padded.shape[1], -1, patches.shape[-1]).var(1, correction=0).sum(0)
    y, x = divmod(int(spread.argmax()), int(size[1]))
    return y, x


def _cells(module: nn.Conv2d, axis: int, at: int) -> slice:
    """Which rows (axis 0) or columns of the padded input make the output at `at`."""
    begin, step = at * module.stride[axis], module.dilation[axis]
    return slice(begin, begin + step * (module.kernel_size[axis] - 1) + 1, step)


def _padded(module: nn.Conv2d, x: Tensor, zeros: bool = False) -> tuple[Tensor, tuple[int, int]]:
    """The input with the layer's own padding around it, and how much of it stands above and on the left.

    Source: torch 2.13, nn/modules/conv.py, `_reversed_padding_repeated_twice`: left, right, top, bottom.
    """
    around: list[Any] = list(module._reversed_padding_repeated_twice)
    mode = "constant" if zeros or module.padding_mode == "zeros" else module.padding_mode
    return functional.pad(x, around, mode=mode), (around[2], around[0])
