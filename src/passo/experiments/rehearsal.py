"""A rehearsal: train a copy, and leave everything that is the caller's bit for bit as it was.

What is trained is a copy of the model (and of the loss function, where it is a module) under a fresh optimizer. So
weights, gradients, buffers, modes, optimizer state, hooks and schedulers are never touched. What is shared, the random
generators, is captured before and put back after, however the rehearsal ends: done, diverged, failed, Ctrl-C.
"""

from __future__ import annotations

import copy
import inspect
import random
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from passo import seeding
from passo.errors import ConfigError, TrainingError

ModelSource = nn.Module | Callable[[int], nn.Module]
OptimizerSource = Optimizer | Callable[[nn.Module], Optimizer]
Pairs = Iterable[tuple[Any, Tensor]]

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_DEEP = 5  # a wrapped loader's dataset's transform's generator


@dataclass(frozen=True)
class Copies:
    """What a rehearsal trains. `ratios`: each group's learning rate over the first group's."""

    model: nn.Module
    loss_fn: Any
    optimizer: Optimizer
    ratios: tuple[float, ...]

    def set_lr(self, lr: float) -> None:
        """The first group's learning rate; the other groups keep their ratio to it."""
        for group, ratio in zip(self.optimizer.param_groups, self.ratios, strict=True):
            group["lr"] = lr * ratio


@contextmanager
def rehearsing(
    model: ModelSource, loss_fn: Any, optimizer: OptimizerSource, batches: Any, seed: int
) -> Iterator[Copies]:
    """Copies to train on `batches`, every generator seeded for `seed`; afterwards all is as before.

    Args:
        model: a module, or a function seed → module where the initialisation is to change with the seed.
        optimizer: an optimizer of that module, or a function module → optimizer. Its options count; its state does
            not: a rehearsal starts from a fresh one.
        batches: what will be walked, one iterable or a tuple of them. Generators are found where they are attributes
            of it, of its sampler, of its dataset, and so on.

    Hooks of passo's instruments are not copied. Other forward hooks are: they may be a part of the model.

    Raises `ConfigError` where the optimizer is not the model's or cannot be built anew, or where batches can be walked
    only once; `TrainingError` where the model cannot be copied.
    """
    for each in batches if isinstance(batches, tuple) else (batches,):
        if isinstance(each, Iterator):
            raise ConfigError(
                f"the batches are an iterator ({type(each).__name__}), which is used up by walking it: give a set that "
                "can be walked again, such as passo.Batches, a DataLoader or a list"
            )
    with _untouched(batches) as sources, torch.enable_grad():
        seeding.seed_everything(seeding.derive(seed, "rehearsal"))
        for number, source in enumerate(sources):
            _seed(source, seeding.derive(seed, "batches", *([number] if number else [])))
        yield _copies(model, loss_fn, optimizer, seed)


# ── Copies ────────────────────────────────────────────────────────────────────────────────────────────────


def _copies(model: ModelSource, loss_fn: Any, optimizer: OptimizerSource, seed: int) -> Copies:
    if isinstance(model, nn.Module):
        original: nn.Module = getattr(model, "_orig_mod", model)  # a compiled module's own, with the same parameters
    elif isinstance(optimizer, Optimizer):
        raise ConfigError(
            "a function that builds the model needs one that builds its optimizer: "
            "optimizer=lambda model: torch.optim.Adam(model.parameters())"
        )
    else:
        original = model(seed)  # copied too: it may be the same one every time
    trial, criterion = _copied(original, loss_fn)
    pairs = dict(zip(map(id, _parameters(original, loss_fn)), _parameters(trial, criterion), strict=True))
    if isinstance(optimizer, Optimizer):
        ratios, fresh = _ratios(optimizer), _fresh(optimizer, pairs)
    else:
        fresh = optimizer(trial)
        if not isinstance(fresh, Optimizer):
            raise ConfigError(f"the function that builds the optimizer gave a {type(fresh).__name__}")
        _mapped(fresh, {id(parameter): parameter for parameter in pairs.values()})
        ratios = _ratios(fresh)
    return Copies(trial.train(), criterion, fresh, ratios)


def _parameters(model: nn.Module, loss_fn: Any) -> list[Tensor]:
    return [*model.parameters(), *(loss_fn.parameters() if isinstance(loss_fn, nn.Module) else ())]


