"""Subsets, chosen classes, imbalance and splits, by class and by seed. Positions in, positions out; NumPy only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from passo.errors import ConfigError
from passo.registry import unknown
from passo.seeding import derive


def class_counts(labels: np.ndarray, classes: int) -> np.ndarray:
    """Items of each class: (classes,) int64.

    >>> class_counts(np.array([0, 2, 2]), 3).tolist()
    [1, 0, 2]
    """
    return np.bincount(labels, minlength=classes)


def choose(wanted: int | Sequence[str | int], names: Sequence[str]) -> list[int]:
    """The classes named or numbered in `wanted`, as numbers, in the order given: the first becomes class 0.

    A whole number k ≥ 2 is the first k of them.

    >>> choose(["Bag", 0], ["Shirt", "Coat", "Bag"]), choose(2, ["Shirt", "Coat", "Bag"])
    ([2, 0], [0, 1])
    """
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        if not 2 <= wanted <= len(names):
            raise ConfigError(f"classes must be from 2 to {len(names)}, as many as there are, or a list, got {wanted}")
        return list(range(wanted))
    if isinstance(wanted, str) or not isinstance(wanted, Sequence) or len(wanted) < 2:
        raise ConfigError(
            "classes must be a list of two or more names or numbers of classes, or how many of the first ones, "
            f"got {wanted!r}"
        )
    return _numbers("classes", wanted, names)


def _numbers(option: str, wanted: Sequence[str | int], names: Sequence[str]) -> list[int]:
    """Classes that are named or numbered in `wanted`, as numbers in the order given."""
    numbers = []
    for one in wanted:
        if isinstance(one, str):
            if one not in names:
                raise unknown("class", one, names)
            numbers.append(list(names).index(one))
        elif isinstance(one, bool) or not isinstance(one, int) or not 0 <= one < len(names):
            raise ConfigError(f"{option}: classes are named, or numbered from 0 to {len(names) - 1}, got {one!r}")
        else:
            numbers.append(one)
    if len(set(numbers)) < len(numbers):
        raise ConfigError(f"{option} must be different classes, got {list(wanted)!r}")
    return numbers


def relabelled(labels: np.ndarray, chosen: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """(new labels, positions of the items of the chosen classes): (N,) and (n,); other items keep no true label.

    >>> new, there = relabelled(np.array([0, 1, 2, 2]), [2, 0])
    >>> new[there].tolist(), there.tolist()
    ([1, 0, 0], [0, 2, 3])
    """
    table = np.full(max(int(labels.max(initial=0)), *chosen) + 1, -1)
    table[list(chosen)] = np.arange(len(chosen))
    new = table[labels]
    return np.maximum(new, 0).astype(labels.dtype), np.flatnonzero(new >= 0)


def profile(imbalance: float | Sequence[float], classes: int) -> np.ndarray:
    """Each class's share of the largest class: (classes,) float64 in (0, 1].

    A list says it, class by class, in any unit. A number r ≥ 1 is the exponential profile, from 1:1 for the first class
    to 1:r for the last: share of class c = r^(−c / (classes − 1)).

    Source: Cui, Jia, Lin, Song and Belongie, "Class-balanced loss", CVPR 2019, section 5.1 (long-tailed CIFAR).

    >>> profile(100, 3).tolist(), profile([10, 5, 1], 3).tolist()
    ([1.0, 0.1, 0.01], [1.0, 0.5, 0.1])
    """
    if isinstance(imbalance, str) or not isinstance(imbalance, Sequence):
        if isinstance(imbalance, str) or not _number(imbalance) or imbalance < 1:
            raise ConfigError(f"imbalance must be a ratio ≥ 1, or one number for each class, got {imbalance!r}")
        return float(imbalance) ** (-np.arange(classes) / max(classes - 1, 1))
    if len(imbalance) != classes or not all(_number(one) and one > 0 for one in imbalance):
        raise ConfigError(f"imbalance must be {classes} numbers > 0, one for each class, got {list(imbalance)!r}")
    return np.array(imbalance, float) / max(imbalance)


def stepped(imbalance: float | Sequence[float], rare: Sequence[str | int], names: Sequence[str]) -> list[float]:
    """Each class's share of the largest class, where those in `rare` have 1/r of what the others have: step imbalance.

    Source: Buda, Maki and Mazurowski, "A systematic study of the class imbalance problem in convolutional neural
    networks", Neural Networks 106, 2018.

    >>> stepped(10, ["Coat"], ["Shirt", "Coat", "Bag"])
    [1.0, 0.1, 1.0]
    """
    if isinstance(imbalance, Sequence):
        raise ConfigError(f"rare goes with one ratio, as in imbalance=10, and not with {list(imbalance)!r}: drop one")
    if isinstance(rare, str) or not isinstance(rare, Sequence) or not 1 <= len(rare) < len(names):
        raise ConfigError(f"rare must be a list of 1 to {len(names) - 1} names or numbers of classes, got {rare!r}")
    most, fewest = profile(imbalance, 2).tolist()  # 1 and 1/r
    numbers = _numbers("rare", rare, names)
    return [fewest if number in numbers else most for number in range(len(names))]


def unbalanced(
    labels: np.ndarray, imbalance: float | Sequence[float], classes: int, seed: int, names: Sequence[str] = ()
) -> np.ndarray:
    """Positions of as many items as can be in these ratios (each class at least 1), by `seed`, ascending.

    >>> labels = np.repeat([0, 1, 2], 50)
    >>> class_counts(labels[unbalanced(labels, 10, 3, seed=0)], 3).tolist()
    [50, 16, 5]
    """
    shares, counts = profile(imbalance, classes), class_counts(labels, classes)
    if counts.min() == 0:
        raise ConfigError(
            f"imbalance needs training images of every class: {_called(int(counts.argmin()), names)} has none"
        )
    largest = math.floor((counts / shares).min() + 1e-9)  # images of the largest class, so that no class lacks any
    sizes = np.clip(np.rint(largest * shares).astype(int), 1, counts)
    rng = np.random.default_rng(derive(seed, "imbalance"))
    chosen = [rng.permutation(np.flatnonzero(labels == label))[:size] for label, size in enumerate(sizes)]
    return np.sort(np.concatenate(chosen))


def class_weights(counts: Sequence[int] | np.ndarray) -> np.ndarray:
    """Weights of the classes in the loss, w_c = N / (classes · n_c): (classes,) float64; their mean over items is 1.

    The other remedy for imbalance beside balanced sampling (`Batches(weights="balanced")`): all items are seen, the
    rare ones count for more. Source: scikit-learn 1.5, `utils/class_weight.py`, "balanced".

    >>> class_weights([30, 10]).round(3).tolist()
    [0.667, 2.0]
    """
    items = np.asarray(counts, float)
    if items.ndim != 1 or len(items) == 0 or not (items > 0).all():
        raise ConfigError(f"class weights need items of every class, got {np.asarray(counts).tolist()}")
    return items.sum() / (len(items) * items)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def subset(labels: np.ndarray, per_class: int, seed: int, names: Sequence[str] = ()) -> np.ndarray:
    """Positions of `per_class` items of each class, chosen by `seed`, in ascending order.

    `names` are those of all classes; without them, the classes are those that have items. Raises `ConfigError`, with
    the name of the class that has fewest, where one has fewer.

    >>> labels = np.array([0, 1, 0, 1, 0, 1])
    >>> class_counts(labels[subset(labels, 2, seed=0)], 2).tolist()
    [2, 2]
    """
    if isinstance(per_class, bool) or not isinstance(per_class, int | np.integer) or per_class < 1:
        raise ConfigError(f"per_class must be a whole number ≥ 1, or all, got {per_class!r}")
    classes = np.arange(len(names)) if names else np.unique(labels)
    places = {int(label): np.flatnonzero(labels == label) for label in classes}
    scarcest = min(places, key=lambda label: len(places[label]))
    if len(places[scarcest]) < per_class:
        raise ConfigError(f"per_class={per_class}: {_too_few(scarcest, places, per_class, names)}")
    rng = np.random.default_rng(derive(seed, "subset"))
    return np.sort(np.concatenate([rng.permutation(there)[:per_class] for there in places.values()]))


def _too_few(scarcest: int, places: Mapping[int, np.ndarray], per_class: int, names: Sequence[str]) -> str:
    """What of the classes is too little, and what may be given instead."""
    most, lacking = len(places[scarcest]), sum(len(there) < per_class for there in places.values())
    named, images = names[scarcest] if names else scarcest, f"{most:,} training images"
    images = "1 training image" if most == 1 else images
    if not most:
        return f"class {named} has 0 training images; give all for every image there is"
    if lacking == 1:
        return f"class {named} has {images}; give at most {most}, or all for every image there is"
    return (
        f"class {named} has {images}, the fewest of {lacking} classes that have too few; "
        f"give at most {most}, or all for every image there is"
    )


def _called(label: int, names: Sequence[str]) -> str:
    return f"class {names[label] if names else label}"


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


def held_out(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the rest, a fifth of each class): the test part of a set that comes without one, the same for every seed."""
    if len(labels) < 5:
        raise ConfigError(f"a set without a test part needs 5 items or more, got {len(labels)}")
    return stratified_split(labels, len(labels) // 5, derive(0, "test"))
