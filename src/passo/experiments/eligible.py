"""Which trainings of a study one network can make, and whether that is quicker than one after another."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import torch

from passo.data import Data
from passo.errors import PassoError
from passo.experiments.assembling import Parts, assemble
from passo.experiments.fusing import Group, Member
from passo.experiments.grouping import groups
from passo.experiments.stages import Task
from passo.models.catalogue import model_options
from passo.optim import make_optimizer
from passo.replicas import NotFused, NotStepped
from passo.replicas.losses import check_loss
from passo.replicas.network import LONG, Fused
from passo.replicas.updates import check_rule
from passo.training import TrainConfig
from passo.training.loop import fit
from passo.training.recordings import RecordConfig

FUSED = ("classify", "regress", "reconstruct")
USUAL = {"average": None, "accumulate": 1, "precision": "float32", "devices": 1, "num_workers": 0}
MANY, FEW = 64, 16  # replicas of one network at most: of small models, and of those with `LONG` parameters and more
WARM, TIMED = 3, 8  # steps


class Measured(NamedTuple):
    """Milliseconds a step of one model takes: `together` with its group, by so many `threads`, and `alone`."""

    together: float
    threads: int
    alone: float


Loading = Callable[[TrainConfig], Data]


def eligible(tasks: Sequence[Task], loading: Loading) -> tuple[list[list[Task]], dict[str, str]]:
    """Groups of two and more trainings that one network can make; and why others run alone: run → reason.

    A group has the same configurations for each of its seeds and is ordered by seed. `loading` gives a training's data.
    """
    alone: dict[str, str] = {}
    found: list[list[Task]] = []
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
            found += _rectangles(left, most)
    alone |= {group[0].run_id: "nothing is like it" for group in found if len(group) == 1}
    return [group for group in found if len(group) > 1], alone


def measured(tasks: Sequence[Task], data: Data) -> Measured:
    """Steps of a group, and of its first training alone, on copies that are thrown away.

    One thread or all of them: where others use the machine too, threads that wait for each other cost more than they
    bring.
    """
    every = torch.get_num_threads()
    group = Group([Member.of(task, data) for task in tasks], data, None)
    group.epochs = 2 * (WARM + TIMED)  # of a step at least
    walk, parts = group.walk(), Member.of(tasks[0], data).parts
    found: dict[int, float] = {}
    try:
        for threads in sorted({every, 1}, reverse=True):
            torch.set_num_threads(threads)
            found[threads] = _timed(walk) / len(tasks)
    finally:
        torch.set_num_threads(every)
    alone = fit(parts.model, parts.loss_fn, parts.optimizer, parts.train, epochs=WARM + TIMED, task=parts.task)
    best = min(found, key=lambda threads: found[threads])
    return Measured(found[best], best, _timed(alone))


def _timed(walk: Iterator[Any]) -> float:
    """Milliseconds a step, the median; epochs are begun anew where they are short."""
    seconds = []
    for _ in islice(walk, WARM):
        pass
    begun = time.perf_counter()
    for _ in islice(walk, TIMED):
        seconds.append(time.perf_counter() - begun)
        begun = time.perf_counter()
    return 1e3 * sorted(seconds)[len(seconds) // 2]


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


def _why_alone(task: Task, rules: dict[str, str | None]) -> str | None:
    """What of one training's own settings speaks against fusing it."""
    settings = task.settings
    config = TrainConfig.model_validate(settings)
    if config.record.model_copy(update={"predictions": False}) != RecordConfig():
        return "it is recorded"
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


def _rectangles(tasks: Sequence[Task], most: int) -> Iterator[list[Task]]:
    """The same configurations for each seed, ordered by seed, at most so many together."""
    seeds: dict[str, list[int]] = {}
    by = {(task.name, task.seed or 0): task for task in tasks}
    for name, seed in by:
        seeds.setdefault(name, []).append(seed)
    shapes: dict[tuple[int, ...], list[str]] = {}
    for name, own in seeds.items():
        shapes.setdefault(tuple(sorted(own)), []).append(name)
    for own, names in shapes.items():
        wide = min(len(names), most)
        deep = max(1, most // wide)
        for left in range(0, len(own), deep):
            for top in range(0, len(names), wide):
                yield [by[name, seed] for seed in own[left : left + deep] for name in names[top : top + wide]]
