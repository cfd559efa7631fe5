"""The idx format of MNIST and its kin: read it, say exactly what is wrong with it, write it.

    bytes 0, 1   zero
    byte  2      the type of the items: 08 uint8, 09 int8, 0B int16, 0C int32, 0D float32, 0E float64
    byte  3      the number of axes, then one big-endian uint32 for the size of each
    the rest     the items, big-endian, last axis fastest

Source: "The IDX file format", at the end of http://yann.lecun.com/exdb/mnist/.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from passo.errors import DataCorrupt, DataNotFound

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CODES = {np.dtype(name): code for code, name in _TYPES.items()}
_GZIP = b"\x1f\x8b"
_HEAD = 4 + 4 * 255  # bytes of the longest header
_MOST = 2**32  # bytes that are unpacked of a file, whatever its header says
AGAIN = "get the file again from where it came"


def read(path: str | Path) -> np.ndarray:
    """The array in an idx file, gzip-compressed or not, in the machine's byte order.

    Raises `DataNotFound` where there is no such file, `DataCorrupt` where it is not a whole idx file.
    """
    return parse(content(path), str(path))


def content(path: str | Path) -> bytes:
    """The uncompressed bytes of a file, which may be gzip-compressed."""
    try:
        packed = Path(path).read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataNotFound(f"cannot read {path}: {reason}; name a file that is there") from error
    return unpack(packed, str(path))


def unpack(packed: bytes, name: str, limit: int | None = None) -> bytes:
    """Decompress gzip bytes; others are returned as they are.

    No more than `limit` bytes are unpacked, and without one no more than one byte beyond what the idx header inside
    says: a small file may unpack to a thousand times its size.
    """
    if not packed.startswith(_GZIP):
        return packed
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            head = file.read(_HEAD if limit is None else 0)
            left = _told(head) + 1 - len(head) if limit is None else limit
            return head + b"".join(_pieces(file, left))
    except (EOFError, OSError, zlib.error) as error:
        what = "it is truncated" if isinstance(error, EOFError) else str(error).rstrip(".").lower()
        raise DataCorrupt(f"{name}: expected a whole gzip file, but {what}; {AGAIN}") from error


def _pieces(file: gzip.GzipFile, left: int) -> Iterator[bytes]:
    """Up to so many bytes: all at once would take the memory for them before there are any."""
    while left > 0 and (piece := file.read(min(left, 2**20))):
        left -= len(piece)
        yield piece


def _told(head: bytes) -> int:
    """How many bytes the file is long that begins so; 0 where that is no idx header, and at most `_MOST`."""
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or len(head) < 4 + 4 * head[3]:
        return 0
    shape = struct.unpack_from(f">{head[3]}I", head, 4)
    return min(4 + 4 * head[3] + math.prod(shape) * np.dtype(_TYPES[head[2]]).itemsize, _MOST)


def parse(data: bytes, name: str) -> np.ndarray:
    """The array in the bytes of an idx file; `name` is what an error calls it."""
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _TYPES:
        found = data[:4].hex(" ") or "nothing"
        raise DataCorrupt(f"{name}: expected an idx magic number (00 00, type 08…0e, axes), found {found}; {AGAIN}")
    axes = data[3]
    start = 4 + 4 * axes
    if len(data) < start:
        raise DataCorrupt(f"{name}: expected an idx header of {start} bytes, found {len(data)} in all; {AGAIN}")
    shape = struct.unpack(f">{axes}I", data[4:start])
    dtype = np.dtype(_TYPES[data[2]])
    expected, found = math.prod(shape) * dtype.itemsize, len(data) - start
    if found != expected:
        what = "it is truncated" if found < expected else "it has trailing bytes"
        sizes = " × ".join(map(str, shape))
        raise DataCorrupt(
            f"{name}: {what}: its header says {sizes}, so {expected:,} bytes were expected after it, "
            f"found {found:,}; {AGAIN}"
        )
    try:
        array = np.frombuffer(data, dtype, offset=start).reshape(shape)
    except ValueError as error:  # more axes than NumPy has, or nothing along one and too much along the others
        raise DataCorrupt(f"{name}: no array has the {axes} sizes of its header; {AGAIN}") from error
    return array.astype(dtype.newbyteorder("="), copy=False)


def read_pair(images: str | Path, labels: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, H, W) and their labels (N,); refuses files that do not belong together."""
    x, y = read(images), read(labels)
    check_pair(x, y, str(images), str(labels))
    return x, y


def check_pair(x: np.ndarray, y: np.ndarray, images: str, labels: str) -> None:
    """Raise `DataCorrupt` unless there is one label for each image."""
    if x.ndim != 3 or y.ndim != 1:
        raise DataCorrupt(
            f"{images} and {labels}: expected images of 3 axes and labels of 1, found {x.ndim} and {y.ndim}; "
            "give the images file and the labels file of the same set"
        )
    if len(x) != len(y):
        raise DataCorrupt(
            f"{labels}: expected {len(x):,} labels, one for each image of {images}, found {len(y):,}; "
            "give two files of the same part of the same set"
        )


def header(array: np.ndarray) -> bytes:
    """The idx header of an array."""
    code = _CODES[array.dtype.newbyteorder(">")]
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)


def digest(array: np.ndarray) -> str:
    """SHA-256 of the uncompressed idx file that holds this array."""
    sha = hashlib.sha256(header(array))
    sha.update(np.ascontiguousarray(array, array.dtype.newbyteorder(">")).data)
    return sha.hexdigest()


def write(path: str | Path, array: np.ndarray) -> None:
    """Write an array as an idx file; if it ends in `.gz`, compressed, with no date or name inside."""
    data = header(array) + np.ascontiguousarray(array, array.dtype.newbyteorder(">")).tobytes()
    if Path(path).suffix == ".gz":
        packed = io.BytesIO()
        # gzip.compress leaves one header byte to the C library, which differs between systems; this does not
        with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=packed, mtime=0) as file:
            file.write(data)
        data = packed.getvalue()
    Path(path).write_bytes(data)
