"""What is known about a data set before a byte of it is read: its files, their shapes, their digests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

HEADER = 4  # bytes of an idx file before its sizes: two zeros, the type of the items, the number of axes


@dataclass(frozen=True)
class FileInfo:
    """One array of a data set: its idx file's name without `.gz`, its shape, its digest.

    `sha256` is that of the *uncompressed* idx bytes: compressed copies differ from one distributor to the next, their
    contents do not. Where it is not known for certain it is None, and `packed` is that of the distributor's own
    compressed file: a download is held to it, a file from elsewhere to its structure.
    """

    name: str
    shape: tuple[int, ...]
    sha256: str | None
    packed: str | None = None

    @property
    def size(self) -> int:
        """Bytes of the uncompressed file: header, four bytes for each axis, one for each item."""
        return HEADER + 4 * len(self.shape) + math.prod(self.shape)


@dataclass(frozen=True)
class Archive:
    """An archive that holds a data set: its name, its size in bytes, its SHA-256, and where it is."""

    name: str
    size: int
    sha256: str
    mirrors: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """What is known about a data set before a byte of it is read.

    `files` are the training images, training labels, test images and test labels, in this order; none where they are
    the user's own and not known yet. `kind` says how it is read: "idx", "cifar", "zips" (of images), "digits", "images"
    (a folder of them) or "csv". `torchvision` is the folder in which torchvision keeps the set; `packaged` the folder
    inside passo, for an embedded one. `columns` are those that a table's rows are read by, in order, `target` the one
    that is predicted. `skipped` names the files that were left out, and says why.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    licence: str
    homepage: str
    files: tuple[FileInfo, ...]
    kind: str = "idx"
    archives: tuple[Archive, ...] = ()
    mirrors: tuple[str, ...] = ()
    system: tuple[str, ...] = ()
    torchvision: str | None = None
    packaged: Path | None = None
    sample: str | None = None
    install: str | None = None
    columns: tuple[str, ...] = ()
    target: str | None = None
    skipped: tuple[tuple[str, str], ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Images in the training and in the test part; empty where they are not known yet."""
        return {"train": self.files[0].shape[0], "test": self.files[2].shape[0]} if self.files else {}

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W) of one image, (F,) of a row of a table; empty where it is not known yet."""
        shape = self.files[0].shape[1:] if self.files else ()
        return (1, *shape) if len(shape) == 2 else shape

    @property
    def digests(self) -> dict[str, str]:
        """File name → SHA-256 of its uncompressed bytes, where it is known."""
        return {file.name: file.sha256 for file in self.files if file.sha256 is not None}


def skipping(skipped: Sequence[tuple[str, str]], named: int = 3) -> str:
    """What was left out, as a sentence that names the first ones.

    >>> skipping([("cat/1.png", "not an image in a known format"), ("dog/7.png", "it is damaged")], named=1)
    '2 images were skipped: cat/1.png (not an image in a known format), and 1 more'
    """
    files = [f"{name} ({reason})" for name, reason in skipped[:named]]
    more = [f"and {len(skipped) - named:,} more"] if len(skipped) > named else []
    was = "image was" if len(skipped) == 1 else "images were"
    return f"{len(skipped):,} {was} skipped: {', '.join([*files, *more])}"


NAMES = ("train-images", "train-labels", "test-images", "test-labels")


def measured(entry: DatasetInfo, arrays: Sequence[np.ndarray]) -> DatasetInfo:
    """The entry with the shapes and digests that its four arrays have."""
    from passo.data import idx

    names = [file.name for file in entry.files] or NAMES
    files = [
        FileInfo(name, array.shape, getattr(array, "sha256", None) or idx.digest(array))  # files know their own
        for name, array in zip(names, arrays, strict=True)
    ]
    return replace(entry, files=tuple(files))
