"""The embedded sample is a part of the real Fashion-MNIST, and is rebuilt from it."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from passo.data import idx, info, load

ROOT = Path(__file__).parents[2]
FOLDER = info("fashion-mnist-sample").packaged or Path()


def test_the_sample_holds_300_training_and_100_test_images_of_each_class_and_its_notice() -> None:
    data = load("fashion-mnist-sample", validation=None)
    assert data.train.counts == [300] * 10 and data.test.counts == [100] * 10
    notice = (FOLDER / "LICENSE").read_text(encoding="utf-8")
    assert "2017 Zalando SE" in notice and "Permission is hereby granted" in notice
    assert all(digest in (FOLDER / "README.md").read_text(encoding="utf-8") for digest in data.info.digests.values())


@pytest.mark.full_data
def test_the_script_rebuilds_the_sample_from_the_full_set(tmp_path: Path) -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "build_sample.py"))
    assert script["build"](tmp_path) == info("fashion-mnist-sample").digests
    for file in info("fashion-mnist-sample").files:
        assert idx.content(tmp_path / f"{file.name}.gz") == idx.content(FOLDER / f"{file.name}.gz")


@pytest.mark.full_data
def test_the_sample_is_the_first_of_each_class_of_the_full_set_in_order() -> None:
    full, sample = load("fashion-mnist", validation=None), load("fashion-mnist-sample", validation=None)
    for part, count in (("train", 300), ("test", 100)):
        ours, theirs = getattr(sample, part), getattr(full, part)
        for label in range(10):
            first = theirs.raw[theirs.targets == label][:count]
            assert np.array_equal(ours.raw[ours.targets == label], first)
    assert full.train.counts == [6000] * 10 and not full.sample
