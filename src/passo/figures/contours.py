"""Contours of a function on a grid, as polylines and polygons that any chart can draw."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from passo.errors import require


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


def _generator(x: np.ndarray, y: np.ndarray, z: np.ndarray, **options: Any) -> Any:
    contourpy = require("contourpy", "figures")
    x, y, z = (np.asarray(values, np.float64) for values in (x, y, z))
    return contourpy.contour_generator(x, y, np.ma.masked_invalid(z), **options)
