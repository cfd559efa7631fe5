"""Models by name: build one from its name and options, and count its parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from passo.errors import ConfigError
from passo.models import networks
from passo.registry import Registry, unknown
from passo.seeding import derive

MODELS: Registry[Callable[..., nn.Module]] = Registry("model")
for _name, _builder in (("mlp", networks.mlp), ("lenet", networks.lenet), ("tiny-cnn", networks.tiny_cnn),
                        ("cnn2", networks.cnn2), ("line", networks.line)):  # fmt: skip
    MODELS.add(_name, _builder)


def model_options(name: str) -> dict[str, Any]:
    """The options of a model and their defaults.

    >>> model_options("mlp")
    {'hidden': (128,), 'activation': 'relu', 'dropout': 0.0}
    """
    parameters = inspect.signature(MODELS[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def check_model(name: str, options: Mapping[str, Any]) -> None:
    """Refuse an unknown model or option; says the nearest and the list."""
    known = model_options(name)
    for option in options:
        if option not in known:
            raise ConfigError(str(unknown(f"option of model {name}", option, known)))


def build(
    name: str,
    in_shape: tuple[int, int, int] = (1, 28, 28),
    classes: int = 10,
    *,
    seed: int | None = None,
    **options: Any,
) -> nn.Module:
    """Build a model; with a `seed`, its weights depend on that seed alone and no global state changes.

    Raises `UnknownName` and `ConfigError` where the name, an option or its value is wrong.

    >>> count_parameters(build("tiny-cnn", seed=0)).trainable
    1586
    """
    check_model(name, options)
    try:
        if seed is None:
            return MODELS[name](in_shape, classes, **options)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "init"))
            return MODELS[name](in_shape, classes, **options)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"model {name} cannot be built for images of shape {in_shape}: {error}") from error


@dataclass(frozen=True)
class ParameterCount:
    """Parameters of a model: the total, the trainable ones, and (name, shape, count) of each tensor."""

    total: int
    trainable: int
    tensors: tuple[tuple[str, tuple[int, ...], int], ...]


def count_parameters(model: nn.Module) -> ParameterCount:
    """Count a model's parameters, tensor by tensor."""
    tensors = tuple((name, tuple(p.shape), p.numel()) for name, p in model.named_parameters())
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return ParameterCount(sum(count for *_, count in tensors), trainable, tensors)
