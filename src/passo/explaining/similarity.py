"""How alike two maps are: the rank correlation, in which only the order of the pixels counts."""

from __future__ import annotations

import numpy as np


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's ρ of each pair of maps: the correlation of their pixels' ranks, tied pixels sharing their mean rank.

    first, second: (N, …) of one shape → (N,), from −1 to 1. A map that is the same everywhere orders nothing: 0.

    >>> rank_correlation(np.array([[1.0, 2.0, 9.0], [5.0, 5.0, 5.0]]), np.array([[0.1, 0.2, 0.3], [1.0, 2.0, 3.0]]))
    array([1., 0.])
    """
    if first.shape != second.shape:
        raise ValueError(f"maps of one shape can be compared, got {first.shape} and {second.shape}")
    a, b = (_centred(values.reshape(len(values), -1)) for values in (first, second))
    sizes = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    return np.divide((a * b).sum(1), sizes, out=np.zeros(len(a)), where=sizes > 0)


def _centred(values: np.ndarray) -> np.ndarray:
    """Ranks of each row around their mean: (N, P) → (N, P)."""
    ranks = np.empty(values.shape)
    for row, one in enumerate(values):
        _, where, counts = np.unique(one, return_inverse=True, return_counts=True)
        ranks[row] = (np.cumsum(counts) - (counts - 1) / 2)[where]
    return ranks - (values.shape[1] + 1) / 2
