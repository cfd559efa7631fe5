"""The idx format: what is read, and what is refused."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from passo.data import idx
from passo.errors import DataCorrupt, DataNotFound

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
WHOLE = struct.pack(">HBB3I", 0, 8, 3, 2, 3, 4) + IMAGES.tobytes()


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
def test_every_type_of_the_format_comes_back_as_it_was_written(tmp_path: Path, dtype: str, suffix: str) -> None:
    array = (np.arange(24).reshape(2, 3, 4) - (0 if dtype == "u1" else 12)).astype(dtype)
    idx.write(tmp_path / f"file{suffix}", array)
    back = idx.read(tmp_path / f"file{suffix}")
    assert back.dtype == array.dtype and np.array_equal(back, array)


def test_the_bytes_are_the_ones_of_the_specification(tmp_path: Path) -> None:
    idx.write(tmp_path / "file", IMAGES)
    assert (tmp_path / "file").read_bytes() == WHOLE
    idx.write(tmp_path / "short", np.array([258, -1], np.int16))
    assert (tmp_path / "short").read_bytes() == bytes.fromhex("00000b01 00000002 0102 ffff")


def test_a_compressed_file_holds_no_date_and_no_name(tmp_path: Path) -> None:
    idx.write(tmp_path / "a.gz", IMAGES)
    idx.write(tmp_path / "b.gz", IMAGES)
    packed = (tmp_path / "a.gz").read_bytes()
    assert packed == (tmp_path / "b.gz").read_bytes()
    assert packed[3:8] == bytes(5) and gzip.decompress(packed) == WHOLE


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (WHOLE[:-1], ("truncated", "2 × 3 × 4", "24 bytes were expected", "found 23")),
        (WHOLE + b"\0\0", ("trailing bytes", "24 bytes were expected", "found 26")),
        (WHOLE[:10], ("expected an idx header of 16 bytes", "found 10")),
        (b"\x89PNG" + WHOLE, ("magic number", "found 89 50 4e 47")),
        (b"\0\0\x07\x01" + WHOLE[4:], ("magic number", "found 00 00 07 01")),
        (b"", ("magic number", "found nothing")),
        (gzip.compress(WHOLE)[:-12], ("expected a whole gzip file", "truncated")),
        (gzip.compress(WHOLE)[:20] + b"\xff" * 20, ("expected a whole gzip file",)),
    ],
    ids=["truncated", "trailing", "half a header", "png", "type", "empty", "truncated gzip", "broken gzip"],
)
def test_a_file_that_is_not_whole_is_refused_with_its_name_what_was_expected_and_what_was_found(
    tmp_path: Path, data: bytes, said: tuple[str, ...]
) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(data)
    with pytest.raises(DataCorrupt) as caught:
        idx.read(path)
    sentence = str(caught.value)
    assert str(path) in sentence and "get the file again" in sentence and "\n" not in sentence
    assert all(words in sentence for words in said), sentence


def test_labels_that_are_not_as_many_as_the_images_are_refused(tmp_path: Path) -> None:
    idx.write(tmp_path / "images", IMAGES)
    idx.write(tmp_path / "labels", np.zeros(3, np.uint8))
    with pytest.raises(DataCorrupt, match=r"labels: expected 2 labels, .*images, found 3"):
        idx.read_pair(tmp_path / "images", tmp_path / "labels")


def test_images_given_as_labels_are_refused(tmp_path: Path) -> None:
    idx.write(tmp_path / "images", IMAGES)
    with pytest.raises(DataCorrupt, match="found 3 and 3"):
        idx.read_pair(tmp_path / "images", tmp_path / "images")


def test_a_file_that_is_not_there_is_said_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match="nothing-here"):
        idx.read(tmp_path / "nothing-here")


def test_the_digest_of_an_array_is_that_of_its_file(tmp_path: Path) -> None:
    import hashlib

    assert idx.digest(IMAGES) == hashlib.sha256(WHOLE).hexdigest()
