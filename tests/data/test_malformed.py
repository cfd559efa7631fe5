"""Damaged files of each format, two thousand of each in `make test-all`: passo's own error, no traceback, no hang."""

from __future__ import annotations

import gzip
import io
import struct
import sys
import tarfile
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image

sys.path.append(str(Path(__file__).resolve().parents[1] / "malformed"))

from damage import FEW, MANY, damaged, refused

from passo.data import cifar, idx, load
from passo.data.archives import members
from passo.data.pictures import Picture, decode
from passo.errors import DataCorrupt

BOMB = 3_000_000
wanted = pytest.mark.parametrize("wanted", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
ARRAY = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
PLAIN = idx.header(ARRAY) + ARRAY.tobytes()
RECORDS = np.random.default_rng(1).integers(0, 10, (3, 3073), dtype=np.uint8).tobytes()
TABLE = b"height,weight,kind\n" + b"".join(b"%d.5,%d,%s\n" % (n, n * n, b"ab"[n % 2 :][:1]) for n in range(12))


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/one", b"1" * 500)
        archive.writestr("a/two", bytes(range(200)))
    return out.getvalue()


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 11, 3), dtype=np.uint8)).save(out, kind)
    return out.getvalue()


def tarred(name: str = "a/one", kind: bytes = tarfile.REGTYPE, size: int | None = None, pack: str = "w") -> bytes:
    """A tar of three files, of which the second has this name and kind, and says that it is so long."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=pack) as archive:  # type: ignore[call-overload]
        for part, content in (("a/first", b"1" * 500), (name, bytes(range(200))), ("a/last", b"3" * 9)):
            member = tarfile.TarInfo(part)
            member.size = len(content)
            if part == name:
                member.type, member.linkname = kind, "../../etc/passwd"
                member.size = len(content) if size is None else size
            archive.addfile(member, io.BytesIO(content + bytes(max(0, member.size - len(content)))))
    return out.getvalue()


def zip_of(name: str, attributes: int = 0, content: bytes = b"x") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        member = zipfile.ZipInfo(name)
        member.external_attr = attributes << 16
        archive.writestr(member, content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def files(*whole: bytes) -> st.SearchStrategy[bytes]:
    return st.one_of(*map(damaged, whole))


# ── idx ──

SIZES = st.lists(st.sampled_from([0, 1, 2, 5, 60, 2**16, 2**31, 2**32 - 1]), max_size=6)
HEADERS = st.builds(
    lambda kind, sizes, rest: (
        b"\0\0" + bytes([kind, len(sizes)]) + b"".join(n.to_bytes(4, "big") for n in sizes) + rest
    ),
    st.sampled_from([0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E, 0x0A, 0]),
    SIZES,
    st.sampled_from([b"", bytes(60), bytes(5000)]),
)


@wanted
def test_idx(wanted: int) -> None:
    def use(content: bytes) -> None:
        found = idx.parse(idx.unpack(content, "it.idx"), "it.idx")
        assert found.nbytes <= 1100 * len(content) + 1000  # deflate makes no more of it

    bombs = HEADERS.map(lambda head: gzip.compress(head + bytes(BOMB), 1))
    refused(st.one_of(files(PLAIN, gzip.compress(PLAIN)), HEADERS, bombs), use, wanted, "it.idx")


def test_a_gzip_bomb_is_unpacked_no_further_than_its_header_says() -> None:
    bomb = gzip.compress(PLAIN + bytes(50_000_000))
    assert len(idx.unpack(bomb, "it")) == max(len(PLAIN) + 1, 4 + 4 * 255)
    assert idx.parse(idx.unpack(gzip.compress(PLAIN), "it"), "it").tolist() == ARRAY.tolist()


# ── CIFAR's records ──


@wanted
def test_cifar(wanted: int) -> None:
    def use(content: bytes) -> None:
        images, labels = cifar.parse(content, "it.bin")
        assert len(images) == len(labels) == len(content) // 3073 and labels.max() <= 9

    records = [3073 * n for n in range(3)]
    labels = st.builds(
        lambda place, label: RECORDS[:place] + bytes([label]) + RECORDS[place + 1 :],
        st.sampled_from(records),
        st.integers(10, 255),
    )
    refused(st.one_of(files(RECORDS), labels, st.binary(max_size=100)), use, wanted, "it.bin")


# ── archives ──

NAMES = ["../up", "a/../../up", "/etc/passwd", "a\\..\\up", "C:\\up", "\\up", "", "a/" * 3000 + "x", "a\0b"]
KINDS = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"S"]


def _members(content: bytes) -> None:
    found = list(members(io.BytesIO(content), "it.zip", 5000))
    assert sum(len(data) for _, data in found) <= 5000
    assert all(".." not in path.split("/") and not path.startswith("/") for path, _ in found)


@wanted
def test_tars(wanted: int) -> None:
    whole = [tarred(pack=pack) for pack in ("w", "w:gz", "w:bz2", "w:xz")]
    evil = [tarred(name) for name in NAMES[:6]] + [tarred(kind=kind, size=0) for kind in KINDS]
    evil += [tarred(size=BOMB, pack=pack) for pack in ("w:gz", "w:bz2", "w:xz")]
    refused(st.one_of(files(*whole), files(*evil)), _members, wanted, "it.zip")


@wanted
def test_zips(wanted: int) -> None:
    evil = [zip_of(name) for name in NAMES if name] + [
        zip_of("a", 0o120777, b"../up"),
        zip_of("a", content=bytes(BOMB)),
    ]
    refused(st.one_of(files(zipped()), files(*evil)), _members, wanted, "it.zip")


# ── images ──


def _png_of(width: int, height: int) -> bytes:
    """A PNG that says it is so large, with a true checksum."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + header + struct.pack(">I", zlib.crc32(header)) + picture("PNG")[33:]


@wanted
def test_pictures(wanted: int) -> None:
    def use(content: bytes) -> None:
        found = decode(Picture("it.png", 0, lambda: content), (8, 9), colour=True)
        assert found.shape == (3, 8, 9) and found.dtype == np.uint8

    whole = [picture(kind) for kind in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "PPM", "WEBP")]
    sides = st.sampled_from([0, 1, 12, 8001, 65_536, 2**31 - 1])
    refused(st.one_of(files(*whole), st.builds(_png_of, sides, sides)), use, wanted, "it.png")


@wanted
def test_folders_of_images(tmp_path: Path, wanted: int) -> None:
    """One image of six is damaged: it is skipped, with its name, and no other is."""
    for name in ("a/1.png", "a/2.png", "a/3.png", "b/1.png", "b/2.png", "b/3.png"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(picture("PNG"))

    def use(content: bytes) -> None:
        (tmp_path / "set" / "b" / "2.png").write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = load("images", folder=tmp_path / "set", size=8, validation=None)
        assert data.train.raw.dtype == np.uint8 and sum(data.counts.values()) == 6 - len(data.skipped)
        for name, reason in data.skipped:
            assert name == "b/2.png" and len(data.skipped) == 1
            raise DataCorrupt(f"{name}: {reason}")

    refused(files(picture("PNG"), picture("JPEG")), use, wanted, "2.png")


# ── tables ──


@wanted
def test_tables(tmp_path: Path, wanted: int) -> None:
    def use(content: bytes) -> None:
        (tmp_path / "t.csv").write_bytes(content)
        assert np.isfinite(load("csv", folder=tmp_path / "t.csv", validation=None).train.raw).all()

    refused(files(TABLE), use, wanted, "t.csv")
