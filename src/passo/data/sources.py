"""Find a data set's files: a folder the user names → passo's cache → a system folder → the set's own mirrors.

Whatever is found is checked against the catalogue's digests before it is used, and a download before it is
kept. `PASSO_OFFLINE=1` forbids downloads.
"""

from __future__ import annotations

import hashlib
import http.client
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from passo.data import idx
from passo.data.cache import cache_folder, keep_decoded, open_decoded, write_whole
from passo.data.downloads import Progress, check_packed, get, reason
from passo.data.entries import DatasetInfo, FileInfo, catalogue, info
from passo.errors import ConfigError, DataCorrupt, DataError, DataNotFound
from passo.language import later

Arrays = tuple[np.ndarray, ...]  # training images, training labels, test images, test labels


@dataclass(frozen=True)
class Found:
    """A data set's four arrays (see `DatasetInfo.files`) and where they came from, in words."""

    arrays: Arrays
    source: str


@dataclass(frozen=True)
class Place:
    """Where a data set is looked for; `found` is None for a mirror.

    `kind` is package, folder, cache, system or download.
    """

    dataset: str
    kind: str
    path: str
    found: bool | None


# ── Where ─────────────────────────────────────────────────────────────────────────────────────────────────


def where(name: str | None = None, folder: str | Path | None = None) -> tuple[Place, ...]:
    """The places in which a data set (or each one) is looked for, in order, and whether it is there."""
    places: list[Place] = []
    for entry in catalogue() if name is None else (info(name),):
        for kind, path in _folders(entry, folder):
            decoded = kind == "cache" and open_decoded(entry) is not None
            places.append(Place(entry.name, kind, str(path), decoded or find_files(entry, path) is not None))
        mirrors = [*entry.mirrors, *(url for archive in entry.archives for url in archive.mirrors)]
        places += [Place(entry.name, "download", url, None) for url in dict.fromkeys(mirrors)]
    return tuple(places)


def _folders(entry: DatasetInfo, folder: str | Path | None) -> list[tuple[str, Path]]:
    if entry.packaged is not None:
        return [("package", entry.packaged)]
    named = [] if folder is None else [("folder", Path(folder).expanduser())]
    if entry.kind in ("images", "csv", "digits"):  # the user's own, or another library's: nothing is kept
        return named if entry.kind != "digits" else []
    system = [("system", Path(path)) for path in entry.system]
    return [*named, ("cache", cache_folder() / entry.name), *system]


def find_files(entry: DatasetInfo, folder: Path) -> tuple[Path, ...] | None:
    """A set's files in a folder, plain or `.gz`, or as torchvision has them; or its archives; None if one lacks."""
    if entry.archives:
        packed = tuple(folder / archive.name for archive in entry.archives)
        return packed if all(path.is_file() for path in packed) else None
    layouts = [folder, folder / entry.name, folder / "raw"]
    if entry.torchvision:
        layouts += [folder / entry.torchvision / "raw"]
    for layout in layouts:
        paths = [_either(layout, file) for file in entry.files]
        if all(paths):
            return tuple(path for path in paths if path is not None)
    return None


def _either(folder: Path, file: FileInfo) -> Path | None:
    return next((path for path in (folder / file.name, folder / f"{file.name}.gz") if path.is_file()), None)


# ── Open ──────────────────────────────────────────────────────────────────────────────────────────────────


def open_arrays(entry: DatasetInfo, folder: str | Path | None = None, progress: Progress | None = None) -> Found:
    """A data set's arrays, from the first place that has it; decoded once, then mapped from the cache.

    Raises `DataNotFound` where no place has it, `DataCorrupt` where a place has something else under its
    name.
    """
    if folder is not None:
        return _open_named(entry, Path(folder).expanduser())
    if entry.packaged is None and (kept := open_decoded(entry)) is not None:
        return Found(*kept)
    damaged: DataCorrupt | None = None
    for kind, place in _folders(entry, None):
        try:
            if paths := find_files(entry, place):
                return _decoded(entry, read_files(entry, paths), str(place))
        except DataCorrupt as error:
            if kind != "cache":
                raise
            damaged = error  # the cache is passo's own: what is damaged there is fetched again
    try:
        return download(entry, progress)
    except DataNotFound:
        if damaged is None:
            raise
        raise damaged from None


def _open_named(entry: DatasetInfo, folder: Path) -> Found:
    if entry.packaged is not None:
        raise ConfigError(f"{entry.name} is a part of passo and takes no folder: leave the folder out")
    if paths := find_files(entry, folder):
        return Found(read_files(entry, paths), str(folder))
    names = ", ".join(file.name for file in entry.files)
    raise DataNotFound(
        f"{folder} does not hold {entry.name}: expected {names} (plain or .gz) in it, or in "
        f"{entry.torchvision}/raw below it; name the folder that has them, or name none to look elsewhere"
    )


def read_files(entry: DatasetInfo, paths: tuple[Path, ...]) -> Arrays:
    """Read, decode and check the four files of a set."""
    return _checked(entry, [idx.content(path) for path in paths], [str(path) for path in paths])


