"""A study's trainings as one network: a group of them trains together, and each run is written as if it had been alone.

Trainings of a group may have numbers of epochs of their own: each ends when it is through, and the network goes on with
the others, smaller where it can be. A replica that diverges is handed back: repeated by the plain loop, it says why. A
group's state is kept in the study's folder every minute and on Ctrl-C; the same command goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from passo.data import Batches, Together
from passo.errors import CheckpointError, PassoError, StoreError
from passo.experiments.assembling import facts
from passo.experiments.concluding import conclude, stopped_early
from passo.experiments.keeping import Stop, stopping
from passo.experiments.members import Member, OfSeeds
from passo.experiments.pending import PENDING
from passo.experiments.sink import Draft
from passo.experiments.stages import Task
from passo.experiments.stems import stems
from passo.replicas import Replicas, ReplicaStep
from passo.training import Progress
from passo.training.checkpoint import load, save
from passo.training.machine import quick_products, return_memory
from passo.training.step import EpochEnd
from passo.training.stopping import epoch_values

SECONDS, SAYS = 60.0, 0.5  # between two states that are kept, and between two words on how far a group is
TIDY = (
    10.0  # seconds after which memory between small blocks that stay is given back: a long group would take gigabytes
)
COLUMNS = ("train/loss", "lr", "momentum", "train/penalty")  # of every step, in the order of a table's columns


class OnTheWay(NamedTuple):
    """How far trainings are: `done` counts, in parts too, what is not written yet. Or what was `chosen` for them.

    `at` is where a group is, in numbers: epoch, epochs, step, how many still train, and the means over these of what
    is known of them.
    """

    tasks: Sequence[Task]
    done: float
    told: str
    chosen: bool = False
    at: Mapping[str, Any] | None = None


def fused(
    folder: Path | None,
    tasks: Sequence[Task],
    data: OfSeeds,
    threads: int | None = None,
    wanted: Collection[str] | None = None,
) -> Iterator[OnTheWay | tuple[Task, Draft | None]]:
    """Train a group as one; says how far it is, then yields each task with what it would write.

    None stands for what a task would write that is to run alone after all. Tasks come as `eligible` puts them together;
    `wanted` are the runs that are still to be written (all of them). In `folder`, a study's, its state is kept, until
    `forget` says that all is written. Raises what the engine raises for those that do not belong together.
    """
    group = Group([Member.of(task, data) for task in tasks], folder, threads)
    before = torch.get_num_threads()
    torch.set_num_threads(group.threads)
    try:
        with stopping() as stop, quick_products():
            yield from group.train(stop)
            yield from group.results(wanted)
            if stop.asked:  # while they were tested
                raise KeyboardInterrupt
    finally:
        torch.set_num_threads(before)
        return_memory()


def kept_at(folder: Path, tasks: Sequence[Task]) -> Path:
    """Where the study in `folder` keeps the state of a group: another for every group and every setting in it."""
    told = json.dumps([[task.run_id, task.settings] for task in tasks], sort_keys=True)
    return folder / PENDING / f"group-{hashlib.sha256(told.encode()).hexdigest()[:16]}.safetensors"


def forget(folder: Path, tasks: Sequence[Task]) -> None:
    """Everything of a group is written: what was kept to go on from is not needed.

    The folder stays: another group may be about to keep its state there.
    """
    with suppress(OSError):
        kept_at(folder, tasks).unlink(missing_ok=True)


class Group:
    """Members of one network, where their training is, and what it has told so far.

    `folder` is the study's; None keeps nothing. One that is only `timed` has no schedules, since these have an end, and
    nothing looks at it.
    """

    def __init__(
        self,
        members: Sequence[Member],
        folder: Path | None,
        threads: int | None = None,
        *,
        timed: bool = False,
    ) -> None:
        self.members, self.threads = members, threads or torch.get_num_threads()
        first = members[0]
        self._rows = _rows(members)  # the members of each replica, the longest first
        replicas = [members[numbers[0]].replica() for numbers in self._rows]
        self.engine = Replicas(
            [one._replace(schedule=None) for one in replicas] if timed else replicas,
            getattr(first.parts.loss_fn, "judge", first.parts.loss_fn),
        )
        self._most = len(self._rows)
        named = [[members[number].task.run_id for number in numbers] for numbers in self._rows]
        self._with = {run: runs[0] for runs in named for run in runs[1:]}  # the run that another is the beginning of
        self._leaders = {one.config.seed: one for one in reversed(members)}
        self._validation, self.epochs = first.parts.validation, max(one.config.epochs for one in members)
        self._progress = Progress()
        self._seconds = 0.0  # that its training has taken
        self._told: list[np.ndarray] = []  # of each step: (4, members), as COLUMNS
        self._ends: dict[str, Mapping[str, float]] = {}  # of each run what its last epoch brought
        self._path = None if folder is None else kept_at(folder, [one.task for one in members])
        for row, numbers in enumerate(() if timed else self._rows):
            if (watching := members[numbers[0]].watch()) is not None:
                self.engine.show(row, partial(getattr, watching, "due"))
        self._lead()
        self._go_on()

    def walk(self) -> Iterator[ReplicaStep]:
        """The training itself, a record a step, with the replicas that there are now."""
        return self.engine.fit(
            self._batches, self.epochs, validation=self._validation, tasks=self._tasks, progress=self._progress
        )

    def train(self, stop: Stop) -> Iterator[OnTheWay]:
        """To the end, saying every now and then how far it is.

        Raises KeyboardInterrupt, with the state kept, where it is asked to stop.
        """
        begun, before = time.perf_counter(), self._seconds
        kept = said = tidied = time.monotonic()
        walk = self.walk()
        while self._rows:
            record = next(walk)
            self._take(record)
            if (record.ends is not None or len(self.engine.ended) == len(self._rows)) and self._thin():
                walk = self.walk()
            self._seconds = before + time.perf_counter() - begun
            if stop.asked or not self._rows or time.monotonic() - kept > SECONDS:
                self._keep()
                kept = time.monotonic()
            if stop.asked:
                raise KeyboardInterrupt
            if time.monotonic() - tidied > TIDY:
                return_memory()
                tidied = time.monotonic()
            if time.monotonic() - said > SAYS:
                yield self._on_the_way(record)
                said = time.monotonic()

    def results(self, wanted: Collection[str] | None = None) -> Iterator[tuple[Task, Draft | None]]:
        """What each member writes, or each that is `wanted`; None for one that diverged, in training or its test."""
        table = np.stack(self._told)  # (steps, 4, members)
        for number, member in enumerate(self.members):
            if wanted is not None and member.task.run_id not in wanted:
                continue
            whole = not member.diverged and all(
                bool(torch.isfinite(parameter).all()) for parameter in member.parts.model.parameters()
            )
            yield member.task, self._concluded(member, table[..., number]) if whole else None

    def _on_the_way(self, record: ReplicaStep) -> OnTheWay:
        steps = len(self._batches)
        made = [1.0 if one.last is not None else record.step / (one.config.epochs * steps) for one in self.members]
        told = f"{sum(map(len, self._rows))} trainings as one network, epoch {record.epoch} of {self.epochs}"
        going = [one.task.run_id for one in self.members if one.last is None]
        known = [self._ends[run] for run in going if run in self._ends]
        means = {name: math.fsum(one[name] for one in known) / len(known) for name in (known[0] if known else ())}
        losses = record.loss[torch.isfinite(record.loss)]
        means |= {"train/loss": float(losses.mean())} if len(losses) else {}
        finite = {name: value for name, value in means.items() if math.isfinite(value)}
        at = {"epoch": record.epoch, "epochs": self.epochs, "step": record.step, "going": len(going), "means": finite}
        return OnTheWay([one.task for one in self.members], sum(made), told, at=at)

    def _lead(self) -> None:
        """Batches and tasks are those of one member of each seed that is left, always the same one."""
        there = [self._leaders[seed] for seed in self.engine.network.seeds]
        self._tasks = [one.parts.task for one in there]
        self._batches = Together([_batches(one.parts.train) for one in there])

    def _take(self, record: ReplicaStep) -> None:
        told = np.full((len(COLUMNS), len(self.members)), np.nan)
        for column, numbers in zip(_columns(record).T, self._rows, strict=True):
            told[:, numbers] = column[:, None]
        self._told.append(told)
        for row in record.diverged:
            for member in self._going(row):
                member.diverged = True
                member.end(record.step - 1)
        for row, end in enumerate(record.ends or ()):
            for member in self._going(row):
                if self._epoch(row, member, record, end):
                    member.end(record.step)
            if row not in self.engine.ended and not self._going(row):
                self.engine.end(row, record.step)

    def _going(self, row: int) -> list[Member]:
        """The members of a replica that have not ended."""
        return [self.members[number] for number in self._rows[row] if self.members[number].last is None]

    def _epoch(self, row: int, member: Member, record: ReplicaStep, end: EpochEnd) -> bool:
        """Write what an epoch brought; whether it was the member's last."""
        parts, draft = member.parts, member.draft
        if end.validation is not None and not np.isfinite(end.validation.loss):
            member.diverged = True
            return True
        self._ends[member.task.run_id] = values = epoch_values(end)
        draft.scalars(record.step, record.epoch, {**values, "epoch/seconds": end.seconds})
        self.engine.network.put_one(row, parts.model)
        for name, values, meta in parts.task.at_epoch(parts.model):
            draft.array(name, values, first_step=record.step, **meta)
        if parts.best is not None:
            parts.best.look(end, parts.model, step=record.step, epoch=record.epoch)
            if parts.best.stop:
                draft.event("early stopping", stopped_early(parts.best, record.epoch), record.step)
                return True
        return record.epoch == member.config.epochs

    def _thin(self) -> bool:
        """Leave out what has ended, where the network gets smaller by it."""
        going = self.engine.going
        if len(going) == len(self._rows):
            return False
        self._rows = [self._rows[row] for row in going]
        if self._rows:
            self.engine.keep(going)
            self._lead()
        return True

    def _concluded(self, member: Member, table: np.ndarray) -> Draft | None:
        """`table` (steps, 4) is what was told of its steps."""
        config, parts, draft = member.config, member.parts, member.draft
        assert member.last is not None
        last, steps = member.last, len(self._batches)
        written = Draft()
        written.info(**facts(config, member.data, parts), engine="replicas", replicas=self._most, threads=self.threads)
        if (longest := self._with.get(member.task.run_id)) is not None:
            written.info(beginning_of=longest)
        names = COLUMNS if parts.penalty is not None else COLUMNS[:-1]
        for number, values in enumerate(table[:last].tolist(), start=1):
            scalars = {name: value for name, value in zip(names, values, strict=False) if not math.isnan(value)}
            written.scalars(number, number / steps, scalars)
        written.calls += draft.calls
        written.facts |= draft.facts
        at = Progress(step=last, epoch=-(-last // steps) + 1)
        share = last / sum(one.last or 0 for one in self.members)  # of the group's steps
        speed = self._progress.step / self._seconds
        try:
            conclude(config, written, parts, parts.model, at, self._seconds * share, speed)
        except PassoError:  # its test's loss is not finite
            return None
        written.finish("done")
        return written

    def _keep(self) -> None:
        if self._path is None:
            return
        watched = [one.instruments if one.last is None else None for one in self.members]
        state = {
            "threads": self.threads,
            "seconds": self._seconds,
            "instruments": [None if one is None else one.state() for one in watched],  # first: it writes into drafts
            "rows": self._rows,
            "engine": self.engine.state(),
            "progress": self._progress.state(self._batches),
            "told": np.stack(self._told),
            "diverged": [one.diverged for one in self.members],
            "last": [one.last for one in self.members],
            "drafts": [[list(one.draft.calls), one.draft.facts] for one in self.members],
            "best": [None if one.parts.best is None else one.parts.best.state_dict() for one in self.members],
            "ended": [None if one.last is None else dict(one.parts.model.state_dict()) for one in self.members],
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
        before, self._rows, self._seconds = self._rows, state["rows"], state["seconds"]
        if self._rows:
            self.engine.keep([before.index(numbers) for numbers in self._rows])
            self._lead()
            self.engine.load_state(state["engine"])
        self._progress = Progress.of(state["progress"], torch.device("cpu"))
        self._told = list(np.asarray(state["told"]))
        own = (state[name] for name in ("diverged", "last", "drafts", "best", "ended", "instruments"))
        for one, diverged, last, (calls, known), best, weights, seen in zip(self.members, *own, strict=True):
            one.diverged = diverged
            if one.parts.best is not None:
                one.parts.best.load_state_dict(best)
            if weights is not None:
                one.parts.model.load_state_dict(weights)
                one.end(last)
            elif one.instruments is not None:
                one.instruments.put_back(seen)
            one.draft.calls, one.draft.facts = [tuple(call) for call in calls], known


def _rows(members: Sequence[Member]) -> list[list[int]]:
    """The members of each replica, by number: those that begin alike; seed by seed, in the same order."""
    numbers = {one.task.run_id: number for number, one in enumerate(members)}
    seeds: dict[int, list[Task]] = {}
    for one in members:
        seeds.setdefault(one.config.seed, []).append(one.task)
    return [[numbers[task.run_id] for task in stem] for tasks in seeds.values() for stem in stems(tasks)]


def _batches(train: Any) -> Batches:
    assert isinstance(train, Batches)  # images that stay on the disk are not fused
    return train


def _columns(record: ReplicaStep) -> np.ndarray:
    """(4, R), NaN for what there is not."""
    nothing = np.full(len(record.lr), np.nan)
    penalty = nothing if record.penalty is None else record.penalty.numpy()
    return np.stack([record.loss.numpy(), record.lr, record.momentum, penalty]).astype(np.float64)
