"""Curves that pages draw: valid specifications with the points that they were given, and sentences that are true."""

import numpy as np
import pytest
import vl_convert

from passo.figures.plotted import WIDE, curve, plans, remembered, smoothed, told_curve
from passo.language import speaking

STEPS, VALUES = np.array([1, 5, 9, 12]), np.array([2.0, 0.5, np.nan, 1.25])


def test_a_curve_says_where_it_begins_and_ends_and_its_extremes() -> None:
    assert told_curve("train/loss", STEPS, VALUES) == (
        "Mini-batch loss goes from 2 at step 1 to 1.25 at step 12; the least is 0.5 (step 5), the most 2 (step 1)."
    )
    assert told_curve("lr", STEPS, np.full(4, 0.1)) == "Learning rate stays at 0.1 from step 1 to step 12."
    assert told_curve("lr", STEPS[:1], np.array([0.1])) == "Learning rate is 0.1 at step 1."
    assert told_curve("train/loss", STEPS, np.full(4, np.nan)) == "Mini-batch loss was never a finite number."
    with speaking("pt-BR"):
        assert told_curve("train/loss", STEPS, VALUES).startswith("Perda do mini-lote: vai de 2 no passo 1 a 1,25")


def test_a_gap_stays_a_gap_and_a_logarithm_leaves_out_what_it_has_no_place_for() -> None:
    rows = curve("train/loss", STEPS, VALUES).spec()["data"]["values"]
    assert [row["y"] for row in rows] == [2.0, 0.5, None, 1.25]
    below = curve("x", STEPS, np.array([1.0, 0.0, -1.0, 2.0]), log=True).spec()
    assert [row["y"] for row in below["data"]["values"]] == [1.0, 2.0]
    assert below["encoding"]["y"]["scale"]["type"] == "log"


@pytest.mark.parametrize("language", ["en", "pt-BR"])
def test_every_one_can_be_drawn_without_a_browser(language: str) -> None:
    points = [(1.0, 0.5), (2.0, None), (3.0, 0.25)]
    told = [{"spec": "StepLR", "points": points, "first": 0.5, "last": 0.25}]
    with speaking(language):
        figures = (
            curve("train/loss", STEPS, VALUES, wide=WIDE),
            plans(told, wide=WIDE),
            smoothed(points, {"β = 0.9": points}, ["long"], "gradients", wide=WIDE),
            remembered({"β = 0.9": points}, ["long"], wide=WIDE),
        )
        for figure in figures:
            assert vl_convert.vegalite_to_vega(figure.spec(), vl_version="6.4")["marks"]
            svg = figure.svg()
            assert svg.startswith("<svg") and "<script" not in svg and figure.sentence.endswith(".")
