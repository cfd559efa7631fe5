"""Archives: whole files come out; whatever leads elsewhere, is a link, or unpacks without end is refused."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passo.data.archives import members
from passo.errors import DataCorrupt

FILES = {"a/one.bin": b"1" * 700, "a/b/two.txt": b"", "three": bytes(range(256))}


def tar(files: dict[str, bytes], mode: str = "w:gz", change: Callable[[tarfile.TarInfo], None] | None = None) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:  # type: ignore[call-overload]
        folder = tarfile.TarInfo("a")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            if change is not None:
                change(member)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def zipped(files: dict[str, bytes], attributes: int = 0) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/", b"")
        for name, content in files.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = attributes << 16
            archive.writestr(member, content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def read(packed: bytes, limit: int = 10_000) -> dict[str, bytes]:
    return dict(members(io.BytesIO(packed), "it", limit))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_the_files_of_a_tar_come_out_as_they_went_in(mode: str) -> None:
    assert read(tar(FILES, mode)) == FILES


def test_the_files_of_a_zip_come_out_as_they_went_in() -> None:
    assert read(zipped(FILES)) == FILES


@pytest.mark.parametrize("name", ["../up", "a/../../up", "/etc/passwd", "a\\..\\up", "C:\\up", "\\up", "c:up"])
def test_a_path_that_leads_out_is_refused(name: str) -> None:
    for packed in (tar({name: b"x"}), zipped({name: b"x"})):
        with pytest.raises(DataCorrupt, match="leads out of its folder"):
            read(packed)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_a_link_or_a_device_is_refused(kind: bytes) -> None:
    def change(member: tarfile.TarInfo) -> None:
        member.type, member.linkname, member.size = kind, "three", 0

    with pytest.raises(DataCorrupt, match="'a/one.bin' in it is a link or a device"):
        read(tar({"a/one.bin": b""}, change=change))
    with pytest.raises(DataCorrupt, match="a link or a device"):
        read(zipped({"one": b"three"}, attributes=0o120777))


def test_what_unpacks_to_more_than_the_limit_is_refused() -> None:
    bomb = {"a/one.bin": bytes(30_000_000)}
    for packed in (tar(bomb), zipped(bomb), tar({f"a/{n}": bytes(9_000) for n in range(400)})):
        with pytest.raises(DataCorrupt, match="expected at most 10,000 bytes once unpacked, found more"):
            read(packed)
    with pytest.raises(DataCorrupt, match="found more"):
        read(zipped({f"a/{n}": bytes(9_000) for n in range(2)}))


def test_a_header_that_would_be_read_into_memory_is_counted_too() -> None:
    with pytest.raises(DataCorrupt, match="found more"):
        read(tar({"long/" * 2_000_000 + "x": b""}))


def test_a_size_that_is_a_lie_is_refused() -> None:
    def change(member: tarfile.TarInfo) -> None:
        member.size = 10**9

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("x")
        change(member)
        packed.write(member.tobuf())
        archive.fileobj = None  # type: ignore[assignment]
        archive.closed = True
    with pytest.raises(DataCorrupt, match="found more"):
        read(packed.getvalue())


@given(st.data())
def test_a_damaged_archive_is_one_error_and_no_other(data: st.DataObject) -> None:
    packed = bytearray(data.draw(st.sampled_from([tar(FILES), tar(FILES, "w"), zipped(FILES)])))
    for _ in range(data.draw(st.integers(1, 8))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(packed)))
    for damaged in (bytes(packed), bytes(packed[:cut]), bytes(packed[:4]) + data.draw(st.binary(max_size=200))):
        try:
            found = read(damaged)
        except DataCorrupt as error:
            assert "\n" not in str(error)
        else:
            assert all(len(content) <= 10_000 for content in found.values())
