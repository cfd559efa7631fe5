"""Contours of a function on a grid, as polylines and polygons that any chart can draw."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from passo.errors import require

_SERIES = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8))


def outlines(x: np.ndarray, y: np.ndarray, z: np.ndarray, levels: Sequence[float]) -> list[tuple[float, np.ndarray]]:
    """The lines on which z has a level, as (level, points (n, 2)); a level has as many as it has pieces.

    x (n,) and y (m,) ascend, z has shape (m, n). Between grid points z is taken as linear; where z is not finite
    there is no line. A closed line ends where it begins.

    >>> level, line = outlines(np.arange(3.0), np.arange(2.0), np.array([[0.0, 1, 2], [0, 1, 2]]), [0.5])[0]
    >>> level, line.tolist()
    (0.5, [[0.5, 1.0], [0.5, 0.0]])
    """
    found = _generator(x, y, z, line_type="Separate")
    return [(float(level), line) for level in levels for line in found.lines(level)]


def regions(x: np.ndarray, y: np.ndarray, z: np.ndarray, levels: Sequence[float]) -> list[tuple[float, np.ndarray]]:
    """Where z is at or above each level, as (level, closed polygon (n, 2)); drawn in this order, they make bands.

    Each lies upon those of lower levels, so neighbours leave no gap. A hole is walked into and out of along one seam,
    against the outline's sense: filled by the non-zero rule, without a stroke, it stays open.

    >>> bump = np.array([[0.0, 0, 0], [0, 2, 0], [0, 0, 0]])
    >>> [(level, len(shape)) for level, shape in regions(np.arange(3.0), np.arange(3.0), bump, [-1.0, 1.0])]
    [(-1.0, 9), (1.0, 5)]
    """
    found = _generator(x, y, z, fill_type="OuterOffset")
    shapes = []
    for level in sorted(levels):
        for points, offsets in zip(*found.filled(level, np.inf), strict=True):
            rings = [points[a:b] for a, b in pairwise(offsets)]
            seams = [np.concatenate([ring, rings[0][:1]]) for ring in rings[1:]]
            shapes.append((float(level), np.concatenate([rings[0], *seams])))
    return shapes


def round_levels(z: np.ndarray) -> tuple[np.ndarray, dict[float, float]]:
    """Heights to contour instead of z, and the levels: round value of z → height.

    Logarithmic where z is positive and ranges over more than a factor of three, else z itself; about nine levels, or
    some more. What is not finite gets the greatest finite height.

    >>> heights, levels = round_levels(np.array([[1.0, 10.0], [100.0, np.inf]]))
    >>> heights.tolist(), list(levels)
    ([[0.0, 1.0], [2.0, 2.0]], [1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 70.0])
    """
    finite = z[np.isfinite(z)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    filled = np.where(np.isfinite(z), z, high)
    if low > 0 and high > 3 * low:
        return np.log10(filled), {level: float(np.log10(level)) for level in _logarithmic(low, high)}
    step = _round_step((high - low) / 10) if high > low else 1.0
    levels = np.arange(np.floor(low / step) + 1, np.ceil(high / step)) * step
    return filled, {float(level): float(level) for level in levels}


def _logarithmic(low: float, high: float) -> list[float]:
    """Round numbers between low and high, about evenly spaced on a logarithmic scale."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    found: list[float] = []
    for series in _SERIES:
        found = [level for power in powers for step in series if low < (level := float(f"{step}e{power}")) < high]
        if len(found) >= 9:
            break
    return found


def _round_step(step: float) -> float:
    """1, 2 or 5 times a power of ten, at least `step`."""
    power = 10.0 ** np.floor(np.log10(step))
    return float(power * next(m for m in (1, 2, 5, 10) if m * power >= step * (1 - 1e-9)))


def label_places(
    lines: Sequence[tuple[float, np.ndarray]], frame: np.ndarray, height: float, taken: np.ndarray, air: float = 0.05
) -> list[tuple[float, np.ndarray]]:
    """One place for each level's number: on its line, as far from what is `taken` (k, 2) and other numbers as can be.

    `frame` (2, 2) holds the lower left and the upper right corner; distances are shares of the picture's width, with
    its `height` as a share of it too. A level whose lines leave less than `air` has no place.
    """
    side = frame[1] - frame[0]
    shape = np.array([1.0, height])
    occupied = (taken - frame[0]) / side * shape
    found = []
    for level in dict.fromkeys(level for level, _ in lines):
        points = np.concatenate([line for other, line in lines if other == level])
        places = (points - frame[0]) / side
        inside = ((places > 0.05) & (places < 0.95)).all(1)
        points, places = points[inside], places[inside] * shape
        nearest = np.linalg.norm(places[:, None] - occupied[None], axis=2).min(1) if len(points) else np.zeros(1)
        best = int(np.argmax(nearest))
        if nearest[best] > air:
            occupied = np.concatenate([occupied, places[best : best + 1]])
            found.append((level, points[best]))
    return found


def _generator(x: np.ndarray, y: np.ndarray, z: np.ndarray, **options: Any) -> Any:
    contourpy = require("contourpy", "figures")
    x, y, z = (np.asarray(values, np.float64) for values in (x, y, z))
    return contourpy.contour_generator(x, y, np.ma.masked_invalid(z), **options)
