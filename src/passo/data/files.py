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
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from passo.data import idx
from passo.data.cache import cache_folder, write_whole
from passo.data.downloads import Progress
from passo.data.folders import Listing
from passo.data.pictures import BYTES, Picture, any_coloured, attempt, decode, same_size
from passo.errors import DataError


class Survey(NamedTuple):
    """What one pass over the images of a folder found: (H, W) or (3, H, W), digests of each part, sums (N, C, 2).

    `odd` says why the files at these places of the folder's listing were left out of all that.
    """

    shape: tuple[int, ...]
    colour: bool
    digests: tuple[str, ...]
    sums: np.ndarray
    odd: Mapping[int, str]


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
    listing: Listing, side: tuple[int, int] | None, colour: bool | None, progress: Progress | None = None
) -> tuple[Listing, Mapping[int, str], tuple[ImageFiles, ...]]:
    """The files that can be used, why others cannot, and each part's images, left where they are.

    Raises as `pictures.readable` does, of every image.
    """
    kept = cache_folder() / "images" / f"{_key(listing.root, side, colour)}.npz"
    stamp = _stamp(listing)
    found = _open(kept, stamp)
    if found is None:
        found = survey(listing, side, colour, progress)
        with suppress(OSError):  # a cache that cannot be written costs time, not the data
            told = {**found._asdict(), "odd": list(found.odd), "why": np.array(list(found.odd.values()), str)}
            write_whole(kept, lambda out: np.savez(out, stamp=stamp, **told))  # type: ignore[arg-type]
    usable = listing.without(found.odd)
    opened = []
    for places, sha256 in zip(usable.parts(), found.digests, strict=True):
        names = [usable.pictures[place].name for place in places]
        opened.append(ImageFiles(names, side, found._replace(sums=found.sums[places]), sha256))
    return usable, found.odd, tuple(opened)


def survey(
    listing: Listing, side: tuple[int, int] | None, colour: bool | None, progress: Progress | None = None
) -> Survey:
    """Look at every image once; and where some cannot be used, once more at the others, which then have other parts."""
    odd: dict[int, str] = {}
    while True:
        usable = listing.without(odd)
        places = [place for place in range(len(listing.pictures)) if place not in odd]
        found = _survey(usable, side, colour, progress)
        if not found.odd:
            return found._replace(odd=dict(sorted(odd.items())))
        odd |= {places[place]: why for place, why in found.odd.items()}


def _survey(listing: Listing, side: tuple[int, int] | None, colour: bool | None, progress: Progress | None) -> Survey:
    """One pass, in the order of the listing; what it says of the images is true where none is odd."""
    pictures, parts = listing.pictures, listing.parts()
    coloured = any_coloured(pictures) if colour is None else colour
    owner = np.zeros(len(pictures), int)
    owner[parts[1]] = 1
    sums = np.zeros((len(pictures), 3 if coloured else 1, 2), np.int64)
    first, named, shas, odd = np.empty(0, np.uint8), "", [], {}
    for place, picture in enumerate(pictures):
        pixels = attempt(picture, side, coloured)
        if progress is not None and ((place + 1) % 256 == 0 or place + 1 == len(pictures)):
            progress("looking at images", place + 1, len(pictures))
        if isinstance(pixels, str):
            odd[place] = pixels
            continue
        if not named:
            first, named = pixels, picture.name
            shas = [hashlib.sha256(idx.header(np.broadcast_to(first, (len(one), *first.shape)))) for one in parts]
        same_size(pixels, picture.name, first, named)
        shas[owner[place]].update(np.ascontiguousarray(pixels).data)
        values = pixels.reshape(sums.shape[1], -1).astype(np.int64)
        sums[place, :, 0], sums[place, :, 1] = values.sum(axis=1), (values * values).sum(axis=1)
    return Survey(first.shape, coloured, tuple(sha.hexdigest() for sha in shas), sums, odd)


def _key(root: Path, side: tuple[int, int] | None, colour: bool | None) -> str:
    return hashlib.sha256(json.dumps([str(root.resolve()), side, colour]).encode()).hexdigest()[:32]


def _stamp(listing: Listing) -> str:
    """A digest of every name, size and time, and of what decodes them."""
    import PIL

    sha = hashlib.sha256(f"2 {PIL.__version__} {listing.train} {len(listing.pictures)}".encode())
    for picture in listing.pictures:
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
            odd = dict(zip(map(int, kept["odd"]), map(str, kept["why"]), strict=True))
            return Survey(shape, bool(kept["colour"]), digests, np.asarray(kept["sums"], np.int64), odd)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
