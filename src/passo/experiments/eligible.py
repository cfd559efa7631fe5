"""Which trainings of a study one network can make, and why the others cannot be among them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeVar

import torch

from passo.data import Data
from passo.errors import PassoError
from passo.experiments.assembling import Parts, assemble, load_data
from passo.experiments.estimating import memory
from passo.experiments.grouping import groups
from passo.experiments.stages import Task
from passo.experiments.stems import stems
from passo.models.catalogue import model_options
from passo.optim import make_optimizer
from passo.replicas import NotFused, NotStepped
from passo.replicas.losses import check_loss
from passo.replicas.network import LONG, Fused
from passo.replicas.updates import check_rule
from passo.training import TrainConfig
from passo.training.machine import memory_left

FUSED = ("classify", "regress", "reconstruct")
USUAL = {"average": None, "accumulate": 1, "precision": "float32", "devices": 1, "num_workers": 0}
MANY, FEW = 64, 16  # replicas of one network at most: of small models, and of those with `LONG` parameters and more


class Eligible(NamedTuple):
    """`groups` of two and more trainings that one network can make; why others run `alone`, run → reason; and what is
    to be said of the groups, in `notes`."""

    groups: list[list[Task]]
    alone: dict[str, str]
    notes: list[str]


T = TypeVar("T")
Loading = Callable[[TrainConfig], Data]


def eligible(tasks: Sequence[Task], loading: Loading) -> Eligible:
    """Which trainings one network can make. `loading` gives a training's data.

    A group has the same configurations for each of its seeds, is ordered by seed, and takes at most half of the memory
    that is left.
    """
    alone: dict[str, str] = {}
    found: list[list[Task]] = []
    notes: list[str] = []
    for same in groups(tasks):
        for kind in _by_dropout(same):
            most, reason = _together(kind[0], loading)
            rules: dict[str, str | None] = {}
            left = []
            for task in kind:
                why = reason or _why_alone(task, rules)
                if why is None:
                    left.append(task)
                else:
                    alone[task.run_id] = why
            if left and (fitting := _fitting(left[0], loading)) < min(most, len(left)):
                notes.append(f"memory is short: at most {fitting} trainings of {_named(left[0])} as one network")
                most = fitting
            found += rectangles(left, most)
    alone |= {group[0].run_id: "nothing is like it" for group in found if len(group) == 1}
    return Eligible([group for group in found if len(group) > 1], alone, notes)


def fusable(task: Task) -> bool:
    """Whether one network could make such trainings, were there several of them."""
    return _together(task, load_data)[1] is None and _why_alone(task, {}) is None


def _by_dropout(tasks: Sequence[Task]) -> Iterator[list[Task]]:
    """With and without: a model that drops nothing has no layer for it."""
    kinds: dict[bool, list[Task]] = {}
    for task in tasks:
        model = task.settings["model"]
        usual = model_options(model["name"]).get("dropout", 0.0)
        kinds.setdefault(model.get("dropout", usual) == 0, []).append(task)
    yield from kinds.values()


def _together(task: Task, loading: Loading) -> tuple[int, str | None]:
    """How many of such trainings one network takes, and what speaks against any: the model, the loss, the task."""
    config = TrainConfig.model_validate(task.settings)
    try:
        parts: Parts = assemble(config, loading(config))
        if parts.task.name not in FUSED:
            return 1, f"task {parts.task.name} is not fused"
        if parts.device.type != "cpu":
            return 1, f"replicas were not tried on {parts.device.type}"
        network = Fused([parts.model], [config.seed])
        check_loss(parts.loss_fn)
    except NotFused as error:
        return 1, str(error)
    except PassoError:
        return 1, "it cannot be built"  # alone, it says why
    return FEW if network.size >= LONG else MANY, None


def _fitting(task: Task, loading: Loading) -> int:
    """How many of such trainings fit into half of the memory that is left; at least one."""
    left = memory_left()
    if left is None:
        return MANY
    config = TrainConfig.model_validate({**task.settings, "record": {}})
    try:
        return max(1, left // (2 * memory(config, loading(config))))
    except PassoError:  # alone, it says why
        return MANY


def _named(task: Task) -> str:
    return str(task.settings["model"]["name"])


def _why_alone(task: Task, rules: dict[str, str | None]) -> str | None:
    """What of one training's own settings speaks against fusing it."""
    settings = task.settings
    config = TrainConfig.model_validate(settings)
    if config.record.every == "auto":
        return "record.every=auto goes by a clock of its own"
    for name in ("activations", "loss", "witness", "probes"):
        if getattr(config.record, name):
            return f"record.{name} needs its own forward pass"
    for name, usual in USUAL.items():
        if getattr(config, name) != usual:
            return f"{name}={getattr(config, name)}"
    if config.nonfinite == "skip":
        return "nonfinite=skip"
    if not config.dataset.in_memory:
        return "its images stay on the disk"
    key = json.dumps(settings["optimizer"], sort_keys=True)
    if key not in rules:
        rules[key] = _rule(config)
    return rules[key]


def _rule(config: TrainConfig) -> str | None:
    try:
        check_rule(make_optimizer(config.optimizer.name, [torch.nn.Parameter(torch.zeros(1, 1))],
                                  **config.optimizer.options))  # fmt: skip
    except NotStepped as error:
        return str(error)
    return None


def rectangles(tasks: Sequence[Task], most: int) -> Iterator[list[Task]]:
    """The same configurations for each seed, ordered by seed, of at most so many replicas, and of about the same size.

    Trainings that begin alike are one replica; those that end together are put together.
    """
    by = {(task.name, task.seed or 0): task for task in tasks}
    seeds: dict[str, list[int]] = {}
    for name, seed in by:
        seeds.setdefault(name, []).append(seed)
    shapes: dict[tuple[int, ...], list[str]] = {}
    for name, own in seeds.items():
        shapes.setdefault(tuple(sorted(own)), []).append(name)
    for own, several in shapes.items():
        alike = sorted(stems([by[name, own[0]] for name in several]), key=lambda stem: stem[0].settings["epochs"])
        for left in _evenly(own, max(1, most // len(alike))):
            for top in _evenly(alike, most):
                yield [by[task.name, seed] for seed in left for stem in top for task in stem]


def _evenly(many: Sequence[T], most: int) -> list[Sequence[T]]:
    """Pieces of at most so many, as equal as can be."""
    pieces = -(-len(many) // most)
    size, longer = divmod(len(many), pieces)
    starts = [number * size + min(number, longer) for number in range(pieces + 1)]
    return [many[begin:end] for begin, end in pairwise(starts)]
