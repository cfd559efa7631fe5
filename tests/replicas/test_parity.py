"""The licence of the replica engine: each replica ends where the plain loop ends, whoever its neighbours are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch import nn
from twins import CLASSES, EPOCHS, SHAPE, STEPS, alone, apart, batches, replica, together

import passo
from passo.models.dropout import dropouts
from passo.optim import make_schedule
from passo.replicas import Replica, Replicas
from passo.training import Penalty

OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("sgd", {}),
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.01}),
    ("sgd", {"momentum": 0.8, "nesterov": True}),
    ("sgd", {"lr": 1e-4, "maximize": True}),
    ("adam", {}),
    ("adam", {"betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ("adam", {"amsgrad": True}),
    ("adam", {"lr": 1e-4, "maximize": True}),
    ("adamw", {}),
    ("adamw", {"weight_decay": 0.3, "amsgrad": True}),
    ("adamax", {}),
    ("adamax", {"weight_decay": 0.1, "betas": (0.5, 0.9)}),
    ("nadam", {}),
    ("nadam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "momentum_decay": 0.1}),
    ("radam", {}),
    ("radam", {"weight_decay": 0.1, "betas": (0.9, 0.9)}),
    ("radam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("rmsprop", {}),
    ("rmsprop", {"centered": True, "momentum": 0.9, "alpha": 0.9}),
    ("rmsprop", {"weight_decay": 0.1, "momentum": 0.5}),
    ("adagrad", {}),
    ("adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.1, "weight_decay": 0.1}),
    ("adadelta", {"lr": 0.1}),
    ("adadelta", {"lr": 0.05, "rho": 0.5, "weight_decay": 0.1}),
    ("ftrl", {}),
    ("ftrl", {"l1": 1e-3, "l2": 0.1, "l2_shrinkage": 0.01, "beta": 1.0, "weight_decay": 0.1}),
    ("ftrl", {"keep_start": True, "weight_decay": 0.1, "learning_rate_power": -0.4}),
]

MODELS: list[tuple[str, dict[str, Any]]] = [
    ("mlp", {"hidden": [9, 7]}),
    ("mlp", {"hidden": [8], "norm": "layer", "activation": "gelu", "dropout": 0.3}),
    ("mlp", {"hidden": [8], "norm": "group", "groups": 2, "activation": "leaky-relu"}),
    ("tiny-cnn", {}),
    ("lenet", {}),
    ("lenet", {"activation": "tanh", "channels_last": False}),
    ("cnn2", {"filters": 3, "units": 5}),
    ("cnn", {"filters": [4, 4], "units": [6], "norm": "group", "groups": 2, "activation": "silu"}),
    ("cnn", {"filters": [4], "units": [5], "norm": "layer", "dropout": 0.2, "dropout2d": 0.3, "activation": "elu"}),
]


@pytest.mark.parametrize(("name", "options"), MODELS, ids=lambda one: str(one))
def test_every_replica_ends_where_the_plain_loop_ends(name: str, options: dict[str, Any]) -> None:
    def made() -> list[Replica]:
        return [
            replica(passo.build(name, SHAPE, CLASSES, seed=100 * seed + place, **options), *wanted, seed)
            for seed in (3, 8)
            for place, wanted in enumerate(OPTIMIZERS)
        ]

    fused, plain = made(), made()
    engine = Replicas(fused, nn.CrossEntropyLoss())
    records = list(engine.fit(together(3, 8), EPOCHS))
    engine.put()
    for row, (one, other) in enumerate(zip(fused, plain, strict=True)):
        losses = alone(other, nn.CrossEntropyLoss(), batches(other.seed))
        told = OPTIMIZERS[row % len(OPTIMIZERS)]
        np.testing.assert_allclose(
            [float(record.loss[row]) for record in records], losses, rtol=1e-9, err_msg=str(told)
        )
        assert apart(one.model, other.model) < 1e-9, told


SCHEDULES: list[dict[str, Any]] = [
    {"name": "StepLR", "step_size": 2, "gamma": 0.3},
    {"name": "OneCycleLR", "max_lr": 0.1},
    {"name": "CyclicLR", "base_lr": 0.001, "max_lr": 0.1, "step_size_up": 7},
    {"name": "CosineAnnealingWarmRestarts", "T_0": 2},
    {"name": "ExponentialLR", "gamma": 0.7},
]


def test_each_replica_follows_its_own_schedule_penalty_and_clipping() -> None:
    others: list[dict[str, Any]] = [
        {},
        {"clip_norm": 0.1},
        {"clip_value": 0.01},
        {"clip_norm": 0.05, "clip_value": 0.02},
        {},
    ]

    def made() -> list[Replica]:
        found = []
        for place, (schedule, clipping) in enumerate(zip(SCHEDULES, others, strict=True)):
            model = passo.build("cnn", SHAPE, CLASSES, seed=place, filters=[3], units=[4], dropout=0.1 * (place + 1))
            penalty = Penalty(model, l1=0.01 * (place % 2), l2=0.03 * (place // 2)) if place else None
            one = replica(model, "sgd", {"momentum": 0.9}, 3, penalty=penalty, **clipping)
            options = {key: value for key, value in schedule.items() if key != "name"}
            plan = make_schedule(schedule["name"], one.optimizer, epochs=EPOCHS, steps_per_epoch=STEPS, **options)
            found.append(one._replace(schedule=plan))
        return found

    fused, plain = made(), made()
    engine = Replicas(fused, nn.CrossEntropyLoss())
    for _ in engine.fit(together(3), EPOCHS):
        pass
    engine.put()
    for place, (one, other) in enumerate(zip(fused, plain, strict=True)):
        alone(other, nn.CrossEntropyLoss(), batches(3))
        assert apart(one.model, other.model) < 1e-9, place
        assert len(dropouts(one.model)) == 2
