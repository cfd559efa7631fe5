"""A folder of images: every kind of file that people have, and everything that can be wrong with one."""

from __future__ import annotations

import io
import re
import struct
import subprocess
import sys
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from passo.data import load
from passo.data.pictures import Picture, decode
from passo.errors import ConfigError, DataCorrupt, DataError, DataNotFound, MissingExtra


def save(path: Path, array: np.ndarray, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes in colour, 6 training and 2 test images of each, the test ones much darker."""
    rng = np.random.default_rng(0)
    for part, n, high in (("train", 6, 256), ("test", 2, 20)):
        for name in ("cat", "dog"):
            for k in range(n):
                save(tmp_path / part / name / f"{k}.png", rng.integers(0, high, (9, 7, 3), dtype=np.uint8))
    (tmp_path / "train" / "cat" / "notes.txt").write_text("not an image")
    (tmp_path / "train" / ".hidden").mkdir()
    return tmp_path


def test_two_folders_are_the_two_parts_and_their_subfolders_the_classes(folder: Path) -> None:
    data = load("images", folder=folder, validation=None)
    assert data.classes == ("cat", "dog") and data.in_shape == (3, 9, 7) and data.source == str(folder)
    assert data.train.counts == [6, 6] and data.test.counts == [2, 2]
    with Image.open(folder / "train" / "dog" / "3.png") as image:
        assert np.array_equal(data.train.raw[9], np.array(image).transpose(2, 0, 1))


def test_the_statistics_are_the_train_folders_own_channel_by_channel(folder: Path) -> None:
    data = load("images", folder=folder, validation=None)
    pixels = data.train.raw / 255
    assert data.scaling.mean == pytest.approx(tuple(pixels.mean((0, 2, 3))), rel=1e-12)
    assert data.scaling.sd == pytest.approx(tuple(pixels.std((0, 2, 3))), rel=1e-12)
    assert data.test.images.mean() < -1


def test_one_folder_gives_a_fifth_of_each_class_to_the_test_part_whatever_the_seed(folder: Path) -> None:
    parts = [load("images", folder=folder / "train", validation=2, seed=seed) for seed in (0, 1)]
    assert parts[0].test.counts == [1, 1] and parts[0].counts == {"train": 8, "validation": 2, "test": 2}
    assert np.array_equal(parts[0].test.raw, parts[1].test.raw) and "fifth" in parts[0].source
    assert parts[0].info.digests == parts[1].info.digests


def test_alpha_is_dropped_and_not_blended(tmp_path: Path) -> None:
    rgba = np.random.default_rng(0).integers(0, 256, (4, 4, 4), dtype=np.uint8)
    save(tmp_path / "x.png", rgba)
    picture = Picture("x", 0, (tmp_path / "x.png").read_bytes)
    assert np.array_equal(decode(picture, None, colour=True), rgba[:, :, :3].transpose(2, 0, 1))
    grey = Image.fromarray(rgba[:, :, 0].copy()).convert("LA")
    out = io.BytesIO()
    grey.save(out, "PNG")
    assert np.array_equal(decode(Picture("x", 0, out.getvalue), None, colour=False), rgba[:, :, 0])


def test_a_folder_of_grey_images_is_grey_and_one_with_a_coloured_one_is_colour(folder: Path, tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (9, 7), dtype=np.uint8)
    for k in range(10):
        save(tmp_path / "grey" / "ab"[k % 2] / f"{k}.png", grey)
    assert load("images", folder=tmp_path / "grey", validation=None).in_shape == (1, 9, 7)
    assert load("images", folder=tmp_path / "grey", colour=True, validation=None).in_shape == (3, 9, 7)
    assert load("images", folder=folder, colour=False, validation=None).in_shape == (1, 9, 7)
    save(folder / "train" / "cat" / "grey.png", grey)
    assert load("images", folder=folder, validation=None).in_shape == (3, 9, 7)


def test_images_of_any_size_are_resized_and_without_a_size_refused(folder: Path) -> None:
    save(folder / "test" / "cat" / "wide.jpg", np.full((20, 40, 3), 90, np.uint8))
    with pytest.raises(DataError, match=r"wide.jpg has 40 × 20 pixels, .* has 7 × 9: give one size to all"):
        load("images", folder=folder)
    data = load("images", folder=folder, size=[5, 8], validation=None)
    assert data.in_shape == (3, 5, 8) and data.test.raw[2].min() > 80
    for wrong in (0, -3, 5000, [3], [3, 4, 5], 2.5, True, "big"):
        with pytest.raises(ConfigError, match="size must be"):
            load("images", folder=folder, size=wrong)  # type: ignore[arg-type]


def test_a_phones_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise
    save(tmp_path / "x.png", np.arange(6, dtype=np.uint8).reshape(2, 3), exif=exif)
    turned = decode(Picture("x", 0, (tmp_path / "x.png").read_bytes), None, colour=False)
    assert turned.tolist() == [[3, 0], [4, 1], [5, 2]]


def made(kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 11, 3), dtype=np.uint8)).save(out, kind)
    return out.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises a great many pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(100_000)))
        + chunk(b"IEND", b"")
    )


def sixteen_bits() -> bytes:
    """A PNG of 16 bits a channel in colour, which Pillow would cut to 8 without a word."""
    rows = b"".join(b"\0" + bytes(range(42)) for _ in range(9))
    head = struct.pack(">IIBBBBB", 7, 9, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def deep() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((9, 7), 4000, np.uint16)).save(out, "PNG")
    return out.getvalue()


ODD = {
    "empty": (b"", "not an image in a known format"),
    "text": (b"not an image", "not an image in a known format"),
    "only a beginning": (b"\x89PNG\r\n\x1a\n", "not an image in a known format"),
    "cut": (made("PNG")[:150], "truncated"),
    "another format": (b"%!PS-Adobe-3.0 EPSF", "not an image in a known format"),
    "16 bits": (deep(), r"more than 8 bits a channel \(save it with 8\)"),
    "16 bits in colour": (sixteen_bits(), r"more than 8 bits a channel \(save it with 8\)"),
    "large": (bomb(9_000, 9_000), "says that it has more than 64,000,000 pixels"),
    "larger": (bomb(12_000, 12_000), "says that it has more than 64,000,000 pixels"),
    "a bomb": (bomb(60_000, 60_000), "says that it has more than 64,000,000 pixels"),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("place", ["train/cat/0a.png", "test/dog/9.webp"])
def test_an_odd_file_is_named_and_skipped_and_the_data_are_those_without_it(
    folder: Path, kind: str, place: str
) -> None:
    without = load("images", folder=folder, size=8)
    content, reason = ODD[kind]
    (folder / place).write_bytes(content)
    with pytest.warns(UserWarning, match=rf"1 image was skipped: {place} \(.*{reason}"):
        data = load("images", folder=folder, size=8)
    assert [name for name, _ in data.skipped] == [place] and re.search(reason, data.skipped[0][1])
    assert data.facts() == {**without.facts(), "skipped": [[place, data.skipped[0][1]]], "skipped_count": 1}
    for part in ("train", "validation", "test"):
        assert np.array_equal(getattr(data, part).raw, getattr(without, part).raw)
        assert np.array_equal(getattr(data, part).targets, getattr(without, part).targets)


def test_one_image_alone_is_refused_with_its_name() -> None:
    for content, reason in ODD.values():
        with pytest.raises(DataCorrupt, match=rf"^cannot read it: .*{reason}.*; replace or remove it$"):
            decode(Picture("it", 0, partial(bytes, content)), (8, 8), colour=True)


def test_a_format_that_is_not_read_is_not_passed_over_in_silence(folder: Path) -> None:
    (folder / "train" / "dog" / "phone.HEIC").write_bytes(b"....ftypheic")
    with pytest.warns(UserWarning, match=r"1 image was skipped: train/dog/phone.HEIC \(not an image in a known format"):
        assert load("images", folder=folder).train.counts == [6 - 1, 6 - 0]  # one of the twelve is held out


def test_many_odd_files_are_counted_and_twenty_of_them_named(folder: Path) -> None:
    for k in range(90):
        save(folder / "train" / "cat" / f"good{k}.png", np.full((9, 7, 3), k, np.uint8))
    for k in range(30):
        (folder / "train" / "dog" / f"bad{k:02d}.png").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"30 images were skipped: train/dog/bad00.png .*bad02.png .*, and 27 more$"):
        data = load("images", folder=folder)
    assert len(data.skipped) == 30 and data.facts()["skipped_count"] == 30
    assert data.facts()["skipped"] == [list(one) for one in data.skipped[:20]]


@pytest.mark.parametrize("in_memory", [True, False])
def test_more_than_half_odd_files_are_refused(folder: Path, in_memory: bool) -> None:
    for path in sorted((folder / "train").glob("*/*.png"))[:9]:
        path.write_bytes(b"")
    with pytest.raises(DataCorrupt, match=r"9 of the 16 files in .* cannot be read as images, more than half \(train/"):
        load("images", folder=folder, in_memory=in_memory)
    save(folder / "train" / "cat" / "6.png", np.zeros((9, 7, 3), np.uint8))
    save(folder / "train" / "cat" / "7.png", np.zeros((9, 7, 3), np.uint8))
    with pytest.warns(UserWarning, match="9 images were skipped"):
        assert load("images", folder=folder, in_memory=in_memory, validation=None).train.counts == [2, 3]


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_class_of_which_nothing_can_be_read_is_refused(folder: Path, in_memory: bool) -> None:
    for path in (folder / "test" / "dog").glob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataCorrupt, match=r"no image of class dog can be read in .*test/dog \(0.png: not an image"):
        load("images", folder=folder, in_memory=in_memory)


def test_an_image_is_skipped_on_the_command_line_in_a_line_on_standard_error(folder: Path) -> None:
    (folder / "train" / "cat" / "odd.png").write_bytes(b"")
    command = [sys.executable, "-m", "passo.cli.app", "data", "info", str(folder), "size=8"]
    code = "import sys; from passo.cli.app import main; sys.argv[0] = 'passo'; main()"
    done = subprocess.run([sys.executable, "-c", code, *command[3:]], capture_output=True, text=True, check=True)
    assert done.stderr == (
        f"warning: {folder}: 1 image was skipped: train/cat/odd.png (not an image in a known format)\n"
    )
    assert "12 training, 4 test" in done.stdout


def test_one_class_is_refused_and_told_what_to_do(folder: Path, tmp_path: Path) -> None:
    for path in (folder / "train" / "dog").iterdir():
        path.unlink()
    (folder / "train" / "dog").rmdir()
    with pytest.raises(
        DataNotFound, match=r"train holds one class, cat: telling classes apart needs two or more, a sub"
    ):
        load("images", folder=folder)
    with pytest.raises(DataNotFound, match=r"cat holds 2 images and no subfolders: telling classes apart needs two"):
        load("images", folder=folder / "test" / "cat")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataNotFound, match=r"nothing holds no images: telling classes apart needs two or more"):
        load("images", folder=tmp_path / "nothing")


def test_folders_that_cannot_be_are_refused_in_one_sentence(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="dataset.folder=DIR"):
        load("images")
    with pytest.raises(DataNotFound, match="nowhere: no such file"):
        load("images", folder=tmp_path / "nowhere")
    (folder / "test" / "cow").mkdir()
    with pytest.raises(DataNotFound, match="cow holds no image"):
        load("images", folder=folder)
    save(folder / "test" / "cow" / "1.png", np.zeros((9, 7, 3), np.uint8))
    with pytest.raises(DataNotFound, match="class cow is in only one of train and test"):
        load("images", folder=folder)


def test_without_pillow_one_sentence_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingExtra, match=r"PIL, which is not installed: pip install 'passo\[figures\]'"):
        load("images", folder=folder)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_damaged_image_is_one_error_and_no_other(data: st.DataObject) -> None:
    content = bytearray(
        data.draw(st.sampled_from([made(kind) for kind in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "PPM")]))
    )
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        found = decode(Picture("it", 0, lambda: damaged), (8, 9), colour=True)
    except DataCorrupt as error:
        assert str(error).startswith("cannot read it: ") and "\n" not in str(error)
    else:
        assert found.shape == (3, 8, 9) and found.dtype == np.uint8
