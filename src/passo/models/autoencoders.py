"""`autoencoder`: dense or convolutional, through a bottleneck of a chosen size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from passo.models.choices import Activation, Norm, Style
from passo.models.networks import Shape, image
from passo.models.options import Count, Counts, counts

OUTPUTS: dict[str, type[nn.Module] | None] = {"linear": None, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


class Autoencoder(nn.Module):
    """x̂ = decoder(encoder(x)): `encoder` gives (B, bottleneck), `decoder` the input's shape."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x: Tensor) -> Tensor:  # (B, …) → (B, …)
        return self.decoder(self.encoder(x))


def autoencoder(
    in_shape: Shape,
    classes: int = 0,
    *,
    kind: Literal["dense", "convolutional"] = "dense",
    bottleneck: Count = 32,
    hidden: Counts = (128,),
    filters: Counts = (16, 32),
    activation: Activation = "relu",
    norm: Norm = "none",
    groups: Count = 4,
    output: Literal["linear", "sigmoid", "tanh"] = "linear",
) -> nn.Module:
    """An encoder to `bottleneck` numbers and a decoder that mirrors it; `classes` plays no part.

    kind="dense": linear layers of `hidden` units, for inputs of any shape; with hidden=[] and the linear output it is
    linear throughout, and its best reconstruction is that of principal components (Baldi & Hornik 1989).
    kind="convolutional": for each of `filters`, a convolution of 3 × 3 that halves the image (rounded up), and in the
    decoder a transposed one that doubles it again.

    Take the `output` that the data's scale needs: linear for standardised images, sigmoid for [0, 1], tanh for [−1, 1].

    >>> model = autoencoder((1, 28, 28), bottleneck=2)
    >>> [name for name, _ in model.encoder.named_children()], [name for name, _ in model.decoder.named_children()]
    (['flatten', 'fc1', 'act1', 'code'], ['fc1', 'act1', 'out', 'unflatten'])
    """
    style = Style(activation, norm, groups)
    if kind == "dense":
        encoder, decoder = _dense(in_shape, bottleneck, counts(hidden), style)
    else:
        encoder, decoder = _convolutional(image(in_shape), bottleneck, counts(filters), style)
    if (last := OUTPUTS[output]) is not None:
        decoder.add_module("range", last())
    return Autoencoder(encoder, decoder)


Halves = tuple[nn.Sequential, nn.Sequential]


def _dense(in_shape: Shape, bottleneck: int, hidden: Sequence[int], style: Style) -> Halves:
    size = math.prod(in_shape)
    encoder, decoder = nn.Sequential(), nn.Sequential()
    encoder.add_module("flatten", nn.Flatten())
    width = style.add_dense(encoder, size, hidden)
    encoder.add_module("code", nn.Linear(width, bottleneck))
    width = style.add_dense(decoder, bottleneck, hidden[::-1])
    decoder.add_module("out", nn.Linear(width, size))
    decoder.add_module("unflatten", nn.Unflatten(1, tuple(in_shape)))
    return encoder, decoder


def _convolutional(in_shape: Shape, bottleneck: int, filters: Sequence[int], style: Style) -> Halves:
    if not filters:
        raise ValueError("filters must name one convolution at least: without any, take kind=dense")
    encoder, decoder = nn.Sequential(), nn.Sequential()
    channels, sides = in_shape[0], [tuple(in_shape[1:])]
    for number, width in enumerate(filters, start=1):
        encoder.add_module(f"conv{number}", nn.Conv2d(channels, width, 3, stride=2, padding=1))
        style.add_norm(encoder, number, width, images=True)
        encoder.add_module(f"act{number}", style.act())
        channels = width
        sides.append(tuple((side + 1) // 2 for side in sides[-1]))
    code = (channels, *sides[-1])
    encoder.add_module("flatten", nn.Flatten())
    encoder.add_module("code", nn.Linear(math.prod(code), bottleneck))
    decoder.add_module("fc", nn.Linear(bottleneck, math.prod(code)))
    decoder.add_module("unflatten", nn.Unflatten(1, code))
    style.add_norm(decoder, 0, channels, images=True)
    decoder.add_module("act0", style.act())
    for number, width in enumerate([*filters[-2::-1], in_shape[0]], start=1):
        last = number == len(filters)
        grown = enlarging(channels, width, sides[-number], sides[-number - 1])
        decoder.add_module("out" if last else f"conv{number}", grown)
        if not last:
            style.add_norm(decoder, number, width, images=True)
            decoder.add_module(f"act{number}", style.act())
        channels = width
    return encoder, decoder


def enlarging(channels: int, filters: int, small: Sequence[int], large: Sequence[int]) -> nn.ConvTranspose2d:
    """A transposed convolution of stride 2 from images of (H, W) `small` to exactly `large`.

        large = 2 (small − 1) − 2 padding + kernel,  with a padding of 1:  kernel = large − 2 small + 4

    which is 4 where the side doubles: then every pixel gets equally many terms, and no chequerboard shows (Odena et
    al. 2016). It is 3 for one pixel less and 5 for one more.
    """
    kernel = [big - 2 * little + 4 for little, big in zip(small, large, strict=True)]
    return nn.ConvTranspose2d(channels, filters, (kernel[0], kernel[1]), stride=2, padding=1)
