"""Curves as a page draws them: few enough points for the screen, with every extreme still among them."""

from __future__ import annotations

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
    size = -(-len(x) // max(1, most // 4))  # points of a stretch
    starts = np.arange(0, len(x), size)
    padded = np.full(len(starts) * size, np.nan)
    padded[: len(x)] = y
    stretches = padded.reshape(len(starts), size)
    finite = np.isfinite(stretches)
    least = starts + np.where(finite, stretches, np.inf).argmin(axis=1)
    greatest = starts + np.where(finite, stretches, -np.inf).argmax(axis=1)
    at = np.unique([starts, np.minimum(starts + size, len(x)) - 1, least, greatest])
    return x[at], y[at]
