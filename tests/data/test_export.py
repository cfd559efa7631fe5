"""Export: what is written is what is trained on, the manifest makes it again, and nothing else is overwritten."""

from __future__ import annotations

import hashlib
import io
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from passo.cli.data import app
from passo.data import idx, load
from passo.data.export import export, png
from passo.errors import ConfigError, FolderInUse, UnknownName

SAMPLE = "fashion-mnist-sample"
OPTIONS = {"per_class": 4, "classes": ["Bag", 0], "perturb": {"shift": 3, "gaussian-noise": 0.1}, "seed": 2}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_export_writes_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, options in (("a", OPTIONS), ("b", OPTIONS), ("c", {**OPTIONS, "seed": 3})):
        export(SAMPLE, tmp_path / name, options)
    assert files(tmp_path / "a") == files(tmp_path / "b") != files(tmp_path / "c")


def test_the_command_in_the_manifest_makes_the_same_bytes_again(tmp_path: Path) -> None:
    export(SAMPLE, tmp_path / "a", OPTIONS)
    command = json.loads((tmp_path / "a" / "manifest.json").read_text())["command"]
    words = shlex.split(command)
    assert words[:3] == ["passo", "data", "export"]
    done = CliRunner().invoke(app, [*words[2:], "--out", str(tmp_path / "b")])
    assert done.exit_code == 0, done.output
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_png_and_idx_hold_what_load_gives(tmp_path: Path) -> None:
    data = export(SAMPLE, tmp_path, OPTIONS)
    again = load(SAMPLE, validation=0, perturbed="all", **OPTIONS)  # type: ignore[arg-type]
    for part, prefix in (("train", "train"), ("test", "t10k")):
        split = getattr(again, part)
        images, labels = idx.read_pair(
            tmp_path / f"{prefix}-images-idx3-ubyte", tmp_path / f"{prefix}-labels-idx1-ubyte"
        )
        assert np.array_equal(images, split.raw) and np.array_equal(labels, split.targets)
        for pixels, label, position in zip(split.raw, split.targets, split.index, strict=True):
            folder = ("0-Bag", "1-T-shirt-top")[label]
            with Image.open(tmp_path / "png" / part / folder / f"{position:05d}.png") as image:
                assert np.array_equal(np.array(image), pixels)
    assert len(list(tmp_path.rglob("*.png"))) == len(data.train) + len(data.test) == 8 + 200


def test_the_exported_folder_of_images_is_read_back_pixel_for_pixel(tmp_path: Path) -> None:
    export(SAMPLE, tmp_path, OPTIONS, formats=["png"])
    back, data = (
        load("images", folder=tmp_path / "png", validation=0),
        load(SAMPLE, validation=0, perturbed="all", **OPTIONS),
    )  # type: ignore[arg-type]
    for part in ("train", "test"):
        ours, theirs = getattr(back, part), getattr(data, part)
        order = np.argsort(theirs.targets, kind="stable")  # a folder is read class by class
        assert np.array_equal(ours.raw, theirs.raw[order]) and np.array_equal(ours.targets, theirs.targets[order])


def test_the_manifest_says_where_it_is_from_and_what_every_file_is(tmp_path: Path) -> None:
    export(SAMPLE, tmp_path, OPTIONS)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    written = files(tmp_path)
    written.pop("manifest.json")
    assert manifest["files"] == {name: hashlib.sha256(content).hexdigest() for name, content in written.items()}
    assert manifest["options"] == {"validation": 0, "perturbed": "all", **OPTIONS}
    assert manifest["source"]["name"] == SAMPLE and manifest["source"]["seed"] == 2
    assert manifest["source"]["sha256"] == load(SAMPLE).info.digests


@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (3, 5, 7), (300, 301)])
def test_a_png_is_read_by_pillow_as_it_was(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with Image.open(io.BytesIO(png(pixels))) as image:
        assert np.array_equal(np.array(image), pixels if len(shape) == 2 else pixels.transpose(1, 2, 0))


def test_a_folder_that_holds_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FolderInUse, match="nothing was written"):
        export(SAMPLE, tmp_path, OPTIONS)
    assert files(tmp_path) == {"mine.txt": b"mine"}
    export(SAMPLE, tmp_path / "new", OPTIONS)
    before = files(tmp_path / "new")
    with pytest.raises(FolderInUse):
        export(SAMPLE, tmp_path / "new", {**OPTIONS, "seed": 9})
    export(SAMPLE, tmp_path / "new", OPTIONS)
    assert files(tmp_path / "new") == before


def test_what_cannot_be_exported_is_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{n},{n}\n" for n in range(9)))
    wrong: list[tuple[str, dict[str, Any], tuple[str, ...], type[Exception]]] = [
        ("csv", {"folder": tmp_path / "t.csv"}, ("png",), ConfigError),
        (SAMPLE, {}, ("jpeg",), ConfigError),
        (SAMPLE, {}, (), ConfigError),
        (SAMPLE, {"perturbe": {}}, ("png",), UnknownName),
    ]
    for name, options, formats, error in wrong:
        with pytest.raises(error):
            export(name, tmp_path / "out", options, formats=formats)
    assert not (tmp_path / "out").exists()
