"""Student's t against the published table, and the interval that it makes."""

import math

import numpy as np
import pytest

from passo.analysis import Interval, interval, t_quantile
from passo.analysis.words import ranged, significant


@pytest.mark.parametrize(
    ("probability", "freedom", "expected"),
    [  # the usual printed table of Student's t
        (0.975, 1, 12.7062),
        (0.975, 2, 4.30265),
        (0.975, 3, 3.18245),
        (0.975, 4, 2.77645),
        (0.975, 9, 2.26216),
        (0.975, 30, 2.04227),
        (0.975, 120, 1.97993),
        (0.95, 5, 2.01505),
        (0.995, 10, 3.16927),
    ],
)
def test_quantiles_are_those_of_the_printed_table(probability: float, freedom: int, expected: float) -> None:
    assert t_quantile(probability, freedom) == pytest.approx(expected, abs=6e-5 if freedom == 1 else 6e-6)
    assert t_quantile(1 - probability, freedom) == pytest.approx(-expected, abs=6e-5)


def test_the_interval_holds_the_mean_of_a_normal_sample_19_times_in_20() -> None:
    samples = np.random.default_rng(0).standard_normal((20_000, 3))
    half = t_quantile(0.975, 2) * samples.std(1, ddof=1) / math.sqrt(3)
    assert (np.abs(samples.mean(1)) <= half).mean() == pytest.approx(0.95, abs=0.006)


def test_one_value_has_a_mean_and_no_interval() -> None:
    found = interval([0.7])
    assert found.mean == 0.7
    assert not found.known
    assert ranged(found) == "0.7"


def test_an_interval_is_mean_and_t_times_the_standard_error() -> None:
    found = interval([1.0, 2.0, 4.0])
    error = np.std([1, 2, 4], ddof=1) / math.sqrt(3)
    assert (found.mean, found.n) == (pytest.approx(7 / 3), 3)
    assert found.half == pytest.approx(4.302652729911275 * error)


@pytest.mark.parametrize(
    ("found", "metric", "text"),
    [
        (Interval(0.3842, 0.3571, 0.4113, 3), "", "0.384 [0.357, 0.411]"),
        (Interval(0.8651, 0.8602, 0.8699, 3), "test/accuracy", "86.51 % [86.02, 86.99]"),
        (Interval(0.6, 0.4, 0.8, 3), "test/accuracy", "60.0 % [40.0, 80.0]"),
        (Interval(-0.02, -0.05, 0.01, 3), "", "−0.0200 [−0.0500, 0.0100]"),
        (Interval(12.0, 12.0, 12.0, 3), "", "12.0 [12.0, 12.0]"),
    ],
)
def test_an_interval_is_written_with_the_digits_that_it_has(found: Interval, metric: str, text: str) -> None:
    assert ranged(found, metric) == text


def test_small_and_large_numbers_are_written_without_needless_zeros() -> None:
    assert [significant(x) for x in (0, 0.03, 1234567.0, -0.5)] == ["0", "0.03", "1.23 × 10⁶", "−0.5"]
    assert significant(9.999e-1) == "1"
