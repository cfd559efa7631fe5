"""Which classes are hardest to tell apart, from what was taken for what. NumPy only."""

from __future__ import annotations

import numpy as np

from passo.errors import ConfigError


def most_confused(confusion: np.ndarray, k: int) -> list[int]:
    """The k classes that are most confused with one another, in the order in which they were chosen.

    With r_ab the share of class a's images that are taken for b, the first two are the pair with the greatest mutual
    confusion m_ab = r_ab + r_ba; each next one is the class c outside with the greatest Σ m_cs over those chosen, s.
    Shares, not counts, so that a class is not chosen for its size. Where classes tie, the lower numbers come first; so
    the k classes are always the first k of any larger choice. The diagonal does not matter beyond its part of the row.

    confusion: (C, C) counts, row the true class, column the one that was given. Raises `ConfigError` for a matrix that
    is none, and for k below 2 or above C.

    >>> counts = np.array([[8, 1, 1, 0], [0, 9, 0, 1], [4, 0, 6, 0], [0, 2, 0, 8]])
    >>> most_confused(counts, 2), most_confused(counts, 3)
    ([0, 2], [0, 2, 1])
    """
    counts = np.asarray(confusion, np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not (counts >= 0).all():
        raise ConfigError(f"a confusion matrix has a row and a column for each class, got shape {counts.shape}")
    classes = len(counts)
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 2 <= k <= classes:
        raise ConfigError(f"of {classes} classes, 2 to {classes} can be the most confused ones, got {k!r}")
    images = np.maximum(counts.sum(1, keepdims=True), 1)
    mutual = counts / images + (counts / images).T
    mutual = np.round(mutual, 12)  # sums that are equal must tie: rounding is not to choose
    np.fill_diagonal(mutual, -1.0)
    chosen = sorted(divmod(int(mutual.argmax()), classes))
    while len(chosen) < k:
        with_chosen = mutual[:, chosen].sum(1).round(12)
        with_chosen[chosen] = -1.0
        chosen.append(int(with_chosen.argmax()))
    return chosen
