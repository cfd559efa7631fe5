"""CIFAR-10's binary format: records of 1 + 3072 bytes, a label 0..9, then 32 × 32 of red, of green and of blue.

Six files of 10,000 records each, `data_batch_1.bin` … `data_batch_5.bin` and `test_batch.bin`, in a folder
`cifar-10-batches-bin`, in an archive `cifar-10-binary.tar.gz`.

Source: "Binary version", at https://www.cs.toronto.edu/~kriz/cifar.html (Krizhevsky, 2009).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from passo.data.idx import AGAIN
from passo.errors import DataCorrupt, DataNotFound

FOLDER = "cifar-10-batches-bin"
TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = ("test_batch.bin",)
SHAPE = (3, 32, 32)
RECORD = 1 + 3 * 32 * 32


def parse(data: bytes, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The images (N, 3, 32, 32) and labels (N,) uint8 in the bytes of one file; raises `DataCorrupt`."""
    if not data or len(data) % RECORD:
        raise DataCorrupt(f"{name}: expected records of {RECORD:,} bytes, found {len(data):,} bytes in all; {AGAIN}")
    records = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    labels = records[:, 0]
    if (wrong := np.flatnonzero(labels > 9)).size:
        at = int(wrong[0])
        raise DataCorrupt(f"{name}: expected labels 0 to 9, found {labels[at]} in record {at + 1:,}; {AGAIN}")
    return records[:, 1:].reshape(-1, *SHAPE), labels


def assemble(files: Mapping[str, bytes], name: str) -> tuple[np.ndarray, ...]:
    """Training images, training labels, test images, test labels, from the six files; `name` is where they are from."""
    arrays: list[np.ndarray] = []
    for part in (TRAIN, TEST):
        if missing := [file for file in part if file not in files]:
            raise DataCorrupt(
                f"{name}: expected {missing[0]} in it, found {', '.join(sorted(files)) or 'nothing'}; {AGAIN}"
            )
        pairs = [parse(files[file], f"{name}/{file}") for file in part]
        arrays += [np.concatenate(kind) for kind in zip(*pairs, strict=True)]
    return tuple(arrays)


def wanted(path: str) -> str | None:
    """The name of the file in the archive that this path is, where it is one of the six."""
    folder, _, file = path.removeprefix("./").rpartition("/")
    return file if folder == FOLDER and file in (*TRAIN, *TEST) else None


def read_folder(folder: Path) -> dict[str, bytes] | None:
    """The six files, unpacked, in this folder or in `cifar-10-batches-bin` below it; None where one is missing."""
    for place in (folder, folder / FOLDER):
        paths = [place / name for name in (*TRAIN, *TEST)]
        if all(path.is_file() for path in paths):
            try:
                return {path.name: path.read_bytes() for path in paths}
            except OSError as error:
                raise DataNotFound(f"cannot read {place}: {error.strerror}; name a folder that can be read") from error
    return None
