"""A data set, ready to train on: its three parts, and what is known about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from passo.data import sampling
from passo.data.entries import DatasetInfo
from passo.data.files import ImageFiles
from passo.data.scaling import Scaling, scaling
from passo.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from passo.data.batches import Batches
    from passo.data.reading import FileBatches, Files

Change = Callable[[np.ndarray, np.ndarray], np.ndarray]  # pixels, their positions → changed pixels


class Scaler:
    """A way of scaling, measured on the training part when it is first asked for."""

    def __init__(self, name: str, pixels: np.ndarray | ImageFiles, index: np.ndarray | None) -> None:
        self._name, self._pixels, self._index = name, pixels, index

    @cached_property
    def scaling(self) -> Scaling:
        return scaling(self._name, self._pixels, self._index)


class Split:
    """One part of a data set; what is asked for is read, changed, scaled or copied then, and kept.

    Images that are on the disk stay there for `batches`; `images` and `raw` read all of them.
    """

    def __init__(
        self,
        pixels: np.ndarray | ImageFiles,
        targets: np.ndarray,
        index: np.ndarray | None,
        scaler: Scaler,
        classes: int,
        change: Change | None = None,
    ) -> None:
        self._pixels, self._index, self._scaler, self._classes = pixels, index, scaler, classes
        self._change = change
        self.targets = targets if index is None else targets[index]
        """Class numbers: (N,) uint8, for NumPy; values to predict: (N,) float64."""

    def __len__(self) -> int:
        return len(self.targets)

    def __repr__(self) -> str:
        return f"Split({len(self):,} {'rows' if self._pixels.ndim == 2 else 'images'})"

    @cached_property
    def images(self) -> torch.Tensor:
        """Scaled images: (N, C, H, W) float32; scaled rows of a table: (N, F)."""
        if self._change is None:
            return self._scaler.scaling.apply(self._pixels, self._index)
        return self._scaler.scaling.apply(self.raw)

    @cached_property
    def labels(self) -> torch.Tensor:
        """Class numbers: (N,) int64; values to predict: (N, 1) float32."""
        import torch

        if self._classes == 0:
            return torch.from_numpy(self.targets.astype(np.float32))[:, None]
        return torch.from_numpy(self.targets.astype(np.int64))

    @cached_property
    def raw(self) -> np.ndarray:
        """Pixels before scaling, changed where they were to be: (N, H, W) or (N, C, H, W) uint8; a table's (N, F).

        Where nothing is changed and the part is all of the file, a view of it.
        """
        pixels = self._pixels[:] if self._index is None else self._pixels[self._index]
        return pixels if self._change is None else self._change(pixels, self.index)

    def batches(
        self, batch_size: int, *, device: str | torch.device = "cpu", num_workers: int = 0, **how: Any
    ) -> Batches | FileBatches:
        """Mini-batches of this part on a device, read by `num_workers` processes where its images are on the disk.

        `how` are the options of `Batches`: shuffle, weights, generator, drop_last, augment. Raises `ConfigError`.
        """
        from passo.data.batches import Batches
        from passo.data.reading import FileBatches

        if not self.in_memory:
            return FileBatches(self, batch_size, num_workers=num_workers, device=device, **how)
        if num_workers:
            raise ConfigError(
                f"num_workers={num_workers} are for images that stay on the disk, and these data are in memory: leave "
                "it out, or, for a folder of images, take dataset.in_memory=false"
            )
        return Batches(self.images.to(device), self.labels.to(device), batch_size, **how)

    def files(self) -> Files:
        """What reads its images, position by position; raises `ConfigError` where they are in memory."""
        from passo.data.reading import Files

        if not isinstance(self._pixels, ImageFiles):
            raise ConfigError("these data are in memory: take Batches, or load a folder of images with in_memory=False")
        return Files(self._pixels, self._index, self._change)

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W) of one image; (F,) of a row of a table."""
        shape = self._pixels.shape[1:]
        return (1, *shape) if len(shape) == 2 else shape

    @property
    def in_memory(self) -> bool:
        """False where its images are on the disk, and read as they are needed."""
        return not isinstance(self._pixels, ImageFiles)

    @property
    def scaling(self) -> Scaling:
        """How its pixels become numbers."""
        return self._scaler.scaling

    @property
    def index(self) -> np.ndarray:
        """Positions of the images in the data set's file, ascending: (N,)."""
        return np.arange(len(self)) if self._index is None else self._index

    @property
    def counts(self) -> list[int]:
        """Images of each class; empty where values are predicted."""
        return sampling.class_counts(self.targets, self._classes).tolist() if self._classes else []


