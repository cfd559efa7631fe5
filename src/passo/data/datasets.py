"""Real data by name: found, checked, split into three parts that share nothing, and scaled."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Mapping, Sequence
from functools import cache, partial
from inspect import signature
from pathlib import Path
from typing import Any, Literal

import numpy as np

from passo.data import sampling
from passo.data.described import skipping
from passo.data.downloads import Progress
from passo.data.entries import DATASETS, DatasetInfo, catalogue, info
from passo.data.opening import fetch, open_set
from passo.data.parts import Change, Data, Scaler, Split
from passo.data.perturbations import check_perturbations, perturb_pixels
from passo.data.scaling import Scaling, check_scale
from passo.data.sources import Arrays, Found, Place, where
from passo.errors import ConfigError
from passo.registry import unknown
from passo.seeding import derive

__all__ = [
    "DATASETS",
    "Data",
    "DatasetInfo",
    "Found",
    "Place",
    "Scaling",
    "Split",
    "catalogue",
    "fetch",
    "info",
    "load",
    "where",
]

PERTURBED = ("test", "all")


def load(
    name: str = "fashion-mnist",
    *,
    folder: str | Path | None = None,
    per_class: int | Literal["all"] | None = None,
    classes: int | Sequence[str | int] | None = None,
    imbalance: float | Sequence[float] | None = None,
    rare: Sequence[str | int] | None = None,
    validation: float | int | None = 0.1,
    scale: str = "standardize",
    perturb: Mapping[str, float] | None = None,
    perturbed: str = "test",
    size: int | Sequence[int] | None = None,
    colour: bool | None = None,
    in_memory: bool = True,
    target: str | None = None,
    task: str | None = None,
    seed: int = 0,
    allow_sample: bool = False,
    progress: Progress | None = None,
) -> Data:
    """A data set by its name: found or fetched, checked, split and scaled.

    `classes` takes these classes only, named or numbered, as classes 0, 1, … in the order given; a whole number k, the
    first k. `per_class` takes that many training images of each class ("all": every one), chosen by `seed`;
    `validation` then parts a fraction or a number of them from the others, stratified, by `seed`; `imbalance` then
    takes fewer of some classes for training, while validation and test keep their balance: exponentially fewer from
    class to class (`sampling.profile`), or, with `rare` classes named or numbered among those taken, fewer of those
    (`sampling.stepped`). `scale` is "standardize" (mean 0, standard deviation 1 by the training part's own pixels,
    channel by channel), "normalize" (0 to 1), "symmetric" (−1 to 1) or "none" (0 to 255, as float).

    `perturb` changes the images of the test part (or of all parts, `perturbed="all"`) by exactly these strengths, in
    the units of `PERTURBATIONS`, fixed by `seed`; the scaling is measured on the images as they were.

    "images" and "csv" are the user's own, at `folder` (or at a path in the place of the name): `size` and `colour` say
    how images are read, `target` and `task` which column is predicted, and whether it is a class. Images need not be
    `in_memory`: left on the disk they are read batch by batch (`Split.batches`), to the same numbers. What is no image,
    or an odd one, is skipped, named in `Data.skipped` and in a warning. With
    `allow_sample`, a set that is nowhere to be found is stood in for by the real sample inside passo, and `Data.name`,
    `Data.sample` and `Data.source` say so.

    Raises `UnknownName`, `ConfigError`, `DataNotFound`, `DataCorrupt` and `MissingExtra`.

    >>> load("fashion-mnist-sample")
    Data(fashion-mnist-sample: train 2,700, validation 300, test 1,000; from the sample embedded in passo)
    """
    if not isinstance(in_memory, bool):
        raise ConfigError(f"in_memory must be true or false, got {in_memory!r}")
    name, folder = addressed(name, folder)
    entry = info(name)
    check_scale(scale)
    strengths = check_perturbations(perturb)
    if perturbed not in PERTURBED:
        raise unknown("part to perturb", perturbed, PERTURBED)
    kept = None if in_memory else False  # what is usual is not told
    reading = {"size": size, "colour": colour, "in_memory": kept, "target": target, "task": task}
    entry, arrays, source = open_set(entry, folder, allow_sample, progress, reading)
    if entry.skipped and multiprocessing.parent_process() is None:  # not by those that work for it
        _tell(f"{folder}: {skipping(entry.skipped)}")
    asked = {
        "per_class": None if per_class == "all" else per_class,
        "classes": _listed(classes),
        "imbalance": _listed(imbalance),
        "rare": _listed(rare),
        "perturb": strengths or None,
        "perturbed": perturbed if strengths and perturbed != "test" else None,
        **reading,
    }
    return _parted(entry, arrays, source, {k: v for k, v in asked.items() if v is not None}, validation, scale, seed)


@cache
def _tell(words: str) -> None:
    """Warn, and not again in this process: a study loads one folder many times."""
    warnings.warn(words, UserWarning, stacklevel=3)


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def addressed(name: str, folder: str | Path | None = None) -> tuple[str, str | Path | None]:
    """A data set's name and its folder; a path that is no name stands for the user's own, images or a table.

    >>> addressed("mnist"), addressed("houses.csv")
    (('mnist', None), ('csv', 'houses.csv'))
    """
    if folder is None and name not in DATASETS:
        path = Path(name).expanduser()
        if path.is_dir():
            return "images", name
        if path.suffix == ".csv":
            return "csv", name
    return name, folder


def load_as(name: str, options: Mapping[str, Any]) -> Data:
    """`load` with options from outside; raises `UnknownName` for one that it does not have."""
    known = [option for option in signature(load).parameters if option not in ("name", "progress")]
    for option in options:
        if option not in known:
            raise unknown("option of a data set", option, known)
    words = {
        key: str(options[key]) for key in ("folder", "target") if options.get(key) is not None
    }  # 2024 is a name too
    return load(name, **{**options, **words})


def _parted(
    entry: DatasetInfo,
    arrays: Arrays,
    source: str,
    asked: dict[str, Any],
    validation: float | int | None,
    scale: str,
    seed: int,
) -> Data:
    """The parts of a set that is in memory, as they were asked for."""
    x, y, test_x, test_y = arrays
    if not entry.classes and (wrong := {"per_class", "classes", "imbalance", "rare"} & set(asked)):
        raise ConfigError(f"{min(wrong)} is of classes, and {entry.name} has values to predict: leave it out")
    if x.ndim == 2 and "perturb" in asked:
        raise ConfigError(f"perturb changes images, and {entry.name} is a table: leave it out")
    names, kept, tested = entry.classes, None, None
    if "classes" in asked:
        chosen = sampling.choose(asked["classes"], names)
        (y, kept), (test_y, tested) = sampling.relabelled(y, chosen), sampling.relabelled(test_y, chosen)
        names = tuple(names[number] for number in chosen)
    if "rare" in asked and "imbalance" not in asked:
        raise ConfigError("rare says which classes are fewer, and imbalance how much fewer: give imbalance=10 with it")
    train, held = _split(y, kept, asked, names, validation, seed)
    scaler, changes = Scaler(scale, x, train), _changes(asked, seed)
    return Data(
        info=entry,
        classes=names,
        train=Split(x, y, train, scaler, len(names), changes["train"]),
        validation=None if held is None else Split(x, y, held, scaler, len(names), changes["train"]),
        test=Split(test_x, test_y, tested, scaler, len(names), changes["test"]),
        source=source,
        seed=seed,
        asked=asked,
        _scaler=scaler,
    )


def _split(
    y: np.ndarray,
    kept: np.ndarray | None,
    asked: Mapping[str, Any],
    names: tuple[str, ...],
    validation: Any,
    seed: int,
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Positions of the training and of the validation part; None for all of the file, and for none."""
    everything = np.arange(len(y)) if kept is None else kept
    if "per_class" in asked:
        everything = everything[sampling.subset(y[everything], asked["per_class"], seed, names)]
    train, held = everything, None
    if amount := sampling.split_size(len(everything), validation):
        strata = y[everything] if names else np.zeros(len(everything), np.uint8)
        rest, part = sampling.stratified_split(strata, amount, seed)
        train, held = everything[rest], everything[part]
    if "imbalance" in asked:
        shares = sampling.stepped(asked["imbalance"], asked["rare"], names) if "rare" in asked else asked["imbalance"]
        train = train[sampling.unbalanced(y[train], shares, len(names), seed, names)]
    return (None if len(train) == len(y) else train), held


def _changes(asked: Mapping[str, Any], seed: int) -> dict[str, Change | None]:
    """What changes the images of the training file and those of the test file."""
    if "perturb" not in asked:
        return {"train": None, "test": None}

    both = asked.get("perturbed") == "all"
    wanted = {"train": both, "test": True}
    changes = {part: partial(_change, asked["perturb"], derive(seed, "perturb", part)) for part in wanted}
    return {part: changes[part] if wanted[part] else None for part in wanted}


def _change(strengths: Mapping[str, float], seed: int, pixels: np.ndarray, positions: np.ndarray) -> np.ndarray:
    return perturb_pixels(pixels, strengths, seed=seed, positions=positions)
