"""Trainings that begin alike: one of them is the beginning of the other, and need not be made twice.

Runs of a study often differ in nothing but their number of epochs. Where the schedule does not look at that number
either, the shorter one is the longer one, cut off; with the same seed both have the same bits.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from passo.errors import PassoError
from passo.experiments.stages import Task
from passo.optim import preview

STEPS = 10  # an epoch of a schedule that is tried out


def stems(tasks: Sequence[Task]) -> list[list[Task]]:
    """Trainings of one seed, those that begin alike together, the longest first; stems in the order of their first.

    What is recorded is recorded of each for itself: such runs stand alone.
    """
    found: dict[str, list[list[Task]]] = {}
    for task in sorted(tasks, key=lambda task: -_epochs(task)):
        alike = found.setdefault(_beginning(task), [])
        for stem in alike:
            if _is_beginning(task, stem[0]):
                stem.append(task)
                break
        else:
            alike.append([task])
    place = {id(task): number for number, task in enumerate(tasks)}
    whole = [stem for several in found.values() for stem in several]
    return sorted(whole, key=lambda stem: min(place[id(task)] for task in stem))


def replicas(tasks: Sequence[Task]) -> int:
    """How many there are to train of these, of whatever seeds: those that begin alike are one."""
    seeds: dict[int | None, list[Task]] = {}
    for task in tasks:
        seeds.setdefault(task.seed, []).append(task)
    return sum(len(stems(of_one)) for of_one in seeds.values())


def _epochs(task: Task) -> int:
    return int(task.settings["epochs"])


def _beginning(task: Task) -> str:
    record = task.settings.get("record") or {}
    alone = task.run_id if record.get("every") or record.get("path") else ""
    return alone + json.dumps({key: one for key, one in task.settings.items() if key != "epochs"}, sort_keys=True)


def _is_beginning(short: Task, long: Task) -> bool:
    """Whether the schedule of a training is the longer one's, as far as it goes."""
    schedule = short.settings.get("schedule")
    if schedule is None or _epochs(short) == _epochs(long):
        return True
    return _same(json.dumps(schedule), json.dumps(short.settings["optimizer"]), _epochs(short), _epochs(long))


@lru_cache(maxsize=4096)
def _same(schedule: str, optimizer: str, short: int, long: int) -> bool:
    """Tried out: whether a schedule takes the same values in both lengths, while a loss falls and then stays."""
    options, of = json.loads(schedule), json.loads(optimizer)
    losses = [1 / (1 + min(epoch, long // 3)) for epoch in range(long)]
    name, lr = options.pop("name"), of.get("lr", 1.0)
    try:
        one, other = (
            preview(name, lr=lr, epochs=epochs, steps_per_epoch=STEPS, losses=losses[:epochs], optimizer=of, **options)
            for epochs in (short, long)
        )
    except PassoError:
        return False
    steps = short * STEPS
    same = np.array_equal(one.lr, other.lr[:steps])
    if one.momentum is None or other.momentum is None:
        return same and one.momentum is other.momentum
    return same and np.array_equal(one.momentum, other.momentum[:steps])