@dataclass(frozen=True, kw_only=True, repr=False)
class Data:
    """A data set, ready to train on: `validation` was split from the training part, `test` is for the end.

    `classes` are the names of those that were chosen, in their order; none where values are predicted. `asked` is
    what `load` was asked for beside the name and the folder, wherever it differs from what is usual.
    """

    info: DatasetInfo
    classes: tuple[str, ...]
    train: Split
    validation: Split | None
    test: Split
    source: str
    seed: int
    asked: Mapping[str, Any]
    _scaler: Scaler

    def __repr__(self) -> str:
        counts = ", ".join(f"{part} {n:,}" for part, n in self.counts.items())
        return f"Data({self.name}: {counts}; from {self.source})"

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def task(self) -> str:
        """What is usually learned from it: "classify" where there are classes, "regress" where there are values."""
        return "classify" if self.classes else "regress"

    @property
    def outputs(self) -> int:
        """How many numbers a network gives for one image: one for each class, or the value."""
        return len(self.classes) or 1

    @property
    def per_class(self) -> int | None:
        """Training images asked for of each class."""
        return self.asked.get("per_class")

    @property
    def counts(self) -> dict[str, int]:
        """Images of each part."""
        validation = 0 if self.validation is None else len(self.validation)
        return {"train": len(self.train), "validation": validation, "test": len(self.test)}

    @property
    def sample(self) -> bool:
        """Whether these are the images embedded in passo, which stand in for a larger set."""
        return self.info.packaged is not None

    @property
    def in_shape(self) -> tuple[int, ...]:
        """(C, H, W) of one image; (F,) of a row of a table."""
        return self.info.shape

    @property
    def scaling(self) -> Scaling:
        """How pixels became numbers; "standardize" measured the training part, and it alone."""
        return self._scaler.scaling

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]:
        """(name, reason) of the files that are left out of a folder of images: what is no image, or an odd one."""
        return self.info.skipped

    @property
    def class_weights(self) -> list[float]:
        """Weights of the classes in the loss that make up for their numbers in the training part."""
        return sampling.class_weights(self.train.counts).tolist()

    def facts(self) -> dict[str, Any]:
        """What a study records about its data, JSON-able."""
        return {
            "name": self.name,
            "title": self.info.title,
            "source": self.source,
            "sample": self.sample,
            "sha256": self.info.digests,
            "task": self.task,
            "classes": list(self.classes),
            "in_shape": list(self.in_shape),
            "counts": self.counts,
            "per_class": self.per_class,
            **{key: value for key, value in self.asked.items() if key in _TOLD},
            **({"columns": list(self.info.columns), "target": self.info.target} if self.info.columns else {}),
            **({"skipped": [list(one) for one in self.skipped[:_NAMED]]} if self.skipped else {}),
            **({"skipped_count": len(self.skipped)} if self.skipped else {}),
            "scaling": self.scaling.facts(),
            "seed": self.seed,
            "licence": self.info.licence,
            "homepage": self.info.homepage,
        }


_NAMED = 20  # files that were left out: of more, their number alone
# recorded where they were asked for
_TOLD = ("imbalance", "rare", "perturb", "perturbed", "size", "colour", "target", "in_memory")
