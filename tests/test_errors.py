from __future__ import annotations

import inspect

import pytest

from passo import errors

HERE = [value for _, value in inspect.getmembers(errors, inspect.isclass) if value.__module__ == "passo.errors"]
ALL = [value for value in HERE if not issubclass(value, Warning)]


@pytest.mark.parametrize("kind", ALL)
def test_every_error_is_a_passo_error_and_is_drawn_in_the_tree(kind: type[errors.PassoError]) -> None:
    assert issubclass(kind, errors.PassoError)
    assert kind.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize("kind", ALL)
def test_wrong_usage_exits_with_2_and_everything_else_with_1(kind: type[errors.PassoError]) -> None:
    assert kind.exit_code == (2 if issubclass(kind, errors.UsageError) else 1)


def test_wrong_usage_is_also_a_value_error() -> None:
    assert issubclass(errors.ConfigError, ValueError)
    assert not issubclass(errors.StoreError, ValueError)


def test_a_missing_extra_answers_with_the_line_that_installs_it() -> None:
    with pytest.raises(errors.MissingExtra) as refused:
        errors.require("no_such_package_anywhere.part", "figures")
    assert str(refused.value) == (
        "this needs no_such_package_anywhere, which is not installed: pip install 'passo[figures]'"
    )


def test_a_package_that_is_there_is_handed_over() -> None:
    assert errors.require("json", "figures").dumps([1]) == "[1]"
