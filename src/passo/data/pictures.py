"""Image files: read by Pillow, resized, in grey or in colour, with nothing taken on trust.

Alpha is dropped, phones' orientation is applied, of a moving image the first is taken. Pillow is in passo's extras.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from passo.errors import ConfigError, DataCorrupt, DataError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
OTHERS = {".avif", ".heic", ".heif", ".ico", ".jp2", ".jxl", ".psd", ".svg", ".tga"}  # images too: skipped, and told of
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # no other reader of Pillow is ever started
PIXELS = 64_000_000  # of one image: a small file may unpack to any size
BYTES = 16 * 2**30  # of all images, resized
_BROKEN = (OSError, SyntaxError, ValueError, TypeError, EOFError, struct.error, zlib.error, OverflowError, IndexError)


class Picture(NamedTuple):
    """One image file: what an error calls it, the number of its class, and its bytes when they are asked for."""

    name: str
    label: int
    read: Callable[[], bytes]


def sides(size: Any) -> tuple[int, int] | None:
    """(height, width) from a whole number or two, each from 1 to 4096; raises `ConfigError`."""
    if size is None:
        return None
    pair = [size, size] if isinstance(size, int) else list(size) if isinstance(size, Sequence) else []
    if len(pair) != 2 or any(isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= 4096 for n in pair):
        raise ConfigError(f"size must be a whole number of pixels from 1 to 4096, or [height, width], got {size!r}")
    return pair[0], pair[1]


def decoded(pictures: Sequence[Picture], side: tuple[int, int] | None, colour: bool) -> np.ndarray:
    """The pixels of all, (N, H, W) or in colour (N, 3, H, W), uint8; raises `DataCorrupt` and `DataError`."""
    images, odd = readable(pictures, side, colour)
    for place, reason in odd.items():
        raise _unusable(pictures[place], reason)
    return images


def readable(
    pictures: Sequence[Picture], side: tuple[int, int] | None, colour: bool
) -> tuple[np.ndarray, dict[int, str]]:
    """The pixels of those that can be used, in their order, and why not at the places of the others."""
    out, odd, first = np.empty(0, np.uint8), {}, ""
    for place, picture in enumerate(pictures):
        pixels = attempt(picture, side, colour)
        if isinstance(pixels, str):
            odd[place] = pixels
            continue
        if not first:
            first = picture.name
            if pixels.nbytes * len(pictures) > BYTES:
                raise DataError(
                    f"{len(pictures):,} images of {pixels.shape[-1]} × {pixels.shape[-2]} pixels do not fit in memory: "
                    "give a smaller dataset.size"
                )
            out = np.empty((len(pictures), *pixels.shape), np.uint8)
        same_size(pixels, picture.name, out[0], first)
        out[place - len(odd)] = pixels
    return out[: len(pictures) - len(odd)], odd


def same_size(pixels: np.ndarray, name: str, others: np.ndarray, other: str) -> None:
    """Raise `DataError`, with both names, unless two images have as many pixels."""
    if pixels.shape != others.shape:
        raise DataError(
            f"{name} has {pixels.shape[-1]} × {pixels.shape[-2]} pixels, {other} has "
            f"{others.shape[-1]} × {others.shape[-2]}: give one size to all, dataset.size=64"
        )


def decode(picture: Picture, side: tuple[int, int] | None, colour: bool) -> np.ndarray:
    """One image: (H, W) or (3, H, W) uint8; raises `DataCorrupt`, with its name, where it cannot be used."""
    pixels = attempt(picture, side, colour)
    if isinstance(pixels, str):
        raise _unusable(picture, pixels)
    return pixels


def attempt(picture: Picture, side: tuple[int, int] | None, colour: bool, most: int = PIXELS) -> np.ndarray | str:
    """One image, of at most so many pixels: (H, W) or (3, H, W) uint8; or why it cannot be used."""
    from PIL import Image, ImageOps

    def pixels(image: Any) -> np.ndarray:
        # converted first: a palette's numbers cannot be averaged, and alpha is dropped, not blended with
        plain = ImageOps.exif_transpose(image).convert("RGB" if colour else "L")
        if side is not None and plain.size != side[::-1]:
            plain = plain.resize((side[1], side[0]), Image.Resampling.BILINEAR)  # with antialiasing, as torchvision's
        array = np.array(plain)
        return array.transpose(2, 0, 1) if colour else array

    return _opened(picture, pixels, most)


def any_coloured(pictures: Iterable[Picture]) -> bool:
    """Whether any image has colour, by its header; what has none is not an image."""
    return any(_opened(one, lambda image: image.mode not in ("1", "L", "LA", "La")) is True for one in pictures)


def _unusable(picture: Picture, reason: str) -> DataCorrupt:
    return DataCorrupt(f"cannot read {picture.name}: {reason}; replace or remove it")


def extent(picture: Picture) -> tuple[int, int] | None:
    """(width, height) by an image's header; None for what is no image that can be used."""
    found = _opened(picture, lambda image: (int(image.width), int(image.height)))
    return found if isinstance(found, tuple) else None


def _opened(picture: Picture, use: Callable[[Any], Any], most: int = PIXELS) -> Any:
    """What `use` makes of an open image; or, whatever is wrong with the file, a few words that say it."""
    from PIL import Image

    large = f"it says that it has more than {most:,} pixels"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata; what matters is checked here
            with Image.open(io.BytesIO(picture.read()), formats=FORMATS) as image:
                if image.width * image.height > most:
                    return large
                if image.mode.startswith(("I", "F")) or re.search(r";(16|32)[BLNSF]", str(image.tile)):
                    return "it has more than 8 bits a channel (save it with 8)"
                return use(image)
    except Image.DecompressionBombError:
        return large
    except Image.UnidentifiedImageError:
        return "not an image in a known format"
    except _BROKEN as error:
        return " ".join(str(error)[:200].split()) or "it is damaged"
