"""Write images as they are after all changes: PNG for people, idx for programs, and a manifest that says how they came.

    OUT/train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-…    idx, as MNIST's; colour has 4 axes, (N, C, H, W)
    OUT/png/train/<class>/00042.png …                               the number is the position in the data set's file
    OUT/manifest.json                                               source, digests, options, seed, the command

The same command writes the same bytes: nothing of the time, the machine or the place is in them.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from passo.data import idx
from passo.data.cache import write_whole
from passo.data.datasets import load_as
from passo.data.parts import Data, Split
from passo.errors import ConfigError, FolderInUse

PARTS = {"train": "train", "validation": "validation", "test": "t10k"}
FORMATS = ("png", "idx")


def export(
    name: str, out: str | Path, options: Mapping[str, Any] | None = None, *, formats: Sequence[str] = FORMATS
) -> Data:
    """Write the images that `load(name, **options)` gives into a folder; return the data.

    Unless `options` say otherwise, all parts are changed (`perturbed="all"`) and no validation part is split off.

    Raises what `load` raises, `ConfigError` where the data are no images, and `FolderInUse`, before anything is
    written, where the folder is neither new, nor empty, nor of the same export.
    """
    folder = Path(out)
    asked = {"validation": 0, **({"perturbed": "all"} if (options or {}).get("perturb") else {}), **(options or {})}
    if not formats or set(formats) - set(FORMATS):
        raise ConfigError(f"formats are one or both of {', '.join(FORMATS)}, got {', '.join(formats) or 'none'}")
    command = command_of(name, asked, formats)
    data = load_as(name, asked)
    if data.train.raw.ndim == 2:
        raise ConfigError(f"{data.name} is a table: there are no images to export")
    _check_folder(folder, command)
    digests: dict[str, str] = {}
    for part, split in _splits(data):
        for written in (
            _idx(part, split) if "idx" in formats else (),
            _png(data, part, split) if "png" in formats else (),
        ):
            for file, content in written:
                write_whole(folder / file, lambda opened, content=content: opened.write(content))
                digests[file] = hashlib.sha256(content).hexdigest()
    text = json.dumps(_manifest(data, command, asked, digests), indent=1, ensure_ascii=False) + "\n"
    write_whole(folder / "manifest.json", lambda opened: opened.write(text.encode()))
    return data


def command_of(name: str, options: Mapping[str, Any], formats: Sequence[str] = FORMATS) -> str:
    """The line that asks for the same export: `passo data export NAME key=value …`.

    >>> command_of("mnist", {"perturb": {"shift": 2.0}, "classes": [3, 8]})
    "passo data export mnist perturb.shift=2 'classes=[3, 8]'"
    """
    words = ["passo", "data", "export", name, *(f"--no-{kind}" for kind in FORMATS if kind not in formats)]
    for key, value in options.items():
        inside = {f"{key}.{one}": value[one] for one in value} if isinstance(value, Mapping) else {key: value}
        words += [f"{path}={_literal(one)}" for path, one in inside.items()]
    return shlex.join(words)


def _literal(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value) if isinstance(value, str | Path) else json.dumps(value, ensure_ascii=False)


def _check_folder(folder: Path, command: str) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        same = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["command"] == command
    except (OSError, ValueError, KeyError, TypeError):
        same = False
    if not same:
        raise FolderInUse(f"{folder} holds something else; nothing was written: name a folder that is new, --out DIR")


def _splits(data: Data) -> Iterator[tuple[str, Split]]:
    for part, split in (("train", data.train), ("validation", data.validation), ("test", data.test)):
        if split is not None:
            yield part, split


def _idx(part: str, split: Split) -> Iterator[tuple[str, bytes]]:
    axes = split.raw.ndim
    for name, array in ((f"images-idx{axes}-ubyte", split.raw), ("labels-idx1-ubyte", split.targets.astype(np.uint8))):
        yield f"{PARTS[part]}-{name}", idx.header(array) + np.ascontiguousarray(array).tobytes()


def _png(data: Data, part: str, split: Split) -> Iterator[tuple[str, bytes]]:
    folders = [f"{number}-{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-')}" for number, name in enumerate(data.classes)]
    for pixels, label, position in zip(split.raw, split.targets, split.index, strict=True):
        yield f"png/{part}/{folders[label]}/{position:05d}.png", png(pixels)


def png(pixels: np.ndarray) -> bytes:
    """A PNG of (H, W) grey or (3, H, W) colour uint8, stored and not compressed: zlib's bytes differ by version.

    Source: W3C, Portable Network Graphics, second edition, sections 5 and 9 to 11.
    """
    rows = pixels[:, :, None] if pixels.ndim == 2 else pixels.transpose(1, 2, 0)
    height, width, channels = rows.shape
    lines = np.zeros((height, 1 + width * channels), np.uint8)  # each line begins with the number of its filter: none
    lines[:, 1:] = rows.reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", _stored(lines.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def _stored(data: bytes) -> bytes:
    """A zlib stream of stored blocks (RFC 1950 and 1951, section 3.2.4)."""
    size = 65535
    blocks = [data[start : start + size] for start in range(0, len(data), size)]
    body = b"".join(
        struct.pack("<BHH", place == len(blocks) - 1, len(block), len(block) ^ 0xFFFF) + block
        for place, block in enumerate(blocks)
    )
    return b"\x78\x01" + body + struct.pack(">I", zlib.adler32(data))


def _manifest(data: Data, command: str, options: Mapping[str, Any], digests: dict[str, str]) -> dict[str, Any]:
    facts = data.facts()
    kept = ("name", "title", "sample", "sha256", "classes", "in_shape", "counts", "seed", "licence", "homepage")
    return {
        "command": command,
        "source": {key: facts[key] for key in kept},
        "options": {key: str(value) if isinstance(value, Path) else value for key, value in options.items()},
        "files": digests,
    }
