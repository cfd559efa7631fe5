"""Fewer images for the same accuracy: curves moved sideways by a known factor, and what is said of them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from pair_study import make

from passo.analysis.horizontal import distance, overlap, rising
from passo.analysis.sizes import Sizes, sizes
from passo.errors import StoreError
from passo.store import Store, open_study

SIZES = (30, 100, 300, 1000, 3000, 10000)


def by_hand(accuracies: np.ndarray, *, labels: tuple[str, str] = ("flat", "folded")) -> Sizes:
    """The comparison of accuracies (2, S, K) over the first K of the sizes."""
    _, n, k = accuracies.shape
    return Sizes(labels, tuple(range(n)), SIZES[:k], accuracies, 0, False, {})


def law(n: np.ndarray | float) -> np.ndarray:
    """A curve that is a line over ln n, so that straight lines between its points are itself."""
    return 0.3 + 0.05 * np.log(np.asarray(n, np.float64))


def read_off(accuracies: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The ln n at which a rising curve over SIZES reaches levels, by plain interpolation."""
    return np.interp(levels, accuracies, np.log(SIZES))


def test_a_curve_moved_to_four_times_fewer_images_has_a_ratio_of_four_in_every_seed() -> None:
    n = np.array(SIZES)
    seeds = [np.stack([law(n) + luck, law(4 * n) + luck]) for luck in (-0.02, 0.0, 0.01, 0.03)]
    found = by_hand(np.stack(seeds, 1))
    np.testing.assert_allclose(np.exp(found.distances), 4, rtol=1e-12)
    assert found.fewer is not None and found.fewer.ahead == "folded"
    assert "The folded needs about 4 times fewer images than the flat for the same accuracy" in found.sentence()


def test_the_interval_of_the_ratio_covers_four_where_seeds_scatter_around_it() -> None:
    random, n, covered = np.random.default_rng(0), np.array(SIZES), 0
    for _ in range(150):
        curves = np.stack([[law(n * f) + 0.01 * random.standard_normal() for _ in range(5)] for f in (1, 4)])
        found = by_hand(curves).fewer
        assert found is not None
        covered += math.exp(found.low) <= 4 <= math.exp(found.high)
    assert 0.9 <= covered / 150 <= 0.99


def test_the_distance_is_the_mean_of_what_is_read_off_at_equal_accuracies() -> None:
    random = np.random.default_rng(1)
    for _ in range(20):
        first, second = (np.sort(random.uniform(0.3, 0.9, len(SIZES))) for _ in range(2))
        low, high = overlap(first, second)
        levels = np.linspace(low, high, 100_001)
        middles = (levels[1:] + levels[:-1]) / 2
        naive = float((read_off(first, middles) - read_off(second, middles)).mean())
        assert distance(SIZES, first, second) == pytest.approx(naive, abs=1e-4)
        assert distance(SIZES, second, first) == pytest.approx(-naive, abs=1e-4)


def test_a_curve_that_falls_is_put_at_the_mean_of_its_neighbours_and_never_falls() -> None:
    values = np.random.default_rng(2).uniform(0, 1, 40)
    risen = rising(values)
    assert (np.diff(risen) >= 0).all() and risen.mean() == pytest.approx(values.mean())
    # min-max formula of isotonic regression: max over starts before, of min over ends after, of the block's mean
    naive = [max(min(values[a : b + 1].mean() for b in range(i, 40)) for a in range(i + 1)) for i in range(40)]
    np.testing.assert_allclose(risen, naive)


def test_a_level_stretch_counts_from_its_first_image_on() -> None:
    """A model that gains nothing from 100 to 1,000 images reached that accuracy with 100."""
    level, steep = np.array([0.5, 0.6, 0.6, 0.7]), np.array([0.6, 0.7, 0.8, 0.9])
    sides = [100, 1000, 10_000, 100_000]
    # 0.6 … 0.7: the first goes from 10⁴ to 10⁵, the second from 10² to 10³
    assert distance(sides, level, steep) == pytest.approx(math.log(100))


