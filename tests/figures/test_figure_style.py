"""Colours, data and thinning: what every figure is made with."""

import sys

import numpy as np
import pytest

from passo.errors import MissingExtra
from passo.figures.style import COLOURS, altair, colours, data, thinned


def test_an_optimiser_has_one_colour_in_every_figure() -> None:
    assert colours(["adam", "sgd"]) == colours(["sgd", "adam"])[::-1] == [COLOURS["adam"], COLOURS["sgd"]]


def test_unknown_names_get_colours_that_differ_from_the_others() -> None:
    names = ["adam", "sgd", "mine", "yours", "theirs"]
    assert len(set(colours(names))) == len(names)


@pytest.mark.parametrize(
    "names",
    [
        ["adam", "adam-beta1-0", "adam-beta2-0.9", "adam-eps-0.1"],
        ["sgd", "momentum", "momentum-dampened", "nesterov"],
        ["nesterov", "nesterov-step", "nesterov-plateau", "nesterov-cyclic", "nesterov-onecycle"],
        ["adam-final", "nesterov-cyclic-final"],
    ],
)
def test_names_that_are_drawn_together_have_different_colours(names: list[str]) -> None:
    assert len(set(colours(names))) == len(names)


def test_a_colour_is_never_given_twice_in_one_figure() -> None:
    names = list(COLOURS)[:16]
    assert len(set(colours(names))) == len(names)


def test_thinning_keeps_the_ends_and_spaces_evenly() -> None:
    kept = thinned(10_000, 600)
    assert (kept[0], kept[-1], len(kept)) == (0, 9999, 600)
    assert set(np.diff(kept)) <= {16, 17}
    assert list(thinned(5, 600)) == [0, 1, 2, 3, 4]


def test_data_are_rounded_and_what_is_not_finite_is_left_empty() -> None:
    found = data({"x": np.array([1.23456789, np.nan]), "n": np.array([1, 2]), "label": ["a,b", 'c"d']}).to_dict()
    assert found["values"] == 'x,n,label\n1.2346,1,"a,b"\n,2,"c""d"\n'
    assert found["format"]["parse"] == {"x": "number", "n": "number", "label": "string"}


def test_a_missing_charting_library_is_answered_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(MissingExtra, match=r"needs altair, which is not installed: pip install 'passo\[figures\]'"):
        altair()
