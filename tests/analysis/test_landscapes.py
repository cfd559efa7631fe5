"""Shares, errors and words of a loss surface, against numbers computed by hand."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from passo.analysis import loss_surface, random_walk
from passo.analysis.landscapes import LossSurface, missed, share, shown, tell
from passo.errors import StoreError


def surface(**changes: Any) -> LossSurface:
    """Three points in a plane of two directions: distances 5, 2, 0, of which the plane shows 4, 2, 0."""
    found = LossSurface(
        x=np.array([-1.0, 0.0, 1.0]),
        y=np.array([-1.0, 1.0]),
        loss=np.array([[0.4, 0.7, 3.0], [0.5, 1.1, 9.0]]),
        steps=np.array([0, 10, 30]),
        path=np.array([[4.0, 0.0], [0.0, 2.0], [0.0, 0.0]]),
        path_loss=np.array([2.0, 1.0, 0.5]),
        plane_loss=np.array([1.5, 1.1, 0.5]),
        distances=np.array([[5.0, 4.0], [2.0, 2.0], [0.0, 0.0]]),
        moves=np.array([[6.0, 4.5], [2.0, 1.5]]),
        shares=np.array([0.6, 0.2, 0.2]),
        info={"directions": "pca"},
    )
    return replace(found, **changes)


def test_shares_are_of_squared_distances_and_of_lengths() -> None:
    assert surface().share_of_distance == pytest.approx((16 + 4) / (25 + 4))
    assert surface().share_of_length == pytest.approx((4.5 + 1.5) / 8)


def test_the_error_is_the_planes_loss_minus_the_real_one() -> None:
    assert surface().error == pytest.approx([-0.5, 0.1, 0.0])
    assert surface().worst == 0
    assert surface(plane_loss=np.array([np.nan, 1.1, 0.5])).worst == 1


def test_the_part_of_the_grid_near_the_ends_loss_is_counted() -> None:
    assert surface().within(2) == 3 / 6  # 0.4, 0.7 and 0.5 are at most 1.0


def test_what_is_not_finite_is_counted_and_left_out_of_extremes() -> None:
    found = surface(loss=np.array([[0.4, np.inf], [np.nan, 3.0]]))
    assert (found.not_finite, found.lowest, found.highest) == (2, 0.4, 3.0)


@pytest.mark.parametrize("steps", [np.arange(31), np.array([0, 1, 3, 4, 10, 12, 20, 50, 51, 90, 100])])
def test_a_random_walk_shows_what_simulated_ones_show(steps: np.ndarray) -> None:
    random = np.random.default_rng(0)
    gaps = np.sqrt(np.diff(steps))
    found = []
    for _ in range(5):
        moves = gaps[:, None] * random.standard_normal((len(gaps), 6000))
        walk = np.concatenate([np.zeros((1, 6000)), np.cumsum(moves, 0)])
        m = walk - walk[-1]
        v = np.linalg.svd(m, full_matrices=False)[2][:2]
        within = np.linalg.norm(moves @ v.T, axis=1).sum() / np.linalg.norm(moves, axis=1).sum()
        found.append((((m @ v.T) ** 2).sum() / (m**2).sum(), within))
    assert random_walk(steps) == pytest.approx(np.mean(found, 0), abs=0.01)


def test_a_long_random_walk_shows_ten_ninths_of_eight_over_pi_squared() -> None:
    assert random_walk(np.arange(600))[0] == pytest.approx(10 / 9 * 8 / np.pi**2, abs=0.002)


def test_the_sentence_says_both_shares_what_a_walk_would_show_and_the_largest_error() -> None:
    walk = [share(value) for value in random_walk(np.array([0, 10, 30]))]
    assert shown(surface()) == (
        f"The plane shows 69 % of the path's squared distance from its end (of a random walk: {walk[0]}) and 75 % of "
        f"its length (of a random walk: {walk[1]})"
    )
    assert missed(surface()) == (
        "The loss on it is off by 0.1 in the median, by 0.5 at most (at step 0, 1.5 instead of 2)"
    )
    assert tell(surface()) == (
        f"From step 0 to step 30 the loss goes from 2 to 0.5. {shown(surface())}. {missed(surface())}."
    )


def test_random_directions_are_told_by_what_lies_around_the_end() -> None:
    assert tell(surface(info={"directions": "random"})) == (
        "At the end the loss is 0.5; around it, up to 1 times the filters' norms away, it is at least 0.4 and at "
        "most 9, and on 50 % of the square at most twice that of the end. These random directions show 69 % of the "
        "path's squared distance from its end."
    )
    flat = surface(info={"directions": "random"}, loss=np.full((2, 3), 0.5))
    assert "it is nowhere lower and at most 0.5" in tell(flat)


@dataclass
class Stored:
    arrays: dict[str, np.ndarray]
    info: dict[str, Any] = field(default_factory=lambda: {"directions": "pca"})
    kind: str = "landscape"
    id: str = "it"

    def array(self, name: str) -> np.ndarray:
        return self.arrays[name]


def test_a_run_of_another_kind_is_refused() -> None:
    with pytest.raises(StoreError, match="run it is a train, not a landscape: passo landscape makes one of it"):
        loss_surface(Stored({}, kind="train"))
