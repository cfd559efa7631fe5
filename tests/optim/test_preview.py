"""Previews: the learning rates of a run that never happens."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD

from passo.errors import ConfigError, UnknownName
from passo.optim import make_schedule, optimizers, preview


def test_a_preview_is_what_a_training_would_see():
    options = {"max_lr": 0.3, "step_size_up": "1 epoch", "mode": "triangular2"}
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    schedule = make_schedule("CyclicLR", optimizer, epochs=4, steps_per_epoch=5, **options)
    rates, momenta = [], []
    for _ in range(4):
        for _ in range(5):
            rates.append(optimizer.param_groups[0]["lr"])
            momenta.append(optimizer.param_groups[0]["momentum"])
            optimizer.step()
            schedule.after_step()
        schedule.after_epoch(None)
    table = {"name": "sgd", "momentum": 0.9}
    seen = preview("CyclicLR", lr=0.1, epochs=4, steps_per_epoch=5, optimizer=table, **options)
    assert (seen.name, seen.when) == ("CyclicLR", "step")
    assert seen.lr.tolist() == rates
    assert seen.momentum is not None and seen.momentum.tolist() == momenta
    np.testing.assert_allclose(seen.epochs, np.arange(20) / 5)


def test_momentum_is_shown_where_there_is_one():
    run = {"lr": 0.1, "epochs": 1, "steps_per_epoch": 10, "max_lr": 1.0}
    assert preview("OneCycleLR", **run).momentum is None
    beta_1 = preview("OneCycleLR", **run, optimizer="adam").momentum
    assert beta_1 is not None and beta_1[0] == 0.95 and beta_1.min() == pytest.approx(0.85, abs=0.01)


def test_a_plateau_follows_the_losses_given():
    run = {"lr": 1.0, "epochs": 5, "steps_per_epoch": 2, "patience": 1}
    constant = preview("ReduceLROnPlateau", losses=0.7, **run)
    assert constant.when == "plateau"
    assert constant.lr.tolist() == pytest.approx([1, 1, 1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1])
    falling = preview("plateau", losses=[5, 4, 3, 2, 1], **run)
    assert set(falling.lr) == {1.0}
    with pytest.raises(ConfigError, match="give losses"):
        preview("plateau", **run)
    with pytest.raises(ConfigError, match="one loss for each of the 5 epochs, got 2"):
        preview("plateau", losses=[1, 2], **run)
    with pytest.raises(ConfigError, match="losses must be numbers, got 'low'"):
        preview("plateau", losses="low", **run)


def test_nested_schedules_are_previewed():
    seen = preview(
        "SequentialLR",
        lr=1.0,
        epochs=6,
        steps_per_epoch=2,
        schedulers=[{"name": "LinearLR", "start_factor": 0.5}, {"name": "ExponentialLR", "gamma": 0.5}],
        milestones=["2 epochs"],
    )
    assert seen.lr.tolist() == [0.5, 0.5, 0.75, 0.75, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]


@pytest.mark.parametrize("name", optimizers())
def test_every_optimizer_can_carry_a_preview(name):
    seen = preview("StepLR", lr=1.0, epochs=2, steps_per_epoch=2, step_size=1, optimizer=name)
    assert seen.lr.tolist() == pytest.approx([1, 1, 0.1, 0.1])


def test_wrong_requests_get_a_sentence():
    run = {"epochs": 1, "steps_per_epoch": 1, "step_size": 1}
    with pytest.raises(ConfigError, match="lr must be > 0, got 0"):
        preview("StepLR", lr=0, **run)
    with pytest.raises(UnknownName, match=r"unknown optimizer 'sdg'\. Did you mean 'sgd'"):
        preview("StepLR", lr=1, optimizer="sdg", **run)
    with pytest.raises(ConfigError, match="a table with a name"):
        preview("StepLR", lr=1, optimizer={"momentum": 0.9}, **run)