def _checked(entry: DatasetInfo, contents: list[bytes], names: list[str]) -> Arrays:
    arrays = tuple(idx.parse(data, name) for data, name in zip(contents, names, strict=True))
    for first in (0, 2):
        idx.check_pair(arrays[first], arrays[first + 1], names[first], names[first + 1])
    for file, data, name in zip(entry.files, contents, names, strict=True):
        check_digest(entry, file, data, name)
    check_structure(entry, arrays, names)
    return arrays


def check_structure(entry: DatasetInfo, arrays: Arrays, names: Sequence[str]) -> None:
    """Raise `DataCorrupt` unless the arrays have the catalogue's shapes, and labels of its classes."""
    for file, array, name in zip(entry.files, arrays, names, strict=True):
        if array.shape != file.shape or array.dtype != np.uint8:
            wanted, found = (" × ".join(map(str, shape)) for shape in (file.shape, array.shape))
            raise DataCorrupt(
                f"{name} is not {entry.name}'s {file.name}: expected {wanted} bytes, found {found}; {idx.AGAIN}"
            )
        if array.ndim == 1 and array.max(initial=0) >= len(entry.classes):
            raise DataCorrupt(
                f"{name}: expected labels 0 to {len(entry.classes) - 1}, found {array.max()}; {idx.AGAIN}"
            )


def check_digest(entry: DatasetInfo, file: FileInfo, data: bytes, name: str) -> None:
    """Raise `DataCorrupt` unless the uncompressed bytes are the catalogue's, where it knows their digest."""
    if file.sha256 is None:
        return
    found = hashlib.sha256(data).hexdigest()
    if found != file.sha256:
        raise DataCorrupt(
            f"{name} is not {entry.name}'s {file.name}: expected SHA-256 {file.sha256} of its uncompressed "
            f"bytes, found {found}; {idx.AGAIN}, or name another folder"
        )


def _decoded(entry: DatasetInfo, arrays: Arrays, source: str) -> Found:
    """Keep what was decoded and map it; where the cache cannot be written, go on with what is in memory."""
    if entry.packaged is not None:  # small, and always there
        return Found(arrays, later("the sample embedded in passo"))
    try:
        keep_decoded(entry, arrays, source)
    except OSError:
        return Found(arrays, source)
    kept = open_decoded(entry)
    return Found(*kept) if kept is not None else Found(arrays, source)


# ── Download ──────────────────────────────────────────────────────────────────────────────────────────────


def download(entry: DatasetInfo, progress: Progress | None = None) -> Found:
    """Get the set's files from its mirrors, in order; a file is kept once its digest is right, not before."""
    failures: list[str] = []
    corrupt: DataCorrupt | None = None
    for mirror in () if os.environ.get("PASSO_OFFLINE") else entry.mirrors:
        try:
            contents = [_content(entry, file, mirror, progress) for file in entry.files]
        except DataCorrupt as error:
            corrupt = corrupt or error
        except (OSError, http.client.HTTPException) as error:
            failures.append(f"{mirror}: {reason(error)}")
        else:
            arrays = _checked(entry, contents, [mirror + file.name for file in entry.files])
            return _decoded(entry, arrays, mirror)
    raise corrupt or not_found(entry, failures)


def _content(entry: DatasetInfo, file: FileInfo, mirror: str, progress: Progress | None) -> bytes:
    """The uncompressed bytes of one file: from an earlier download that was interrupted, or from a mirror."""
    kept = cache_folder() / entry.name / f"{file.name}.gz"
    with suppress(DataError, OSError):  # not there, or damaged
        return _verified(entry, file, kept.read_bytes(), str(kept))
    url = f"{mirror}{file.name}.gz"
    packed = get(url, file.name, file.size + 65536, progress)  # deflate never makes a file larger than this
    data = _verified(entry, file, packed, url)
    with suppress(OSError):  # a cache that cannot be written costs another download, not the data
        write_whole(kept, lambda out: out.write(packed))
    return data


def _verified(entry: DatasetInfo, file: FileInfo, packed: bytes, name: str) -> bytes:
    """The uncompressed bytes of a distributor's compressed file, held to whichever digest is known."""
    if file.sha256 is None and file.packed is not None:
        check_packed(packed, file.packed, name)
    data = idx.unpack(packed, name, limit=file.size + 1)
    check_digest(entry, file, data, name)
    return data


def not_found(entry: DatasetInfo, failures: list[str]) -> DataNotFound:
    """The error for a set that is nowhere: where it was looked for, and what to do."""
    looked = ", ".join(str(path) for _, path in _folders(entry, None))
    forbidden = "downloads are forbidden by PASSO_OFFLINE"
    tried = f"could not be downloaded ({'; '.join(failures)})" if failures else forbidden
    ways = [f"install it ({entry.install})"] if entry.install else ["connect to a network"]
    ways.append("name a folder that holds its files (dataset.folder=DIR)")
    if entry.sample:
        ways.append(f"use the real sample inside passo ({entry.sample}, or --allow-sample)")
    return DataNotFound(f"{entry.name} is not on this machine (looked in {looked}) and {tried}: {', or '.join(ways)}")
