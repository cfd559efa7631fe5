"""Read files out of a tar or zip archive, in memory: nothing is ever unpacked onto the disk.

An archive from elsewhere may hold paths that lead out of its folder, links, devices, files that unpack to more than any
disk. All of these are refused, and so is any archive that holds one: it is not the one that was asked for.
"""

from __future__ import annotations

import io
import lzma
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

from passo.data.idx import AGAIN
from passo.errors import DataCorrupt

MEMBERS = 100_000  # files in an archive
_BROKEN = (
    *(tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, struct.error, OverflowError),
    *(OSError, RuntimeError, NotImplementedError, ValueError, KeyError, UnicodeError),
)


def members(file: IO[bytes], name: str, limit: int) -> Iterator[tuple[str, bytes]]:
    """The regular files of a tar (plain or compressed) or zip archive, in its order: (path inside it, content).

    `limit` is how many bytes all of it may be once unpacked; `name` is what an error calls the archive. Raises
    `DataCorrupt` for what is no whole archive, and for one that holds an unsafe path, a link or a device.
    """
    try:
        magic = file.read(4)
        file.seek(0)
        yield from _zip(file, name, limit) if magic == b"PK\x03\x04" else _tar(file, name, limit)
    except _BROKEN as error:
        what = str(error)[:100].rstrip(".").lower() or type(error).__name__  # zipfile quotes whole headers
        raise DataCorrupt(f"{name}: expected a whole tar or zip archive, but {what}; {AGAIN}") from error


def _tar(file: IO[bytes], name: str, limit: int) -> Iterator[tuple[str, bytes]]:
    with closing(_unpacked(file)) as plain, tarfile.open(fileobj=_Counted(plain, name, limit), mode="r|") as archive:
        for count, member in enumerate(archive):
            _check(name, count, member.name, regular=member.isreg() or member.isdir())
            if member.issparse() or member.size > limit:
                raise _too_large(name, limit)
            content = archive.extractfile(member) if member.isreg() else None
            if content is not None:
                yield member.name, content.read()


def _zip(file: IO[bytes], name: str, limit: int) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(file) as archive:
        for count, member in enumerate(archive.infolist()):
            mode = stat.S_IFMT(member.external_attr >> 16)  # 0 where it was not made on a Unix
            _check(name, count, member.filename, regular=mode in (0, stat.S_IFREG, stat.S_IFDIR))
            if member.is_dir():
                continue
            with archive.open(member) as part:
                content = part.read(limit + 1)
            limit -= len(content)
            if limit < 0:
                raise _too_large(name, limit + len(content))
            yield member.filename, content


def _check(name: str, count: int, path: str, regular: bool) -> None:
    if count >= MEMBERS:
        raise DataCorrupt(f"{name}: expected at most {MEMBERS:,} files in it, found more; {AGAIN}")
    shown = repr(path[:80])
    if not regular:
        raise DataCorrupt(f"{name}: {shown} in it is a link or a device, and only files are read; {AGAIN}")
    parts = re.split(r"[\\/]", path)
    if ".." in parts or path.startswith(("/", "\\")) or ":" in parts[0] or "\0" in path or not path:
        raise DataCorrupt(f"{name}: {shown} in it leads out of its folder; {AGAIN}")


def _unpacked(file: IO[bytes]) -> IO[bytes]:
    """The tar's own bytes, decompressed as they are read."""
    import bz2
    import gzip

    magic = file.read(6)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]
    if magic.startswith(b"BZh"):
        return bz2.BZ2File(file)  # type: ignore[return-value]
    return lzma.LZMAFile(file) if magic == b"\xfd7zXZ\0" else file  # type: ignore[return-value]


class _Counted(io.RawIOBase):
    """A stream that refuses to give more than `limit` bytes and a tar's own padding: tarfile reads headers whole."""

    def __init__(self, file: IO[bytes], name: str, limit: int) -> None:
        self._file, self._name, self._limit = file, name, limit
        self._left = limit + (limit >> 3) + (1 << 20)

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise _too_large(self._name, self._limit)
        return data


def _too_large(name: str, limit: int) -> DataCorrupt:
    return DataCorrupt(f"{name}: expected at most {limit:,} bytes once unpacked, found more; {AGAIN}")


def read_archive(path: Path, limit: int) -> Iterator[tuple[str, bytes]]:
    """`members` of an archive on disk."""
    with path.open("rb") as file:
        yield from members(file, str(path), limit)
