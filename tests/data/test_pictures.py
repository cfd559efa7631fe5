"""A folder of images: every kind of file that people have, and everything that can be wrong with one."""

from __future__ import annotations

import io
import struct
import sys
import zlib
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


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises a great many pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(100_000)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(9_000, 9_000), (12_000, 12_000), (60_000, 60_000)])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(folder: Path, size: tuple[int, int]) -> None:
    (folder / "train" / "cat" / "bomb.png").write_bytes(bomb(*size))
    with pytest.raises(DataCorrupt, match=r"bomb.png says that it has .* pixels.*: remove it"):
        load("images", folder=folder, size=8)


@pytest.mark.parametrize(
    "content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", made("PNG")[:150], b"%!PS-Adobe-3.0 EPSF"]
)
def test_a_file_that_is_no_image_is_refused_with_its_name(folder: Path, content: bytes) -> None:
    (folder / "train" / "dog" / "bad.png").write_bytes(content)
    with pytest.raises(DataCorrupt, match="bad.png"):
        load("images", folder=folder)


def test_more_than_8_bits_are_refused_and_not_cut(folder: Path) -> None:
    Image.fromarray(np.full((9, 7), 4000, np.uint16)).save(folder / "train" / "dog" / "deep.png")
    with pytest.raises(DataCorrupt, match="deep.png has more than 8 bits a channel"):
        load("images", folder=folder)


def test_folders_that_cannot_be_are_refused_in_one_sentence(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="dataset.folder=DIR"):
        load("images")
    with pytest.raises(DataNotFound, match="nowhere: no such file"):
        load("images", folder=tmp_path / "nowhere")
    with pytest.raises(DataNotFound, match="holds 0 subfolders"):
        load("images", folder=folder / "test" / "cat")
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
        assert str(error).startswith(("cannot read it", "it ")) and "\n" not in str(error)
    else:
        assert found.shape == (3, 8, 9) and found.dtype == np.uint8
