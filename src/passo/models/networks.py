"""The networks: `mlp`, `lenet`, `tiny-cnn`, `cnn2` and `line`.

Each builder takes the input's shape, the number of classes and its own options. The weights are
drawn from torch's global generator, in the order of the layers; `passo.models.build` seeds it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from passo.models.choices import ACTIVATIONS, Activation, Init, Norm, Style, initialise
from passo.models.dropout import Dropout
from passo.models.options import Count, Counts, Flag, Number, Share, counts

Shape = Sequence[int]  # (C, H, W) of images, (T, F) of sequences, (F,) of rows of a table


class Line(nn.Module):
    """ŷ = b + w·x, with x of shape (B, 1): the smallest model that has a loss surface to look at."""

    def __init__(self, b: float = 0.0, w: float = 0.0) -> None:
        super().__init__()
        self.b = nn.Parameter(torch.tensor([float(b)]))
        self.w = nn.Parameter(torch.tensor([float(w)]))

    def forward(self, x: Tensor) -> Tensor:  # (B, 1) → (B, 1)
        return self.b + self.w * x


class ChannelsLast(nn.Module):
    """Hands images on in channels-last memory format, which convolutions on a CPU prefer."""

    def forward(self, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=torch.channels_last)


class PooledReLU(nn.Module):
    """`size` × `size` max-pooling, then ReLU: the same values as ReLU, then pooling, for 1/size² of the work.

    One module, so that the ReLU may write into what the pooling made, and nobody sees it half done.
    """

    def __init__(self, size: int = 2) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) → (B, C, H/size, W/size)
        return nn.functional.max_pool2d(x, self.size).relu_()


def _pooled(activation: str) -> nn.Module:
    """Max-pooling, then the activation (gelu and silu are not monotonic: for those this is another network)."""
    return PooledReLU() if activation == "relu" else nn.Sequential(nn.MaxPool2d(2), ACTIVATIONS[activation]())


def line(in_shape: Shape = (1, 1, 1), classes: int = 1, *, b: Number = 0.0, w: Number = 0.0) -> nn.Module:
    """One bias `b` and one weight `w`."""
    return Line(b, w)


def mlp(
    in_shape: Shape,
    classes: int,
    *,
    hidden: Counts = (128,),
    activation: Activation = "relu",
    norm: Norm = "none",
    groups: Count = 4,
    dropout: Share = 0.0,
    init: Init = "pytorch",
    constant: Number = 0.1,
) -> nn.Module:
    """A fully connected network: flatten, then `hidden` layers of units, then one output per class.

    Each hidden layer is linear, normalisation, activation, dropout; `hidden=[]` is softmax regression. Inputs may have
    any shape. `groups` is of `norm="group"`; what `norm`, `init` and `constant` mean: `models.choices`.
    """
    style = Style(activation, norm, groups, dropout)
    model = nn.Sequential()
    model.add_module("flatten", nn.Flatten())
    width = style.add_dense(model, math.prod(in_shape), counts(hidden))
    model.add_module("out", nn.Linear(width, classes))
    initialise(model, init, activation, constant)
    return model


def lenet(in_shape: Shape, classes: int, *, activation: Activation = "relu", channels_last: Flag = True) -> nn.Module:
    """LeNet-5's layout: 6 and 16 filters of 5 × 5, max-pooling, then 120 and 84 units.

    Pooling comes before the activation: for a monotonic one the result is the same, over a quarter of the values.
    Source: LeCun et al. 1998, fig. 2, with ReLU and max-pooling as is usual today.
    """
    act = ACTIVATIONS[activation]
    pooled = [((side + 4 - 4) // 2 - 4) // 2 for side in image(in_shape)[1:]]  # (H, W) after both poolings
    _large_enough(pooled)
    model = nn.Sequential()
    if channels_last:
        model.add_module("layout", ChannelsLast())
    model.add_module("conv1", nn.Conv2d(in_shape[0], 6, 5, padding=2))
    model.add_module("pool1", _pooled(activation))
    model.add_module("conv2", nn.Conv2d(6, 16, 5))
    model.add_module("pool2", _pooled(activation))
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc1", nn.Linear(16 * pooled[0] * pooled[1], 120))
    model.add_module("act3", act())
    model.add_module("fc2", nn.Linear(120, 84))
    model.add_module("act4", act())
    model.add_module("out", nn.Linear(84, classes))
    return model.to(memory_format=torch.channels_last) if channels_last else model  # type: ignore[call-overload]


def tiny_cnn(in_shape: Shape, classes: int) -> nn.Module:
    """The published Fashion-MNIST note's network: one filter of 5 × 5, then two small linear layers.

    On 28 × 28 images and 10 classes it has 1,586 parameters. Its layers and their order are the published ones.
    """
    side = [(s - 4) // 2 for s in image(in_shape)[1:]]
    _large_enough(side)
    model = nn.Sequential()
    model.add_module("conv1", nn.Conv2d(in_shape[0], 1, kernel_size=5))
    model.add_module("relu1", nn.ReLU())
    model.add_module("maxp1", nn.MaxPool2d(2))
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc1", nn.Linear(side[0] * side[1], 10))
    model.add_module("relu2", nn.ReLU())
    model.add_module("fc2", nn.Linear(10, classes))
    return model


def cnn2(
    in_shape: Shape,
    classes: int,
    *,
    filters: Count = 16,
    kernel: Count = 3,
    units: Count = 50,
    dropout: Share = 0.3,
) -> nn.Module:
    """Two convolutions of `filters` filters, two linear layers, dropout before each of those."""
    side = [((s - kernel + 1) // 2 - kernel + 1) // 2 for s in image(in_shape)[1:]]
    _large_enough(side)
    model = nn.Sequential()
    model.add_module("layout", ChannelsLast())
    model.add_module("conv1", nn.Conv2d(in_shape[0], filters, kernel))
    model.add_module("pool1", PooledReLU())
    model.add_module("conv2", nn.Conv2d(filters, filters, kernel))
    model.add_module("pool2", PooledReLU())
    model.add_module("flatten", nn.Flatten())
    model.add_module("drop1", Dropout(dropout, layer=1))
    model.add_module("fc1", nn.Linear(filters * side[0] * side[1], units))
    model.add_module("act3", nn.ReLU())
    model.add_module("drop2", Dropout(dropout, layer=2))
    model.add_module("out", nn.Linear(units, classes))
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def image(in_shape: Shape) -> tuple[int, int, int]:
    """Refuse what is not the shape of images."""
    if len(in_shape) != 3:
        raise ValueError("it takes images (channels, height, width)")
    return in_shape[0], in_shape[1], in_shape[2]


def _large_enough(side: Sequence[int]) -> None:
    """Refuse images of which convolutions and poolings would leave nothing."""
    if min(side) < 1:
        raise ValueError("the images are too small for its convolutions and poolings")
