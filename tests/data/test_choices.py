"""What may be asked of a data set: classes, imbalance, a perturbed test part; and the sets that come otherwise."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import types
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from passo.data import fetch, idx, load, where
from passo.data.described import Archive, FileInfo
from passo.data.entries import DATASETS
from passo.data.perturbations import perturb_pixels
from passo.errors import ConfigError, DataCorrupt, MissingExtra, UnknownName
from passo.seeding import derive

SAMPLE = "fashion-mnist-sample"


def test_chosen_classes_are_relabelled_in_every_part_and_keep_their_names() -> None:
    data, full = load(SAMPLE, classes=["Bag", 1]), load(SAMPLE, validation=None)
    assert data.classes == ("Bag", "Trouser") and data.validation is not None
    assert data.train.counts == [270, 270] and data.validation.counts == [30, 30] and data.test.counts == [100, 100]
    for part, file in ((data.train, full.train), (data.validation, full.train), (data.test, full.test)):
        before = file.targets[part.index]
        assert np.array_equal(np.where(before == 8, 0, 1), part.targets) and set(before) == {1, 8}
        assert np.array_equal(part.raw, file.raw[part.index]) and len(part.images) == len(part.labels)
    assert data.facts()["classes"] == ["Bag", "Trouser"] and data.asked["classes"] == ["Bag", 1]
    with pytest.raises(UnknownName, match="unknown class 'Bags'. Did you mean 'Bag'"):
        load(SAMPLE, classes=["Bags", 1])


def test_chosen_classes_per_class_and_imbalance_go_together() -> None:
    data = load(SAMPLE, classes=[3, 1, 7], per_class=100, imbalance=[4, 2, 1], validation=30)
    assert data.validation is not None
    assert (
        data.train.counts == [90, 45, 22] and data.validation.counts == [10, 10, 10] and data.test.counts == [100] * 3
    )
    assert not set(data.train.index) & set(data.validation.index)
    assert data.class_weights == pytest.approx([157 / 3 / n for n in (90, 45, 22)])
    assert data.facts()["imbalance"] == [4, 2, 1]


def test_the_exponential_profile_is_of_the_training_part_alone() -> None:
    data = load(SAMPLE, imbalance=10, validation=None)
    assert data.train.counts == [round(300 * 10 ** (-c / 9)) for c in range(10)] and data.test.counts == [100] * 10
    assert np.array_equal(load(SAMPLE, imbalance=10, validation=None).train.index, data.train.index)
    assert not np.array_equal(load(SAMPLE, imbalance=10, validation=None, seed=1).train.index, data.train.index)


def test_the_test_part_is_perturbed_by_seed_and_position_and_the_others_and_the_scaling_are_not() -> None:
    plain, changed = load(SAMPLE), load(SAMPLE, perturb={"shift": 2, "gaussian-noise": 0.2, "rotation": 0})
    assert changed.asked["perturb"] == {"shift": 2.0, "gaussian-noise": 0.2} and changed.scaling == plain.scaling
    assert torch.equal(changed.train.images, plain.train.images)
    strengths, seed = {"shift": 2, "gaussian-noise": 0.2}, derive(0, "perturb", "test")
    naive = np.stack(
        [perturb_pixels(plain.test.raw[n : n + 1], strengths, seed=seed, positions=np.array([n]))[0] for n in range(30)]
    )
    assert np.array_equal(changed.test.raw[:30], naive) and not np.array_equal(naive, plain.test.raw[:30])
    assert torch.equal(changed.test.images[:30], plain.scaling.apply(naive))
    some = load(SAMPLE, perturb=strengths, classes=["Bag", "Coat"])
    assert np.array_equal(some.test.raw, changed.test.raw[some.test.index])  # the same image, in whatever part it is


def test_all_parts_are_perturbed_where_that_is_asked_for() -> None:
    plain, changed = load(SAMPLE), load(SAMPLE, perturb={"occlusion": 0.3}, perturbed="all")
    for part in ("train", "validation", "test"):
        assert (getattr(changed, part).raw != getattr(plain, part).raw).any(axis=(1, 2)).mean() > 0.5
    assert changed.scaling == plain.scaling and json.dumps(changed.facts())
    with pytest.raises(UnknownName, match="part to perturb"):
        load(SAMPLE, perturb={"occlusion": 0.3}, perturbed="train")


def test_a_perturbation_of_strength_0_is_none_at_all() -> None:
    data, plain = load(SAMPLE, perturb={"shift": 0, "scale": 0}), load(SAMPLE)
    assert torch.equal(data.test.images, plain.test.images) and data.facts() == plain.facts()


@pytest.mark.parametrize("wrong", [3, "shift", ["shift"], True])
def test_perturbations_without_strengths_are_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="perturb must be names with strengths"):
        load(SAMPLE, perturb=wrong)


# ── KMNIST: the digest is of the packed file ──────────────────────────────────────────────────────────────


@pytest.fixture
def packed(mirror: Any, tiny_arrays: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The small set, whose catalogue knows digests of the packed files only, as KMNIST's does."""
    entry = DATASETS["tiny"]
    served = [mirror.served[f"/{file.name}.gz"] for file in entry.files]
    files = [
        FileInfo(f.name, f.shape, None, hashlib.sha256(data).hexdigest())
        for f, data in zip(entry.files, served, strict=True)
    ]
    monkeypatch.setitem(DATASETS._entries, "tiny", replace(entry, files=tuple(files)))
    return mirror


