"""The healthy trainings of the gallery: the plain one, and those that a defect needs to be compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, StepLR

from passo.gallery import examples
from passo.gallery.loop import Optimizer, Schedule, Training
from passo.gallery.networks import deep, network, own_optimizer
from passo.registry import unknown

HEALTHY = "healthy"
SMALL = 3e-6  # weight of the loss in a training that half precision cannot hold without a scaler
SCALE = 2.0**20  # of its GradScaler


def one_cycle(optimizer: Optimizer, steps: int) -> Schedule:
    """Up to the learning rate and down again (Smith and Topin, 2018), a value for each batch."""
    return OneCycleLR(optimizer, max_lr=optimizer.param_groups[0]["lr"], total_steps=steps)


def stairs(optimizer: Optimizer, steps: int) -> Schedule:
    """0.3 times the learning rate after every second epoch."""
    return StepLR(optimizer, step_size=2, gamma=0.3)


def cosine(optimizer: Optimizer, steps: int) -> Schedule:
    return CosineAnnealingLR(optimizer, T_max=steps)


def grouped(kind: str) -> nn.Module:
    """The network with GroupNorm in place of each BatchNorm."""
    model = network(kind)
    for layer in [module for module in model.modules() if isinstance(module, nn.Sequential)]:
        for name, child in list(layer.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                layer.register_module(name, nn.GroupNorm(4, child.num_features))
    return model


def adam(model: nn.Module, kind: str) -> Optimizer:
    """Adam, which a loss of small weight does not slow down."""
    return torch.optim.Adam(model.parameters(), lr=2e-3, eps=1e-14)


def partly_half(kind: str) -> nn.Module:
    """The network whose convolutions stay in float32: in half precision they take a CPU twenty times as long."""
    model = network(kind)
    features = model.get_submodule("features")
    if any(isinstance(layer, nn.Conv2d) for layer in features.modules()):
        features.forward = torch.autocast("cpu", enabled=False)(features.forward)
    return model


def small_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """A cross-entropy of small weight, as one term among many has."""
    return SMALL * F.cross_entropy(logits, labels)


def scaling() -> torch.amp.GradScaler:
    return torch.amp.GradScaler("cpu", init_scale=SCALE)


TWINS: Mapping[str, Mapping[str, Any]] = {
    HEALTHY: {},
    "healthy-onecycle": {"schedule": one_cycle},
    "healthy-stairs": {"schedule": stairs, "per_batch": False},
    "healthy-cosine": {"schedule": cosine, "optimizer": partial(own_optimizer, rate=2)},
    "healthy-deep": {"build": deep},
    "healthy-half": {
        "half": True,
        "build": partly_half,
        "optimizer": adam,
        "loss": small_loss,
        "scaler": scaling,
    },
    "healthy-single": {
        "batch": 1,
        "epochs": 3,
        "steps": 200,
        "build": grouped,
        "optimizer": partial(own_optimizer, rate=0.1),
    },
    "healthy-balanced": {"prepare": examples.imbalanced, "order": examples.balanced, "epochs": 3},
}


def healthy(twin: str = HEALTHY) -> Training:
    """A healthy training by its name. Raises `UnknownName`."""
    if twin not in TWINS:
        raise unknown("healthy training", twin, list(TWINS))
    return replace(Training(), **TWINS[twin])
