"""Noise that a denoising autoencoder has to take away again, on scaled inputs.

    gaussian         x + s (white − black) n,  n ~ N(0, 1) for each value; not cut to the range
    salt-and-pepper  a share s of the pixels becomes black or white, with equal chance; all channels of a pixel alike
    masking          a share s of the values becomes black (Vincent et al. 2008, section 2.3)
    occlusion        a black square whose side is s times the shorter side, at a place of its own in each image

What is drawn depends on the generator alone: it is drawn on the CPU, in float32, and so is the same on every device.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from passo.errors import ConfigError
from passo.registry import Registry, unknown
from passo.training.tasks.span import Span

Noise = Callable[[Tensor, float, Span, Generator], Tensor]  # x (B, …), strength → x with noise
NOISES: Registry[Noise] = Registry("noise")


def gaussian(x: Tensor, strength: float, span: Span, draw: Generator) -> Tensor:
    """Strength: the standard deviation, white − black being 1."""
    return x + strength * span.width(x) * torch.randn(x.shape, generator=draw).to(x.device, x.dtype)


def salt_and_pepper(x: Tensor, strength: float, span: Span, draw: Generator) -> Tensor:
    """Strength: the share of pixels, 0 to 1; half of them become black."""
    shape = (len(x), 1, *x.shape[2:]) if x.dim() == 4 else x.shape
    chance = torch.rand(shape, generator=draw).to(x.device)
    black, white = span.ends(x)
    return torch.where(chance < strength / 2, black, torch.where(chance < strength, white, x))


def masking(x: Tensor, strength: float, span: Span, draw: Generator) -> Tensor:
    """Strength: the share of values, 0 to 1."""
    return torch.where(torch.rand(x.shape, generator=draw).to(x.device) < strength, span.ends(x)[0], x)


def occlusion(x: Tensor, strength: float, span: Span, draw: Generator) -> Tensor:
    """Strength: the side of the square over the shorter side of the image, 0 to 1."""
    if x.dim() != 4:
        raise ConfigError("task.noise=occlusion covers a square of an image: take masking for rows of a table")
    side = round(strength * min(x.shape[2:]))
    covered = torch.ones(len(x), 1, 1, 1, dtype=torch.bool)
    for axis, length in ((2, x.shape[2]), (3, x.shape[3])):
        first = (torch.rand(len(x), generator=draw) * (length - side + 1)).long()[:, None]  # (B, 1)
        inside = (torch.arange(length) >= first) & (torch.arange(length) < first + side)  # (B, length)
        covered = covered & (inside[:, None, :, None] if axis == 2 else inside[:, None, None, :])
    return torch.where(covered.to(x.device), span.ends(x)[0], x)


for _noise in (gaussian, salt_and_pepper, masking, occlusion):
    NOISES.add(_noise.__name__.replace("_", "-"), _noise)


def check_noise(name: str, strength: float) -> None:
    """Raise `ConfigError` for a noise that does not exist, or a strength that it does not take."""
    if name not in NOISES:
        raise ConfigError(str(unknown("noise", name, [*NOISES, "none"])))
    most = math.inf if name == "gaussian" else 1.0
    right = isinstance(strength, int | float) and not isinstance(strength, bool) and math.isfinite(strength)
    if not right or not 0 < strength <= most:
        told = "a number > 0" if name == "gaussian" else "a number > 0 and ≤ 1"
        raise ConfigError(f"task.strength of {name} must be {told}, got {strength!r}")
