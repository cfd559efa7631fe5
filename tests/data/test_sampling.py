"""Subsets and splits: by class, by seed, nothing twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passo.data import load, sampling
from passo.errors import ConfigError, UnknownName
from passo.training import train_config

LABELS = np.repeat([0, 1, 2], [60, 30, 10]).astype(np.uint8)


@given(labels=st.lists(st.integers(0, 4), min_size=2, max_size=60), seed=st.integers(0, 9), share=st.floats(0, 1))
def test_a_split_parts_everything_once_and_each_class_by_its_share(labels: list[int], seed: int, share: float) -> None:
    y = np.array(labels, np.uint8)
    size = min(max(1, round(share * len(y))), len(y) - 1)
    rest, part = sampling.stratified_split(y, size, seed)
    assert sorted([*rest, *part]) == list(range(len(y))) and len(part) == size
    assert (np.diff(part) > 0).all() and (np.diff(rest) > 0).all()
    fair = sampling.class_counts(y, 5) * size / len(y)
    assert (abs(sampling.class_counts(y[part], 5) - fair) < 1).all()


def test_the_seed_alone_decides_the_split() -> None:
    again = [sampling.stratified_split(LABELS, 20, seed)[1].tolist() for seed in (0, 0, 1)]
    assert again[0] == again[1] != again[2]


def test_a_subset_has_as_many_of_each_class_and_depends_on_the_seed() -> None:
    chosen = [sampling.subset(LABELS, 7, seed) for seed in (0, 0, 1)]
    assert sampling.class_counts(LABELS[chosen[0]], 3).tolist() == [7, 7, 7]
    assert chosen[0].tolist() == chosen[1].tolist() != chosen[2].tolist()
    assert len(set(chosen[0])) == 21


@pytest.mark.parametrize("per_class", [0, -1, 1.5, True, 11])
def test_a_subset_that_cannot_be_is_refused(per_class: int) -> None:
    with pytest.raises(ConfigError, match="per_class"):
        sampling.subset(LABELS, per_class, 0)


def test_a_subset_that_is_too_large_says_how_large_it_may_be() -> None:
    with pytest.raises(ConfigError, match=r"per_class=11: class 2 has 10 training images; give at most 10"):
        sampling.subset(LABELS, 11, 0)


def test_a_subset_that_is_too_large_names_the_scarcest_class_and_how_many_others_lack_images() -> None:
    names = ["cat", "dog", "cow"]
    with pytest.raises(
        ConfigError, match=r"class cow has 10 training images, the fewest of 2 classes that have too few; give"
    ):
        sampling.subset(LABELS, 31, 0, names)
    with pytest.raises(
        ConfigError, match=r"class cow has 1 training image; give at most 1, or all for every image there is"
    ):
        sampling.subset(np.array([0, 0, 1, 1, 2]), 2, 0, names)
    with pytest.raises(ConfigError, match=r"class cow has 0 training images; give all for every image"):
        sampling.subset(np.array([0, 0, 1, 1]), 2, 0, names)


def test_the_class_with_too_few_images_is_named_by_its_name_also_where_classes_were_chosen() -> None:
    with pytest.raises(ConfigError, match=r"per_class=301: class Bag has 300 training images, the fewest of 3"):
        load("fashion-mnist-sample", per_class=301, classes=["Bag", 0, "Coat"])


def test_per_class_all_is_no_limit() -> None:
    data = load("fashion-mnist-sample", per_class="all")
    assert data.counts == load("fashion-mnist-sample").counts and data.per_class is None
    assert load("fashion-mnist-sample", per_class="all", classes=2, validation=0).train.counts == [300, 300]
    with pytest.raises(ConfigError, match="per_class must be a whole number ≥ 1, or all, got 'every'"):
        load("fashion-mnist-sample", per_class="every")  # type: ignore[arg-type]


@pytest.mark.parametrize(("validation", "size"), [(None, 0), (0, 0), (0.0, 0), (0.1, 10), (0.25, 25), (1, 1), (99, 99)])
def test_a_validation_part_is_a_fraction_a_number_or_nothing(validation: float | None, size: int) -> None:
    assert sampling.split_size(100, validation) == size


@pytest.mark.parametrize("validation", [1.0, -0.1, 0.001, 0.999, 100, -1, True, False, "0.1", float("nan"), 2.5])
def test_a_validation_part_that_leaves_nothing_or_is_nothing_is_refused(validation: float) -> None:
    with pytest.raises(ConfigError, match="validation must be"):
        sampling.split_size(100, validation)


# ── Chosen classes and imbalance ──────────────────────────────────────────────────────────────────────────


def test_chosen_classes_are_named_or_numbered_and_keep_the_order_given() -> None:
    names = ["cat", "dog", "0"]
    assert sampling.choose(["0", 0], names) == [2, 0] and sampling.choose([1, "cat"], names) == [1, 0]
    for wrong in (["cat"], ["cat", 0], ["cat", 3], ["cat", True], "cat", [0, 1.0]):
        with pytest.raises(ConfigError):
            sampling.choose(wrong, names)  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="unknown class 'cta'. Did you mean 'cat'"):
        sampling.choose(["cta", "dog"], names)


def test_a_number_of_classes_is_the_first_ones() -> None:
    assert sampling.choose(2, ["cat", "dog", "cow"]) == [0, 1] and sampling.choose(3, ["cat", "dog", "cow"]) == [
        0,
        1,
        2,
    ]
    for wrong in (1, 4, 0, -2, True, 2.0):
        with pytest.raises(ConfigError, match="classes must be"):
            sampling.choose(wrong, ["cat", "dog", "cow"])  # type: ignore[arg-type]
    whole, three = load("fashion-mnist-sample", validation=0), load("fashion-mnist-sample", classes=3, validation=0)
    assert three.classes == whole.classes[:3] and three.facts()["classes"] == list(whole.classes[:3])
    assert np.array_equal(three.train.raw, whole.train.raw[whole.train.targets < 3])
    assert np.array_equal(three.test.targets, whole.test.targets[whole.test.targets < 3])


def test_relabelled_items_are_numbered_by_their_place_among_the_chosen() -> None:
    new, there = sampling.relabelled(LABELS, [2, 0])
    assert there.tolist() == [*range(60), *range(90, 100)]
    assert new[there].tolist() == [1] * 60 + [0] * 10 and new.dtype == LABELS.dtype


@given(
    counts=st.lists(st.integers(1, 40), min_size=2, max_size=6),
    shares=st.lists(st.floats(0.01, 100), min_size=6, max_size=6),
    seed=st.integers(0, 5),
)
def test_an_unbalanced_set_has_the_ratios_asked_for_and_as_many_items_as_can_be(
    counts: list[int], shares: list[float], seed: int
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    wanted = np.array(shares[: len(counts)]) / max(shares[: len(counts)])
    chosen = sampling.unbalanced(labels, shares[: len(counts)], len(counts), seed)
    found = sampling.class_counts(labels[chosen], len(counts))
    assert (np.diff(chosen) > 0).all() and (found >= 1).all() and (found <= counts).all()
    largest = found[wanted.argmax()]
    exact = np.clip(largest * wanted, 1, counts)
    assert (abs(found - exact) <= 0.5 + 1e-6).all()
    assert ((largest + 1) * wanted > np.array(counts) - 1e-6).any()  # one more of the largest would lack somewhere


def test_the_exponential_profile_falls_by_one_factor_from_class_to_class() -> None:
    shares = sampling.profile(50, 10)
    assert shares[0] == 1 and shares[-1] == pytest.approx(1 / 50)
    assert np.allclose(shares[1:] / shares[:-1], 50 ** (-1 / 9))
    assert sampling.profile(1, 4).tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("wrong", [0.5, 0, -3, True, "10", [1, 2], [1, 2, 0], [1, 2, float("nan")], float("inf")])
def test_an_imbalance_that_cannot_be_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigError, match="imbalance must be"):
        sampling.profile(wrong, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize("ratio", [1, 3, 10, 100])
def test_rare_classes_have_one_rth_of_the_others(ratio: int) -> None:
    data = load("fashion-mnist-sample", imbalance=ratio, rare=["Bag", 0], validation=0)
    few = round(300 / ratio)
    assert data.train.counts == [few, *[300] * 7, few, 300]  # T-shirt/top is class 0, Bag class 8
    assert data.test.counts == [100] * 10
    assert data.facts()["imbalance"] == ratio and data.facts()["rare"] == ["Bag", 0]


def test_rare_classes_are_numbered_among_those_that_were_chosen() -> None:
    data = load("fashion-mnist-sample", classes=["Bag", "Coat", "Shirt"], imbalance=10, rare=[0, "Coat"], validation=0)
    assert data.classes == ("Bag", "Coat", "Shirt") and data.train.counts == [30, 30, 300]


def test_without_rare_classes_the_profile_is_exponential_and_validation_keeps_its_balance() -> None:
    data = load("fashion-mnist-sample", imbalance=10, classes=3)
    assert data.train.counts == [270, round(270 / 10**0.5), 27]
    stepped = load("fashion-mnist-sample", imbalance=10, classes=3, rare=[1])
    assert stepped.train.counts == [270, 27, 270]
    assert data.validation is not None and data.validation.counts == [30, 30, 30]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rare": [0]}, "give imbalance=10 with it"),
        ({"rare": [0], "imbalance": [1, 2, 3]}, r"rare goes with one ratio"),
        ({"rare": [0, 1, 2], "imbalance": 10}, "rare must be a list of 1 to 2 names or numbers"),
        ({"rare": [], "imbalance": 10}, "rare must be a list of 1 to 2"),
        ({"rare": "Coat", "imbalance": 10}, "rare must be a list of 1 to 2"),
        ({"rare": [0, 3], "imbalance": 10}, "rare: classes are named, or numbered from 0 to 2, got 3"),
        ({"rare": [1, "Trouser"], "imbalance": 10}, "rare must be different classes"),
        ({"rare": [0], "imbalance": 0.5}, "imbalance must be a ratio"),
    ],
)
def test_rare_classes_that_cannot_be_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load("fashion-mnist-sample", classes=3, **options)


def test_a_rare_class_must_be_among_those_that_were_chosen() -> None:
    with pytest.raises(UnknownName, match="unknown class 'Shirt'"):
        load("fashion-mnist-sample", classes=3, imbalance=10, rare=["Shirt"])


def test_a_configuration_says_the_same_words() -> None:
    wanted = {"name": "fashion-mnist-sample", "classes": 3, "per_class": "all", "imbalance": 10, "rare": ["Coat", 1]}
    config = train_config({"dataset": wanted}).dataset
    assert (config.classes, config.per_class, config.rare) == (3, "all", ["Coat", 1])
    for key, value in (("classes", 1), ("per_class", 0), ("per_class", "most"), ("rare", "Coat")):
        with pytest.raises(ConfigError, match=f"dataset.{key} must be"):
            train_config({"dataset": {key: value}})


def test_class_weights_make_every_class_count_the_same_in_the_loss() -> None:
    counts = [60, 30, 10]
    weights = sampling.class_weights(counts)
    assert np.allclose(weights * counts, 100 / 3)
    with pytest.raises(ConfigError, match="items of every class"):
        sampling.class_weights([3, 0])
