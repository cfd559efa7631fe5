from __future__ import annotations

import doctest

import pytest

from passo.analysis import Interval
from passo.notes import formats


def test_the_examples_of_the_formats_are_true():
    failures, tried = doctest.testmod(formats)
    assert tried >= 10 and failures == 0


def test_an_interval_is_written_as_mean_and_half_width():
    words = formats.percent(Interval(0.8, 0.75, 0.85, 3))
    assert words.split(formats.SPACE) == ["80.0", "±", "5.0", "%"]


def test_one_seed_is_written_without_an_interval():
    assert formats.fixed(Interval(0.8, float("nan"), float("nan"), 1)) == "0.800"


@pytest.mark.parametrize("name", formats.FILTERS)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_a_number_is_refused_by_every_format(name, value):
    arguments = ("seed",) if name == "counted" else ()
    with pytest.raises(ValueError, match=f"is {value}"):
        formats.FILTERS[name](value, *arguments)


@pytest.mark.parametrize(
    "value, words",
    [(0.0, "0"), (-0.5, "−0.5"), (1234.5, "1,234"), (1e-3, "0.001"), (9.994e-4, "9.99 × 10⁻⁴"), (2e9, "2 × 10⁹")],
)
def test_numbers_are_written_as_a_reader_would(value, words):
    assert formats.number(value) == words


@pytest.mark.parametrize("write", [formats.percent, formats.points, formats.fixed])
def test_what_rounds_to_zero_has_no_sign(write):
    assert write(-0.0001).startswith("0.0") and write(-0.6).startswith("−")
