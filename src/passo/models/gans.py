"""`gan`: a generator and a discriminator, dense or as in DCGAN."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from passo.models.autoencoders import enlarging
from passo.models.choices import Style, add_dropout
from passo.models.networks import Shape, image
from passo.models.options import Count, Counts, Share, counts

LEAK = 0.2  # slope of the discriminator's activations below zero
SPREAD = 0.02  # standard deviation of DCGAN's first weights


class Gan(nn.Module):
    """`generator`: noise (B, latent) → images in [−1, 1]; `discriminator`: images → one logit each, (B, 1).

    D(x) = σ(logit) is the probability that x is real. Called, it generates.
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module, latent: int) -> None:
        super().__init__()
        self.generator, self.discriminator, self.latent = generator, discriminator, latent

    def forward(self, z: Tensor) -> Tensor:  # (B, latent) → (B, …)
        return self.generator(z)

    def noise(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """z ~ N(0, 1), (n, latent), drawn on the CPU (the same on every device), where the model's weights are."""
        where = next(self.parameters())
        return torch.randn(n, self.latent, generator=generator).to(where.device, where.dtype)


def gan(
    in_shape: Shape,
    classes: int = 0,
    *,
    kind: Literal["dense", "convolutional"] = "dense",
    latent: Count = 64,
    hidden: Counts = (128, 256),
    filters: Counts = (32, 64),
    dropout: Share = 0.0,
) -> nn.Module:
    """Two networks against each other (Goodfellow et al. 2014); `classes` plays no part.

    kind="dense": `hidden` are the generator's units, with ReLU; the discriminator has them in the other order, with
    leaky ReLU of slope 0.2. For data of any shape.
    kind="convolutional", for images, as DCGAN: strides instead of pooling, batch normalisation everywhere but in the
    generator's output and the discriminator's first layer, weights from N(0, 0.02²). `filters` are the
    discriminator's; each halves the image (rounded down), and the generator doubles it again.

    The generator ends in tanh: scale the data to [−1, 1] (`dataset.scale=symmetric`). `dropout` is the discriminator's.
    Source: Radford, Metz & Chintala 2016, section 3 (with a linear layer for the projection and for the logit).

    >>> model = gan((1, 28, 28), kind="convolutional", latent=100)
    >>> images = model(model.noise(2))
    >>> images.shape, model.discriminator(images).shape
    (torch.Size([2, 1, 28, 28]), torch.Size([2, 1]))
    """
    if kind == "dense":
        units = counts(hidden)
        return Gan(_generator(in_shape, latent, units), _judge(in_shape, units[::-1], dropout), latent)
    if not (widths := counts(filters)):
        raise ValueError("filters must name one convolution at least: without any, take kind=dense")
    shape, sides = image(in_shape), [tuple(in_shape[1:])]
    for number, _ in enumerate(widths, start=1):
        sides.append(tuple(side // 2 for side in sides[-1]))
        if min(sides[-1]) < 1:
            raise ValueError(f"nothing is left of the image after convolution {number} of the discriminator")
    model = Gan(_dcgan_generator(shape, latent, widths, sides), _dcgan_judge(shape, widths, sides, dropout), latent)
    model.apply(_dcgan_weights)
    return model


def _generator(in_shape: Shape, latent: int, hidden: Sequence[int]) -> nn.Module:
    model = nn.Sequential()
    width = Style().add_dense(model, latent, hidden)
    model.add_module("out", nn.Linear(width, math.prod(in_shape)))
    model.add_module("tanh", nn.Tanh())
    model.add_module("unflatten", nn.Unflatten(1, tuple(in_shape)))
    return model


def _judge(in_shape: Shape, hidden: Sequence[int], dropout: float) -> nn.Module:
    model, width = nn.Sequential(), math.prod(in_shape)
    model.add_module("flatten", nn.Flatten())
    for number, units in enumerate(hidden, start=1):
        model.add_module(f"fc{number}", nn.Linear(width, units))
        model.add_module(f"act{number}", nn.LeakyReLU(LEAK))
        add_dropout(model, dropout)
        width = units
    model.add_module("out", nn.Linear(width, 1))
    return model


def _dcgan_generator(in_shape: Shape, latent: int, filters: Sequence[int], sides: list[tuple[int, ...]]) -> nn.Module:
    model, channels = nn.Sequential(), filters[-1]
    first = (channels, *sides[-1])
    model.add_module("fc", nn.Linear(latent, math.prod(first)))
    model.add_module("unflatten", nn.Unflatten(1, first))
    model.add_module("norm0", nn.BatchNorm2d(channels))
    model.add_module("act0", nn.ReLU())
    for number, width in enumerate(filters[-2::-1], start=1):
        model.add_module(f"conv{number}", enlarging(channels, width, sides[-number], sides[-number - 1]))
        model.add_module(f"norm{number}", nn.BatchNorm2d(width))
        model.add_module(f"act{number}", nn.ReLU())
        channels = width
    model.add_module("out", enlarging(channels, in_shape[0], sides[1], sides[0]))
    model.add_module("tanh", nn.Tanh())
    return model


def _dcgan_judge(in_shape: Shape, filters: Sequence[int], sides: list[tuple[int, ...]], dropout: float) -> nn.Module:
    model, channels = nn.Sequential(), in_shape[0]
    for number, width in enumerate(filters, start=1):
        model.add_module(f"conv{number}", nn.Conv2d(channels, width, 4, stride=2, padding=1))
        if number > 1:
            model.add_module(f"norm{number}", nn.BatchNorm2d(width))
        model.add_module(f"act{number}", nn.LeakyReLU(LEAK))
        add_dropout(model, dropout)
        channels = width
    model.add_module("flatten", nn.Flatten())
    model.add_module("out", nn.Linear(channels * math.prod(sides[-1]), 1))
    return model


def _dcgan_weights(module: nn.Module) -> None:
    """Weights N(0, 0.02²), biases 0 (Radford et al., section 4); batch normalisation keeps γ = 1 and β = 0."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, SPREAD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
