"""What the next epoch depends on, as a state that `training.checkpoint` can write, and how to put it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from passo import seeding
from passo.errors import CheckpointError

State = dict[str, Any]


def weights(model: nn.Module, loss_fn: Any) -> State:
    """Every parameter and buffer of the model, and of a loss function that is a module."""
    return {name: tensor.detach() for name, tensor in _tensors(model, loss_fn).items()}


def put_weights(state: State, model: nn.Module, loss_fn: Any, optimizer: Optimizer) -> None:
    """Put `state["model"]` and `state["optimizer"]` back, each tensor in the memory format that it had.

    Raises `CheckpointError`, before anything is changed, where they do not fit.
    """
    there, values = _tensors(model, loss_fn), state["model"]
    wrong = sorted(there.keys() ^ values.keys())
    wrong += [name for name in there if name in values and there[name].shape != values[name].shape]
    if wrong:
        raise CheckpointError(f"the checkpoint does not fit this model: {wrong[0]} is another tensor, or not there")
    try:
        optimizer.load_state_dict(state["optimizer"])
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"the checkpoint does not fit this optimizer: {error}") from error
    with torch.no_grad():
        for name, tensor in there.items():
            if tensor.stride() == values[name].stride():
                tensor.copy_(values[name])
            else:  # fused Adam is wrong where a weight lies otherwise than what it remembers of it
                tensor.data = values[name].to(tensor.device)


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


def _tensors(model: nn.Module, loss_fn: Any) -> dict[str, torch.Tensor]:
    parts = nn.ModuleList([one for one in (model, loss_fn) if isinstance(one, nn.Module)])
    found = [*parts.named_parameters(remove_duplicate=False), *parts.named_buffers(remove_duplicate=False)]
    return dict(found)


def _own(loaders: tuple[Any, ...]) -> list[torch.Generator]:
    """Of a loader, of its sampler, of its batch sampler's sampler; each once."""
    owners: list[Any] = []
    for loader in loaders:
        inner = getattr(getattr(loader, "batch_sampler", None), "sampler", None)
        owners += [loader, getattr(loader, "sampler", None), inner]
    found = [getattr(owner, "generator", None) for owner in owners]
    return list({id(one): one for one in found if isinstance(one, torch.Generator)}.values())
