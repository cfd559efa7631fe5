from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from passo import seeding


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.random()), float(torch.rand(()))


def test_a_derived_seed_is_the_same_on_every_machine() -> None:
    assert seeding.derive(0, "init") == 3330654677893223573
    assert seeding.derive(1, "batches", 3) == 8590187531797947738


@given(st.integers(0, 2**31), st.text(max_size=8), st.text(max_size=8))
def test_other_names_give_other_seeds_that_torch_accepts(seed: int, one: str, other: str) -> None:
    assert 0 <= seeding.derive(seed, one) < 2**63
    assert (seeding.derive(seed, one) == seeding.derive(seed, other)) == (one == other)


def test_a_generator_of_a_name_draws_the_same_whatever_else_was_drawn() -> None:
    first = torch.rand(5, generator=seeding.generator(3, "noise"))
    torch.rand(100)
    assert torch.equal(first, torch.rand(5, generator=seeding.generator(3, "noise")))
    assert not torch.equal(first, torch.rand(5, generator=seeding.generator(3, "init")))


def test_seeding_everything_repeats_python_numpy_and_torch() -> None:
    with seeding.isolated(0):
        seeding.seed_everything(2**40 + 1)
        first = draws()
        seeding.seed_everything(2**40 + 1)
        assert draws() == first
        assert draws() != first


def test_restore_goes_on_where_capture_was() -> None:
    state = seeding.capture()
    first = draws()
    seeding.restore(state)
    assert draws() == first


def test_a_block_under_its_own_seed_leaves_the_global_states_alone() -> None:
    state = seeding.capture()
    expected = draws()
    seeding.restore(state)
    with seeding.isolated(7):
        inside = draws()
    assert draws() == expected
    with seeding.isolated(7):
        assert draws() == inside


def test_a_block_that_fails_leaves_the_global_states_alone_too() -> None:
    state = seeding.capture()
    expected = draws()
    seeding.restore(state)
    with pytest.raises(RuntimeError), seeding.isolated(7):
        draws()
        raise RuntimeError
    assert draws() == expected
