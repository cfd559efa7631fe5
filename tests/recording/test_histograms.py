"""Histograms of all values: counted as NumPy counts them, evenly apart, bounded, and gone on with."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import passo
from passo.analysis.distributions import BINS, STAGES, distributions
from passo.errors import UsageError
from passo.figures.watched import draw_run
from passo.recording import Lens, watch
from passo.recording.histograms import counted


def _lens(histograms: int, **more: object) -> tuple[nn.Module, torch.optim.Optimizer, Lens]:
    torch.manual_seed(0)
    model = nn.Linear(20, 10)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    return model, optimizer, watch(optimizer, model, histograms=histograms, **more)  # type: ignore[arg-type]


def _walk(model: nn.Module, optimizer: torch.optim.Optimizer, first: int, last: int) -> None:
    for step in range(first, last + 1):
        generator = torch.Generator().manual_seed(step)
        optimizer.zero_grad()
        model(torch.randn(8, 20, generator=generator)).square().sum().backward()
        optimizer.step()


def test_every_value_counts_once_between_the_least_and_the_greatest() -> None:
    model, optimizer, lens = _lens(4)
    _walk(model, optimizer, 1, 3)
    counts, meta = lens.run.array("histograms"), lens.run.meta("histograms")
    ends = lens.run.array("histograms/ends")
    assert lens.run.array("histograms/steps").tolist() == [1, 2, 3] and tuple(meta["stages"]) == STAGES
    for p, name in enumerate(meta["parameters"]):
        for s, stage in enumerate(STAGES):
            values = lens.now(stage, name).ravel().double().numpy()
            assert ends[-1, p, s].tolist() == [values.min(), values.max()]
            expected = np.histogram(values, counts.shape[-1], (values.min(), values.max()))[0]
            assert counts[-1, p, s].sum() == len(values)
            assert np.abs(np.cumsum(counts[-1, p, s]) - np.cumsum(expected)).max() <= 1  # one may stand on an edge


def test_steps_are_evenly_apart_and_no_more_than_asked() -> None:
    model, optimizer, lens = _lens(5)
    for last, expected in ((5, [1, 2, 3, 4, 5]), (6, [1, 3, 5]), (9, [1, 3, 5, 7, 9]), (40, [1, 9, 17, 25, 33])):
        _walk(model, optimizer, lens._probe.step + 1, last)
        assert lens.run.array("histograms/steps").tolist() == expected
    lens.close()
    assert len(lens.run.array("histograms")) == 5


def test_a_state_goes_on_as_if_it_had_never_stopped() -> None:
    model, optimizer, lens = _lens(4)
    _walk(model, optimizer, 1, 11)
    again, other, second = _lens(4)
    again.load_state_dict(model.state_dict())
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    second.load_state_dict(lens.state_dict())
    _walk(model, optimizer, 12, 30)
    _walk(again, other, 12, 30)
    for name in ("histograms", "histograms/ends", "histograms/steps"):
        assert np.array_equal(lens.run.array(name), second.run.array(name))
    with pytest.raises(UsageError, match="on one side only"):
        _lens(0)[2].load_state_dict(lens.state_dict())


def test_what_is_not_finite_is_counted_nowhere() -> None:
    counts, ends = counted(torch.tensor([float("nan"), float("inf")]))
    assert counts.sum() == 0 and np.isnan(ends).all()
    counts, ends = counted(torch.full((3,), 2.0))
    assert counts.sum() == 3 and ends == (2.0, 2.0)


def test_a_streamed_recording_has_them_at_its_end(tmp_path: Path) -> None:
    model, optimizer, lens = _lens(4, out=tmp_path / "watched")
    _walk(model, optimizer, 1, 10)
    while_open = lens.run.array("histograms/steps").tolist()
    lens.close()
    run = passo.open(tmp_path / "watched").run("watched")
    assert run.array("histograms/steps").tolist() == while_open == [1, 5, 9]
    figure = draw_run("distributions", run, parameter="weight")
    assert "all 200 weights of weight" in figure.caption


def test_the_map_over_time_is_of_all_values() -> None:
    model, optimizer, lens = _lens(8)
    _walk(model, optimizer, 1, 8)
    found = distributions(lens.run, "weight")
    assert found.whole == tuple(range(1, 9)) and [one.stage for one in found.spreads] == list(STAGES)
    update = found.spreads[2]
    values = lens.now("update", "weight").ravel().numpy()
    expected = np.histogram(np.clip(values, update.edges[0], update.edges[-1]), update.edges)[0] / len(values)
    assert update.shares.shape == (8, BINS) and np.allclose(update.shares.sum(1), 1)
    assert np.abs(np.cumsum(update.shares[-1]) - np.cumsum(expected)).max() < 0.05  # even within a bin of its own


@pytest.mark.parametrize("wrong", [-1, 1, True, 2.5])
def test_a_number_that_is_none_is_refused(wrong: object) -> None:
    with pytest.raises(UsageError, match="histograms must be"):
        _lens(wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="whole tensors"):
        _lens(4, statistics=False)
