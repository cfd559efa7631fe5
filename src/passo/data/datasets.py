"""Real data by name: found, checked, split into three parts that share nothing, and scaled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from passo.data import sampling
from passo.data.entries import DATASETS, DatasetInfo, catalogue, info
from passo.data.scaling import Scaling, check_scale, scaling
from passo.data.sources import Found, Place, Progress, fetch, open_arrays, where
from passo.errors import DataNotFound

if TYPE_CHECKING:
    import torch

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


class Scaler:
    """A way of scaling, measured on the training part when it is first asked for."""

    def __init__(self, name: str, pixels: np.ndarray, index: np.ndarray | None) -> None:
        self._name, self._pixels, self._index = name, pixels, index

    @cached_property
    def scaling(self) -> Scaling:
        return scaling(self._name, self._pixels, self._index)


class Split:
    """One part of a data set; what is asked for is read, scaled or copied then, and kept."""

    def __init__(
        self, pixels: np.ndarray, targets: np.ndarray, index: np.ndarray | None, scaler: Scaler, classes: int
    ) -> None:
        self._pixels, self._index, self._scaler, self._classes = pixels, index, scaler, classes
        self.targets = targets if index is None else targets[index]
        """Class numbers: (N,) uint8, for NumPy."""

    def __len__(self) -> int:
        return len(self.targets)

    def __repr__(self) -> str:
        return f"Split({len(self):,} images)"

    @cached_property
    def images(self) -> torch.Tensor:
        """Scaled images: (N, C, H, W) float32."""
        return self._scaler.scaling.apply(self._pixels, self._index)

    @cached_property
    def labels(self) -> torch.Tensor:
        """Class numbers: (N,) int64."""
        import torch

        return torch.from_numpy(self.targets.astype(np.int64))

    @cached_property
    def raw(self) -> np.ndarray:
        """Pixels as in the file: (N, H, W) uint8; a view of it where the part is all of it."""
        return self._pixels if self._index is None else self._pixels[self._index]

    @property
    def index(self) -> np.ndarray:
        """Positions of the images in the data set's file, ascending: (N,)."""
        return np.arange(len(self)) if self._index is None else self._index

    @property
    def counts(self) -> list[int]:
        """Images of each class."""
        return sampling.class_counts(self.targets, self._classes).tolist()


@dataclass(frozen=True, kw_only=True, repr=False)
class Data:
    """A data set, ready to train on: `validation` was split from the training part, `test` is for the end."""

    info: DatasetInfo
    train: Split
    validation: Split | None
    test: Split
    source: str
    seed: int
    per_class: int | None
    _scaler: Scaler

    def __repr__(self) -> str:
        counts = ", ".join(f"{part} {n:,}" for part, n in self.counts.items())
        return f"Data({self.name}: {counts}; from {self.source})"

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def counts(self) -> dict[str, int]:
        """Images of each part."""
        validation = 0 if self.validation is None else len(self.validation)
        return {"train": len(self.train), "validation": validation, "test": len(self.test)}

    @property
    def classes(self) -> tuple[str, ...]:
        return self.info.classes

    @property
    def sample(self) -> bool:
        """Whether these are the images embedded in passo, which stand in for a larger set."""
        return self.info.packaged is not None

    @property
    def in_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return self.info.shape

    @property
    def scaling(self) -> Scaling:
        """How pixels became numbers; "standardize" measured the training part, and it alone."""
        return self._scaler.scaling

    def facts(self) -> dict[str, Any]:
        """What a study records about its data, JSON-able."""
        return {
            "name": self.name,
            "title": self.info.title,
            "source": self.source,
            "sample": self.sample,
            "sha256": self.info.digests,
            "classes": list(self.classes),
            "in_shape": list(self.in_shape),
            "counts": self.counts,
            "per_class": self.per_class,
            "scaling": self.scaling.facts(),
            "seed": self.seed,
            "licence": self.info.licence,
            "homepage": self.info.homepage,
        }


def load(
    name: str = "fashion-mnist",
    *,
    folder: str | Path | None = None,
    per_class: int | None = None,
    validation: float | int | None = 0.1,
    scale: str = "standardize",
    seed: int = 0,
    allow_sample: bool = False,
    progress: Progress | None = None,
) -> Data:
    """A data set by its name: found or fetched, checked, split and scaled.

    `per_class` takes that many training images of each class, chosen by `seed`; `validation` then parts a
    fraction or a number of them from the others, stratified, by `seed`. `scale` is "standardize" (mean 0,
    standard deviation 1 by the training part's own pixels), "normalize" (0 to 1), "symmetric" (−1 to 1) or
    "none" (0 to 255, as float). With `allow_sample`, a set that is nowhere to be found is stood in for by the
    real sample inside passo, and `Data.name`, `Data.sample` and `Data.source` say so.

    Raises `UnknownName`, `ConfigError`, `DataNotFound` and `DataCorrupt`.

    >>> load("fashion-mnist-sample")
    Data(fashion-mnist-sample: train 2,700, validation 300, test 1,000; from the sample embedded in passo)
    """
    entry = info(name)
    check_scale(scale)
    entry, found = _open(entry, folder, allow_sample, progress)
    x, y, test_x, test_y = found.arrays
    kept = np.arange(len(y)) if per_class is None else sampling.subset(y, per_class, seed)
    size = sampling.split_size(len(kept), validation)
    rest, part = sampling.stratified_split(y[kept], size, seed) if size else (None, None)
    train = kept[rest] if rest is not None else None if per_class is None else kept
    scaler = Scaler(scale, x, train)
    classes = len(entry.classes)
    return Data(
        info=entry,
        train=Split(x, y, train, scaler, classes),
        validation=None if part is None else Split(x, y, kept[part], scaler, classes),
        test=Split(test_x, test_y, None, scaler, classes),
        source=found.source,
        seed=seed,
        per_class=per_class,
        _scaler=scaler,
    )


def _open(
    entry: DatasetInfo, folder: str | Path | None, allow_sample: bool, progress: Progress | None
) -> tuple[DatasetInfo, Found]:
    """The set asked for; or, where that is allowed and no folder was named, the sample that stands in."""
    try:
        return entry, open_arrays(entry, folder, progress)
    except DataNotFound:
        if not (allow_sample and entry.sample) or folder is not None:
            raise
    stand_in = info(entry.sample)
    found = open_arrays(stand_in)
    return stand_in, Found(found.arrays, f"{found.source}, in place of {entry.name}, which was not found")
