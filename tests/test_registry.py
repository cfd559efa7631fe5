from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passo.errors import UnknownName
from passo.registry import Registry, nearest, unknown


@pytest.fixture
def optimizers() -> Registry[int]:
    registry = Registry[int]("optimizer")
    for number, name in enumerate(["sgd", "adam", "adamw"]):
        registry.add(name, number)
    return registry


def test_a_registered_name_gives_its_entry(optimizers: Registry[int]) -> None:
    assert optimizers["adam"] == 1


def test_names_come_in_order_and_are_counted(optimizers: Registry[int]) -> None:
    assert list(optimizers) == ["adam", "adamw", "sgd"]
    assert len(optimizers) == 3
    assert "sgd" in optimizers
    assert "rmsprop" not in optimizers


def test_a_duplicate_is_refused_and_the_first_stays(optimizers: Registry[int]) -> None:
    with pytest.raises(ValueError, match="optimizer 'adam' is registered already"):
        optimizers.add("adam", 7)
    assert optimizers["adam"] == 1


def test_an_unknown_name_gets_the_nearest_and_the_list(optimizers: Registry[int]) -> None:
    with pytest.raises(UnknownName) as refused:
        optimizers["adm"]
    assert str(refused.value) == "unknown optimizer 'adm'. Did you mean 'adam'? Known: adam, adamw, sgd"


def test_a_name_in_capitals_is_still_guessed(optimizers: Registry[int]) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'adam'"):
        optimizers["ADAM"]


def test_exchanged_letters_are_seen_and_of_equals_the_shortest_is_meant() -> None:
    assert "Did you mean 'adam'?" in str(unknown("optimizer", "adma", ["adam", "adamax", "adamw"]))
    assert "Did you mean 'sgd'?" in str(unknown("optimizer", "sdg", ["asgd", "sgd"]))
    assert "Did you mean 'abc'?" in str(unknown("thing", "ab", ["abc", "dab"]))
    assert nearest("aab", ["aabcd", "aab" + "xyzw"]) == "aabcd"


def test_a_name_like_no_other_gets_no_guess() -> None:
    assert "Did you mean" not in str(unknown("optimizer", "zzzzzz", ["adam", "sgd"]))


def test_something_that_is_no_name_is_refused_in_the_same_words(optimizers: Registry[int]) -> None:
    with pytest.raises(UnknownName, match=r"unknown optimizer \['adam'\]"):
        optimizers[["adam"]]  # type: ignore[index]


@given(st.text(), st.lists(st.text(min_size=1), max_size=5))
def test_every_answer_names_the_kind_the_name_and_all_that_is_known(name: str, known: list[str]) -> None:
    said = str(unknown("thing", name, known))
    assert said.startswith(f"unknown thing {name!r}.")
    assert said.endswith("Known: " + ", ".join(sorted(known)) if known else "None is known")


def test_of_many_names_the_nearest_are_told_and_how_many_there_are() -> None:
    known = [f"thing-{number:04d}" for number in range(3000)] + ["adam", "adamw", "adamax", "nadam", "madam", "sgd"]
    said = str(unknown("optimizer", "adm", known))
    assert said == (
        "unknown optimizer 'adm'. Did you mean 'adam'? "
        "Of 3,006 known ones the nearest are: adam, adamw, madam, nadam, adamax"
    )
    twenty = [f"n{number}" for number in range(20)]
    assert str(unknown("thing", "x", twenty)).endswith("Known: " + ", ".join(sorted(twenty)))
    assert "Of 21 known ones" in str(unknown("thing", "x", [*twenty, "more"]))
