"""A folder of images, one subfolder a class: its files listed, those that are no image skipped, and read.

    pictures/train/cat/001.jpg …    pictures/test/cat/101.jpg …    two folders, where both are there
    pictures/cat/001.jpg …                                         or one, of which a fifth is the test part

With a file that cannot be used, the data are those of the folder without it, and the file is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from passo.data.described import DatasetInfo, measured
from passo.data.downloads import Progress
from passo.data.pictures import OTHERS, SUFFIXES, Picture, any_coloured, decoded, readable, sides
from passo.data.sampling import held_out
from passo.errors import ConfigError, DataCorrupt, DataNotFound, require


class Listing(NamedTuple):
    """The image files of a folder; where it is in two, the first `train` of them are the training part's."""

    root: Path
    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    train: int | None

    @property
    def source(self) -> str:
        fifth = " (a fifth of it, the same for every seed, is the test part)"
        return f"{self.root}{fifth if self.train is None else ''}"

    def parts(self) -> tuple[np.ndarray, np.ndarray]:
        """Places of the training and of the test part's files, each ascending."""
        if self.train is None:
            return held_out(_labels(self.pictures))
        return np.arange(self.train), np.arange(self.train, len(self.pictures))

    def without(self, odd: Mapping[int, str]) -> Listing:
        """Without the files at these places; `odd` says why each cannot be used.

        Raises `DataCorrupt` where that are more than half, or all of a class (in one of two folders).
        """
        if not odd:
            return self
        told = "; ".join(f"{name}: {reason}" for name, reason in self.named(odd)[:3])
        if 2 * len(odd) > len(self.pictures):
            raise DataCorrupt(
                f"{len(odd):,} of the {len(self.pictures):,} files in {self.root} cannot be read as images, more than "
                f"half ({told}{'; …' if len(odd) > 3 else ''}): save them as PNG or JPEG, or name another folder"
            )
        kept = [place for place in range(len(self.pictures)) if place not in odd]
        left = {self._kind(place) for place in kept}
        for place, reason in odd.items():
            if self._kind(place) not in left:
                name = self.classes[self.pictures[place].label]
                raise DataCorrupt(
                    f"no image of class {name} can be read in {Path(self.pictures[place].name).parent} "
                    f"({Path(self.pictures[place].name).name}: {reason}): replace the files, or remove the folder"
                )
        train = None if self.train is None else sum(place < self.train for place in kept)
        return self._replace(pictures=tuple(self.pictures[place] for place in kept), train=train)

    def named(self, odd: Mapping[int, str]) -> tuple[tuple[str, str], ...]:
        """(the file's name below the folder, why it cannot be used)."""
        return tuple(
            (Path(self.pictures[place].name).relative_to(self.root).as_posix(), reason) for place, reason in odd.items()
        )

    def _kind(self, place: int) -> tuple[int, bool]:
        return self.pictures[place].label, self.train is not None and place < self.train


def open_pictures(
    entry: DatasetInfo,
    folder: str | Path | None,
    size: Any = None,
    colour: bool | None = None,
    in_memory: bool = True,
    progress: Progress | None = None,
) -> tuple[DatasetInfo, tuple[Any, ...], str]:
    """What a folder of images holds: its entry with classes and digests, the four arrays, and where they are from.

    `size` is the side of a square or (height, width) to resize to; without it all images must be of one size.
    `colour` is True or False; without it, colour where any image has some. Unless they are to be `in_memory`, the
    images are `files.ImageFiles`, read when they are indexed. Files that cannot be used are left out, and named in the
    entry's `skipped`. Raises `ConfigError`, `DataNotFound`, `DataCorrupt`, and `MissingExtra` where Pillow is missing.
    """
    require("PIL.Image", "figures")
    if colour not in (None, True, False):
        raise ConfigError(f"colour must be true or false, got {colour!r}")
    if folder is None:
        raise ConfigError("images need the folder that holds them, one subfolder a class: dataset.folder=DIR")
    listing, side = _in_two(Path(folder).expanduser()), sides(size)
    if in_memory:
        kept, odd, (x, test_x) = _in_memory(listing, side, colour)
    else:
        from passo.data.files import open_files

        kept, odd, (x, test_x) = open_files(listing, side, colour, progress)
    train, test = kept.parts()
    labels = _labels(kept.pictures)
    arrays: tuple[Any, ...] = (x, labels[train], test_x, labels[test])
    found = replace(entry, classes=listing.classes, skipped=listing.named(odd))
    return measured(found, arrays), arrays, listing.source


def _in_two(root: Path) -> Listing:
    """The files of the training part, then those of the test part, where they are in two folders; else all of them."""
    train, classes = listed(root / "train" if (root / "train").is_dir() else root)
    if not ((root / "train").is_dir() and (root / "test").is_dir()):
        return Listing(root, classes, tuple(train), None)
    test, others = listed(root / "test")
    if others != classes:
        odd = sorted(set(classes) ^ set(others))[0]
        raise DataNotFound(f"{root}: class {odd} is in only one of train and test: give both the same subfolders")
    return Listing(root, classes, (*train, *test), len(train))


def _in_memory(
    listing: Listing, side: tuple[int, int] | None, colour: bool | None
) -> tuple[Listing, dict[int, str], tuple[np.ndarray, np.ndarray]]:
    """The files that can be used, why others cannot, and the pixels of the training and of the test part."""
    coloured = any_coloured(listing.pictures) if colour is None else colour
    train, test = listing.parts()
    order = [*train.tolist(), *test.tolist()]
    images, missing = readable([listing.pictures[place] for place in order], side, coloured)
    if not missing:
        return listing, {}, (images[: len(train)], images[len(train) :])  # views: there is no room for a copy
    odd = {order[place]: missing[place] for place in sorted(missing, key=order.__getitem__)}
    kept = listing.without(odd)
    if colour is None and coloured and not any_coloured(kept.pictures):  # only one that is odd had colour
        images = decoded(kept.pictures, side, colour=False)
    else:
        images = images[np.argsort([place for place in order if place not in odd])]
    train, test = kept.parts()
    return kept, odd, (images[train], images[test])


def listed(folder: Path) -> tuple[list[Picture], tuple[str, ...]]:
    """The image files of a folder, class by class in the order of their names, and the names of the classes."""
    try:
        inside = list(folder.iterdir())
        classes = sorted(path.name for path in inside if path.is_dir() and not path.name.startswith("."))
        pictures = []
        for label, name in enumerate(classes):
            paths = sorted(path for path in (folder / name).iterdir() if path.suffix.lower() in SUFFIXES | OTHERS)
            pictures += [Picture(str(path), label, path.read_bytes) for path in paths if not path.name.startswith(".")]
            if not paths:
                raise DataNotFound(f"{folder / name} holds no image: put some there, or remove the folder")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataNotFound(f"cannot read {error.filename or folder}: {reason}; name a folder that is there") from error
    if len(classes) < 2:
        loose = sum(path.suffix.lower() in SUFFIXES for path in inside)
        held = (
            f"one class, {classes[0]}" if classes else f"{loose:,} images and no subfolders" if loose else "no images"
        )
        raise DataNotFound(
            f"{folder} holds {held}: telling classes apart needs two or more, a subfolder of images for each, as in "
            f"{folder / 'cat'} and {folder / 'dog'}"
        )
    return pictures, tuple(classes)


def _labels(pictures: Iterable[Picture]) -> np.ndarray:
    labels = np.array([picture.label for picture in pictures])
    return labels.astype(np.uint8) if labels.max() < 256 else labels
