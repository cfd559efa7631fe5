"""Lines of arithmetic: what they compute, and all that they must refuse."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passo.errors import ConfigError
from passo.optim.arithmetic import LONGEST, arithmetic


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1/(1+0.1*epoch)", 1 / (1 + 0.1 * 3)),
        ("0.95 ** epoch", 0.95**3),
        ("-epoch + +2", -1.0),
        ("epoch // 2 + epoch % 2", 2.0),
        ("2 ** -epoch", 0.125),
        ("1 if epoch < 2 else 0.1", 0.1),
        ("(1 <= epoch < 4) * 0.5", 0.5),
        ("(epoch == 3) + (epoch != 3) + (epoch >= 4) + (epoch > 2)", 2.0),
        ("min(1, epoch, 2) + max(epoch, 7)", 8.0),
        ("abs(-epoch) + sqrt(4) + floor(2.7)", 7.0),
        ("exp(log(epoch)) + log(8, 2)", math.exp(math.log(3)) + 3.0),
        ("0.5 * (1 + cos(pi * epoch / 6)) + sin(0)", 0.5 * (1 + math.cos(math.pi * 3 / 6))),
        ("e", math.e),
        ("  epoch\n", 3.0),
    ],
)
def test_a_line_of_arithmetic_computes_what_python_would(text, expected):
    result = arithmetic(text, ["epoch"])(3)
    assert type(result) is float
    assert result == pytest.approx(expected, rel=1e-15)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 99), st.integers(1, 99), st.floats(0.01, 10))
def test_any_numbers_give_python_s_own_result(a, b, x):
    text = f"({a} + x) / {b} - x * {b}"
    assert arithmetic(text, ["x"])(x) == (a + x) / b - x * b


def test_names_are_given_in_their_order():
    assert arithmetic("10 * epoch + step", ["epoch", "step"])(1, 2) == 12.0
    with pytest.raises(ValueError):
        arithmetic("epoch", ["epoch"])(1, 2)


@pytest.mark.parametrize(
    ("text", "piece", "column"),
    [
        ("epoch.real", "epoch.real", 1),
        ("1 + __import__('os').system('true')", "__import__('os').system('true')", 5),
        ("2 * open(epoch)", "open(epoch)", 5),
        ("1 + lr", "lr", 5),
        ("[epoch][0]", "[epoch][0]", 1),
        ("'a' * 9", "'a'", 1),
        ("lambda: 1", "lambda: 1", 1),
        ("[x for x in (1, 2)]", "[x for x in (1, 2)]", 1),
        ("(y := 3)", "y := 3", 2),
        ("True + 1", "True", 1),
        ("2j", "2j", 1),
        ("epoch & 1", "epoch & 1", 1),
        ("~epoch", "~epoch", 1),
        ("epoch is 3", "epoch is 3", 1),
        ("f'{epoch}'", "f'{epoch}'", 1),
        ("min(*epoch)", "*epoch", 5),
        ("log(x=2)", "log(x=2)", 1),
        ("cos", "cos", 1),
        ("cos()", "cos()", 1),
        ("min(epoch)", "min(epoch)", 1),
        ("cos(1, 2)", "cos(1, 2)", 1),
        ("(1, 2)", "(1, 2)", 1),
        ("None", "None", 1),
    ],
)
def test_what_is_not_arithmetic_is_refused_with_its_column(text, piece, column):
    with pytest.raises(ConfigError) as refused:
        arithmetic(text, ["epoch"])
    assert str(refused.value).startswith(f"{piece!r} is not allowed at column {column} of {text!r}")


@pytest.mark.parametrize("text", ["1 +", "import os", "x = 1", "1; 2", "((", "1 1", "\0"])
def test_what_does_not_parse_is_refused(text):
    with pytest.raises(ConfigError, match="is not arithmetic"):
        arithmetic(text, ["x"])


@pytest.mark.parametrize("text", ["", "   ", None, 3, "1" + "+1" * LONGEST])
def test_empty_long_and_other_things_than_text_are_refused(text):
    with pytest.raises(ConfigError, match="line of arithmetic"):
        arithmetic(text, ["x"])


def test_deep_nesting_is_answered_with_one_error_and_no_crash():
    deep = "(" * 240 + "x" + ")" * 240
    with pytest.raises(ConfigError, match="is not arithmetic"):
        arithmetic(deep, ["x"])
    assert arithmetic("-" * 400 + "x", ["x"])(2) == 2.0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1 / x", "it divides by zero"),
        ("log(x)", "a function is not defined there"),
        ("9 ** 9 ** 9 ** 9", "cannot be computed"),
        ("(x - 1) ** 0.5", "not a finite real number"),
        ("1e308 * 10 + x", "not a finite real number"),
        ("floor(1e308 * 10)", "cannot be computed"),
    ],
)
def test_a_result_that_is_no_finite_number_says_where(text, why):
    with pytest.raises(ConfigError, match=why) as refused:
        arithmetic(text, ["x"])(0)
    assert "x=0" in str(refused.value)
