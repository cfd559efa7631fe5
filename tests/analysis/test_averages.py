"""The averages, held to their plain recursions."""

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passo.analysis import Smoothing, ewma, moving_average, moving_average_weights, weights_by_lag
from passo.errors import ConfigError

betas = st.floats(0, 0.99999)
series = arrays.arrays(
    np.float64,
    st.tuples(st.integers(1, 700), st.integers(1, 3)),
    elements=st.floats(-1e6, 1e6, allow_subnormal=False),
    fill=st.floats(-1e6, 1e6, allow_subnormal=False),
)


def plain(x: np.ndarray, beta: float, corrected: bool = False) -> np.ndarray:
    found, last = np.empty_like(x), 0.0 * x[0]
    for t, value in enumerate(x):
        last = beta * last + (1 - beta) * value
        found[t] = last / (1 - beta ** (t + 1)) if corrected else last
    return found


@settings(deadline=None, max_examples=60)
@given(series, betas, st.booleans())
def test_the_vectorised_ewma_equals_the_plain_recursion(x: np.ndarray, beta: float, corrected: bool) -> None:
    np.testing.assert_allclose(
        ewma(x, beta=beta, bias_correction=corrected), plain(x, beta, corrected), rtol=1e-9, atol=1e-9 * np.abs(x).max()
    )


def test_a_long_series_with_a_short_memory_neither_overflows_nor_drifts() -> None:
    x = np.random.default_rng(0).standard_normal(100_000) + 5
    for beta in (0.0, 0.1, 0.5, 0.9999):
        np.testing.assert_allclose(ewma(x, beta=beta), plain(x, beta), rtol=1e-9)


def test_a_constant_series_is_its_own_corrected_ewma_from_the_first_step() -> None:
    np.testing.assert_allclose(ewma(np.full(2000, 3.0), beta=0.999, bias_correction=True), 3.0, rtol=1e-12)


def test_the_correction_is_exact_for_a_very_long_memory() -> None:
    np.testing.assert_allclose(ewma([2.0, 2.0], alpha=1e-18, bias_correction=True), 2.0, rtol=1e-12)


def test_a_value_that_is_not_finite_does_not_reach_the_steps_before_it() -> None:
    x = np.ones(300)
    x[280] = np.nan
    found = ewma(x, beta=0.9)
    assert np.isfinite(found[:280]).all()
    assert np.isnan(found[280:]).all()


def test_the_axis_can_be_any() -> None:
    x = np.random.default_rng(1).standard_normal((4, 50))
    np.testing.assert_allclose(ewma(x, beta=0.8, axis=1), ewma(x.T, beta=0.8).T)
    np.testing.assert_allclose(moving_average(x, 7, axis=1), moving_average(x.T, 7).T)


def test_the_four_names_of_a_smoothing_are_one() -> None:
    for given_by in ({"alpha": 0.1}, {"beta": 0.9}, {"periods": 19}, {"average_age": 10}):
        found = Smoothing(**given_by)
        assert (found.alpha, found.beta, found.periods, found.average_age) == pytest.approx((0.1, 0.9, 19, 10))
    assert Smoothing(beta=0.999).periods == pytest.approx(1999)


@given(st.floats(0.01, 0.95))
def test_the_average_age_is_that_of_the_weights(beta: float) -> None:
    smoothing = Smoothing(beta=beta)
    weights = weights_by_lag(smoothing, 1000)
    assert weights.sum() == pytest.approx(1, abs=1e-9)
    assert (weights * np.arange(1, 1001)).sum() == pytest.approx(smoothing.average_age, rel=1e-9)


def test_a_moving_average_of_n_periods_is_as_old_as_the_ewma_of_n_periods() -> None:
    for periods in (1, 19, 200):
        age = (moving_average_weights(periods, 400) * np.arange(1, 401)).sum()
        assert age == pytest.approx(Smoothing(periods=periods).average_age)


def test_the_ewma_of_an_impulse_is_its_weights_by_lag() -> None:
    np.testing.assert_allclose(ewma(np.eye(1, 40)[0], beta=0.7), weights_by_lag(Smoothing(beta=0.7), 40), rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "exactly one of alpha, beta, periods, average_age; got none"),
        ({"alpha": 0.1, "beta": 0.9}, "got alpha, beta"),
        ({"beta": 1.0}, "beta must be ≥ 0 and < 1, got 1"),
        ({"alpha": 0.0}, "alpha must be > 0 and ≤ 1, got 0"),
        ({"periods": 0.5}, "periods must be ≥ 1, got 0.5"),
        ({"average_age": float("nan")}, "average_age must be ≥ 1, got nan"),
    ],
)
def test_a_smoothing_that_means_nothing_is_refused_in_one_sentence(arguments: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Smoothing(**arguments)


def test_a_moving_average_waits_until_it_is_full() -> None:
    x = np.arange(10.0)
    found = moving_average(x, 4)
    assert np.isnan(found[:3]).all()
    np.testing.assert_allclose(found[3:], [x[i - 3 : i + 1].mean() for i in range(3, 10)])
    assert np.isnan(moving_average(x, 11)).all()
    with pytest.raises(ConfigError, match="whole number ≥ 1, got 2.5"):
        moving_average(x, 2.5)  # type: ignore[arg-type]
