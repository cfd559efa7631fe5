"""Sequences of the corners of a square, walked clockwise or not: the smallest data that a recurrent network is for.

The order of the points alone tells the classes apart: each class holds the same four corners, from any start.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from passo.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

CORNERS = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [1.0, -1.0]])  # clockwise, from the lower left
CLASSES = ("counter-clockwise", "clockwise")


class Sequences(NamedTuple):
    """`points` (N, 4, 2) float32: sequence, step, (x, y); `labels` (N,) int64: positions in `CLASSES`."""

    points: Tensor
    labels: Tensor


def squares(n: int = 128, *, noise: float = 0.1, seed: int = 13) -> Sequences:
    """`n` walks around a square, from a random corner in a random direction; N(0, `noise`²) is added to each point.

    With the noise of 0.1, the points are those of the book *Deep Learning with PyTorch Step-by-Step* (chapter 8,
    `generate_sequences(n, seed=seed)`), rounded to float32: NumPy's legacy generator draws starts, directions, then
    noise sequence by sequence. It is a generator of its own: no global state changes.

    Raises `ConfigError` for a number of sequences below 1, a noise that is negative, or a seed outside [0, 2³²).

    >>> points, labels = squares(2, noise=0.0)
    >>> points[0].tolist(), CLASSES[labels[0]]
    ([[-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [1.0, 1.0]], 'counter-clockwise')
    """
    import torch

    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ConfigError(f"squares: the number of sequences must be a whole number ≥ 1, got {n!r}")
    if not (noise >= 0 and math.isfinite(noise)):
        raise ConfigError(f"squares: noise must be a standard deviation ≥ 0, got {noise!r}")
    if not 0 <= seed < 2**32:
        raise ConfigError(f"squares: seed must be in [0, 2³²), got {seed!r}")
    rng = np.random.RandomState(seed)
    starts, labels = rng.randint(4, size=n), rng.randint(2, size=n)
    steps = np.arange(4)
    order = (starts[:, None] + np.where(labels[:, None] == 1, steps, 3 - steps)) % 4  # (N, 4)
    points = CORNERS[order] + noise * rng.randn(n, 4, 2)
    return Sequences(torch.from_numpy(points.astype(np.float32)), torch.from_numpy(labels.astype(np.int64)))
