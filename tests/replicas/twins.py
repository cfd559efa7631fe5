"""Replicas and their twins: the same trainings for the engine and for the plain loop."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import passo
from passo.optim import make_optimizer, parameter_groups
from passo.replicas import Replica

STEPS, EPOCHS, BATCH = 10, 5, 6
SHAPE, CLASSES = (1, 14, 14), 3


def batches(seed: int, shape: tuple[int, ...] = SHAPE) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(BATCH, *shape, generator=generator), torch.randint(CLASSES, (BATCH,), generator=generator))
        for _ in range(STEPS)
    ]


def together(*seeds: int) -> list[tuple[Tensor, Tensor]]:
    """Every seed's batches side by side."""
    return [
        (torch.stack([x for x, _ in pairs]), torch.stack([y for _, y in pairs]))
        for pairs in zip(*map(batches, seeds), strict=True)
    ]


def replica(model: nn.Module, name: str, options: dict[str, Any], seed: int, **others: Any) -> Replica:
    options = {"lr": 0.001, **options}
    decay = options.get("weight_decay", 0.01 if name == "adamw" else 0.0)
    parameters = parameter_groups(model, decay) if decay else model.parameters()
    return Replica(model, make_optimizer(name, parameters, **options), seed=seed, **others)


def alone(one: Replica, loss_fn: nn.Module, pairs: list[tuple[Tensor, Tensor]], epochs: int = EPOCHS) -> list[float]:
    """The plain loop, on the replica's own model; its losses."""
    records = passo.fit(
        one.model, loss_fn, one.optimizer, pairs, epochs=epochs, schedule=one.schedule, seed=one.seed,
        penalty=one.penalty, clip_norm=one.clip_norm, clip_value=one.clip_value,
    )  # fmt: skip
    return [float(record.loss) for record in records]


def apart(model: nn.Module, other: nn.Module) -> float:
    """The largest distance of a tensor from its twin, over its norm."""
    return max(
        float((a - b).norm() / b.norm().clamp_min(1e-30))
        for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True)
        if a.is_floating_point()
    )