def _copied(model: nn.Module, loss_fn: Any) -> tuple[nn.Module, Any]:
    """Model and loss function, copied together: what they share, the copies share."""
    modules = [*model.modules(), *(loss_fn.modules() if isinstance(loss_fn, nn.Module) else ())]
    tables = [getattr(module, name) for module in modules for name in _HOOKS]
    ours = {id(hook): hook for table in tables for hook in table.values() if _is_passos(hook)}
    memo: dict[int, Any] = dict(ours)  # not copied with what they hold, which may be a study that is being written
    try:
        trial = copy.deepcopy(model, memo)
        criterion = copy.deepcopy(loss_fn, memo) if isinstance(loss_fn, nn.Module) else loss_fn
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise TrainingError(
            f"the model cannot be copied ({' '.join(str(error).split())}), and nothing but a copy is ever tested"
        ) from error
    for module in [*trial.modules(), *(criterion.modules() if isinstance(criterion, nn.Module) else ())]:
        for table in (getattr(module, name) for name in _HOOKS):
            for key in [key for key, hook in table.items() if id(hook) in ours]:
                del table[key]
    return trial, criterion


def _is_passos(hook: Any) -> bool:
    return str(getattr(getattr(hook, "func", hook), "__module__", "")).startswith("passo.")


def _mapped(optimizer: Optimizer, pairs: dict[int, Tensor]) -> list[dict[str, Any]]:
    """The optimizer's groups with other parameters in the place of its own."""
    try:
        return [{**group, "params": [pairs[id(p)] for p in group["params"]]} for group in optimizer.param_groups]
    except KeyError:
        raise ConfigError("the optimizer holds parameters that are not the model's: build it on this model") from None


def _fresh(optimizer: Optimizer, pairs: dict[int, Tensor]) -> Optimizer:
    """An optimizer of the same class and options on the copies: without state, hooks, or marks of a scheduler."""
    groups = []
    for group in _mapped(optimizer, pairs):
        options = {key: copy.deepcopy(value) for key, value in group.items() if key not in ("params", "initial_lr")}
        groups.append({**options, "params": group["params"], "lr": float(group["lr"])})
    kind: Any = type(optimizer)
    accepted = inspect.signature(kind).parameters
    options = {key: groups[0].get(key, value) for key, value in optimizer.defaults.items() if key in accepted}
    try:
        return kind(groups, **options)
    except TypeError as error:
        raise ConfigError(
            f"{kind.__name__} cannot be built anew from its options ({error}): give a function that builds it, "
            f"optimizer=lambda model: {kind.__name__}(…)"
        ) from error


def _ratios(optimizer: Optimizer) -> tuple[float, ...]:
    """Each group's rate over the first group's; where a scheduler moves them, as they were before it."""
    rates = [float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups]
    if rates[0] == 0 and any(rates):
        raise ConfigError(
            "the first parameter group's learning rate is 0, so the other groups have no ratio to it that could be "
            "kept: give it a rate above 0"
        )
    return tuple(rate / rates[0] if rates[0] else 1.0 for rate in rates)


# ── Generators ────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _untouched(batches: Any) -> Iterator[list[Any]]:
    """Every generator, and a DataLoader's standing workers, are afterwards what they were; yields the batches' own."""
    reached = list(_reached(batches))
    sources = [thing for thing in reached if _is_source(thing)]
    loaders = [(thing, thing._iterator) for thing in reached if isinstance(thing, DataLoader)]
    before, states = seeding.capture(), [_state(source) for source in sources]
    try:
        for loader, _ in loaders:  # persistent workers are asked for their next pass only by their owner
            loader._iterator = None
        yield sources
    finally:
        for loader, iterator in loaders:
            loader._iterator = iterator
        for source, state in zip(sources, states, strict=True):
            _put_back(source, state)
        seeding.restore(before)


def _reached(batches: Any) -> Iterator[Any]:
    """What can be reached through attributes, breadth first, each thing once."""
    layer: Sequence[Any] = [*batches] if isinstance(batches, tuple) else [batches]
    seen: set[int] = set()
    for _ in range(_DEEP):
        layer = [thing for thing in layer if not isinstance(thing, (Tensor, nn.Module, type, types.ModuleType))]
        layer = [thing for i, thing in enumerate(layer) if id(thing) not in seen | {id(t) for t in layer[:i]}]
        seen |= {id(thing) for thing in layer}
        yield from layer
        layer = [value for thing in layer for value in getattr(thing, "__dict__", {}).values()]


def _is_source(thing: Any) -> bool:
    if isinstance(thing, random.SystemRandom):
        return False  # has no state
    return isinstance(thing, (torch.Generator, np.random.Generator, np.random.RandomState, random.Random))


def _state(source: Any) -> Any:
    if isinstance(source, np.random.Generator):
        return source.bit_generator.state
    return source.getstate() if isinstance(source, random.Random) else source.get_state()


def _put_back(source: Any, state: Any) -> None:
    if isinstance(source, np.random.Generator):
        source.bit_generator.state = state
    elif isinstance(source, random.Random):
        source.setstate(state)
    else:
        source.set_state(state)


def _seed(source: Any, seed: int) -> None:
    if isinstance(source, torch.Generator):
        source.manual_seed(seed)
    elif isinstance(source, np.random.Generator):
        source.bit_generator.state = type(source.bit_generator)(seed).state  # type: ignore[call-arg]
    else:
        source.seed(seed % 2**32)
