"""CIFAR-10 in its own binary format, on small files of it, from a mirror on this machine."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from passo.data import Batches, cifar, fetch, load
from passo.data.described import Archive, DatasetInfo, FileInfo
from passo.data.entries import DATASETS
from passo.errors import DataCorrupt, DataError, DataNotFound

EACH = 12  # records in each of the six files


@pytest.fixture
def records() -> dict[str, np.ndarray]:
    """Six files of records: (12, 3073) uint8, label first, then all of red, of green, of blue."""
    rng = np.random.default_rng(0)
    files = {}
    for name in (*cifar.TRAIN, *cifar.TEST):
        files[name] = rng.integers(0, 256, (EACH, 3073), dtype=np.uint8)
        files[name][:, 0] = [*range(10), 0, 1]
    return files


def packed(records: dict[str, np.ndarray]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        extra = {"readme.html": b"<html>", "batches.meta.txt": b"airplane\n"}
        for name, content in {**extra, **{n: r.tobytes() for n, r in records.items()}}.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
def small(records: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> DatasetInfo:
    """CIFAR-10 of 60 and 12 images, in the catalogue."""
    shapes = ((60, 3, 32, 32), (60,), (12, 3, 32, 32), (12,))
    files = tuple(FileInfo(file.name, s, None) for file, s in zip(DATASETS["cifar-10"].files, shapes, strict=True))
    data = packed(records)
    archive = Archive("cifar-10-binary.tar.gz", len(data), hashlib.sha256(data).hexdigest(), ("http://127.0.0.1:1/",))
    entry = replace(DATASETS["cifar-10"], files=files, archives=(archive,))
    monkeypatch.setitem(DATASETS._entries, "cifar-10", entry)
    return entry


@pytest.fixture
def web(
    mirror: Any, small: DatasetInfo, records: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    mirror.served["/cifar-10-binary.tar.gz"] = packed(records)
    archive = replace(small.archives[0], mirrors=(mirror.url,))
    monkeypatch.setitem(DATASETS._entries, "cifar-10", replace(small, archives=(archive,)))
    return mirror


def test_a_record_is_a_label_and_three_planes() -> None:
    record = bytes([7]) + bytes([10] * 1024) + bytes([20] * 1024) + bytes([30] * 1024)
    record = record[:1] + b"\x63" + record[2:33] + b"\x62" + record[34:]  # red of (0, 0) and of (1, 0)
    images, labels = cifar.parse(record * 2, "it")
    assert labels.tolist() == [7, 7] and images.shape == (2, 3, 32, 32)
    assert images[0, 0, 0, 0] == 0x63 and images[0, 0, 1, 0] == 0x62
    assert images[0, 0, 0, 1] == 10 and (images[1, 1] == 20).all() and (images[1, 2] == 30).all()


@pytest.mark.parametrize(("data", "words"), [(b"", "found 0 bytes"), (bytes(3072), "3,073"), (bytes(6147), "6,147")])
def test_bytes_that_are_no_records_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(DataCorrupt, match=words):
        cifar.parse(data, "it")


def test_a_label_above_9_is_refused_with_its_record() -> None:
    with pytest.raises(DataCorrupt, match="found 10 in record 2"):
        cifar.parse(bytes(3073) + b"\x0a" + bytes(3072), "it")


def test_it_is_fetched_checked_decoded_once_and_trained_on_in_colour(
    web: Any, records: dict[str, np.ndarray], cache: Path
) -> None:
    fetch("cifar-10")
    data = load("cifar-10", validation=10)
    assert web.asked == ["/cifar-10-binary.tar.gz"] and data.source == web.url
    assert data.in_shape == (3, 32, 32) and data.classes[3] == "cat" and data.counts["train"] == 50
    stacked = np.concatenate([records[name] for name in cifar.TRAIN])
    assert np.array_equal(data.train.raw, stacked[:, 1:].reshape(-1, 3, 32, 32)[data.train.index])
    assert np.array_equal(data.test.targets, records["test_batch.bin"][:, 0])
    x = data.train.images.double()
    assert x.shape == (50, 3, 32, 32)
    assert x.mean((0, 2, 3)).abs().max() < 1e-6 and (x.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-6
    assert set(data.facts()["sha256"]) == {"train-images", "train-labels", "test-images", "test-labels"}


@pytest.mark.parametrize("last", [False, True])
def test_colour_keeps_its_memory_format_through_batches(
    small: DatasetInfo, records: Any, tmp_path: Path, last: bool
) -> None:
    for name, content in records.items():
        content.tofile(tmp_path / name)
    data = load("cifar-10", folder=tmp_path, validation=None)
    form = torch.channels_last if last else torch.contiguous_format
    for x, _ in Batches(data.train.images.contiguous(memory_format=form), data.train.labels, 16):
        assert x.shape[1:] == (3, 32, 32) and x.is_contiguous(memory_format=form)


@pytest.mark.parametrize("layout", ["archive", ".", "cifar-10-batches-bin"])
def test_a_folder_may_hold_the_archive_or_the_files(
    small: DatasetInfo, records: dict[str, np.ndarray], tmp_path: Path, layout: str
) -> None:
    if layout == "archive":
        (tmp_path / "cifar-10-binary.tar.gz").write_bytes(packed(records))
    else:
        (tmp_path / layout).mkdir(exist_ok=True)
        for name, content in records.items():
            content.tofile(tmp_path / layout / name)
    data = load("cifar-10", folder=tmp_path, validation=None)
    assert np.array_equal(data.test.raw.reshape(12, -1), records["test_batch.bin"][:, 1:])


def test_another_archive_is_refused_and_not_kept(web: Any, records: dict[str, np.ndarray], cache: Path) -> None:
    served = bytearray(web.served["/cifar-10-binary.tar.gz"])
    served[-1] ^= 1
    web.served["/cifar-10-binary.tar.gz"] = bytes(served)
    with pytest.raises(DataCorrupt, match="expected SHA-256"):
        load("cifar-10")
    web.served["/cifar-10-binary.tar.gz"] = bytes(served) + b"more"
    with pytest.raises(DataCorrupt, match="found more"):
        load("cifar-10")
    assert not list(cache.rglob("*.gz"))


def test_a_damaged_archive_in_the_cache_is_fetched_again(web: Any, cache: Path) -> None:
    fetch("cifar-10")
    (cache / "cifar-10" / "decoded.json").unlink()
    (cache / "cifar-10" / "cifar-10-binary.tar.gz").write_bytes(b"x" * web.served["/cifar-10-binary.tar.gz"].__len__())
    load("cifar-10")
    assert len(web.asked) == 2


def test_a_set_of_another_size_is_refused_by_its_structure(
    small: DatasetInfo, records: dict[str, np.ndarray], tmp_path: Path
) -> None:
    for name, content in records.items():
        content[:11].tofile(tmp_path / name)
    with pytest.raises(DataCorrupt, match="expected 60 × 3 × 32 × 32 bytes, found 55"):
        load("cifar-10", folder=tmp_path)


def test_without_a_network_or_a_folder_one_sentence_says_what_to_do(small: DatasetInfo, tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match="forbidden by PASSO_OFFLINE.*dataset.folder"):
        load("cifar-10")
    with pytest.raises(DataNotFound, match="expected cifar-10-binary.tar.gz in it"):
        load("cifar-10", folder=tmp_path)
    with pytest.raises(DataError):
        fetch("cifar-10")
