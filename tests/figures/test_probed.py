"""What the probes measured, read and drawn: from runs in memory, and from one that passo trained."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import vl_convert
from torch import nn

import passo
from passo.analysis.probed import curvature, drift, noise, ranks
from passo.errors import ConfigError, StoreError
from passo.figures.watched import draw_run
from passo.recording.held import HeldRun
from passo.recording.looks import LOOK

NAMES = ("curvature", "noise-scale", "rank", "drift")


def probed(optimizer: str, steps: int = 12, depth: int = 1) -> HeldRun:
    torch.manual_seed(0)
    inner = [layer for _ in range(depth) for layer in (nn.Linear(5, 5), nn.Tanh())]
    model, loss_fn = nn.Sequential(*inner, nn.Linear(5, 3)), nn.CrossEntropyLoss()
    own = getattr(torch.optim, optimizer)(model.parameters(), lr=0.05)
    probes = passo.probe(model, own, loss_fn, total=steps, looks=6)
    for _ in range(steps):
        x = torch.randn(32, 5)
        own.zero_grad()
        loss_fn(model(x), x[:, :3].argmax(1)).backward()
        own.step()
    probes.close()
    return probes.run()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("optimizer", "depth"), [("SGD", 1), ("Adam", 1), ("Adamax", 5)])
def test_a_figure_is_valid_and_says_what_it_shows(name: str, optimizer: str, depth: int) -> None:
    figure = draw_run(name, probed(optimizer, depth=depth))
    spec = figure.spec()
    assert vl_convert.vegalite_to_vega(spec, vl_version="6.4")["marks"] and figure.svg()
    assert spec["description"] == figure.sentence and figure.sentence.endswith(".")
    assert "nan" not in (figure.sentence + figure.caption).lower() and figure.caption.endswith(".")


def made(gradients: np.ndarray | None = None, **columns: list[float]) -> HeldRun:
    """A run with these columns of a look, and nothing else of note."""
    count = len(next(iter(columns.values()))) if columns else len(gradients if gradients is not None else ())
    values = np.full((count, len(LOOK)), np.nan)
    for name, column in {"batch": [10.0] * count, **columns}.items():
        values[:, LOOK.index(name)] = column
    held: dict[str, Any] = {
        "probes/steps": (np.arange(1, count + 1), {}),
        "probes": (values, {"quantities": list(LOOK)}),
        "probes/gradients": (gradients, {"names": ["w"]}),
        "probes/drift": (np.array([[1.0, 2.0]] * count), {"names": ["w", "b"], "start": [4.0, 0.0]}),
        "probes/ranks": (np.array([[[2.0, 4.0]]] * count), {"layers": ["fc"]}),
    }
    return HeldRun("made", held, {"probes": {"optimizer": "SGD"}})


def test_curvature_is_a_share_of_its_limit_and_what_has_not_converged_is_marked() -> None:
    run = made(
        sharpness=[5.0, 19.0, 21.0], residual=[0.001, 0.5, 0.001], limit=[20.0] * 3,
        preconditioned=[5.0, 19.0, 21.0], preconditioned_residual=[0.001, 0.5, 0.001],
    )  # fmt: skip
    found = curvature(run)
    assert found.share == pytest.approx([0.25, 0.95, 1.05]) and not found.preconditioned
    assert found.found.tolist() == [True, False, True]
    assert "at 2 of 3 looks, at most at 1.05" in found.sentence() and "edge of stability" in found.sentence()
    assert "At 1 of 3 steps it is not found to within 1 %." in found.sentence()
    assert "not found to within 1 %" in json.dumps(draw_run("curvature", run).spec())


def test_the_noise_scale_is_a_ratio_of_means_and_not_a_mean_of_ratios() -> None:
    gradients = np.array([[[10.0, 0.5]], [[30.0, -0.1]], [[20.0, 0.2]]])  # (T, P, 2): tr Σ, |G|²
    found = noise(made(gradients))
    assert found.scale == pytest.approx([100.0] * 3)  # 60 / 0.6: all within one window
    assert found.signal[:, 0] == pytest.approx([0.1] * 3)  # 0.2 / (20 / 10)
    assert "100 examples, with batches of 10: up to about that size" in found.sentence()
    lost = noise(made(np.array([[[10.0, -0.5]]])))
    assert np.isnan(lost.scale).all() and "no gradient stands out" in lost.sentence()


def test_drift_and_ranks_are_shares() -> None:
    run = made(sharpness=[1.0, 1.0])
    assert drift(run).drift.tolist() == [[0.25], [0.25]] and drift(run).zero == ("b",)
    assert ranks(run).share.tolist() == [[0.5], [0.5]]
    short = made(batch=[10.0, 10.0, 3.0])
    assert ranks(short).steps.tolist() == [1, 2]


@pytest.mark.parametrize("name", NAMES)
def test_a_run_without_probes_says_how_to_have_them(name: str) -> None:
    with pytest.raises(StoreError, match="was not probed: train it again with record.probes=20"):
        draw_run(name, HeldRun("bare", {}))


SMALL: dict[str, Any] = {"dataset": {"per_class": 20}, "epochs": 2, "batch_size": 32}


def test_passo_trains_to_the_same_bits_with_probes_and_keeps_what_they_cost(tmp_path: Path) -> None:
    plain = passo.train("fashion-mnist-sample", "mlp", out=tmp_path / "plain", **SMALL)
    looked = passo.train("fashion-mnist-sample", "mlp", out=tmp_path / "probed", record={"probes": 3}, **SMALL)
    assert plain.weights_sha256 == looked.weights_sha256
    run = looked.run
    steps = run.array("probes/steps")
    assert len(steps) == 3 and steps[0] == 1 and run.array("probes").shape == (3, len(LOOK))
    assert run.info["probes"]["looks"] == 3 and 0 < run.info["probes"]["share"] < 1
    assert draw_run("curvature", run).sentence


def test_several_devices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"record.probes would see one device's share"):
        passo.train("fashion-mnist-sample", "mlp", out=tmp_path, devices=2, record={"probes": 3}, **SMALL)


def test_looks_at_the_rest_of_an_epoch_count_for_less() -> None:
    gradients = np.array([[[10.0, 1.0]], [[10.0, 1.0]], [[40.0, 1.0]]])
    found = noise(made(gradients, batch=[64.0, 64.0, 16.0]))
    assert found.scale == pytest.approx([(640 + 640 + 640) / 144] * 3)
