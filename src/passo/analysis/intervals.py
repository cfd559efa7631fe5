"""A mean over seeds and how well it is known: the t-interval, without a statistics library."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over n values, and the ends of its 95 % interval; NaN where one value says nothing of the spread."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def half(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2

    @property
    def known(self) -> bool:
        """Whether there is an interval at all."""
        return math.isfinite(self.low) and math.isfinite(self.high)


def interval(values: Sequence[float] | np.ndarray, confidence: float = CONFIDENCE) -> Interval:
    """mean ± t·s/√n, with Student's t for n − 1 degrees of freedom.

    >>> print("{0.mean:.2f} [{0.low:.2f}, {0.high:.2f}]".format(interval([1.0, 2.0, 3.0])))
    2.00 [-0.48, 4.48]
    """
    mean, low, high = (float(end[0]) for end in intervals(np.asarray(values, np.float64)[:, None], confidence))
    return Interval(mean, low, high, len(values))


def intervals(values: np.ndarray, confidence: float = CONFIDENCE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, low and high over the first axis: values (n, …) → three arrays (…); low and high NaN for n = 1."""
    values = np.asarray(values, np.float64)
    mean, n = values.mean(0), len(values)
    if n < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = t_quantile((1 + confidence) / 2, n - 1) * values.std(0, ddof=1) / math.sqrt(n)
    return mean, mean - half, mean + half


def t_tails(t: float, freedom: int) -> float:
    """P(|T| ≥ |t|) for Student's t: the p of a two-sided test.

    >>> round(t_tails(-4.302652729911275, 2), 4)
    0.05
    """
    if math.isinf(t):
        return 0.0
    return max(0.0, 1 - _within(math.atan(abs(t) / math.sqrt(freedom)), freedom))


@functools.cache
def t_quantile(probability: float, freedom: int) -> float:
    """The quantile of Student's t for a whole number of degrees of freedom.

    >>> round(t_quantile(0.975, 2), 4)
    4.3027
    """
    if not (0 < probability < 1 and freedom >= 1):
        raise ValueError(f"need 0 < probability < 1 and freedom ≥ 1, got {probability:g} and {freedom}")
    if probability < 0.5:
        return -t_quantile(1 - probability, freedom)
    low, high = 0.0, math.pi / 2  # the angle θ = atan(t/√ν), in which the search is bounded
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < 2 * probability - 1 else (low, middle)
    return math.tan((low + high) / 2) * math.sqrt(freedom)


def _within(angle: float, freedom: int) -> float:
    """P(|T| ≤ √ν·tan θ), a finite sum for whole ν: Abramowitz & Stegun 1964, 26.7.3 and 26.7.4."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2 == 1
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for k in range(1, freedom // 2 + 1):
        total += term
        term *= cosine**2 * (2 * k / (2 * k + 1) if odd else (2 * k - 1) / (2 * k))
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
