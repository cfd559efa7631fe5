"""Models by name: build one from its name and options, and count its parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

import torch
from torch import nn

from passo.errors import ConfigError, UsageError
from passo.models import autoencoders, gans, networks, own_file, recurrent
from passo.models.cnn import cnn
from passo.models.options import check_option
from passo.registry import Registry, unknown
from passo.seeding import derive

MODELS: Registry[Callable[..., nn.Module]] = Registry("model")
for _name, _builder in (("mlp", networks.mlp), ("lenet", networks.lenet), ("tiny-cnn", networks.tiny_cnn),
                        ("cnn2", networks.cnn2), ("cnn", cnn), ("line", networks.line), ("rnn", recurrent.rnn),
                        ("lstm", recurrent.lstm), ("gru", recurrent.gru), ("gan", gans.gan),
                        ("autoencoder", autoencoders.autoencoder)):  # fmt: skip
    MODELS.add(_name, _builder)

MADE_FOR = {"autoencoder": "reconstruct", "gan": "generate"}
"""The task of the models that do not predict; every other one takes inputs and gives `classes` outputs."""


def model_options(name: str) -> dict[str, Any]:
    """The options of a model and their defaults.

    >>> model_options("cnn2")
    {'filters': 16, 'kernel': 3, 'units': 50, 'dropout': 0.3}
    """
    if own_file.is_own(name):
        return own_file.options(name) or {}
    parameters = inspect.signature(MODELS[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def check_model(name: str, options: Mapping[str, Any]) -> None:
    """Refuse an unknown model, an unknown option, or a value that the option cannot have.

    Of a user's own file that was not allowed here (see `own_file`), only the form of its name is checked.

    >>> check_model("cnn", {"kernel": 0})
    Traceback (most recent call last):
    ...
    passo.errors.ConfigError: model cnn: kernel must be a whole number ≥ 1, got 0
    """
    if own_file.is_own(name):
        own_file.split(name)
        if own_file.allowed(name):
            own_file.check_options(name, options)
        return
    known = model_options(name)
    kinds = get_type_hints(MODELS[name], include_extras=True)
    for option, value in options.items():
        if option not in known:
            raise ConfigError(str(unknown(f"option of model {name}", option, known)))
        try:
            check_option(option, kinds[option], value)
        except ValueError as error:
            raise ConfigError(f"model {name}: {error}") from error


def build(
    name: str,
    in_shape: Sequence[int] = (1, 28, 28),
    classes: int = 10,
    *,
    seed: int | None = None,
    **options: Any,
) -> nn.Module:
    """Build a model; with a `seed`, its weights depend on that seed alone and no global state changes.

    `in_shape` is (channels, height, width) of images, (steps, features) of sequences, or (features,). A name such as
    `nets/mine.py:build` is a function in a file of the user's own, once `own_file.allow` has been called for it.

    Raises `UnknownName` and `ConfigError` where the name, an option or its value is wrong.

    >>> count_parameters(build("tiny-cnn", seed=0)).trainable
    1586
    """
    check_model(name, options)
    if seed is None:
        return _built(name, in_shape, classes, options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "init"))
        return _built(name, in_shape, classes, options)


def _built(name: str, in_shape: Sequence[int], classes: int, options: Mapping[str, Any]) -> nn.Module:
    if own_file.is_own(name):
        return own_file.build(name, in_shape, classes, **options)
    try:
        return MODELS[name](in_shape, classes, **options)
    except (TypeError, ValueError, RuntimeError, OverflowError, MemoryError) as error:
        if isinstance(error, UsageError):
            raise
        what = "images" if len(in_shape) == 3 else "inputs"
        raise ConfigError(f"model {name} cannot be built for {what} of shape {tuple(in_shape)}: {error}") from error


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
