"""A folder of images, one subfolder a class: read, resized, in grey or in colour, with nothing taken on trust.

    pictures/train/cat/001.jpg …    pictures/test/cat/101.jpg …    two folders, where both are there
    pictures/cat/001.jpg …                                         or one, of which a fifth is the test part

Alpha is dropped, phones' orientation is applied, of a moving image the first is taken. Pillow reads the files; it is in
passo's extras.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from passo.data.described import DatasetInfo, measured
from passo.data.downloads import Progress
from passo.data.sampling import held_out
from passo.errors import ConfigError, DataCorrupt, DataError, DataNotFound, require

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # no other reader of Pillow is ever started
PIXELS = 64_000_000  # of one image: a small file may unpack to any size
BYTES = 16 * 2**30  # of all images, resized
_BROKEN = (OSError, SyntaxError, ValueError, TypeError, EOFError, struct.error, zlib.error, OverflowError, IndexError)


class Picture(NamedTuple):
    """One image file: what an error calls it, the number of its class, and its bytes when they are asked for."""

    name: str
    label: int
    read: Callable[[], bytes]


def open_pictures(
    entry: DatasetInfo,
    folder: str | Path | None,
    size: Any = None,
    colour: bool | None = None,
    in_memory: bool = True,
    progress: Progress | None = None,
) -> tuple[DatasetInfo, tuple[Any, ...], str]:
    """What a folder of images holds: its entry with classes and digests, the four arrays, and where they are from.

    `size` is the side of a square or (height, width) to resize to; without it all images must be of one size.
    `colour` is True or False; without it, colour where any image has some. Unless they are to be `in_memory`, the
    images are `files.ImageFiles`, read when they are indexed. Raises `ConfigError`, `DataNotFound`, `DataCorrupt`, and
    `MissingExtra` where Pillow is missing.
    """
    require("PIL.Image", "figures")
    if colour not in (None, True, False):
        raise ConfigError(f"colour must be true or false, got {colour!r}")
    if folder is None:
        raise ConfigError("images need the folder that holds them, one subfolder a class: dataset.folder=DIR")
    root, side = Path(folder).expanduser(), sides(size)
    train, test, classes, source = _in_two(root)
    if in_memory:
        together = [*train, *test]
        images = decoded(together, side, any_coloured(together) if colour is None else colour)
        x, test_x = images[: len(train)], images[len(train) :]
    else:
        from passo.data.files import open_files

        x, test_x = open_files(root, (train, test), side, colour, progress)
    arrays: tuple[Any, ...] = (x, _labels(train), test_x, _labels(test))
    return measured(replace(entry, classes=classes), arrays), arrays, source


def _in_two(root: Path) -> tuple[list[Picture], list[Picture], tuple[str, ...], str]:
    """The files of the training and of the test part, the classes, and where they are from."""
    train, classes = listed(root / "train" if (root / "train").is_dir() else root)
    if (root / "train").is_dir() and (root / "test").is_dir():
        test, others = listed(root / "test")
        if others != classes:
            odd = sorted(set(classes) ^ set(others))[0]
            raise DataNotFound(f"{root}: class {odd} is in only one of train and test: give both the same subfolders")
        return train, test, classes, str(root)
    rest, part = held_out(_labels(train))
    source = f"{root} (a fifth of it, the same for every seed, is the test part)"
    return [train[place] for place in rest], [train[place] for place in part], classes, source


def sides(size: Any) -> tuple[int, int] | None:
    """(height, width) from a whole number or two, each from 1 to 4096; raises `ConfigError`."""
    if size is None:
        return None
    pair = [size, size] if isinstance(size, int) else list(size) if isinstance(size, Sequence) else []
    if len(pair) != 2 or any(isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= 4096 for n in pair):
        raise ConfigError(f"size must be a whole number of pixels from 1 to 4096, or [height, width], got {size!r}")
    return pair[0], pair[1]


def listed(folder: Path) -> tuple[list[Picture], tuple[str, ...]]:
    """The image files of a folder, class by class in the order of their names, and the names of the classes."""
    try:
        classes = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        pictures = []
        for label, name in enumerate(classes):
            paths = sorted(path for path in (folder / name).iterdir() if path.suffix.lower() in SUFFIXES)
            pictures += [Picture(str(path), label, path.read_bytes) for path in paths if not path.name.startswith(".")]
            if not paths:
                raise DataNotFound(f"{folder / name} holds no image: put some there, or remove the folder")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataNotFound(f"cannot read {error.filename or folder}: {reason}; name a folder that is there") from error
    if len(classes) < 2:
        raise DataNotFound(f"{folder} holds {len(classes)} subfolders: give two or more, one for each class")
    return pictures, tuple(classes)


def decoded(pictures: Sequence[Picture], side: tuple[int, int] | None, colour: bool) -> np.ndarray:
    """The pixels of all, (N, H, W) or in colour (N, 3, H, W), uint8; raises `DataCorrupt` and `DataError`."""
    out: np.ndarray | None = None
    for place, picture in enumerate(pictures):
        pixels = decode(picture, side, colour)
        if out is None:
            if pixels.nbytes * len(pictures) > BYTES:
                raise DataError(
                    f"{len(pictures):,} images of {pixels.shape[-1]} × {pixels.shape[-2]} pixels do not fit in memory: "
                    "give a smaller dataset.size"
                )
            out = np.empty((len(pictures), *pixels.shape), np.uint8)
        same_size(pixels, picture.name, out[0], pictures[0].name)
        out[place] = pixels
    assert out is not None
    return out


def same_size(pixels: np.ndarray, name: str, others: np.ndarray, other: str) -> None:
    """Raise `DataError`, with both names, unless two images have as many pixels."""
    if pixels.shape != others.shape:
        raise DataError(
            f"{name} has {pixels.shape[-1]} × {pixels.shape[-2]} pixels, {other} has "
            f"{others.shape[-1]} × {others.shape[-2]}: give one size to all, dataset.size=64"
        )


def decode(picture: Picture, side: tuple[int, int] | None, colour: bool) -> np.ndarray:
    """One image: (H, W) or (3, H, W) uint8."""
    from PIL import Image, ImageOps

    def pixels(image: Any) -> np.ndarray:
        # converted first: a palette's numbers cannot be averaged, and alpha is dropped, not blended with
        plain = ImageOps.exif_transpose(image).convert("RGB" if colour else "L")
        if side is not None and plain.size != side[::-1]:
            plain = plain.resize((side[1], side[0]), Image.Resampling.BILINEAR)  # with antialiasing, as torchvision's
        array = np.array(plain)
        return array.transpose(2, 0, 1) if colour else array

    return _opened(picture, pixels)


def any_coloured(pictures: Iterable[Picture]) -> bool:
    """Whether any image has colour, by its header."""
    return any(_opened(one, lambda image: image.mode not in ("1", "L", "LA", "La")) for one in pictures)


def _opened(picture: Picture, use: Callable[[Any], Any]) -> Any:
    """What `use` makes of an open image; whatever is wrong with the file is one sentence with its name."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata; what matters is checked here
            with Image.open(io.BytesIO(picture.read()), formats=FORMATS) as image:
                width, height = image.size
                if width * height > PIXELS:
                    many = f"{width:,} × {height:,} pixels, more than {PIXELS:,}"
                    raise DataCorrupt(f"{picture.name} says that it has {many}: remove it")
                if image.mode.startswith(("I", "F")):
                    raise DataCorrupt(f"{picture.name} has more than 8 bits a channel: save it with 8")
                return use(image)
    except Image.DecompressionBombError as error:
        raise DataCorrupt(f"{picture.name} says that it has more than {PIXELS:,} pixels: remove it") from error
    except _BROKEN as error:
        reason = (
            "not an image in a known format" if isinstance(error, Image.UnidentifiedImageError) else str(error)[:200]
        )
        raise DataCorrupt(f"cannot read {picture.name}: {reason or 'it is damaged'}; replace or remove it") from error


def _labels(pictures: Iterable[Picture]) -> np.ndarray:
    labels = np.array([picture.label for picture in pictures])
    return labels.astype(np.uint8) if labels.max() < 256 else labels