def test_a_download_is_held_to_the_digest_of_the_packed_file(
    packed: Any, tiny_arrays: list[np.ndarray], cache: Path
) -> None:
    name = "/train-images-idx3-ubyte.gz"
    right, packed.served[name] = (
        packed.served[name],
        gzip.compress(idx.header(tiny_arrays[0]) + tiny_arrays[0].tobytes(), 1),
    )
    with pytest.raises(DataCorrupt, match="train-images-idx3-ubyte.gz: expected SHA-256"):
        load("tiny")
    assert not list(cache.rglob("*"))
    packed.served[name] = right
    assert np.array_equal(load("tiny", validation=None).train.raw, tiny_arrays[0])
    asked = len(packed.asked)
    data = load("tiny", validation=None)
    assert len(packed.asked) == asked
    names = [file.name for file in data.info.files]
    assert data.info.digests == {name: idx.digest(array) for name, array in zip(names, tiny_arrays, strict=True)}


def test_files_from_elsewhere_are_held_to_their_structure(
    packed: Any, tiny_arrays: list[np.ndarray], tmp_path: Path
) -> None:
    for file, array in zip(DATASETS["tiny"].files, tiny_arrays, strict=True):
        idx.write(tmp_path / file.name, array)
    assert np.array_equal(load("tiny", folder=tmp_path, validation=None).test.raw, tiny_arrays[2])
    idx.write(tmp_path / "train-labels-idx1-ubyte", np.full(40, 4, np.uint8))
    with pytest.raises(DataCorrupt, match="expected labels 0 to 3, found 4"):
        load("tiny", folder=tmp_path)
    idx.write(tmp_path / "train-labels-idx1-ubyte", tiny_arrays[1])
    idx.write(tmp_path / "train-images-idx3-ubyte", tiny_arrays[0][:, :4])
    with pytest.raises(DataCorrupt, match="expected 40 × 5 × 4 bytes, found 40 × 4 × 4"):
        load("tiny", folder=tmp_path)


# ── Rock, paper, scissors: zips of images ─────────────────────────────────────────────────────────────────


def zipped(root: str, n: int, high: int) -> bytes:
    out, rng = io.BytesIO(), np.random.default_rng(n)
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(f"__MACOSX/{root}/rock/._1.png", b"not an image")
        for name in ("scissors", "paper", "rock"):
            for k in range(n):
                image = io.BytesIO()
                Image.fromarray(rng.integers(0, high, (30, 30, 4), dtype=np.uint8)).save(image, "PNG")
                archive.writestr(f"{root}/{name}/{name}{k}.png", image.getvalue())
    return out.getvalue()


@pytest.fixture
def hands(mirror: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    contents = {"rps.zip": zipped("rps", 4, 256), "rps-test-set.zip": zipped("rps-test-set", 2, 20)}
    mirror.served.update({f"/{name}": data for name, data in contents.items()})
    archives = [Archive(name, len(d), hashlib.sha256(d).hexdigest(), (mirror.url,)) for name, d in contents.items()]
    shapes = ((12, 3, 28, 28), (12,), (6, 3, 28, 28), (6,))
    entry = DATASETS["rock-paper-scissors"]
    files = [FileInfo(file.name, shape, None) for file, shape in zip(entry.files, shapes, strict=True)]
    small = replace(entry, archives=tuple(archives), files=tuple(files))
    monkeypatch.setitem(DATASETS._entries, "rock-paper-scissors", small)
    return mirror


def test_rock_paper_scissors_come_from_two_zips_in_colour_with_the_train_zips_own_statistics(hands: Any) -> None:
    fetch("rock-paper-scissors")
    data = load("rock-paper-scissors", validation=None)
    assert hands.asked == ["/rps.zip", "/rps-test-set.zip"]
    assert data.classes == ("paper", "rock", "scissors") and data.in_shape == (3, 28, 28)
    assert data.train.counts == [4] * 3 and data.test.counts == [2] * 3
    pixels = data.train.raw / 255
    assert data.scaling.mean == pytest.approx(tuple(pixels.mean((0, 2, 3)))) and data.test.images.mean() < -1
    assert load("rock-paper-scissors", size=10, validation=None).in_shape == (3, 10, 10)
    assert [place.found for place in where("rock-paper-scissors")] == [True, None]


def test_a_zip_with_an_image_missing_is_refused(hands: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = DATASETS["rock-paper-scissors"]
    files = (FileInfo("train-images", (13, 3, 28, 28), None), *entry.files[1:])
    monkeypatch.setitem(DATASETS._entries, "rock-paper-scissors", replace(entry, files=files))
    with pytest.raises(DataCorrupt, match="rps.zip: expected 13 images in it, found 12"):
        load("rock-paper-scissors")


# ── Digits ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_digits_are_read_where_scikit_learn_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    found = types.SimpleNamespace(images=rng.integers(0, 17, (100, 8, 8)).astype(float), target=np.arange(100) % 10)
    library, sets = types.ModuleType("sklearn"), types.ModuleType("sklearn.datasets")
    library.__version__, sets.load_digits = "9.9", lambda: found  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sklearn", library)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", sets)
    data = load("digits", validation=None)
    assert data.source == "scikit-learn 9.9" and data.in_shape == (1, 8, 8)
    assert data.train.counts == [8] * 10 and data.test.counts == [2] * 10
    assert set(np.unique(data.train.raw)) <= {round(v * 255 / 16) for v in range(17)} and data.train.raw.max() == 255
    with pytest.raises(ConfigError, match="take no folder"):
        load("digits", folder=".")


def test_the_real_digits_are_1797() -> None:
    pytest.importorskip("sklearn")
    data = load("digits", validation=None)
    assert data.counts == {"train": 1438, "validation": 0, "test": 359} and min(data.train.counts) > 130


def test_without_scikit_learn_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtra, match="pip install scikit-learn"):
        load("digits")
    with pytest.raises(ConfigError, match="csv is not fetched"):
        fetch("csv")
