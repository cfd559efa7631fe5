"""Data sets that come as archives: CIFAR-10, and zips of images. Found, verified whole, read in memory.

An archive from passo's cache or from a mirror must have the catalogue's digest. One in a folder that the user names
must have it too; files that somebody unpacked are held to their structure.
"""

from __future__ import annotations

import http.client
import io
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from passo.data import cifar, downloads, pictures, sources
from passo.data.archives import members
from passo.data.cache import cache_folder, keep_decoded, open_decoded, write_whole
from passo.data.described import Archive, DatasetInfo, measured
from passo.errors import DataCorrupt, DataError, DataNotFound, require

UNPACKED = (
    2**30
)  # bytes of an archive once unpacked: CIFAR-10 has 184,380,000, the rock-paper-scissors images 230 million


def open_cifar(entry: DatasetInfo, folder: str | Path | None, progress: downloads.Progress | None) -> sources.Found:
    """CIFAR-10's four arrays, decoded once and then mapped from the cache; raises as `sources.open_arrays` does."""
    if folder is None and (kept := open_decoded(entry)) is not None:
        return sources.Found(*kept)
    if folder is not None and (files := cifar.read_folder(Path(folder).expanduser())) is not None:
        return sources.Found(_cifar(entry, files, str(folder)), str(folder))
    archive = entry.archives[0]
    packed, source = fetched(entry, archive, folder, progress)
    found = {cifar.wanted(path): data for path, data in members(io.BytesIO(packed), archive.name, UNPACKED)}
    arrays = _cifar(entry, {name: data for name, data in found.items() if name is not None}, source)
    if folder is not None:
        return sources.Found(arrays, source)
    with suppress(OSError):  # a cache that cannot be written costs time, not the data
        keep_decoded(entry, arrays, source)
    kept = open_decoded(entry)
    return sources.Found(*kept) if kept is not None else sources.Found(arrays, source)


def _cifar(entry: DatasetInfo, files: dict[str, bytes], name: str) -> tuple[np.ndarray, ...]:
    arrays = cifar.assemble(files, name)
    sources.check_structure(entry, arrays, [f"{name} ({file.name})" for file in entry.files])
    return arrays


def open_zips(
    entry: DatasetInfo, folder: str | Path | None, progress: downloads.Progress | None, size: Any = None
) -> tuple[DatasetInfo, tuple[np.ndarray, ...], str]:
    """A training and a test archive of colour images, resized: the entry with its shapes, the arrays, the source.

    In an archive, an image's folder is its class.
    """
    require("PIL.Image", "figures")
    side = pictures.sides(size) or entry.files[0].shape[-2:]
    arrays, places = [], []
    for archive, file in zip(entry.archives, entry.files[::2], strict=True):
        packed, source = fetched(entry, archive, folder, progress)
        found = _listed(packed, archive.name, entry.classes)
        if len(found) != file.shape[0]:
            raise DataCorrupt(f"{archive.name}: expected {file.shape[0]:,} images in it, found {len(found):,}")
        arrays += [pictures.decoded(found, (side[0], side[1]), colour=True)]
        arrays += [np.array([picture.label for picture in found], np.uint8)]
        places.append(source)
    return measured(entry, arrays), tuple(arrays), " and ".join(dict.fromkeys(places))


def _listed(packed: bytes, name: str, classes: Sequence[str]) -> list[pictures.Picture]:
    """The images of an archive, in the order of their names."""
    found = []
    for path, data in sorted(members(io.BytesIO(packed), name, UNPACKED)):
        place = PurePosixPath(path)
        if place.suffix.lower() in pictures.SUFFIXES and place.parent.name in classes and "__MACOSX" not in place.parts:
            label = classes.index(place.parent.name)
            found.append(pictures.Picture(f"{name}: {path}", label, partial(bytes, data)))
    return found


def fetched(
    entry: DatasetInfo, archive: Archive, folder: str | Path | None, progress: downloads.Progress | None
) -> tuple[bytes, str]:
    """An archive's bytes and where they are from: the folder named, or passo's cache, or a mirror; digest checked."""
    if folder is not None:
        path = Path(folder).expanduser() / archive.name
        if not path.is_file():
            raise DataNotFound(
                f"{folder} does not hold {entry.name}: expected {archive.name} in it; name the folder that has it, "
                "or name none to look elsewhere"
            )
        return _read(path, archive), str(folder)
    kept = cache_folder() / entry.name / archive.name
    with suppress(DataError, OSError):  # not there, or damaged: fetched again
        return _read(kept, archive), str(kept.parent)
    failures: list[str] = []
    for mirror in () if os.environ.get("PASSO_OFFLINE") else archive.mirrors:
        try:
            packed = downloads.get(mirror + archive.name, archive.name, archive.size, progress)
            downloads.check_packed(packed, archive.sha256, mirror + archive.name)
        except (OSError, http.client.HTTPException) as error:
            failures.append(f"{mirror}: {downloads.reason(error)}")
        else:
            with suppress(OSError):
                write_whole(kept, lambda out, packed=packed: out.write(packed))
            return packed, mirror
    raise sources.not_found(entry, failures)


def _read(path: Path, archive: Archive) -> bytes:
    if path.stat().st_size != archive.size:
        raise DataCorrupt(f"{path}: expected {archive.size:,} bytes, found {path.stat().st_size:,}; get it again")
    packed = path.read_bytes()
    downloads.check_packed(packed, archive.sha256, str(path))
    return packed
