"""`cnn`: a convolutional network with every choice open; and dropout of whole channels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from passo.models.choices import ACTIVATIONS, Activation, Init, Norm, Style, add_dropout, initialise
from passo.models.dropout import Dropout
from passo.models.networks import ChannelsLast, PooledReLU, Shape, image
from passo.models.options import Count, Counts, Flag, Number, Share, counts

BEND_BACK = ("gelu", "silu")  # activations that are not monotonic: pooling first is another function


class Dropout2d(Dropout):
    """Zeroes whole channels of images (B, C, H, W) with probability `p` while training, and scales the rest by 1/(1−p).

    Neighbouring pixels of a feature map say nearly the same: dropping them one by one hides little. Masks are drawn as
    `Dropout` draws them. Source: Tompson et al. 2015, section 3.2.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        return x * super().forward(x.new_ones(*x.shape[:2], 1, 1))


def activated(activation: str, pool: int) -> nn.Module:
    """The activation, then `pool` × `pool` max-pooling; in the cheaper order where both give the same."""
    if pool == 1:
        return ACTIVATIONS[activation]()
    if activation == "relu":
        return PooledReLU(pool)
    pair = (ACTIVATIONS[activation](), nn.MaxPool2d(pool))
    return nn.Sequential(*(pair if activation in BEND_BACK else reversed(pair)))


def cnn(
    in_shape: Shape,
    classes: int,
    *,
    filters: Counts = (16, 32),
    kernel: Count = 3,
    pool: Count = 2,
    units: Counts = (64,),
    activation: Activation = "relu",
    norm: Norm = "none",
    groups: Count = 4,
    dropout: Share = 0.0,
    dropout2d: Share = 0.0,
    init: Init = "pytorch",
    constant: Number = 0.1,
    channels_last: Flag = True,
) -> nn.Module:
    """Convolutions, each with normalisation, activation and pooling; then linear layers.

    One convolution for each number of `filters`, of `kernel` × `kernel`, padded by ⌊(kernel − 1)/2⌋: an odd kernel
    keeps the size. `pool=1` is no pooling. `units` are the hidden linear layers; `units=[]` is none. `dropout2d` drops
    channels after each pooling, `dropout` values before each linear layer; `groups` is of `norm="group"`. What `norm`,
    `init` and `constant` mean: `models.choices`.

    Raises `ValueError` where pooling leaves nothing of the image, or `groups` does not divide a layer.

    >>> [name for name, _ in cnn((1, 28, 28), 10, filters=8, units=[], norm="batch", dropout=0.5).named_children()]
    ['layout', 'conv1', 'norm1', 'pool1', 'flatten', 'drop1', 'out']
    """
    if not (widths := counts(filters)):
        raise ValueError("filters must name one convolution at least: without any, take the model mlp")
    style = Style(activation, norm, groups, dropout)
    model = nn.Sequential()
    if channels_last:
        model.add_module("layout", ChannelsLast())
    width = _add_convolutions(model, image(in_shape), widths, kernel, pool, style, dropout2d)
    model.add_module("flatten", nn.Flatten())
    add_dropout(model, dropout)
    width = style.add_dense(model, width, counts(units), after=len(widths))
    model.add_module("out", nn.Linear(width, classes))
    initialise(model, init, activation, constant)
    return model.to(memory_format=torch.channels_last) if channels_last else model  # type: ignore[call-overload]


def _add_convolutions(
    model: nn.Sequential,
    in_shape: Shape,
    filters: Sequence[int],
    kernel: int,
    pool: int,
    style: Style,
    dropout2d: float,
) -> int:
    """Append the convolutions and what stands between them; returns how many values they hand on."""
    channels, *side = in_shape
    padding = (kernel - 1) // 2
    for number, width in enumerate(filters, start=1):
        side = [(s + 2 * padding - kernel + 1) // pool for s in side]
        if min(side) < 1:
            raise ValueError(f"nothing is left of the image after convolution {number} and its pooling")
        model.add_module(f"conv{number}", nn.Conv2d(channels, width, kernel, padding=padding))
        style.add_norm(model, number, width, images=True)
        model.add_module(f"pool{number}", activated(style.activation, pool))
        add_dropout(model, dropout2d, Dropout2d)
        channels = width
    return channels * side[0] * side[1]
