"""A study's trainings, those of a kind as one network: how many at once, whether it pays, and what is said of it.

What was chosen is written into the study, and a study that goes on keeps to it: nothing is measured twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch

from passo.data import Data
from passo.experiments.eligible import eligible, rectangles
from passo.experiments.fusing import Group, Member, OnTheWay, fused, kept_at
from passo.experiments.sink import Draft
from passo.experiments.stages import Task
from passo.store import Store
from passo.training import TrainConfig
from passo.training.loop import fit

SIDE = 1.3  # how much sooner two processes of one thread each end than one of two, as measured
WARM, TIMED = 3, 8  # steps
LEAST, GAIN = 8, 1.1  # replicas of a smaller group, and how much quicker it must be

Fact = dict[str, Any]  # of a group: its runs, what was measured, what was taken
Loading = Callable[[TrainConfig], Data]


class Measured(NamedTuple):
    """Milliseconds a step of one model takes: `together` with its group, by so many `threads`, and `alone`."""

    together: float
    threads: int
    alone: float


def as_one(
    tasks: Sequence[Task], stage: Sequence[Task], folder: Path, loading: Loading, study: Store, side: bool | None
) -> Iterator[OnTheWay | tuple[Task, Draft | None]]:
    """Train groups as one network each: yields how far one is, then each task with what it would write.

    None stands for one that diverged and says why when it runs alone. `tasks` are those that are left of `stage`. With
    `side` None every group is fused; else only where that is quicker than one after another, or (True) two side by
    side. A task that is not yielded runs alone.
    """
    known = _known(study)
    told = _Told(study, known)
    left = {task.run_id: task for task in tasks}
    for fact in known:  # a group that was begun goes on as it was
        group = [task for task in stage if task.run_id in set(fact["runs"])]
        group.sort(key=lambda task: fact["runs"].index(task.run_id))
        if fact["executor"] == "replicas" and len(group) == len(fact["runs"]) and kept_at(folder, group).is_file():
            yield from _train(folder, group, loading, fact, left)
            left = {name: task for name, task in left.items() if name not in fact["runs"]}
    found = eligible(list(left.values()), loading)
    told.others(alone=found.alone, notes=found.notes)
    for note in found.notes:
        yield OnTheWay(found.groups[0] if found.groups else list(tasks), 0.0, note, chosen=True)
    for same in found.groups:
        data = loading(TrainConfig.model_validate(same[0].settings))
        if (settled := _settled(same, known)) is not None:
            chunks = [(same, settled)]
        else:
            groups, each = chosen(same, data)
            chunks = [(group, _fact(group, each, side)) for group in groups]
        for group, fact in chunks:
            told.add(fact)
            yield OnTheWay(group, 0.0, said(fact), chosen=True)
            if fact["executor"] == "replicas":
                yield from _train(folder, group, loading, fact, left)


def chosen(tasks: Sequence[Task], data: Data) -> tuple[list[list[Task]], Measured]:
    """A group, cut into as many as are quickest, and what was measured: fewer replicas lie nearer to the processor.

    A cut must gain a tenth, since a clock is no exact judge.
    """
    best, found, size = [list(tasks)], measured(tasks, data), len(tasks) // 2
    while size >= LEAST:
        cut = list(rectangles(tasks, size))
        each = measured(cut[0], data)
        if each.together * GAIN < found.together:
            best, found = cut, each
        size //= 2
    return best, found


def measured(tasks: Sequence[Task], data: Data) -> Measured:
    """Steps of a group, and of its first training alone, on copies that are thrown away.

    One thread or all of them: where others use the machine too, threads that wait for each other cost more than they
    bring.
    """
    every = torch.get_num_threads()
    group = Group([Member.of(task, data) for task in tasks], data, None, timed=True)
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


def said(fact: Fact) -> str:
    """What was taken for a group, and why, in a sentence."""
    runs, together, alone = len(fact["runs"]), fact["ms_together"], fact["ms_alone"]
    how = f"a step of one takes {together:.2g} ms so, {alone:.2g} ms alone"
    if fact["executor"] == "replicas":
        return f"{runs} trainings as one network: {how}"
    return f"{runs} trainings one by one, not as one network: {how}"


class _Told:
    """The facts of a study about its groups, as they come; what it knew before stays."""

    def __init__(self, study: Store, known: Sequence[Fact]) -> None:
        self._study, self._facts = study, list(known)

    def add(self, fact: Fact) -> None:
        if fact not in self._facts:
            self._facts.append(fact)
        self._study.facts(executors=self._facts)

    def others(self, **facts: Any) -> None:
        self._study.facts(executors=self._facts, **facts)


def _known(study: Store) -> list[Fact]:
    """What the study says of its groups so far."""
    rows = study.read("SELECT value FROM study WHERE key='executors'")
    return json.loads(rows[0][0]) if rows else []


def _fact(group: Sequence[Task], each: Measured, side: bool | None) -> Fact:
    quick = side is None or each.together * (SIDE if side else 1.0) <= each.alone
    taken = "replicas" if quick else "processes" if side else "here"
    fact: Fact = {"runs": [task.run_id for task in group], "executor": taken}
    return fact | {"threads": each.threads, "ms_together": each.together, "ms_alone": each.alone}


def _settled(group: Sequence[Task], known: Sequence[Fact]) -> Fact | None:
    """What was chosen for these runs before, where that was to let them run alone."""
    runs = {task.run_id for task in group}
    return next((fact for fact in known if fact["executor"] != "replicas" and runs <= set(fact["runs"])), None)


def _train(
    folder: Path, group: Sequence[Task], loading: Loading, fact: Fact, wanted: dict[str, Task]
) -> Iterator[OnTheWay | tuple[Task, Draft | None]]:
    data = loading(TrainConfig.model_validate(group[0].settings))
    yield from fused(folder, group, data, fact["threads"], wanted=wanted)


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
