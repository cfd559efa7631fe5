"""Random numbers that depend on a key and a position, and on nothing else: no state, no order, no device.

A generator gives its numbers in turn, so what an image gets depends on who asked before. Here number j of the image at
position p is a function of (key, p, j), in whole numbers, so that it is the same bits in any batch, on any device:

    mix(z):   z ← (z ⊕ z≫30)·BF58476D1CE4E5B9;   z ← (z ⊕ z≫27)·94D049BB133111EB;   z ⊕ z≫31      (mod 2⁶⁴)
    number j of position p   =   mix( mix(key + (p + 1)γ) + (j + 1)γ ),   γ = 9E3779B97F4A7C15

Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 (SplitMix64; its `mix64`
with the constants of Stafford's variant 13, as in `java.util.SplittableRandom`).
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

_GAMMA = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_BITS = 16  # of a normal number


def numbers(key: int, positions: Tensor, count: int) -> Tensor:
    """`count` whole numbers of 64 random bits for each position: (N,) int64 → (N, count) int64.

    >>> both = numbers(7, torch.tensor([3, 5]), 4)
    >>> torch.equal(both[1:], numbers(7, torch.tensor([5]), 4))
    True
    """
    image = _mix((positions + 1) * _signed(_GAMMA) + _signed(key))  # (N,)
    steps = torch.arange(1, count + 1, device=positions.device) * _signed(_GAMMA)  # (count,)
    return _mix(image[:, None] + steps)


def uniform(key: int, positions: Tensor, count: int) -> Tensor:
    """Uniform numbers in [0, 1), multiples of 2⁻²⁴: (N, count) float32."""
    return _shifted(numbers(key, positions, count), 40).float() * 2.0**-24


def normal(key: int, positions: Tensor, count: int) -> Tensor:
    """Normal numbers z = Φ⁻¹((k + ½) / 2¹⁶), k uniform in 0..2¹⁶−1: (N, count) float32; |z| < 4.33, sd 1 to 1e-4.

    A table and not Box and Muller's formula: its logarithm and cosine differ by a bit between processors.
    """
    return _quantiles().to(positions.device)[_shifted(numbers(key, positions, count), 64 - _BITS)]


@cache
def _quantiles() -> Tensor:
    """(2¹⁶,) float32: the normal distribution's quantiles in the middles of equal steps."""
    levels = (torch.arange(2**_BITS, dtype=torch.float64) + 0.5) / 2**_BITS
    return torch.special.ndtri(levels).float()


def _mix(z: Tensor) -> Tensor:
    z = (z ^ _shifted(z, 30)) * _signed(_FIRST)
    z = (z ^ _shifted(z, 27)) * _signed(_SECOND)
    return z ^ _shifted(z, 31)


def _shifted(z: Tensor, bits: int) -> Tensor:
    """A logical shift to the right: torch's own keeps the sign."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def _signed(value: int) -> int:
    """The int64 with the same 64 bits."""
    value %= 2**64
    return value - 2**64 if value >= 2**63 else value
