"""Curves as a page draws them: few enough points for the screen, with every extreme still among them."""

from __future__ import annotations

import itertools

import numpy as np

POINTS = 2000  # of one curve that travel


def extremes(x: np.ndarray, y: np.ndarray, most: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """At most `most` points of a curve: of each stretch its first, least, greatest and last point, in their order.

    x, y: (n,), x ascending. What is not finite is kept where a whole stretch is not. A curve that is short stays.

    >>> x = np.arange(1000.0); y = np.zeros(1000); y[[321, 777]] = 9, -9
    >>> kept, values = extremes(x, y, 40)
    >>> len(kept) <= 40, *map(float, (values.max(), values.min(), kept[0], kept[-1]))
    (True, 9.0, -9.0, 0.0, 999.0)
    """
    if len(x) <= most:
        return x, y
    ends = np.linspace(0, len(x), max(1, most // 4) + 1).astype(int)
    kept: set[int] = set()
    for start, end in itertools.pairwise(ends):
        part = y[start:end]
        kept |= {start, end - 1}
        if np.isfinite(part).any():
            kept |= {start + int(np.nanargmin(_finite(part))), start + int(np.nanargmax(_finite(part)))}
    at = np.array(sorted(kept))
    return x[at], y[at]


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.nan)
