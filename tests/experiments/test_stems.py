"""Which trainings are the beginning of another, and which only look so."""

from __future__ import annotations

from typing import Any

import pytest

from passo.experiments.stages import Task
from passo.experiments.stems import stems
from passo.training import train_config

ALIKE: list[dict[str, Any]] = [
    {},
    {"schedule": {"name": "StepLR", "step_size": 3, "gamma": 0.1}},
    {"schedule": {"name": "StepLR", "step_size": "4 epochs", "gamma": 0.5}},
    {"schedule": {"name": "ExponentialLR", "gamma": 0.8}},
    {"schedule": {"name": "CosineAnnealingWarmRestarts", "T_0": 2}},
    {"schedule": {"name": "LambdaLR", "lr_lambda": "1 / (1 + 0.1 * epoch)"}},
    {"schedule": {"name": "ReduceLROnPlateau", "patience": 1}},
    {"schedule": {"name": "CyclicLR", "base_lr": 0.001, "max_lr": 0.1, "step_size_up": "2 epochs"}},
]
APART: list[dict[str, Any]] = [
    {"schedule": {"name": "OneCycleLR", "max_lr": 0.1}},
    {"schedule": {"name": "CosineAnnealingLR"}},
    {"schedule": {"name": "warmup-cosine"}},
    {"schedule": {"name": "LinearLR"}},
    {"record": {"every": 5}},
    {"record": {"path": 5}},
]


def trained(name: str, **settings: Any) -> Task:
    given = {
        "dataset": "fashion-mnist-sample",
        "model": "mlp",
        "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9},
    }
    return Task("train", name, 0, train_config({**given, **settings}).model_dump(mode="json"))


@pytest.mark.parametrize("settings", ALIKE, ids=str)
def test_a_shorter_training_is_the_beginning_of_the_longer_one(settings: dict[str, Any]) -> None:
    tasks = [trained(f"e{epochs}", epochs=epochs, **settings) for epochs in (3, 10, 5, 10)]
    assert [[task.name for task in stem] for stem in stems(tasks)] == [["e10", "e10", "e5", "e3"]]


@pytest.mark.parametrize("settings", APART, ids=str)
def test_one_that_looks_at_its_length_or_is_recorded_stands_alone(settings: dict[str, Any]) -> None:
    tasks = [trained(f"e{epochs}", epochs=epochs, **settings) for epochs in (3, 10, 5)]
    assert stems(tasks) == [[task] for task in tasks]


def test_what_differs_in_anything_else_is_another_training() -> None:
    tasks = [
        trained("a"),
        trained("b", l2=0.1),
        trained("c", epochs=2),
        trained("d", l2=0.1, epochs=9),
        trained("e", seed=1),
    ]
    assert [[task.name for task in stem] for stem in stems(tasks)] == [["a", "c"], ["d", "b"], ["e"]]
