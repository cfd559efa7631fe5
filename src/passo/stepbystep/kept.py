"""What the next epoch depends on, as a state that `training.checkpoint` can write, and how to put it back."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from passo import seeding
from passo.errors import CheckpointError
from passo.experiments.keeping import put_back

State = dict[str, Any]


def weights(model: nn.Module, loss_fn: Any) -> State:
    """Every parameter and buffer of the model, and of a loss function that is a module."""
    parts = _parts(model, loss_fn)
    found = [*parts.named_parameters(remove_duplicate=False), *parts.named_buffers(remove_duplicate=False)]
    return {name: tensor.detach() for name, tensor in found}


def put_weights(state: State, model: nn.Module, loss_fn: Any, optimizer: Optimizer) -> None:
    """Put `state["model"]` and `state["optimizer"]` back in place; `CheckpointError` where they do not fit."""
    parts: Any = SimpleNamespace(model=_parts(model, loss_fn), optimizer=optimizer, schedule=None)
    put_back(state, parts, None)


def scheduler_state(scheduler: Any, since: int, per_batch: bool) -> State | None:
    """A torch scheduler's state, its class, how many epochs were complete when it was set, and when it is stepped."""
    if scheduler is None:
        return None
    return {"name": type(scheduler).__name__, "state": scheduler.state_dict(), "since": since, "per_batch": per_batch}


def put_scheduler(state: State, scheduler: Any, optimizer: Optimizer) -> tuple[int, bool]:
    """Put a scheduler's state back, and the rates, which building it may have moved; (since, per_batch)."""
    kept, here = state["scheduler"], type(scheduler).__name__
    if kept["name"] != here:
        raise CheckpointError(f"the checkpoint was trained with {kept['name']}, and the scheduler here is {here}")
    scheduler.load_state_dict(kept["state"])
    optimizer.load_state_dict(state["optimizer"])
    return kept["since"], kept["per_batch"]


def generators(*loaders: Any) -> State:
    """Every global random state, and those of the loaders' own generators."""
    return {"global": seeding.capture(), "own": [one.get_state() for one in _own(loaders)]}


def put_generators(state: Mapping[str, Any], *loaders: Any) -> None:
    """The inverse of `generators`; `CheckpointError` where the loaders have another number of their own."""
    own = _own(loaders)
    if len(own) != len(state["own"]):
        raise CheckpointError("the loaders are not drawn as they were: another number of random generators")
    seeding.restore(state["global"])
    for one, kept in zip(own, state["own"], strict=True):
        one.set_state(kept)


def _parts(model: nn.Module, loss_fn: Any) -> nn.ModuleList:
    return nn.ModuleList([one for one in (model, loss_fn) if isinstance(one, nn.Module)])


def _own(loaders: tuple[Any, ...]) -> list[torch.Generator]:
    """Of a loader, of its sampler, of its batch sampler's sampler; each once."""
    owners: list[Any] = []
    for loader in loaders:
        inner = getattr(getattr(loader, "batch_sampler", None), "sampler", None)
        owners += [loader, getattr(loader, "sampler", None), inner]
    found = [getattr(owner, "generator", None) for owner in owners]
    return list({id(one): one for one in found if isinstance(one, torch.Generator)}.values())
