"""Sixty PNG images of different sizes, odd files between them: what a person's own folder is like."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import passo
from passo.errors import DataError
from passo.store import open_study

ODD = {"dots/broken.png": b"\x89PNG\r\n\x1a\n", "dots/empty.jpg": b"", "lines/phone.heic": b"....ftypheic"}


def drawn(kind: str, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Columns, lines or dots, black on white, four to a side, in colour, with some noise: (H, W, 3) uint8."""
    y, x = np.mgrid[:height, :width]
    across, down = (4 * x // width + rng.integers(2)) % 2, (4 * y // height + rng.integers(2)) % 2
    dark = {"columns": across, "lines": down, "dots": across ^ down}[kind]
    return (255 * (1 - dark[..., None]) * np.ones(3) * rng.uniform(0.7, 1, (height, width, 3))).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(60):
        kind = ("columns", "lines", "dots")[number % 3]
        path = tmp_path / "pictures" / kind / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawn(kind, *rng.integers(20, 60, 2), rng)).save(path)
    for name, content in ODD.items():
        (tmp_path / "pictures" / name).write_bytes(content)
    return tmp_path / "pictures"


@pytest.mark.parametrize("model", ["mlp", "cnn"])
@pytest.mark.parametrize("in_memory", [True, False])
def test_a_network_learns_from_a_folder_of_sixty_images(
    folder: Path, tmp_path: Path, model: str, in_memory: bool
) -> None:
    with pytest.warns(UserWarning, match="3 images were skipped: dots/broken.png"):
        run = passo.train(str(folder), model, dataset={"size": 16, "in_memory": in_memory, "validation": 0.2},
                          epochs=12, batch_size=8, lr=3e-3, out=tmp_path / "run")  # fmt: skip
    told = open_study(tmp_path / "run").runs[0].info["data"]
    assert [name for name, _ in told["skipped"]] == sorted(ODD) and told["skipped_count"] == 3
    assert told["counts"] == {"train": 38, "validation": 10, "test": 12} and told["in_shape"] == [3, 16, 16]
    assert run.test is not None and run.test.accuracy is not None and run.test.accuracy >= 11 / 12


def test_what_is_skipped_is_told_once_in_a_process(folder: Path) -> None:
    with pytest.warns(UserWarning, match="3 images were skipped") as told:
        for seed in (0, 1):
            assert len(passo.load(str(folder), size=16, seed=seed).skipped) == 3
    assert len(told) == 1


def test_without_a_size_the_sentence_says_which_option_gives_one(folder: Path) -> None:
    with pytest.raises(
        DataError, match=r"\.png has \d+ × \d+ pixels, .* has .*: give one size to all, dataset.size=64"
    ):
        passo.load(str(folder))


def test_a_class_with_fewer_images_than_asked_for_is_named(folder: Path) -> None:
    with pytest.warns(UserWarning), pytest.raises(passo.errors.ConfigError) as told:
        passo.load(str(folder), size=16, per_class=17)
    assert re.match(r"per_class=17: class columns has 16 training images, the fewest of 3 classes", str(told.value))
