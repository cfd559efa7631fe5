"""The four rules, each held to a slow reading of its definition, and to curves whose answer is known."""

import itertools

import numpy as np
import pytest

from passo.errors import UnknownName
from passo.experiments.suggesting import RULES, check_rule, slide, steepest, suggest, tenth_of_minimum, valley

LR = np.geomspace(1e-5, 1, 101)  # 20 rates a decade


def curve(seed: int, n: int) -> np.ndarray:
    """Something that falls, rises and trembles."""
    random = np.random.default_rng(seed)
    x = np.linspace(0, 1, n)
    return 2 - 1.2 * np.exp(-((x - 0.6) ** 2) / 0.03) + 4 * np.clip(x - 0.75, 0, None) ** 2 + 0.1 * random.random(n)


@pytest.mark.parametrize("seed", range(5))
def test_the_valley_is_the_longest_falling_subsequence(seed: int) -> None:
    """Of a window of 14 losses, every subsequence is tried."""
    lr, losses = np.geomspace(1e-3, 1, 20), curve(seed, 20)
    window, rates = losses[1:-5], lr[1:-5]  # a tenth of 10 steps, and the last five
    best, end = 0, 0
    for last in range(len(window)):
        for size in range(1, last + 2):
            for chosen in itertools.combinations(range(last), size - 1):
                values = window[[*chosen, last]]
                if (np.diff(values) < 0).all() and size > best:
                    best, end = size, last
    expected = rates[max(0, end - best + best // 3 + best // 6)]
    assert valley(lr, losses, 10) == pytest.approx(expected)


def test_the_valley_of_one_straight_fall_is_its_middle() -> None:
    losses = np.where(np.arange(101) < 90, 3 - 0.02 * np.arange(101), 10.0)
    # the window is 10..95, the fall 10..89: 80 long, so position 79 - 80 + 26 + 13 of the window
    assert valley(LR, losses, 100) == pytest.approx(LR[10 + 38])


@pytest.mark.parametrize("seed", range(5))
def test_the_steepest_slope_is_the_one_on_the_drawn_axis(seed: int) -> None:
    losses = curve(seed, 101)
    least = int(np.argmin(losses))
    for axis, linear, rates in ((np.log10(LR), False, LR), (np.linspace(1, 2, 101), True, np.linspace(1, 2, 101))):
        slopes = {}
        first = 2 if linear else 10
        for i in range(first, least + 1):
            left, right = max(i - 1, first), min(i + 1, least)
            slopes[i] = (losses[right] - losses[left]) / (axis[right] - axis[left])
        expected = min(slopes, key=lambda i: slopes[i])
        # on an even grid, np.gradient is the central difference
        assert steepest(rates, losses, 100, linear=linear) == pytest.approx(rates[expected])


def test_the_minimum_counts_inside_the_window_alone() -> None:
    losses = np.full(101, 2.0)
    losses[40] = 1.0
    losses[3], losses[98] = 0.0, 0.0  # in the first tenth, and in the last five
    assert tenth_of_minimum(LR, losses, 100) == pytest.approx(LR[40] / 10)


def test_the_slide_stops_where_the_curve_is_straight_over_15_steps() -> None:
    losses = 2 + np.clip(np.arange(101) - 60, 0, None) ** 2 * 0.01  # straight up to 60, then ever steeper
    window = losses[10:-5]
    slope = np.gradient(window)
    right = len(window) - 1
    while abs(slope[right] - slope[right - 15]) > 0.005:
        right -= 1
    assert slide(LR, losses, 100) == pytest.approx(LR[10:-5][right - 15 + 1])
    assert np.isnan(slide(LR, np.arange(101.0) ** 2, 100))  # nowhere straight
    assert np.isnan(slide(LR[:20], losses[:20], 100))  # too short for an interval


def test_a_test_twice_as_fine_slides_to_about_the_same_place() -> None:
    found = []
    for steps in (100, 200, 400):
        x = np.linspace(0, 1, steps)
        losses = 2 - 1.5 / (1 + np.exp(-(x - 0.5) * 20)) + 60 * np.clip(x - 0.7, 0, None) ** 2
        found.append(slide(np.geomspace(1e-5, 1, steps), losses, steps))
    assert max(found) / min(found) < 1.5


def test_noise_alone_gets_no_suggestion_and_a_fall_gets_four() -> None:
    random = np.random.default_rng(0)
    kept = 0.9 ** np.arange(101)
    weights = np.array([[kept[t - i] if i <= t else 0 for i in range(101)] for t in range(101)])
    weights /= weights.sum(1, keepdims=True)
    told = 0
    for _ in range(200):
        losses = 2 + 0.3 * random.standard_normal(101)
        told += not np.isnan(suggest(LR, losses, weights @ losses, 101)["steepest"])
    assert told <= 4
    losses = 2.5 - 2 / (1 + (0.003 / LR) ** 2) + 20 * LR + 0.05 * random.standard_normal(101)
    found = suggest(LR, losses, weights @ losses, 101)
    assert list(found) == ["steepest", "valley", "minimum/10", "slide"] == list(RULES)
    assert all(np.isfinite(rate) for rate in found.values())


def test_losses_that_are_not_finite_and_tests_of_one_step_are_survived() -> None:
    losses = np.array([2.0, np.nan])
    assert all(np.isnan(rate) for rate in suggest(LR[:2], losses, losses, 100).values())
    assert all(np.isnan(rate) for rate in suggest(LR[:1], losses[1:], losses[1:], 100).values())


def test_an_unknown_rule_gets_the_nearest_and_the_list() -> None:
    with pytest.raises(UnknownName, match=r"unknown rule 'steep'.*steepest.*valley"):
        check_rule("steep")
