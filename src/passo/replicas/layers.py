"""How each layer computes for R replicas at once: a function of (values, weights, pass), and the form of what it gives.

Values travel in one of three forms, B being the images of a mini-batch:

    SHARED  (S, B, …)         what all replicas of a seed see alike: the batch itself, and what only reshapes it
    ROWS    (R, B, …)         a replica a row
    IMAGES  (B, R·C, H, W)    channels-last, so that memory is (B, H, W, R, C): grouped convolutions are quickest so

Replica r belongs to seed r // (R/S). A layer's weights are (R, *shape).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from passo.errors import PassoError
from passo.models.cnn import Dropout2d
from passo.models.dropout import Dropout
from passo.models.networks import ChannelsLast, Line, PooledReLU
from passo.seeding import derive


class NotFused(PassoError):
    """A model with something in it that the replica engine does not compute; it runs one by one."""


SHARED, ROWS, IMAGES = "shared", "rows", "images"


@dataclass
class Pass:
    """What a forward pass knows beside values and weights.

    `replicas` R and `seeds` (S numbers). `rates` has for each dropout layer its p (R,); `step` and `part` (a
    micro-batch) say which masks are drawn. `buffers` (R, …) are batch normalisation's, by name.
    """

    replicas: int
    seeds: tuple[int, ...]
    training: bool = True
    step: int = 0
    part: int = 0
    rates: Mapping[str, Tensor] = None  # type: ignore[assignment]
    buffers: Mapping[str, Tensor] = None  # type: ignore[assignment]

    @property
    def each(self) -> int:
        """Replicas of a seed."""
        return self.replicas // len(self.seeds)


Weights = Mapping[str, Tensor]
Op = Callable[[Tensor, Weights, Pass], Tensor]
Made = tuple[Op, str]


# ── from one form to another ──


def as_rows(x: Tensor, form: str, at: Pass) -> Tensor:
    """(R, B, …), without a copy where that can be."""
    if form == ROWS:
        return x
    if form == SHARED:
        return x if at.each == 1 else x.repeat_interleave(at.each, 0)
    return x.unflatten(1, (at.replicas, -1)).transpose(0, 1)


def wide(x: Tensor, form: str, at: Pass) -> Tensor:
    """(B, R·C, …): the channels of all replicas side by side."""
    return x if form == IMAGES else as_rows(x, form, at).transpose(0, 1).flatten(1, 2)


def as_images(x: Tensor, form: str, at: Pass) -> Tensor:
    """(B, R·C, H, W), channels-last, in its strides too: of one channel both formats are the same memory.

    What follows goes by the strides, and pooling takes fifteen times as long in the other format.
    """
    x = wide(x, form, at).contiguous(memory_format=torch.channels_last)
    b, c, h, w = x.shape
    return x if c > 1 else x.as_strided((b, c, h, w), (h * w, 1, w, 1))


# ── layers with weights ──


def linear(layer: nn.Linear, name: str, form: str) -> Made:
    """Y = W Xᵀ + b, kept as (…, O, B) in memory: its backward then leaves W's gradient in W's own order, uncopied."""

    def op(x: Tensor, weights: Weights, at: Pass) -> Tensor:
        w, b = weights[f"{name}weight"], weights.get(f"{name}bias")  # (R, O, F), (R, O)
        x = as_rows(x, form, at) if form == IMAGES else x
        lead = x.shape[1:-1]
        x = x.flatten(1, -2).transpose(1, 2)  # (R or S, F, B)
        if form == SHARED and at.each > 1:  # one product for all replicas of a seed
            w = w.unflatten(0, (len(at.seeds), at.each)).flatten(1, 2)
            b = None if b is None else b.reshape(len(w), -1)
        y = w @ x if b is None else torch.baddbmm(b[..., None], w, x)
        y = y.view(at.replicas, -1, y.shape[-1]).transpose(1, 2)  # (R, B, O)
        return y.unflatten(1, lead) if len(lead) > 1 else y

    return op, ROWS


def conv2d(layer: nn.Conv2d, name: str, form: str, *, late: bool = False) -> Made:
    """`late`: what follows adds the bias."""
    if layer.padding_mode != "zeros":
        raise NotFused(f"padding_mode={layer.padding_mode!r}")
    stride, padding, dilation, groups = layer.stride, layer.padding, layer.dilation, layer.groups

    def op(x: Tensor, weights: Weights, at: Pass) -> Tensor:
        w, b = weights[f"{name}weight"], None if late else weights.get(f"{name}bias")
        once = form == SHARED and groups == 1  # one convolution a seed, with all its replicas' filters
        x = as_images(x, ROWS if once else form, at)
        w = w.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        several = (len(at.seeds) if once else at.replicas) * groups
        return F.conv2d(x, w, None if b is None else b.flatten(), stride, padding, dilation, several)  # type: ignore[arg-type]

    return op, IMAGES


def conv_transpose2d(layer: nn.ConvTranspose2d, name: str, form: str) -> Made:
    options = (layer.stride, layer.padding, layer.output_padding)

    def op(x: Tensor, weights: Weights, at: Pass) -> Tensor:
        w, b = weights[f"{name}weight"], weights.get(f"{name}bias")
        x = as_images(x, form, at)
        w = w.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        b = None if b is None else b.flatten()
        return F.conv_transpose2d(x, w, b, *options, at.replicas * layer.groups, layer.dilation)  # type: ignore[arg-type]

    return op, IMAGES


def line(layer: Line, name: str, form: str) -> Made:
    def op(x: Tensor, weights: Weights, at: Pass) -> Tensor:
        return weights[f"{name}b"][:, None] + weights[f"{name}w"][:, None] * as_rows(x, form, at)

    return op, ROWS


# ── normalisation ──


def batch_norm(layer: nn.BatchNorm1d | nn.BatchNorm2d, name: str, form: str) -> Made:
    if layer.momentum is None:
        raise NotFused("momentum=None")
    images = isinstance(layer, nn.BatchNorm2d)

    def op(x: Tensor, weights: Weights, at: Pass) -> Tensor:
        mean, var = at.buffers.get(f"{name}running_mean"), at.buffers.get(f"{name}running_var")
        w, b = weights.get(f"{name}weight"), weights.get(f"{name}bias")
        mean, var = (None if one is None else one.view(-1) for one in (mean, var))  # written into
        w, b = (None if one is None else one.flatten() for one in (w, b))
        told = at.training or mean is None
        y = F.batch_norm(wide(x, form, at), mean, var, w, b, told, layer.momentum or 0.0, layer.eps)
        return y if images else y.unflatten(1, (at.replicas, -1)).transpose(0, 1)

    return op, IMAGES if images else ROWS


def layer_norm(layer: nn.LayerNorm, name: str, form: str) -> Made:
    def op(x: Tensor, weights: Weights, at: Pass) -> Tensor:
        x = as_rows(x, form, at)
        y = F.layer_norm(x, layer.normalized_shape, eps=layer.eps)
        between = (slice(None), *(None,) * (x.dim() - 1 - len(layer.normalized_shape)))
        if f"{name}weight" in weights:
            y = y * weights[f"{name}weight"][between]
        return y + weights[f"{name}bias"][between] if f"{name}bias" in weights else y

    return op, ROWS


def group_norm(layer: nn.GroupNorm, name: str, form: str) -> Made:
    def op(x: Tensor, weights: Weights, at: Pass) -> Tensor:
        w, b = (None if one is None else one.flatten() for one in
                (weights.get(f"{name}weight"), weights.get(f"{name}bias")))  # fmt: skip
        y = F.group_norm(wide(x, form, at), at.replicas * layer.num_groups, w, b, layer.eps)
        return y if form == IMAGES else y.unflatten(1, (at.replicas, -1)).transpose(0, 1)

    return op, IMAGES if form == IMAGES else ROWS


# ── layers without weights ──


def elementwise(function: Callable[[Tensor], Tensor]) -> Callable[[nn.Module, str, str], Made]:
    """A layer that looks at each value alone: the same in every form."""
    return lambda layer, name, form: (lambda x, weights, at: function(x), form)


def pooling(function: Callable[[nn.Module, Tensor], Tensor]) -> Callable[[nn.Module, str, str], Made]:
    """A layer that looks at each channel of an image alone."""

    def made(layer: nn.Module, name: str, form: str) -> Made:
        def op(x: Tensor, weights: Weights, at: Pass) -> Tensor:
            if form == IMAGES:
                return function(layer, x)
            return function(layer, x.flatten(0, 1)).unflatten(0, x.shape[:2])

        return op, form

    return made


def pooled_late(layer: nn.MaxPool2d | PooledReLU, name: str) -> Made:
    """Max-pooling of a convolution without its bias, then the bias `name`: a quarter of the work, and as much gradient.

    A bias is the same all over a channel, so that it passes through a maximum, to the bit.
    """

    def op(x: Tensor, weights: Weights, at: Pass) -> Tensor:
        y = F.max_pool2d(x, layer.size) if isinstance(layer, PooledReLU) else layer(x)
        b = weights.get(f"{name}bias")
        y = y if b is None else y.add_(b.flatten()[:, None, None])
        return y.relu_() if isinstance(layer, PooledReLU) else y

    return op, IMAGES


def flatten(layer: nn.Flatten, name: str, form: str) -> Made:
    start, end = layer.start_dim, layer.end_dim
    if start < 1:
        raise NotFused(f"start_dim={start}")

    def op(x: Tensor, weights: Weights, at: Pass) -> Tensor:
        x = as_rows(x, form, at) if form == IMAGES else x
        return x.flatten(start + 1, end + 1 if end >= 0 else end)

    return op, SHARED if form == SHARED else ROWS


def unflatten(layer: nn.Unflatten, name: str, form: str) -> Made:
    dim, shape = int(layer.dim), tuple(layer.unflattened_size)  # type: ignore[arg-type]

    def op(x: Tensor, weights: Weights, at: Pass) -> Tensor:
        x = as_rows(x, form, at) if form == IMAGES else x
        return x.unflatten(dim + 1 if dim >= 0 else dim, shape)

    return op, SHARED if form == SHARED else ROWS


def dropout(layer: Dropout, name: str, form: str) -> Made:
    """Masks are those of the plain loop: drawn once for a seed, and cut at each replica's own p."""
    whole = isinstance(layer, Dropout2d)

    def op(x: Tensor, weights: Weights, at: Pass) -> Tensor:
        p = at.rates[name.rstrip(".")]
        if not at.training or not p.any():
            return x
        x = as_rows(x, form, at)
        shape = (*x.shape[1:3], 1, 1) if whole else x.shape[1:]
        keep = torch.stack([torch.rand(shape, generator=_generator(seed, layer.layer, at), device=x.device)
                            for seed in at.seeds])  # fmt: skip
        p = p.view(-1, *(1,) * (x.dim() - 1))
        y = x * (keep.repeat_interleave(at.each, 0) >= p) / (1 - p)
        return as_images(y, ROWS, at) if form == IMAGES else y

    return op, IMAGES if form == IMAGES else ROWS


