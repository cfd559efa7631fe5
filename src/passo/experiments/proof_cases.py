"""Every optimiser with its options, and the problems that each is tried on: what the proof walks through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.optim import Optimizer

from passo.optim import keras
from passo.optim.split import MuonAdamW

USUAL = ("bowl", "Rosenbrock", "quadratic", "CNN")
MATRICES = ("bowl", "Rosenbrock", "quadratic", "MLP")
SPARSE = ("embedding",)


@dataclass(frozen=True)
class Case:
    """An optimiser with options, and the problems it is tried on; `label` is how its family is called."""

    label: str
    optimizer: type[Optimizer]
    options: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = USUAL

    @property
    def title(self) -> str:
        """The options as they are typed."""
        return ", ".join(f"{name}={value!r}" for name, value in self.options.items())


# Options of each class: first those of every case, then one mapping for each case.
_MODES = [{"maximize": True}, {"foreach": True}, {"differentiable": True}]
_TORCH: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "SGD": (
        {"lr": 0.01},
        [
            {},
            {"weight_decay": 0.1},
            {"momentum": 0.9},
            {"momentum": 0.9, "dampening": 0.5},
            {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
            {"momentum": 0.9, "foreach": True},
            {"momentum": 0.9, "nesterov": True, "fused": True},
            {"momentum": 0.9, "maximize": True},
            {"momentum": 0.9, "differentiable": True},
        ],
    ),
    "Adam": (
        {"lr": 0.02},
        [
            {},
            {"betas": (0.5, 0.9), "eps": 1e-3},
            {"weight_decay": 0.1},
            {"weight_decay": 0.1, "decoupled_weight_decay": True},
            {"amsgrad": True},
            {"amsgrad": True, "foreach": True},
            {"amsgrad": True, "weight_decay": 0.1, "fused": True},
            {"fused": True},
            *_MODES,
        ],
    ),
    "AdamW": (
        {"lr": 0.02, "weight_decay": 0.1},
        [{}, {"betas": (0.1, 0.9), "eps": 1e-3}, {"amsgrad": True}, {"fused": True}, *_MODES],
    ),
    "Adamax": ({"lr": 0.02}, [{}, {"betas": (0.5, 0.9), "eps": 1e-3}, {"weight_decay": 0.1}, *_MODES]),
    "NAdam": (
        {"lr": 0.02},
        [
            {},
            {"momentum_decay": 0.1, "betas": (0.5, 0.9), "eps": 1e-3},
            {"weight_decay": 0.1},
            {"weight_decay": 0.1, "decoupled_weight_decay": True},
            *_MODES,
        ],
    ),
    "RAdam": (
        {"lr": 0.02},
        [
            {},
            {"betas": (0.5, 0.9), "eps": 1e-3},
            {"weight_decay": 0.1},
            {"weight_decay": 0.1, "decoupled_weight_decay": True},
            *_MODES,
        ],
    ),
    "Adagrad": (
        {"lr": 0.1},
        [
            {},
            {"lr_decay": 0.01},
            {"initial_accumulator_value": 0.1, "eps": 1e-3},
            {"weight_decay": 0.1},
            {"lr_decay": 0.01, "weight_decay": 0.1, "fused": True},
            *_MODES,
        ],
    ),
    "Adadelta": ({"lr": 1.0}, [{}, {"rho": 0.99, "eps": 1e-4}, {"weight_decay": 0.1}, *_MODES]),
    "RMSprop": (
        {"lr": 0.01},
        [
            {},
            {"alpha": 0.9, "eps": 1e-3},
            {"weight_decay": 0.1},
            {"momentum": 0.9},
            {"centered": True},
            {"centered": True, "momentum": 0.9, "weight_decay": 0.1},
            *_MODES,
        ],
    ),
    "Rprop": ({"lr": 0.01}, [{}, {"etas": (0.4, 1.3)}, {"step_sizes": (1e-4, 0.05)}, *_MODES]),
    "ASGD": (
        {"lr": 0.01},
        [
            {},
            {"lambd": 0.01, "alpha": 0.6, "t0": 50},
            {"t0": 50, "weight_decay": 0.1},
            {"t0": 50, "foreach": True},
            {"t0": 50, "maximize": True},
            {"t0": 50, "differentiable": True},
        ],
    ),
    "Adafactor": (
        {"lr": 0.05},
        [{}, {"weight_decay": 0.1}, {"d": 2.0, "beta2_decay": -0.5}, {"eps": (0.01, 2.0)}, *_MODES[:2]],
    ),
    "Muon": (
        {"lr": 0.02},
        [
            {},
            {"momentum": 0.8, "nesterov": False},
            {"weight_decay": 0.0, "ns_steps": 3},
            {"ns_coefficients": (2.0, -1.5, 0.5), "eps": 1e-3},
            {"adjust_lr_fn": "match_rms_adamw"},
        ],
    ),
    "SparseAdam": ({"lr": 0.02}, [{}, {"betas": (0.5, 0.9), "eps": 1e-3}, {"maximize": True}]),
    "LBFGS": ({}, [{"lr": 0.1}, {"line_search_fn": "strong_wolfe"}]),
}
_PROBLEMS = {"Muon": MATRICES, "SparseAdam": SPARSE}
_SPLIT: list[dict[str, Any]] = [
    {},
    {"adamw_lr": 0.005, "adjust_lr_fn": None, "weight_decay": 0.0},
    {"momentum": 0.8, "nesterov": False, "ns_steps": 3, "ns_coefficients": (2.0, -1.5, 0.5), "ns_eps": 1e-3},
    {"betas": (0.5, 0.9), "eps": 1e-3},
]
_KERAS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "SGD": ({"lr": 0.01}, [{}, {"momentum": 0.9, "weight_decay": 0.1}, {"momentum": 0.9, "nesterov": True}]),
    "RMSprop": (
        {"lr": 0.01},
        [
            {},
            {"alpha": 0.99, "eps": 1e-3},
            {"momentum": 0.9, "weight_decay": 0.1},
            {"centered": True},
            {"centered": True, "momentum": 0.9},
        ],
    ),
    "Adam": ({"lr": 0.02}, [{}, {"betas": (0.5, 0.9), "eps": 1e-3}, {"amsgrad": True, "weight_decay": 0.1}]),
    "Adamax": ({"lr": 0.02}, [{}, {"betas": (0.5, 0.9), "eps": 1e-3}, {"weight_decay": 0.1}]),
    "Nadam": ({"lr": 0.02}, [{}, {"betas": (0.5, 0.9), "eps": 1e-3}, {"weight_decay": 0.1}]),
    "Adagrad": ({"lr": 0.1}, [{}, {"initial_accumulator_value": 0.0, "eps": 1e-3, "weight_decay": 0.1}]),
    "Adadelta": ({"lr": 1.0}, [{}, {"rho": 0.9, "eps": 1e-4}, {"weight_decay": 0.1}]),
    "Ftrl": (
        {"lr": 0.1},
        [
            {},
            {"keep_start": True, "beta": 0.5},
            {"l1": 0.01, "l2": 0.01, "l2_shrinkage": 0.01, "beta": 0.5, "weight_decay": 0.1},
            {"learning_rate_power": -0.7, "initial_accumulator_value": 0.3},
        ],
    ),
}


def cases() -> Iterator[Case]:
    """Every case: torch's optimisers (those that this torch has), then passo's own, then Keras' definitions."""
    for name, (common, several) in _TORCH.items():
        cls: type[Optimizer] | None = getattr(torch.optim, name, None)
        if cls is None:
            continue
        for options in several:
            yield Case(name, cls, {**common, **options}, _PROBLEMS.get(name, USUAL))
        if name in ("SGD", "Adagrad"):  # the two others that take sparse gradients
            yield Case(name, getattr(torch.optim, name), {"lr": 0.05}, SPARSE)
    for options in _SPLIT if hasattr(torch.optim, "Muon") else ():
        yield Case("MuonAdamW", MuonAdamW, {"lr": 0.02, **options})
    for name, (common, several) in _KERAS.items():
        for options in several:
            yield Case(f"keras.{name}", getattr(keras, name), {**common, **options})
