"""Data by name: three parts that share nothing, scaled by what the training part alone says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from passo.data import SCALES, catalogue, info, load
from passo.data.entries import DatasetInfo
from passo.data.scaling import Scaling, histogram, scaling
from passo.errors import ConfigError, DataNotFound, UnknownName

SAMPLE = "fashion-mnist-sample"


def test_the_catalogue_says_what_each_set_is() -> None:
    names = {entry.name for entry in catalogue()}
    assert names >= {"fashion-mnist", "fashion-mnist-sample", "mnist", "kmnist", "cifar-10", "images", "csv", "digits"}
    for entry in catalogue():
        if entry.name in ("images", "csv"):  # the user's own: nothing is known yet
            assert not entry.files and entry.counts == {}
            continue
        assert entry.licence and entry.homepage.startswith("http") and len(entry.shape) == 3 and len(entry.classes) >= 3
        known = [
            *entry.digests.values(),
            *(f.packed for f in entry.files if f.packed),
            *(a.sha256 for a in entry.archives),
        ]
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in known) and (known or entry.name == "digits")
    assert info("mnist").files[0].size == 47_040_016 and info("mnist").counts == {"train": 60000, "test": 10000}


def test_listing_the_data_sets_imports_neither_torch_nor_numpy() -> None:
    code = "import sys, passo.data; passo.data.catalogue(); print({'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_loading_does_not_import_torch_until_images_are_asked_for() -> None:
    code = f"import sys; from passo.data import load; load('{SAMPLE}'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_public_name_is_there() -> None:
    import passo.data as room

    assert all(getattr(room, name) is not None for name in room.__all__)
    assert sorted(room.__all__) == sorted(set(room.__all__)) == sorted(room._MODULE_OF)
    with pytest.raises(AttributeError, match="nothing"):
        _ = room.nothing


def test_an_unknown_name_gets_the_nearest_and_the_list() -> None:
    with pytest.raises(UnknownName, match=r"'fashon-mnist'. Did you mean 'fashion-mnist'\? Known: .*mnist"):
        load("fashon-mnist")
    with pytest.raises(UnknownName, match=r"unknown scale 'standardise'. Did you mean 'standardize'\?"):
        load(SAMPLE, scale="standardise")


def test_the_parts_have_their_shapes_and_types() -> None:
    data = load(SAMPLE)
    assert data.validation is not None and data.in_shape == (1, 28, 28) and len(data.classes) == 10
    for part, n in ((data.train, 2700), (data.validation, 300), (data.test, 1000)):
        assert len(part) == n and part.counts == [n // 10] * 10
        assert part.images.shape == (n, 1, 28, 28) and part.images.dtype == torch.float32
        assert part.labels.shape == (n,) and part.labels.dtype == torch.int64
        assert part.raw.shape == (n, 28, 28) and part.raw.dtype == np.uint8
        assert part.images is part.images and part.labels is part.labels


def test_train_validation_and_test_share_no_image() -> None:
    data = load(SAMPLE, seed=3)
    assert data.validation is not None
    train, validation = set(data.train.index), set(data.validation.index)
    assert not train & validation and len(train | validation) == 3000
    seen = [{image.tobytes() for image in part.raw} for part in (data.train, data.validation, data.test)]
    assert not seen[0] & seen[2] and not seen[1] & seen[2] and not seen[0] & seen[1]


def test_images_and_labels_of_a_part_belong_together() -> None:
    data, full = load(SAMPLE, per_class=20, scale="none", seed=1), load(SAMPLE, validation=None)
    for part in (data.train, data.validation):
        assert part is not None
        assert np.array_equal(part.images[:, 0].numpy(), full.train.raw[part.index])
        assert np.array_equal(part.labels.numpy(), full.train.targets[part.index])


@pytest.mark.parametrize(("validation", "n"), [(None, 0), (0, 0), (0.25, 750), (55, 55)])
def test_the_validation_part_is_as_large_as_asked(validation: float | None, n: int) -> None:
    data = load(SAMPLE, validation=validation)
    assert len(data.train) == 3000 - n and (data.validation is None) == (n == 0)
    if data.validation is not None:
        assert len(data.validation) == n and max(data.validation.counts) - min(data.validation.counts) <= 1


def test_per_class_takes_that_many_before_validation_is_split() -> None:
    data = load(SAMPLE, per_class=50, validation=0.2)
    assert data.validation is not None
    assert data.train.counts == [40] * 10 and data.validation.counts == [10] * 10
    assert data.test.counts == [100] * 10
    with pytest.raises(ConfigError, match="per_class=301: class .* has 300 training images, the fewest of 10"):
        load(SAMPLE, per_class=301)


def test_the_seed_alone_decides_which_images() -> None:
    parts = [load(SAMPLE, per_class=30, seed=seed) for seed in (0, 0, 1)]
    assert np.array_equal(parts[0].train.index, parts[1].train.index)
    assert not np.array_equal(parts[0].train.index, parts[2].train.index)


# ── Scaling ───────────────────────────────────────────────────────────────────────────────────────────────


def test_standardised_training_images_have_mean_0_and_standard_deviation_1() -> None:
    data = load(SAMPLE, per_class=100)
    x = data.train.images.double()
    assert abs(x.mean().item()) < 1e-6 and abs(x.std(correction=0).item() - 1) < 1e-6
    assert abs(data.test.images.double().mean().item()) > 1e-4


def test_the_statistics_are_the_training_parts_own_and_no_others() -> None:
    data = load(SAMPLE, per_class=30, validation=0.5)
    pixels = data.train.raw / 255
    assert data.scaling.mean == pytest.approx(pixels.mean(), rel=1e-12)
    assert data.scaling.sd == pytest.approx(pixels.std(), rel=1e-12)
    assert data.scaling != load(SAMPLE, per_class=30, validation=0.5, seed=1).scaling


def test_the_histogram_counts_every_pixel_once() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1200, 3, 5), dtype=np.uint8)
    assert np.array_equal(histogram(pixels), np.bincount(pixels.ravel(), minlength=256))
    some = np.arange(0, 1200, 2)
    assert np.array_equal(histogram(pixels, some), np.bincount(pixels[some].ravel(), minlength=256))


def test_each_way_of_scaling_gives_the_usual_bits() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    unit = torch.arange(256.0).view(1, 1, 16, 16) / 255
    assert torch.equal(scaling("none", pixels).apply(pixels), torch.arange(256.0).view(1, 1, 16, 16))
    assert torch.equal(scaling("normalize", pixels).apply(pixels), unit)
    assert torch.equal(scaling("symmetric", pixels).apply(pixels), (unit - 0.5) / 0.5)
    own = scaling("standardize", pixels)
    assert torch.equal(own.apply(pixels), (unit - own.mean) / own.sd)


@pytest.mark.parametrize("name", SCALES)
def test_scaling_can_be_undone(name: str) -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    way = scaling(name, pixels)
    assert torch.equal(way.invert(way.apply(pixels)).round().byte()[0, 0], torch.from_numpy(pixels[0]))


def test_images_all_of_one_grey_are_centred_and_stay_finite() -> None:
    pixels = np.full((3, 2, 2), 51, np.uint8)
    way = scaling("standardize", pixels)
    assert way == Scaling("standardize", mean=0.2, sd=1.0) and way.apply(pixels).abs().max() < 1e-6


# ── Facts and the sample ──────────────────────────────────────────────────────────────────────────────────


def test_the_facts_are_json_and_say_where_the_data_are_from() -> None:
    data = load(SAMPLE, per_class=30, seed=5)
    facts = json.loads(json.dumps(data.facts()))
    assert facts["name"] == SAMPLE and facts["sample"] is True and facts["source"] == "the sample embedded in passo"
    assert facts["counts"] == {"train": 270, "validation": 30, "test": 1000}
    assert facts["sha256"] == info(SAMPLE).digests and facts["seed"] == 5 and facts["per_class"] == 30
    assert facts["scaling"] == {"name": "standardize", "divisor": 255.0} | {
        "mean": data.scaling.mean,
        "sd": data.scaling.sd,
    }


def test_the_sample_stands_in_only_where_that_is_allowed_and_says_so(tiny: DatasetInfo) -> None:
    with pytest.raises(DataNotFound, match="--allow-sample"):
        load("tiny")
    data = load("tiny", allow_sample=True)
    assert data.name == SAMPLE and data.sample
    assert data.source == "the sample embedded in passo, in place of tiny, which was not found"


def test_the_sample_does_not_stand_in_for_a_folder_that_was_named(tiny: DatasetInfo, tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match="does not hold tiny"):
        load("tiny", folder=tmp_path, allow_sample=True)


def test_a_set_that_is_there_is_not_replaced_by_the_sample(system: DatasetInfo) -> None:
    data = load("tiny", allow_sample=True)
    assert data.name == "tiny" and not data.sample and len(data.train) == 36
