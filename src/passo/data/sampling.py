"""Subsets and splits by class and by seed. Positions in, positions out; NumPy only."""

from __future__ import annotations

import numpy as np

from passo.errors import ConfigError
from passo.seeding import derive


def class_counts(labels: np.ndarray, classes: int) -> np.ndarray:
    """Items of each class: (classes,) int64.

    >>> class_counts(np.array([0, 2, 2]), 3).tolist()
    [1, 0, 2]
    """
    return np.bincount(labels, minlength=classes)


def subset(labels: np.ndarray, per_class: int, seed: int) -> np.ndarray:
    """Positions of `per_class` items of each class, chosen by `seed`, in ascending order.

    >>> labels = np.array([0, 1, 0, 1, 0, 1])
    >>> class_counts(labels[subset(labels, 2, seed=0)], 2).tolist()
    [2, 2]
    """
    if isinstance(per_class, bool) or not isinstance(per_class, int | np.integer) or per_class < 1:
        raise ConfigError(f"per_class must be a whole number ≥ 1, got {per_class!r}")
    rng = np.random.default_rng(derive(seed, "subset"))
    chosen = []
    for label in np.unique(labels):
        there = np.flatnonzero(labels == label)
        if len(there) < per_class:
            raise ConfigError(
                f"per_class={per_class} is more than the {len(there)} training images of class {label}; "
                f"give at most {class_counts(labels, 1).min()}"
            )
        chosen.append(rng.permutation(there)[:per_class])
    return np.sort(np.concatenate(chosen))


def split_size(total: int, validation: float | int | None) -> int:
    """How many of `total` images a validation part takes: a fraction in (0, 1), a number, or none (0).

    >>> split_size(3000, 0.1), split_size(3000, 500), split_size(3000, None)
    (300, 500, 0)
    """
    if validation is None or (validation == 0 and not isinstance(validation, bool)):
        return 0
    if isinstance(validation, float) and 0 < validation < 1:
        size = round(validation * total)
    elif isinstance(validation, int | np.integer) and not isinstance(validation, bool):
        size = int(validation)
    else:
        size = -1
    if not 1 <= size < total:
        raise ConfigError(
            f"validation must be a fraction between 0 and 1, or a number of images from 1 to {total - 1} "
            f"(of {total} training images), or 0 for none, got {validation!r}"
        )
    return size


def stratified_split(labels: np.ndarray, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Part `size` items from the others, class by class, by `seed`: (the rest, the part), each ascending.

    Each class gives its share, rounded down; what is missing then comes from the classes with the largest
    remainders (the first of them where they tie), so that no class is off by one item or more.

    >>> rest, part = stratified_split(np.array([0, 0, 0, 0, 1, 1, 1, 1]), 2, seed=0)
    >>> len(rest), len(part), len(set(rest) & set(part))
    (6, 2, 0)
    """
    names, counts = np.unique(labels, return_counts=True)
    shares, remainders = np.divmod(counts * size, len(labels))
    shares[np.argsort(-remainders, kind="stable")[: size - shares.sum()]] += 1
    rng = np.random.default_rng(derive(seed, "validation"))
    taken = np.zeros(len(labels), bool)
    for label, share in zip(names, shares, strict=True):
        taken[rng.permutation(np.flatnonzero(labels == label))[:share]] = True
    return np.flatnonzero(~taken), np.flatnonzero(taken)
