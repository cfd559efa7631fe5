"""How rare each class of a training was made, read from what the run was asked for and what it got."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from passo.errors import StoreError
from passo.store import StoredRun


def exponential(ratio: float, classes: int) -> np.ndarray:
    """Each class's share of the largest, from 1 for the first to 1/r for the last: r^(−c / (classes − 1)), (classes,).

    That of `passo.load(…, imbalance=r)`: Cui, Jia, Lin, Song, Belongie, "Class-balanced loss", CVPR 2019, section 5.1.

    >>> exponential(100, 3).tolist()
    [1.0, 0.1, 0.01]
    """
    return float(ratio) ** (-np.arange(classes) / max(classes - 1, 1))


def stepped(ratio: float, classes: Sequence[str], rare: Sequence[str | int]) -> np.ndarray:
    """1 for every class, 1/r for those in `rare`, named or numbered: (classes,); that of `passo.load(…, rare=[…])`.

    >>> stepped(10, ["cat", "dog", "cow"], ["dog"]).tolist()
    [1.0, 0.1, 1.0]
    """
    return np.array([1 / ratio if name in rare or c in rare else 1.0 for c, name in enumerate(classes)])


def class_shares(run: StoredRun) -> np.ndarray:
    """Each class's training images as a share of the largest class's: (C,) in (0, 1].

    Raises `StoreError` where the run does not name its classes.
    """
    told: dict[str, Any] = run.info.get("data", {})
    classes = tuple(map(str, told.get("classes", ())))
    if not classes:
        raise StoreError(f"run {run.id} does not name its classes, so how rare each was is not known")
    asked = run.config.get("dataset", {})
    imbalance, rare = asked.get("imbalance") or 1, asked.get("rare")
    if isinstance(imbalance, Sequence):
        return np.array(imbalance, np.float64) / max(imbalance)
    return stepped(imbalance, classes, rare) if rare else exponential(imbalance, len(classes))


def class_counts(shares: np.ndarray, total: int) -> np.ndarray:
    """Training images of each class, where there are `total` in all: (C,) int, each at least 1.

    The largest class has n images and each other the nearest whole number to its share of n; n is what fits the total.

    >>> class_counts(exponential(10, 3), 71).tolist()
    [50, 16, 5]
    """

    def of(n: int) -> np.ndarray:
        return np.maximum(np.rint(n * shares), 1).astype(np.int64)

    guess = round(total / float(shares.sum()))
    near = sorted(
        range(max(1, guess - len(shares)), guess + len(shares) + 1), key=lambda n: abs(int(of(n).sum()) - total)
    )
    return of(near[0])
