"""One door to every kind of data set: its entry, completed by what was found, its four arrays, where they are from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from passo.data.cache import cache_folder, decoded_digests, open_decoded
from passo.data.described import DatasetInfo, measured
from passo.data.downloads import Progress
from passo.data.entries import info
from passo.data.sources import Arrays, Found, find_files, open_arrays
from passo.errors import ConfigError, DataError, DataNotFound

_READING = {
    "size": ("images", "zips"),
    "colour": ("images",),
    "in_memory": ("images",),
    "target": ("csv",),
    "task": ("csv",),
}


def open_set(
    entry: DatasetInfo,
    folder: str | Path | None,
    allow_sample: bool,
    progress: Progress | None,
    reading: Mapping[str, Any],
) -> tuple[DatasetInfo, Arrays, str]:
    """The set asked for; or, where that is allowed and no folder was named, the sample that stands in."""
    for option, kinds in _READING.items():
        if reading[option] is not None and entry.kind not in kinds:
            raise ConfigError(f"{option} is an option of {' and '.join(kinds)}, not of {entry.name}: leave it out")
    try:
        return _read(entry, folder, progress, reading)
    except DataNotFound:
        if not (allow_sample and entry.sample) or folder is not None:
            raise
    stand_in = info(entry.sample)
    found = open_arrays(stand_in)
    return stand_in, found.arrays, f"{found.source}, in place of {entry.name}, which was not found"


def _read(
    entry: DatasetInfo, folder: str | Path | None, progress: Progress | None, reading: Mapping[str, Any]
) -> tuple[DatasetInfo, Arrays, str]:
    """The entry, completed by what was found; the arrays; where they are from."""
    if entry.kind == "images":
        from passo.data.folders import open_pictures

        kept = reading["in_memory"] is not False
        return open_pictures(entry, folder, reading["size"], reading["colour"], kept, progress)
    if entry.kind == "csv":
        from passo.data.tables import open_table

        return open_table(entry, folder, reading["target"], reading["task"])
    if entry.kind == "zips":
        from passo.data.archived import open_zips

        return open_zips(entry, folder, progress, reading["size"])
    if entry.kind == "digits":
        from passo.data.digits import open_digits

        if folder is not None:
            raise ConfigError("the digits come with scikit-learn and take no folder: leave the folder out")
        return open_digits(entry)
    found = _found(entry, folder, progress)
    return (entry if len(entry.digests) == len(entry.files) else _told(entry, found)), found.arrays, found.source


def _found(entry: DatasetInfo, folder: str | Path | None, progress: Progress | None) -> Found:
    if entry.kind != "cifar":
        return open_arrays(entry, folder, progress)
    from passo.data.archived import open_cifar

    return open_cifar(entry, folder, progress)


def _told(entry: DatasetInfo, found: Found) -> DatasetInfo:
    """The entry with digests where the catalogue knows none: those recorded when it was decoded, or measured now."""
    if isinstance(found.arrays[0], np.memmap):
        digests = decoded_digests(entry)
        return replace(entry, files=tuple(replace(file, sha256=digests[file.name]) for file in entry.files))
    return measured(entry, found.arrays)


def fetch(name: str, *, progress: Progress | None = None) -> Found:
    """Make sure that a data set is here and in passo's cache, from a system folder or a mirror, and checked.

    Raises `DataError` where the cache cannot be written: fetching is for keeping.
    """
    entry = info(name)
    if entry.kind in ("images", "csv", "digits"):
        raise ConfigError(f"{name} is not fetched: {entry.title}")
    _, arrays, source = _read(entry, None, progress, dict.fromkeys(_READING))
    here = open_decoded(entry) if entry.kind != "zips" else find_files(entry, cache_folder() / name)
    if entry.packaged is None and here is None:
        raise DataError(
            f"{name} was read from {source}, but cannot be kept in {cache_folder()}: "
            "make that folder writable, or set PASSO_CACHE to one that is"
        )
    return Found(arrays, source)
