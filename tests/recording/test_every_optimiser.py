"""The microscope on every optimiser and every model: it disturbs nothing, and explains what the proof explains."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from passo.data import Batches
from passo.experiments.proof_cases import Case, cases
from passo.experiments.proof_problems import PROBLEMS
from passo.models import build
from passo.recording import watch
from passo.training import fit

ALL = [case for case in cases() if "differentiable" not in case.options]  # those need graphs kept by their caller
FIRST = list({case.label: case for case in ALL}.values())
pytestmark = pytest.mark.filterwarnings("ignore:Sparse invariant checks")
MODELS = ("mlp", "lenet", "tiny-cnn", "cnn2")


def _named(case: Case) -> str:
    return f"{case.label}({case.title})"


def _walk(case: Case, watched: bool, dtype: torch.dtype = torch.float32, steps: int = 12) -> tuple[list[Tensor], Any]:
    """A few steps; the weights and every tensor of the optimiser's state at the end, and the lens."""
    torch.manual_seed(0)
    there = PROBLEMS[case.problems[-1]](dtype)
    optimizer: Any = case.optimizer(there.parameters, **case.options)
    lens = watch(optimizer, coordinates="random:10") if watched else None
    for step in range(steps):

        def closure(step: int = step) -> Tensor:
            optimizer.zero_grad()
            loss = there.loss(step)
            loss.backward()
            return loss

        if case.label == "LBFGS":
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()
    ends = [parameter.detach().clone() for parameter in there.parameters]
    for state in optimizer.state.values():
        ends += [value.detach().clone() for value in state.values() if isinstance(value, Tensor)]
    return ends, lens


@pytest.mark.parametrize("case", ALL, ids=_named)
def test_watching_changes_no_bit_of_weights_or_state(case: Case) -> None:
    watched, alone = _walk(case, True)[0], _walk(case, False)[0]
    assert len(watched) == len(alone)
    assert all(torch.equal(a, b) for a, b in zip(watched, alone, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("case", [case for case in ALL if case.label != "LBFGS"], ids=_named)
def test_the_microscope_explains_every_optimiser_within_its_bound(case: Case, dtype: torch.dtype) -> None:
    _, lens = _walk(case, True, dtype)
    residual = lens.residual()
    assert residual.steps == 12
    assert residual.worst <= (residual.bound or 8), str(residual)


@pytest.mark.parametrize("case", FIRST, ids=_named)
def test_what_equations_call_the_new_state_is_the_optimisers_own(case: Case) -> None:
    """Stages are worked out from the state before the step; here they are held to the state after it."""
    torch.manual_seed(0)
    there = PROBLEMS[case.problems[-1]](torch.float64)
    optimizer: Any = case.optimizer(there.parameters, **case.options)
    lens = watch(optimizer)
    renewed = lens.renewed
    for step in range(4):
        optimizer.zero_grad()
        there.loss(step).backward()
        optimizer.step(lambda: there.loss(0)) if case.label == "LBFGS" else optimizer.step()
        held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        for number, parameter in enumerate(held):
            for stage, key in renewed.items():
                value = optimizer.state[parameter].get(key)
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    told = lens.now(stage, lens.parameters[number])
                    assert torch.allclose(told, value, rtol=1e-13, atol=0), (stage, key)


def test_lbfgs_tells_what_its_state_tells() -> None:
    case = next(case for case in ALL if case.label == "LBFGS")
    _, lens = _walk(case, True)
    run = lens.run
    names = run.meta("inside")["names"]
    assert run.array("inside").shape == (12, len(names))
    assert "n_iter" in " ".join(names)
    assert "residual" not in lens.stages


def test_sparse_gradients_move_the_rows_that_they_name() -> None:
    case = next(case for case in ALL if case.label == "SparseAdam")
    _, lens = _walk(case, True)
    moved = lens.now("update", lens.parameters[0]).abs().sum(1) > 0
    named = lens.now("grad", lens.parameters[0]).abs().sum(1) > 0
    assert torch.equal(moved, named)
    assert 0 < int(named.sum()) < len(named)


def _end(model: str, folder: Path | None) -> tuple[list[Tensor], list[Any]]:
    """Train a model with dropout, clipping and a schedule, with every instrument at once or with none."""
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    generator = torch.Generator().manual_seed(2)
    x, y = torch.randn(96, 1, 28, 28, generator=generator), torch.randint(0, 10, (96,), generator=generator)
    network = nn.Sequential(build(model, seed=0), nn.Dropout(0.1), nn.BatchNorm1d(10))
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=12)
    batches = Batches(x, y, 16, generator=torch.Generator().manual_seed(3))
    loss_fn = nn.CrossEntropyLoss()
    lens = None
    if folder is not None:
        loss = lambda: loss_fn(network(x[:16]), y[:16])  # noqa: E731
        options: dict[str, Any] = {"coordinates": "moved:20", "snapshots": [3], "activations": True, "loss": loss}
        lens = watch(optimizer, network, out=folder, **options)
    for _ in fit(network, loss_fn, optimizer, batches, epochs=2, schedule=plan, clip_norm=0.1, validation=batches):
        pass
    if lens is not None:
        assert lens.residual().within(8)
        lens.close()
    drawn = [torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()]  # type: ignore[index]
    assert batches.generator is not None
    drawn.append(batches.generator.get_state().tolist())
    state = [value for entry in optimizer.state.values() for value in entry.values()]
    return [*network.state_dict().values(), *state], drawn


@pytest.mark.parametrize("model", MODELS)
def test_all_instruments_together_leave_every_bit_and_every_generator_as_it_was(model: str, tmp_path: Path) -> None:
    watched, alone = _end(model, tmp_path / "seen"), _end(model, None)
    assert all(torch.equal(a, b) for a, b in zip(watched[0], alone[0], strict=True))
    assert watched[1] == alone[1]


def test_nadam_that_goes_on_from_a_saved_state_is_explained_with_the_numbers_that_it_has_then() -> None:
    """torch keeps mu_product in float32, and in the weights' dtype after load_state_dict."""
    weights = nn.Parameter(torch.randn(5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    first = torch.optim.NAdam([weights], lr=0.01)
    for _ in range(3):
        first.zero_grad()
        weights.square().sum().backward()
        first.step()
    second = torch.optim.NAdam([weights], lr=0.01)
    second.load_state_dict(first.state_dict())
    lens = watch(second)
    for _ in range(3):
        second.zero_grad()
        weights.square().sum().backward()
        second.step()
    assert lens.residual().within(8)
