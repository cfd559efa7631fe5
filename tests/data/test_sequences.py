"""The corners of a square: what a sequence is, what its label says, and that a seed decides it alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from passo.data.sequences import CLASSES, squares
from passo.errors import ConfigError


def test_the_label_is_the_sign_of_the_area_that_the_walk_goes_around() -> None:
    points, labels = squares(400, noise=0.0)
    x, y = points[..., 0], points[..., 1]
    area = (x * y.roll(-1, 1) - x.roll(-1, 1) * y).sum(1) / 2  # shoelace: positive is counter-clockwise
    assert torch.equal(area, torch.where(labels == CLASSES.index("clockwise"), -4.0, 4.0))


def test_every_sequence_visits_each_corner_once_and_every_start_and_direction_occurs() -> None:
    points, labels = squares(400, noise=0.0)
    corners = {(-1.0, -1.0), (-1.0, 1.0), (1.0, 1.0), (1.0, -1.0)}
    assert all({tuple(p) for p in walk} == corners for walk in points.tolist())
    seen = {(tuple(walk[0]), label) for walk, label in zip(points.tolist(), labels.tolist(), strict=True)}
    assert len(seen) == 8


def test_no_single_point_and_no_unordered_set_tells_the_direction() -> None:
    points, labels = squares(4000, noise=0.1)
    for step in range(4):
        assert all(float(points[labels == k, step].mean(0).abs().max()) < 0.08 for k in (0, 1))  # 5 standard errors
    assert all(float(points[labels == k].mean(1).abs().max()) < 0.3 for k in (0, 1))


def test_noise_is_normal_with_the_asked_deviation() -> None:
    exact, noisy = squares(2000, noise=0.0).points, squares(2000, noise=0.25).points
    rest = noisy - exact
    assert float(rest.std()) == pytest.approx(0.25, rel=0.03)
    assert float((rest.abs() < 0.25).float().mean()) == pytest.approx(0.6827, abs=0.015)


def test_points_are_those_of_the_book_with_its_global_generator() -> None:
    before = np.random.get_state()
    try:
        np.random.seed(13)  # as the book: starts, directions, then the noise of each sequence
        starts, directions = np.random.randint(4, size=128), np.random.randint(2, size=128)
        clockwise = [(-1, -1), (-1, 1), (1, 1), (1, -1)]
        book = []
        for start, direction in zip(starts, directions, strict=True):
            walk = [clockwise[(start + step) % 4] for step in range(4)]
            book.append(np.array(walk if direction else walk[::-1]) + np.random.randn(4, 2) * 0.1)
    finally:
        np.random.set_state(before)
    points, labels = squares(128, seed=13)
    assert torch.equal(points, torch.as_tensor(np.array(book)).float())
    assert labels.tolist() == directions.tolist()
    assert (points.dtype, points.shape, labels.dtype) == (torch.float32, (128, 4, 2), torch.int64)


def test_a_seed_decides_everything_and_no_global_state_changes() -> None:
    numpy, torchs = np.random.get_state()[1].copy(), torch.get_rng_state()  # type: ignore[union-attr]
    a, b, c = squares(50, seed=1), squares(50, seed=1), squares(50, seed=2)
    assert torch.equal(a.points, b.points)
    assert not torch.equal(a.points, c.points)
    assert np.array_equal(numpy, np.random.get_state()[1])
    assert torch.equal(torchs, torch.get_rng_state())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 0}, "number of sequences must be a whole number ≥ 1, got 0"),
        ({"n": 2.5}, "got 2.5"),
        ({"noise": -0.1}, "noise must be a standard deviation ≥ 0, got -0.1"),
        ({"noise": float("nan")}, "got nan"),
        ({"seed": -1}, "seed must be in \\[0, 2³²\\), got -1"),
    ],
)
def test_what_makes_no_sequences_is_refused_in_one_sentence(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        squares(**arguments)
