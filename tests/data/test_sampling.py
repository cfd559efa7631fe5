"""Subsets and splits: by class, by seed, nothing twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passo.data import sampling
from passo.errors import ConfigError

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
    with pytest.raises(ConfigError, match="10 training images of class 2; give at most 10"):
        sampling.subset(LABELS, 11, 0)


@pytest.mark.parametrize(("validation", "size"), [(None, 0), (0, 0), (0.0, 0), (0.1, 10), (0.25, 25), (1, 1), (99, 99)])
def test_a_validation_part_is_a_fraction_a_number_or_nothing(validation: float | None, size: int) -> None:
    assert sampling.split_size(100, validation) == size


@pytest.mark.parametrize("validation", [1.0, -0.1, 0.001, 0.999, 100, -1, True, False, "0.1", float("nan"), 2.5])
def test_a_validation_part_that_leaves_nothing_or_is_nothing_is_refused(validation: float) -> None:
    with pytest.raises(ConfigError, match="validation must be"):
        sampling.split_size(100, validation)