def test_nothing_is_extrapolated_where_one_model_never_reaches_the_other() -> None:
    low, high = np.array([[0.4, 0.5, 0.6]] * 3), np.array([[0.7, 0.8, 0.9]] * 3)
    found = by_hand(np.stack([low, high]))
    assert np.isnan(found.distances).all() and found.fewer is None
    assert "the flat never reaches the accuracy of the folded with 30 (60.0 % against 70.0 %)" in found.sentence()
    turned = by_hand(np.stack([high, low]))
    assert "the folded never reaches the accuracy of the flat with 30" in turned.sentence()


def test_one_seed_without_overlap_is_enough_for_no_ratio() -> None:
    accuracies = np.array([[[0.4, 0.5], [0.4, 0.6], [0.4, 0.6]], [[0.55, 0.8], [0.5, 0.8], [0.5, 0.8]]])
    found = by_hand(accuracies)
    assert found.fewer is None and "In 1 of 3 seeds the flat reaches no accuracy" in found.sentence()


def test_the_made_up_study_gives_back_its_factor_and_another_factor_another_sentence(tmp_path: Path) -> None:
    four = sizes(make(tmp_path / "four", parts=("sizes",)))
    assert four.fewer is not None and four.per_class == (30, 100, 300, 1000, 6000)
    assert math.exp(four.fewer.mean) == pytest.approx(4, rel=0.05)
    assert "cnn needs about 4.1 times fewer" in four.sentence() and "cnn is more accurate with every" in four.sentence()
    fifth = sizes(make(tmp_path / "fifth", parts=("sizes",), fewer=0.2, labels=("flat", "folded")))
    assert fifth.fewer is not None and math.exp(-fifth.fewer.mean) == pytest.approx(5, rel=0.05)
    assert "flat needs about" in fifth.sentence() and "than the folded" in fifth.sentence()


def test_models_that_are_alike_are_not_distinguishable(tmp_path: Path) -> None:
    found = sizes(make(tmp_path / "alike", parts=("sizes",), alike=True))
    assert found.fewer is not None and not found.fewer.told
    assert "is not distinguishable" in found.sentence() and "more accurate" not in found.sentence()
    assert {row[-1] for row in found.table().rows} == {"neither is told"}


def test_differences_are_paired_by_seed_and_corrected_together(tmp_path: Path) -> None:
    study = make(tmp_path / "study", parts=("sizes",))
    found = sizes(study)
    for k, (n, one) in enumerate(zip(found.per_class, found.differences, strict=True)):
        name = {300: "base", 6000: "everything"}.get(n, f"size,per_class={n}")
        first, second = (
            np.array([run.last("test/accuracy") for run in study.select(f"{name}-{label}")]) for label in found.labels
        )
        assert one.mean == pytest.approx((second - first).mean())
        np.testing.assert_allclose(found.accuracies[:, :, k], [first, second])
        assert one.p <= one.adjusted <= min(1.0, 6 * one.p)


def test_a_quick_study_says_what_it_left_out_and_one_seed_that_it_has_no_interval(tmp_path: Path) -> None:
    quick = sizes(make(tmp_path / "quick", parts=("sizes",), quick=True))
    assert quick.per_class == (30, 100, 300) and len(quick.seeds) == 2
    told = "Left out: 1000 and everything (the data have 300 images of each class)."
    assert quick.sentence().endswith(told)
    study = make(tmp_path / "both", parts=("sizes",), quick=True)  # as a study file tells it: once for each model
    why = study.facts["left_out"]["everything"]
    study.facts["left_out"] = {f"{name}-{label}": why for name in ("everything", "small") for label in ("mlp", "cnn")}
    assert sizes(study).sentence().endswith(f"Left out: everything ({why}).")
    one = sizes(make(tmp_path / "one", parts=("sizes",), seeds=1))
    assert "one seed, so no interval" in one.sentence() and not any(each.told for each in one.contrasted)


def test_a_study_without_a_pair_or_without_the_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no finished run of the part 'sizes'"):
        sizes(make(tmp_path / "small", parts=("small",)))
    with Store.create(tmp_path / "plain", name="plain", config={}):
        pass
    with pytest.raises(StoreError, match="compares no two models"):
        sizes(open_study(tmp_path / "plain"))
