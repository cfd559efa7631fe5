"""Groups for the replica engine, and what a study is estimated to take."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from passo.errors import DataNotFound
from passo.experiments.assembling import load_data
from passo.experiments.estimating import GROUPS, estimate, estimates
from passo.experiments.grouping import groups
from passo.experiments.stages import Task, first_trainings
from passo.experiments.studyfile import parse_study
from passo.models import build
from passo.training import train_config

BASE: dict[str, Any] = {"dataset": {"name": "fashion-mnist-sample", "per_class": 10}, "model": "mlp", "epochs": 1}


def task(number: int, **changes: Any) -> Task:
    return Task("train", f"run-{number}", 0, train_config({**BASE, **changes}).model_dump(mode="json"))


TOGETHER = [
    {"lr": 0.1}, {"optimizer": "sgd"}, {"schedule": {"name": "StepLR", "step_size": 1}}, {"l2": 0.1}, {"seed": 7},
    {"model": {"name": "mlp", "dropout": 0.5}}, {"clip_norm": 1.0}, {"model": {"name": "mlp"}}, {"epochs": 2},
]  # fmt: skip
APART = [
    {"model": {"name": "mlp", "hidden": [64]}}, {"model": "lenet"}, {"model": {"name": "mlp", "activation": "tanh"}},
    {"dataset": {"name": "fashion-mnist-sample", "per_class": 9}}, {"batch_size": 32},
    {"accumulate": 2}, {"precision": "bf16"}, {"task": {"name": "classify"}}, {"sampling": "balanced"},
]  # fmt: skip


def test_runs_that_differ_in_what_a_replica_may_have_of_its_own_are_one_group() -> None:
    tasks = [task(number, **changes) for number, changes in enumerate(TOGETHER)]
    assert groups(tasks) == [tasks]


def test_runs_of_other_networks_batches_or_arithmetic_are_groups_of_their_own() -> None:
    tasks = [task(number, **changes) for number, changes in enumerate([{}, *APART])]
    assert groups(tasks) == [[one] for one in tasks]


def test_groups_keep_every_training_once_in_its_order_and_leave_out_what_is_none() -> None:
    tasks = [task(number, batch_size=[8, 16, 32][number % 3], lr=0.01 * (number + 1)) for number in range(10)]
    others = [Task("lr_range", "range", 0, {}), Task("schedule", "StepLR", None, {})]
    found = groups([*others, *tasks])
    assert [[one.name for one in group] for group in found] == [
        ["run-0", "run-3", "run-6", "run-9"], ["run-1", "run-4", "run-7"], ["run-2", "run-5", "run-8"],
    ]  # fmt: skip


def test_settings_that_are_shared_and_settings_that_are_equal_group_alike() -> None:
    text = 'name = "g"\n[base]\nmodel = "mlp"\n[grid]\nlr = [0.1, 0.2]\n"model.hidden" = [[8], [16]]\n'
    shared = first_trainings(parse_study(text, "g.toml"))
    copied = [Task(one.kind, one.name, one.seed, train_config(one.settings).model_dump(mode="json")) for one in shared]
    assert [[one.name for one in group] for group in groups(shared)] == [
        ["lr=0.1,hidden=8", "lr=0.2,hidden=8"], ["lr=0.1,hidden=16", "lr=0.2,hidden=16"],
    ]  # fmt: skip
    assert groups(copied) == groups(shared)


def test_memory_is_weights_gradients_moments_and_what_backward_needs() -> None:
    """Counted by hand for 784-32-10 with Adam on batches of 16, float32."""
    config = train_config({**BASE, "model": {"name": "mlp", "hidden": [32]}, "batch_size": 16})
    weights = 784 * 32 + 32 + 32 * 10 + 10
    steps = 4  # Adam's step counter of each parameter
    kept = {
        "images": 16 * 784, "hidden": 16 * 32, "log-softmax": 16 * 10,
        "labels": 2 * 16, "total weight of the loss": 1,
    }  # fmt: skip
    found = estimate(config, load_data(config)).bytes
    assert found == 4 * (4 * weights + steps + sum(kept.values()))
    assert sum(p.numel() for p in build("mlp", hidden=[32]).parameters()) == weights


def test_an_estimate_grows_with_the_epochs_and_leaves_threads_and_gradients_alone() -> None:
    threads = torch.get_num_threads()
    few, many = (estimates([[task(0, epochs=epochs)]])[0] for epochs in (1, 300))
    assert few is not None
    assert many is not None
    assert 0 < few.seconds < many.seconds
    assert few.bytes == many.bytes
    assert (torch.get_num_threads(), torch.is_grad_enabled()) == (threads, True)


@pytest.mark.parametrize(
    "changes",
    [{"batch_size": "all"}, {"model": "autoencoder", "dataset": {**BASE["dataset"], "scale": "normalize"}},
     {"model": "gan", "dataset": {**BASE["dataset"], "scale": "symmetric"}}, {"model": "gru"},
     {"optimizer": "lbfgs"}, {"dataset": {**BASE["dataset"], "validation": None}},
     {"optimizer": {"name": "sgd", "lr": 1e30}}],
    ids=str,
)  # fmt: skip
def test_every_kind_of_training_can_be_estimated(changes: dict[str, Any]) -> None:
    (found,) = estimates([[task(0, **changes)]])
    assert found is None or found.seconds > 0
    assert found is not None or changes["optimizer"]["lr"] == 1e30


def test_of_thousands_of_groups_the_first_are_measured() -> None:
    found = estimates([[task(n, model={"name": "mlp", "hidden": [n + 1]})] for n in range(GROUPS + 3)])
    assert [one is None for one in found] == [False] * GROUPS + [True] * 3


def test_data_that_are_not_there_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSO_OFFLINE", "1")
    with pytest.raises(DataNotFound):
        estimates([[task(0, dataset="mnist")]])
