"""What changes while it is watched: options, gradients that come and go, memory that is not as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import passo
from passo.analysis.recomputed import series
from passo.errors import StoreError
from passo.optim.stages import explanation
from passo.optim.stages.oracle import explained_step

pytestmark = pytest.mark.filterwarnings("ignore::passo.errors.TrainingWarning")  # events are what is looked at here
BOTH = pytest.mark.parametrize("statistics", [True, False])


def _net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 1) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(5, 3)).pow(2).mean().backward()
        optimizer.step()


LATER: list[tuple[type[torch.optim.Optimizer], dict[str, Any], dict[str, Any], str]] = [
    (torch.optim.SGD, {"lr": 0.1}, {"momentum": 0.9, "dampening": 0.5}, "momentum_buffer"),
    (torch.optim.SGD, {"lr": 0.1}, {"weight_decay": 0.1}, "decayed"),
    (torch.optim.Adam, {"lr": 0.01}, {"weight_decay": 1.0}, "decayed"),
    (torch.optim.Adam, {"lr": 0.01}, {"maximize": True}, "decayed"),
    (torch.optim.RMSprop, {"lr": 0.01}, {"momentum": 0.9}, "momentum_buffer"),
]


@BOTH
@pytest.mark.parametrize(("kind", "options", "later", "stage"), LATER)
def test_an_option_that_is_switched_on_later_is_explained_and_said(
    kind: Any, options: dict[str, Any], later: dict[str, Any], stage: str, statistics: bool
) -> None:
    model = _net()
    optimizer = kind(model.parameters(), **options)
    if kind is torch.optim.RMSprop:
        for p in model.parameters():
            optimizer.state[p]  # made by the first step; momentum needs its buffer from the start
    lens = passo.watch(optimizer, model, coordinates="random:9", statistics=statistics)
    _step(model, optimizer, 4)
    for group in optimizer.param_groups:
        group.update(later)
    if kind is torch.optim.RMSprop:
        for state in optimizer.state.values():
            state["momentum_buffer"] = torch.zeros_like(state["square_avg"])
    _step(model, optimizer, 4)
    assert len(lens.steps) == 8
    assert lens.residual().worst < 8
    assert stage not in lens.stages
    assert [event.facts["stages"] for event in lens.events if event.what == "untold"] == [[stage]]
    if stage == "decayed":
        with pytest.raises(StoreError, match="a weight decay was switched on"):
            series(lens.run)


def test_the_oracle_explains_an_option_that_came_after_the_explanation() -> None:
    model = _net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    known = explanation(optimizer)
    optimizer.param_groups[0]["momentum"] = 0.9
    for _ in range(3):
        accounts = explained_step(optimizer, known, lambda: model(torch.randn(5, 3)).pow(2).mean().backward())
        assert max(account.roundings for account in accounts) < 8
        optimizer.zero_grad()


def test_renewed_names_only_what_the_lens_tells() -> None:
    for optimizer in (torch.optim.SGD(_net().parameters(), lr=0.1), torch.optim.Adam(_net().parameters())):
        lens = passo.watch(optimizer)
        assert set(lens.renewed) <= set(lens.stages)


@BOTH
def test_a_sparse_momentum_is_read(statistics: bool) -> None:
    torch.manual_seed(0)
    embedding = nn.Embedding(6, 3, sparse=True)
    optimizer = torch.optim.SGD(embedding.parameters(), lr=0.1, momentum=0.9)
    lens = passo.watch(optimizer, embedding, coordinates="random:8", statistics=statistics)
    for _ in range(5):
        optimizer.zero_grad()
        embedding(torch.tensor([1, 2, 2])).pow(2).sum().backward()
        optimizer.step()
    assert len(lens.steps) == 5
    assert lens.residual().worst < 8


LAYOUTS = [(0, 1), (4, 0), (1, 3), (8, 2), (1, 1)]


@pytest.mark.parametrize("strides", LAYOUTS)
def test_a_gradient_of_any_layout_is_read_at_its_coordinates(strides: tuple[int, int]) -> None:
    torch.manual_seed(0)
    parameter = nn.Parameter(torch.randn(3, 4))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    everywhere = [(i, j) for i in range(3) for j in range(4)]
    lens = passo.watch(optimizer, coordinates={"parameter0": everywhere}, statistics=False)
    parameter.grad = torch.arange(1.0, 40.0).as_strided((3, 4), strides)
    optimizer.step()
    read = [float(lens.trace("grad", "parameter0", at)[0]) for at in everywhere]
    assert read == parameter.grad.flatten().tolist()


def test_those_that_moved_most_are_not_frozen_ones() -> None:
    model = _net()
    for parameter in model[0].parameters():
        parameter.requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lens = passo.watch(optimizer, model, coordinates="moved:4")
    _step(model, optimizer, 15)
    assert {name for name, _ in lens.coordinates} <= {"2.weight", "2.bias"}


def test_a_schedule_before_the_first_step_is_noticed_where_all_was_frozen_at_first() -> None:
    model = _net().requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    lens = passo.watch(optimizer, model)
    model.requires_grad_(True)
    with pytest.warns(UserWarning, match="lr_scheduler.step"):
        schedule.step()
    _step(model, optimizer)
    assert "scheduler-first" in [event.what for event in lens.events]


def test_coordinates_of_bfloat16_weights_are_told_in_float32() -> None:
    model = _net().to(torch.bfloat16)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lens = passo.watch(optimizer, model, coordinates="random:5", statistics=False)
    optimizer.zero_grad()
    model(torch.randn(5, 3, dtype=torch.bfloat16)).pow(2).mean().backward()
    optimizer.step()
    assert lens.run.array("trace").dtype == np.float32
    name, at = lens.coordinates[0]
    after = model.get_parameter(name).detach()[tuple(at)].item()
    told = sum(float(lens.trace(stage, name, tuple(at))[0]) for stage in ("theta", "update"))
    assert told == pytest.approx(after, rel=1e-2)


@BOTH
def test_a_learning_rate_that_is_a_tensor_is_that_of_its_own_step(statistics: bool) -> None:
    model = _net()
    lr = torch.tensor(0.1)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, foreach=False)
    lens = passo.watch(optimizer, model, coordinates="random:9", statistics=statistics)
    for _ in range(4):
        _step(model, optimizer)
        lr.mul_(0.5)
    assert len(lens.steps) == 4
    assert lens.residual().worst < 8


def test_a_learning_rate_that_needs_a_gradient_brings_no_warning() -> None:
    parameter, lr = nn.Parameter(torch.ones(2)), torch.tensor(0.1, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=lr, foreach=False, differentiable=True)
    lens = passo.watch(optimizer, statistics=True)
    moved: Tensor = parameter * 1
    moved.sum().backward()
    parameter.requires_grad_(False)  # a leaf cannot be changed in place while it needs a gradient
    optimizer.step()
    assert lens.steps.tolist() == [1]
