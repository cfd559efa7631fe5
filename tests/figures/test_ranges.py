"""The picture of a range test: every number in it is one of the analysis."""

import math

import numpy as np
import pytest

from passo.analysis import RangeCheck, RangeCurve, RangeSummary
from passo.figures import range_figure

LR = {"exponential": np.geomspace(1e-5, 1, 101), "linear": np.linspace(0.01, 1, 101)}


def summary(mode: str, seeds: int = 3) -> RangeSummary:
    curves = []
    for seed in range(seeds):
        lr = LR[mode][: 101 - 20 * (seed == 1)]
        loss = 2.3 - 1.5 * np.exp(-((np.linspace(0, 1, 101)[: len(lr)] - 0.6) ** 2) * 30) + 0.02 * seed
        loss[-1] += 5 * (seed == 1)
        rates = {"steepest": float(lr[50 + seed]), "valley": float(lr[45 + seed]), "minimum/10": float(lr[60]) / 10}
        stopped = float(lr[-1]) if seed == 1 else None
        curves.append(RangeCurve(seed, lr, loss, loss, rates["steepest"], stopped, rates, {"batch order": str(seed)}))
    return RangeSummary("net", tuple(curves), "steepest", mode)


def check(diverges: bool = False) -> RangeCheck:
    final = np.array([[0.8, 0.9], [0.5, 0.6], [math.inf if diverges else 0.7, 0.75]])
    losses = tuple(tuple(np.linspace(2, end, 30) for end in (1.0, 1.2)) for _ in range(3))
    return RangeCheck(0.01, 3.0, 30, "validation loss", (0, 1), losses, final)


@pytest.mark.parametrize("mode", ["exponential", "linear"])
def test_a_figure_shows_the_suggestions_and_says_them(mode: str) -> None:
    found = summary(mode)
    figure = range_figure(found, check())
    text = str(figure.spec())
    for suggestion in found.suggestions:
        assert str(suggestion) in text
    assert ("'type': 'log'" in text) == (mode == "exponential")
    assert "×" in text  # where the second seed's test stopped
    assert figure.sentence.startswith("For net the smoothed loss falls most steeply at")
    assert check().sentence() in figure.sentence
    assert "crosses are where tests stopped" in figure.caption
    assert "thin lines are the 3 seeds" in figure.caption


def test_one_seed_is_drawn_with_its_raw_losses_and_without_a_band() -> None:
    figure = range_figure(summary("exponential", seeds=1))
    assert "grey as measured" in figure.caption
    assert "interval" not in figure.caption
    assert "small dots" not in figure.caption
    assert "'area'" not in str(figure.spec())
    assert "Last row" not in figure.caption


def test_trainings_that_diverged_are_counted_in_the_picture() -> None:
    assert "1 × diverged" in str(range_figure(summary("exponential"), check(diverges=True)).spec())
    assert "diverged" not in str(range_figure(summary("exponential"), check()).chart.to_dict())


def test_a_figure_is_written(tmp_path) -> None:  # type: ignore[no-untyped-def]
    for seeds in (1, 3):
        png, svg = range_figure(summary("linear", seeds), check(diverges=True)).save(tmp_path)
        assert png.read_bytes().startswith(b"\x89PNG")
        assert svg.read_text().startswith("<svg")
