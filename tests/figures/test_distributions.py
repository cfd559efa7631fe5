"""The map of histograms over steps: its shares, its lines and its words, counted again by hand."""

import csv
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vl_convert

sys.path.append(str(Path(__file__).resolve().parents[1] / "analysis"))

from watched_run import Held, train

from passo.analysis.distributions import BINS, COLUMNS, STAGES, distributions
from passo.errors import StoreError, UnknownName
from passo.figures.watched import draw_run
from passo.language import speaking

ADAM = train("Adam", steps=100)


def test_a_column_holds_the_followed_values_of_its_steps() -> None:
    run = ADAM.run()
    found = distributions(run, "fc1.weight")
    assert [one.stage for one in found.spreads] == list(STAGES) and found.followed == 2 and found.whole == ()
    for one in found.spreads:
        assert one.shares.shape == (COLUMNS, BINS) and np.allclose(one.shares.sum(1), 1)
        stages = run.meta("trace")["stages"]
        values = run.array("trace")[:, stages.index(one.stage)][:, :2]  # of fc1.weight
        steps = np.arange(1, 101)
        for column in (0, 20, COLUMNS - 1):
            inside = (steps >= one.left[column]) & (steps < one.right[column])
            mine = np.clip(values[inside].ravel(), one.edges[0], one.edges[-1])
            places = np.minimum(np.searchsorted(one.edges, mine, side="right") - 1, BINS - 1)
            expected = np.bincount(places, minlength=BINS) / len(mine)
            np.testing.assert_allclose(one.shares[column], expected)


def test_the_lines_are_mean_and_standard_deviation_of_all_weights_of_the_tensor() -> None:
    found = distributions(ADAM.run(), "fc1.weight")
    for one, stage in zip(found.spreads, STAGES, strict=True):
        whole = [ADAM.whole[step]["fc1.weight"][stage] for step in ADAM.whole]
        np.testing.assert_allclose(one.mean, [tensor.mean() for tensor in whole], rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(one.sd, [tensor.std() for tensor in whole], rtol=1e-3, atol=1e-6)


def test_steps_that_were_kept_whole_give_histograms_of_all_weights() -> None:
    run = ADAM.run()
    stages = list(run.meta("trace")["stages"])
    kept = {}
    for step in (3, 90):
        whole = np.stack([ADAM.whole[step]["fc1.weight"].get(stage, np.full((5, 3), np.nan)) for stage in stages])
        kept[f"snapshot/{step}/fc1.weight"] = (whole, {"stages": stages})
    held = {name: (run.array(name), run.meta(name)) for name in run.arrays()}
    both = Held(run.id, {**held, **kept}, run.info, [])
    found = distributions(both, "fc1.weight")
    assert found.whole == (3, 90) and found.spreads[0].shares.shape == (2, BINS)
    ends = np.clip(ADAM.whole[90]["fc1.weight"]["theta"].ravel(), found.spreads[0].edges[0], found.spreads[0].edges[-1])
    np.testing.assert_allclose(found.spreads[0].shares[1], np.histogram(ends, found.spreads[0].edges)[0] / 15)
    assert "all 15 weights of fc1.weight" in draw_run("distributions", both, parameter="fc1.weight").caption


def test_the_figure_draws_the_shares_and_says_how_the_spread_changes() -> None:
    run = ADAM.run()
    figure, found = draw_run("distributions", run, parameter="fc1.weight"), distributions(run, "fc1.weight")
    spec: dict[str, Any] = figure.spec()
    assert vl_convert.vegalite_to_vega(spec, vl_version="6.4")["marks"]
    cells = [row for text in spec["datasets"].values() for row in csv.DictReader(io.StringIO(text)) if "share" in row]
    assert len(cells) == sum(int((one.shares > 0).sum()) for one in found.spreads)
    assert sum(float(cell["share"]) for cell in cells) == pytest.approx(3 * COLUMNS, rel=1e-3)
    weights = found.spreads[0].sd
    assert f"weights from {weights[0]:.3g} to {weights[-1]:.3g}" in figure.sentence
    assert "of the 2 weights of fc1.weight that were followed" in figure.caption
    with speaking("pt-BR"):
        told = draw_run("distributions", run, parameter="fc1.weight")
        assert "dos 2 pesos de fc1.weight" in told.caption and "o desvio padrão" in told.sentence


def test_an_unknown_parameter_and_an_unwatched_run_are_refused() -> None:
    with pytest.raises(UnknownName, match="nowhere"):
        distributions(ADAM.run(), "nowhere")
    with pytest.raises(StoreError, match="was not watched"):
        distributions(Held("plain", {}, {}, []))
