"""passo's cache: where it is, files written whole or not at all, data sets decoded once and then mapped.

    CACHE/<data set>/train-images-idx3-ubyte.gz …     downloaded files, as their mirror gave them
                     train-images-idx3-ubyte.npy …    the decoded arrays
                     decoded.json                     where they came from; size and time when checked

Every file is written under a temporary name beside its own and then renamed, so that processes that work at
the same time replace each other's files by equal ones and none ever reads half a file. An array whose size
and time are the recorded ones is trusted; any other is hashed again and used only if its digest is the
catalogue's.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from passo.data import idx
from passo.data.entries import DatasetInfo, FileInfo

_RECORD = "decoded.json"


def cache_folder() -> Path:
    """`PASSO_CACHE`, or the user's cache folder: `LOCALAPPDATA` on Windows, `XDG_CACHE_HOME`, `~/.cache`."""
    if own := os.environ.get("PASSO_CACHE"):
        return Path(own).expanduser()
    variable = "LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME"
    given = Path(os.environ.get(variable, ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "passo"


def write_whole(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file under a temporary name beside its own, then rename it; a failure leaves nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as file:
            write(file)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def keep_decoded(info: DatasetInfo, arrays: Sequence[np.ndarray], source: str) -> None:
    """Keep decoded and checked arrays; raises `OSError` where the cache cannot be written."""
    folder = cache_folder() / info.name
    for file, array in zip(info.files, arrays, strict=True):
        write_whole(_array_path(folder, file), lambda out, array=array: np.save(out, array, allow_pickle=False))
    known = {file.name: file.sha256 or idx.digest(array) for file, array in zip(info.files, arrays, strict=True)}
    _record(info, folder, source, known)


def decoded_digests(info: DatasetInfo) -> dict[str, str]:
    """File name → SHA-256 of what was decoded, as recorded then."""
    record = json.loads((cache_folder() / info.name / _RECORD).read_text(encoding="utf-8"))
    return {str(name): str(digest) for name, digest in record["sha256"].items()}


def open_decoded(info: DatasetInfo) -> tuple[tuple[np.ndarray, ...], str] | None:
    """The decoded arrays as read-only maps, and where they came from; None unless they are whole and true."""
    folder = cache_folder() / info.name
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        source, stamps = str(record["source"]), dict(record["stamps"])
        arrays = tuple(np.load(_array_path(folder, f), mmap_mode="r", allow_pickle=False) for f in info.files)
        stale = [file.name for file in info.files if stamps.get(file.name) != _stamp(folder, file)]
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    for file, array in zip(info.files, arrays, strict=True):
        if array.shape != file.shape or array.dtype != np.uint8:
            return None
        if file.name in stale and (file.sha256 is None or idx.digest(array) != file.sha256):
            return None
    if stale:
        with suppress(OSError):
            _record(info, folder, source, info.digests)
    return arrays, source


def _array_path(folder: Path, file: FileInfo) -> Path:
    return folder / f"{file.name}.npy"


def _stamp(folder: Path, file: FileInfo) -> list[int]:
    status = _array_path(folder, file).stat()
    return [status.st_size, status.st_mtime_ns]


def _record(info: DatasetInfo, folder: Path, source: str, digests: dict[str, str]) -> None:
    stamps = {file.name: _stamp(folder, file) for file in info.files}
    text = json.dumps({"source": source, "sha256": digests, "stamps": stamps}, indent=1)
    write_whole(folder / _RECORD, lambda out: out.write(text.encode()))