def _generator(seed: int, layer: int, at: Pass) -> torch.Generator:
    return torch.Generator().manual_seed(derive(seed, "dropout", layer, at.step, at.part))


LAYERS: dict[type[nn.Module], Callable[[Any, str, str], Made]] = {
    nn.Linear: linear,
    nn.Conv2d: conv2d,
    nn.ConvTranspose2d: conv_transpose2d,
    Line: line,
    nn.BatchNorm1d: batch_norm,
    nn.BatchNorm2d: batch_norm,
    nn.LayerNorm: layer_norm,
    nn.GroupNorm: group_norm,
    nn.ReLU: elementwise(F.relu),
    nn.Tanh: elementwise(torch.tanh),
    nn.Sigmoid: elementwise(torch.sigmoid),
    nn.GELU: lambda layer, name, form: (lambda x, w, at: F.gelu(x, approximate=layer.approximate), form),
    nn.SiLU: elementwise(F.silu),
    nn.ELU: lambda layer, name, form: (lambda x, w, at: F.elu(x, layer.alpha), form),
    nn.LeakyReLU: lambda layer, name, form: (lambda x, w, at: F.leaky_relu(x, layer.negative_slope), form),
    nn.Identity: elementwise(lambda x: x),
    ChannelsLast: elementwise(lambda x: x),
    PooledReLU: pooling(lambda layer, x: layer(x)),
    nn.MaxPool2d: pooling(lambda layer, x: layer(x)),
    nn.AvgPool2d: pooling(lambda layer, x: layer(x)),
    nn.AdaptiveAvgPool2d: pooling(lambda layer, x: layer(x)),
    nn.Flatten: flatten,
    nn.Unflatten: unflatten,
    Dropout: dropout,
    Dropout2d: dropout,
}
"""Layer → (layer, its name, the form of its input) → (operation, the form of its output)."""
