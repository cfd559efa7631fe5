"""A study's trainings as one network: a group of them trains together, and each run is written as if it had been alone.

A replica that diverges is handed back: repeated by the plain loop, it says why. A group's state is kept in the study's
folder every minute and on Ctrl-C; the same command goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from passo.data import Batches, Data, Together
from passo.errors import CheckpointError, PassoError, StoreError
from passo.experiments.assembling import Parts, assemble, facts
from passo.experiments.concluding import conclude, stopped_early
from passo.experiments.keeping import Stop, stopping
from passo.experiments.pending import PENDING
from passo.experiments.sink import Draft
from passo.experiments.stages import Task
from passo.replicas import Replica, Replicas, ReplicaStep
from passo.training import Progress, TrainConfig
from passo.training.checkpoint import load, save
from passo.training.machine import quick_products
from passo.training.stopping import epoch_values

SECONDS = 60.0  # between two states that are kept
COLUMNS = ("train/loss", "lr", "momentum", "train/penalty")  # of every step, in the order of a table's columns


@dataclass
class Member:
    """A training of a group: what it is made of, and what it will write."""

    task: Task
    config: TrainConfig
    parts: Parts
    draft: Draft = field(default_factory=Draft)

    @classmethod
    def of(cls, task: Task, data: Data) -> Member:
        config = TrainConfig.model_validate(task.settings)
        return cls(task, config, assemble(config, data))

    def replica(self) -> Replica:
        """The member, as the engine takes it."""
        parts, config = self.parts, self.config
        clipping = (config.clip_norm, config.clip_value)
        return Replica(parts.model, parts.optimizer, parts.schedule, config.seed, parts.penalty, *clipping)


def fused(
    folder: Path, tasks: Sequence[Task], data: Data, threads: int | None = None
) -> Iterator[tuple[Task, Draft | None]]:
    """Train a group as one; yields each task with what it would write, or with None where it is to run alone after all.

    Tasks come as `eligible` puts them together. Raises what the engine raises for those that do not belong together.
    """
    group = Group([Member.of(task, data) for task in tasks], data, folder, threads)
    before = torch.get_num_threads()
    torch.set_num_threads(group.threads)
    try:
        with stopping() as stop, quick_products():
            group.train(stop)
            yield from group.results()
            group.drop()
            if stop.asked:  # while they were tested
                raise KeyboardInterrupt
    finally:
        torch.set_num_threads(before)


def kept_at(folder: Path, tasks: Sequence[Task]) -> Path:
    """Where the study in `folder` keeps the state of a group: another for every group and every setting in it."""
    told = json.dumps([[task.run_id, task.settings] for task in tasks], sort_keys=True)
    return folder / PENDING / f"group-{hashlib.sha256(told.encode()).hexdigest()[:16]}.safetensors"


class Group:
    """Members of one network, where their training is, and what it has told so far."""

    def __init__(self, members: Sequence[Member], data: Data, folder: Path | None, threads: int | None = None) -> None:
        self.members, self._data, self.threads = members, data, threads or torch.get_num_threads()
        first = members[0]
        self.engine = Replicas([one.replica() for one in members], first.parts.loss_fn)
        leaders = members[:: len(members) // len(self.engine.network.seeds)]  # one of each seed
        self._tasks = [one.parts.task for one in leaders]
        self._batches = Together([_batches(one.parts.train) for one in leaders])
        self._validation, self.epochs = first.parts.validation, first.config.epochs
        self._progress = Progress()
        self._told: list[np.ndarray] = []  # of each step: (4, R), as COLUMNS
        self._diverged: set[int] = set()
        self._path = None if folder is None else kept_at(folder, [one.task for one in members])  # None keeps nothing
        self._go_on()

    def walk(self) -> Iterator[ReplicaStep]:
        """The training itself, a record a step."""
        return self.engine.fit(
            self._batches, self.epochs, validation=self._validation, tasks=self._tasks, progress=self._progress
        )

    def train(self, stop: Stop) -> None:
        """To the end; raises KeyboardInterrupt, with the state kept, where it is asked to stop."""
        self._begun, self._since, kept = time.perf_counter(), self._progress.step, time.monotonic()
        for record in self.walk():
            self._told.append(_columns(record))
            self._diverged.update(record.diverged)
            if record.ends is not None:
                self._end_epoch(record)
            if stop.asked or time.monotonic() - kept > SECONDS:
                self._keep()
                kept = time.monotonic()
            if stop.asked:
                raise KeyboardInterrupt
            if len(self.engine.ended) == len(self.members):
                break
        self.engine.put()
        self._seconds = time.perf_counter() - self._begun

    def results(self) -> Iterator[tuple[Task, Draft | None]]:
        """What each member writes; None for one that diverged, in training or in its test."""
        table = np.stack(self._told)  # (steps, 4, R)
        for row, member in enumerate(self.members):
            whole = row not in self._diverged and all(
                bool(torch.isfinite(parameter).all()) for parameter in member.parts.model.parameters()
            )
            yield member.task, self._concluded(row, member, table) if whole else None

    def drop(self) -> None:
        """Everything is written: what was kept to go on from is not needed."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
                self._path.parent.rmdir()

    def _end_epoch(self, record: ReplicaStep) -> None:
        assert record.ends is not None
        for row, (member, end) in enumerate(zip(self.members, record.ends, strict=True)):
            if row in self.engine.ended:
                continue
            parts, draft = member.parts, member.draft
            if end.validation is not None and not np.isfinite(end.validation.loss):
                self._diverged.add(row)
                self.engine.end(row, record.step)
                continue
            draft.scalars(record.step, record.epoch, {**epoch_values(end), "epoch/seconds": end.seconds})
            self.engine.network.put_one(row, parts.model)
            for name, values, meta in parts.task.at_epoch(parts.model):
                draft.array(name, values, first_step=record.step, **meta)
            if parts.best is not None:
                parts.best.look(end, parts.model, step=record.step, epoch=record.epoch)
                if parts.best.stop:
                    draft.event("early stopping", stopped_early(parts.best, record.epoch), record.step)
                    self.engine.end(row, record.step)

    def _concluded(self, row: int, member: Member, table: np.ndarray) -> Draft | None:
        config, parts, draft = member.config, member.parts, member.draft
        last, steps = self.engine.ended.get(row, len(table)), len(self._batches)
        written = Draft()
        written.info(
            **facts(config, self._data, parts), engine="replicas", replicas=len(self.members), threads=self.threads
        )
        names = COLUMNS if parts.penalty is not None else COLUMNS[:-1]
        for number, values in enumerate(table[:last, :, row].tolist(), start=1):
            scalars = {name: value for name, value in zip(names, values, strict=False) if not math.isnan(value)}
            written.scalars(number, number / steps, scalars)
        written.calls += draft.calls
        written.facts |= draft.facts
        at = Progress(step=last, epoch=-(-last // steps) + 1)
        speed = (self._progress.step - self._since) / self._seconds
        try:
            conclude(config, written, parts, parts.model, at, self._seconds / len(self.members), speed)
        except PassoError:  # its test's loss is not finite
            return None
        written.finish("done")
        return written

    def _keep(self) -> None:
        if self._path is None:
            return
        state = {
            "threads": self.threads,
            "engine": self.engine.state(),
            "progress": self._progress.state(self._batches),
            "told": np.stack(self._told),
            "diverged": sorted(self._diverged),
            "drafts": [[list(one.draft.calls), one.draft.facts] for one in self.members],
            "best": [None if one.parts.best is None else one.parts.best.state_dict() for one in self.members],
            "ended": {row: dict(self.members[row].parts.model.state_dict()) for row in self.engine.ended},
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        save(self._path, state)

    def _go_on(self) -> None:
        """From the state that an interrupted command kept; from the beginning where there is none that can be read."""
        if self._path is None or not self._path.is_file():
            return
        try:
            state = load(self._path)
        except (CheckpointError, StoreError):
            return
        self.threads = state["threads"]  # another number adds in another order
        self.engine.load_state(state["engine"])
        self._progress = Progress.of(state["progress"], torch.device("cpu"))
        self._told, self._diverged = list(np.asarray(state["told"])), set(state["diverged"])
        for one, (calls, known), best in zip(self.members, state["drafts"], state["best"], strict=True):
            one.draft.calls, one.draft.facts = [tuple(call) for call in calls], known
            if one.parts.best is not None:
                one.parts.best.load_state_dict(best)
        for row, weights in state["ended"].items():
            self.members[row].parts.model.load_state_dict(weights)


def _batches(train: Any) -> Batches:
    assert isinstance(train, Batches)  # images that stay on the disk are not fused
    return train


def _columns(record: ReplicaStep) -> np.ndarray:
    """(4, R), NaN for what there is not."""
    nothing = np.full(len(record.lr), np.nan)
    penalty = nothing if record.penalty is None else record.penalty.numpy()
    return np.stack([record.loss.numpy(), record.lr, record.momentum, penalty]).astype(np.float64)
