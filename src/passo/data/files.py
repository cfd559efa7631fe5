"""Images that stay on the disk: indexed like an array of pixels, and read only then.

What a run must know of all of them before it begins (one shape, digests, statistics of any part of them) is found in
one pass, an image at a time, and kept in passo's cache until a file changes:

    CACHE/images/<key>.npz    shape, colour, digests, and each image's Σv and Σv² in each channel, in whole numbers

Sums of whole numbers are exact, so that the mean and the standard deviation of any part are, to the last bit, those
that are measured in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from passo.data import idx
from passo.data.cache import cache_folder, write_whole
from passo.data.downloads import Progress
from passo.data.pictures import BYTES, Picture, any_coloured, decode, same_size
from passo.errors import DataError


class Survey(NamedTuple):
    """What one pass over the images of a folder found: (H, W) or (3, H, W), digests of each part, sums (N, C, 2)."""

    shape: tuple[int, ...]
    colour: bool
    digests: tuple[str, ...]
    sums: np.ndarray


class ImageFiles:
    """Images on the disk, (N, H, W) or (N, 3, H, W) uint8 once they are indexed by a slice or by positions (n,).

    `sha256` is the digest that the array of all of them would have, as idx. Paths are kept in one block of bytes: of a
    list of a million texts, every process that reads would come to have its own copy.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, paths: Sequence[str], side: tuple[int, int] | None, found: Survey, sha256: str) -> None:
        encoded = [os.fsencode(path) for path in paths]
        self._paths, self._ends = b"".join(encoded), np.cumsum([0, *map(len, encoded)])
        self._side, self._colour, self._sums = side, found.colour, found.sums
        self.shape, self.sha256 = (len(paths), *found.shape), sha256

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, index: slice | np.ndarray) -> np.ndarray:
        """The pixels of some; raises `DataCorrupt`, with its name, for a file that is no longer what it was."""
        places = range(*index.indices(len(self))) if isinstance(index, slice) else index
        many = len(places) * int(np.prod(self.shape[1:]))
        if many > BYTES:
            raise DataError(f"{len(places):,} images do not fit in memory: take batches, or a smaller dataset.size")
        out = np.empty((len(places), *self.shape[1:]), np.uint8)
        for row, place in zip(out, places, strict=True):
            path = os.fsdecode(self._paths[self._ends[place] : self._ends[place + 1]])
            pixels = decode(Picture(path, 0, Path(path).read_bytes), self._side, self._colour)
            same_size(pixels, path, row, "the first of them")
            row[:] = pixels
        return out

    def totals(self, index: np.ndarray | None = None) -> list[tuple[int, int, int]]:
        """(pixels, Σv, Σv²) of each channel, over all images or those at `index`: exact."""
        sums = (self._sums if index is None else self._sums[index]).sum(axis=0)  # (C, 2)
        n = (len(self) if index is None else len(index)) * self.shape[-1] * self.shape[-2]
        return [(n, int(first), int(second)) for first, second in sums]


def open_files(
    root: Path,
    parts: Sequence[Sequence[Picture]],
    side: tuple[int, int] | None,
    colour: bool | None,
    progress: Progress | None = None,
) -> tuple[ImageFiles, ...]:
    """Each part's images, left where they are; raises as `pictures.decoded` does, of every image."""
    kept = cache_folder() / "images" / f"{_key(root, side, colour)}.npz"
    stamp = _stamp(parts)
    found = _open(kept, stamp)
    if found is None:
        found = survey(parts, side, colour, progress)
        with suppress(OSError):  # a cache that cannot be written costs time, not the data
            told = {**found._asdict(), "stamp": stamp}
            write_whole(kept, lambda out: np.savez(out, **told))  # type: ignore[arg-type]
    opened, begin = [], 0
    for pictures, sha256 in zip(parts, found.digests, strict=True):
        sums = found.sums[begin : begin + len(pictures)]
        opened.append(ImageFiles([one.name for one in pictures], side, found._replace(sums=sums), sha256))
        begin += len(pictures)
    return tuple(opened)


def survey(
    parts: Sequence[Sequence[Picture]],
    side: tuple[int, int] | None,
    colour: bool | None,
    progress: Progress | None = None,
) -> Survey:
    """Look at every image once; `parts` are in the order of their digests."""
    everything = [picture for part in parts for picture in part]
    coloured = any_coloured(everything) if colour is None else colour
    first = decode(everything[0], side, coloured)
    sums = np.empty((len(everything), 3 if coloured else 1, 2), np.int64)
    digests, place = [], 0
    for part in parts:
        sha = hashlib.sha256(idx.header(np.broadcast_to(first, (len(part), *first.shape))))
        for picture in part:
            pixels = decode(picture, side, coloured)
            same_size(pixels, picture.name, first, everything[0].name)
            sha.update(np.ascontiguousarray(pixels).data)
            values = pixels.reshape(sums.shape[1], -1).astype(np.int64)
            sums[place, :, 0], sums[place, :, 1] = values.sum(axis=1), (values * values).sum(axis=1)
            place += 1
            if progress is not None and (place % 256 == 0 or place == len(everything)):
                progress("looking at images", place, len(everything))
        digests.append(sha.hexdigest())
    return Survey(first.shape, coloured, tuple(digests), sums)


def _key(root: Path, side: tuple[int, int] | None, colour: bool | None) -> str:
    return hashlib.sha256(json.dumps([str(root.resolve()), side, colour]).encode()).hexdigest()[:32]


def _stamp(parts: Sequence[Sequence[Picture]]) -> str:
    """A digest of every name, size and time, and of what decodes them."""
    import PIL

    sha = hashlib.sha256(f"1 {PIL.__version__} {[len(part) for part in parts]}".encode())
    for part in parts:
        for picture in part:
            with suppress(OSError):  # what cannot be read is said when it is
                status = Path(picture.name).stat()
                sha.update(os.fsencode(picture.name) + f"\0{status.st_size} {status.st_mtime_ns}\n".encode())
    return sha.hexdigest()


def _open(path: Path, stamp: str) -> Survey | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            if str(kept["stamp"]) != stamp:
                return None
            shape, digests = tuple(map(int, kept["shape"])), tuple(map(str, kept["digests"]))
            return Survey(shape, bool(kept["colour"]), digests, np.asarray(kept["sums"], np.int64))
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
