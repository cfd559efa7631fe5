"""How many times fewer examples one learner needs than another for the same accuracy: curves compared sideways.

For each seed and model the accuracies aₖ at sizes nₖ become a curve that never falls: isotonic regression (neighbours
that fall are put at their mean, until none falls), then straight lines between the points over x = ln n. Its inverse
g(a) is the ln n at which an accuracy is reached. Over the overlap [α, β] of both learners' accuracies, the mean
horizontal distance and the ratio are

    D = 1/(β − α) · ∫ from α to β of (g_first(a) − g_second(a)) da        ratio = exp(D)

so that D = ln 4 where the second's curve is the first's, moved to 4 times fewer examples. Nothing is extrapolated:
outside of the overlap one of them was not seen to reach the accuracy, and where there is no overlap there is no ratio.
Over seeds D has a mean and an interval, which is symmetric on the logarithmic scale of the ratio.

R. E. Barlow, D. J. Bartholomew, J. M. Bremner, H. D. Brunk, *Statistical Inference under Order Restrictions* (1972),
section 1.2 (pool adjacent violators).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def distance(sizes: Sequence[int], first: np.ndarray, second: np.ndarray) -> float:
    """D of two models with accuracies (K,) at sizes (K,): the mean of ln n_first − ln n_second at equal accuracy.

    NaN where no accuracy is reached by both.

    >>> first, second = np.array([0.5, 0.6, 0.7]), np.array([0.6, 0.7, 0.8])
    >>> round(math.exp(distance([100, 1000, 10000], first, second)), 6)
    10.0
    """
    x = np.log(np.asarray(sizes, np.float64))
    one, two = rising(np.asarray(first, np.float64)), rising(np.asarray(second, np.float64))
    low, high = overlap(one, two)
    return (_area(x, one, low, high) - _area(x, two, low, high)) / (high - low) if high > low else math.nan


def needed(sizes: Sequence[int], accuracies: np.ndarray, level: float) -> float:
    """The size at which a learner with accuracies (K,) at sizes (K,) reaches a level: exp(g(level)); NaN for never.

    >>> round(needed([100, 10000], np.array([0.5, 0.7]), 0.6))
    1000
    """
    x, y = np.log(np.asarray(sizes, np.float64)), rising(np.asarray(accuracies, np.float64))
    if not y[0] <= level <= y[-1]:
        return math.nan
    k = int(np.argmax(y >= level))  # the first that is there
    return math.exp(float(np.interp(level, y[k - 1 : k + 1], x[k - 1 : k + 1])) if k else float(x[0]))


def overlap(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """The accuracies that two rising curves (K,) share, from the least to the most; the wrong way round for none."""
    return float(max(first[0], second[0])), float(min(first[-1], second[-1]))


def rising(values: np.ndarray) -> np.ndarray:
    """The nearest sequence (K,) in least squares that never falls: pool adjacent violators.

    >>> rising(np.array([0.5, 0.7, 0.6, 0.8])).round(2).tolist()
    [0.5, 0.65, 0.65, 0.8]
    """
    blocks: list[tuple[float, int]] = []
    for value in values:
        mean, count = float(value), 1
        while blocks and blocks[-1][0] > mean:
            before, many = blocks.pop()
            mean, count = (before * many + mean * count) / (many + count), many + count
        blocks.append((mean, count))
    return np.concatenate([np.full(count, mean) for mean, count in blocks])


def _area(x: np.ndarray, y: np.ndarray, low: float, high: float) -> float:
    """∫ of x(y) dy from low to high of a line through points (K,) whose y never falls; level stretches add nothing."""
    total = 0.0
    for x0, x1, y0, y1 in zip(x, x[1:], y, y[1:], strict=False):
        begin, end = max(y0, low), min(y1, high)
        if end > begin:
            slope = (x1 - x0) / (y1 - y0)
            total += (end - begin) * (x0 + slope * ((begin + end) / 2 - y0))
    return float(total)
