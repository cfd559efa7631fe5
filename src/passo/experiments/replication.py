"""The published Fashion-MNIST note again, under its own random stream: the same numbers, digit for digit.

The stream (torch's default generator feeds everything):

    before the model is built     torch.manual_seed(17)
    when its training begins      Python, NumPy and torch seeded with 42
    each epoch, in this order     training, validation loss, training accuracy (a fresh sample), validation accuracy
    each of these passes          one int64 (the DataLoader's base seed); over training images then torch.multinomial

The part of 20 epochs makes no pass for the training accuracy, so its Adam is another Adam from the second epoch on.
What the note calls validation is the test split: here, and nowhere else in passo.

All runs go side by side, epoch by epoch. Two runs with the same optimizer, passes and learning rates so far are in the
same state, whatever their schedules are: the first is trained, the others take over what it came to.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from passo import seeding
from passo.data import Batches, Data, load
from passo.errors import CheckpointError, UsageError
from passo.models import build
from passo.optim import make_optimizer, make_schedule
from passo.store import RunWriter, Store, root
from passo.studies.published import EXACT, PublishedRun, published_note
from passo.training import environment, evaluate, fit, keep_memory
from passo.training.checkpoint import load as load_state
from passo.training.checkpoint import save

INIT, TRAINING, BATCH = 17, 42, 64
KERNELS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_CBWR", "PASSO_MKL_VENDOR")


@dataclass(frozen=True)
class EpochDone:
    """An epoch of a run is written: its values by metric, and the run it was `shared` with, where it was."""

    run: str
    epoch: int
    values: Mapping[str, float]
    shared: str | None


@dataclass(frozen=True)
class Passes:
    """The batches of the four passes of an epoch."""

    train: Batches
    validation: Batches

    @classmethod
    def of(cls, data: Data) -> Passes:
        """No generator of their own: torch's default one."""
        train = Batches(data.train.images, data.train.labels, BATCH, weights="balanced")
        return cls(train, Batches(data.test.images, data.test.labels, BATCH, shuffle=False))


class Course:
    """One run under way: its model, optimizer and schedule, and the random state that its next epoch begins with."""

    def __init__(self, run: PublishedRun, steps: int) -> None:
        self.run, self.steps = run, steps
        self.rates: tuple[float, ...] = ()
        self.values: dict[str, float] = {}
        torch.manual_seed(INIT)
        self.model = build("tiny-cnn")
        self.optimizer = make_optimizer(params=self.model.parameters(), **run.optimizer)
        on = {"optimizer": self.optimizer, "epochs": run.epochs, "steps_per_epoch": steps}
        self.schedule = None if run.schedule is None else make_schedule(**on, **run.schedule)
        seeding.seed_everything(TRAINING)
        self.generators = seeding.capture()

    @property
    def epochs(self) -> int:
        """How many are done."""
        return len(self.rates)

    @property
    def lr(self) -> float:
        """The learning rate of the next epoch."""
        return float(self.optimizer.param_groups[0]["lr"])

    def led_by(self, other: Course) -> bool:
        """Whether `other` is where this one will be after its next epoch."""
        mine, its = (one.run.config for one in (self, other))
        same = all(mine[key] == its[key] for key in ("optimizer", "train_accuracy"))
        return same and other.rates == (*self.rates, self.lr)

    def train(self, passes: Passes) -> None:
        """One epoch, from the random state in which the last one ended."""
        seeding.restore(self.generators)
        self._after(_epoch(self.model, self.optimizer, passes, self.run.config["train_accuracy"]))
        self.generators = seeding.capture()

    def follow(self, other: Course) -> None:
        """Take over the epoch that `other` has just done; the schedule stays this run's own."""
        self.optimizer.zero_grad()
        self.model.load_state_dict(other.model.state_dict())
        groups = self.optimizer.state_dict()["param_groups"]  # with this run's learning rate
        moments = deepcopy(other.optimizer.state_dict()["state"])  # load_state_dict would share the tensors
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.optimizer.step()  # without a gradient nothing changes, and a schedule has seen its optimizer step
        self.generators = other.generators
        self._after({name: value for name, value in other.values.items() if name != "lr"})

    def _after(self, values: Mapping[str, float]) -> None:
        rate = self.lr
        self.values, self.rates = {**values, "lr": rate}, (*self.rates, rate)
        if self.schedule is not None:
            self.schedule.after_epoch(values["validation/loss"])

    def state(self) -> dict[str, Any]:
        """All that the next epoch depends on."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
            "generators": self.generators,
            "rates": self.rates,
            "values": self.values,
        }

    def put_back(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`; raises `CheckpointError` where it is another run's."""
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            if self.schedule is not None:
                self.schedule.load_state_dict(state["schedule"])
            self.generators, self.rates, self.values = state["generators"], state["rates"], state["values"]
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            raise CheckpointError(f"the checkpoint of {self.run.name} does not fit it: {error}") from error


def _epoch(model: nn.Module, optimizer: torch.optim.Optimizer, passes: Passes, accuracy: bool) -> dict[str, float]:
    """The four passes (three without the training accuracy); losses are means over batches, as the note's are."""
    loss_fn = nn.CrossEntropyLoss()
    losses = [record.loss for record in fit(model, loss_fn, optimizer, passes.train)]
    values = {"epoch/train_loss": float(torch.stack(losses).double().mean())}
    seen = evaluate(model, loss_fn, passes.validation, keep=True)
    assert seen.outputs is not None and seen.targets is not None and seen.accuracy is not None
    batches = zip(seen.outputs.split(BATCH), seen.targets.split(BATCH), strict=True)
    values["validation/loss"] = float(torch.stack([loss_fn(x, y) for x, y in batches]).double().mean())
    if accuracy:
        sampled = evaluate(model, loss_fn, passes.train).accuracy
        assert sampled is not None
        values["epoch/train_accuracy"] = sampled
    iter(passes.validation)  # the last pass would see the same outputs again: what it draws is drawn
    values["validation/accuracy"] = seen.accuracy
    return values


def replicate(
    folder: str | Path | None = None,
    *,
    runs: Sequence[str] = (),
    epochs: int | None = None,
    threads: int = 1,
    force: bool = False,
) -> Iterator[EpochDone]:
    """Train the note's runs (or these `runs`, or their first `epochs`), and yield every epoch once it is written.

    In a folder that was interrupted, or trained in part, it goes on; epochs that are there are not trained again. The
    last bits depend on `threads` and on the processor's kernels (docs/replication.md); both are kept in the study.

    Raises `DataNotFound` where the full Fashion-MNIST is not to be had, `UnknownName`, `UsageError` and `StoreError`.
    """
    chosen = published_note().chosen(runs)
    if threads < 1 or (epochs is not None and epochs < 1):
        raise UsageError(f"threads and epochs must be ≥ 1, got {threads} and {epochs}")
    data = load("fashion-mnist", validation=None, scale="symmetric")
    before, random = torch.get_num_threads(), seeding.capture()
    torch.set_num_threads(threads)
    keep_memory()
    place = root() / EXACT if folder is None else Path(folder)
    try:
        with Store.create(place, name=EXACT, config={"threads": threads, "kernels": kernels()}, force=force) as store:
            store.facts(data=data.facts(), environment=environment(), title="The published note, digit for digit")
            yield from _side_by_side(store, chosen, Passes.of(data), epochs)
    finally:
        seeding.restore(random)
        torch.set_num_threads(before)


def kernels() -> dict[str, str]:
    """Which of the processor's instructions the sums are made with, and what was asked for in the environment."""
    asked = {name: os.environ[name] for name in KERNELS if name in os.environ}
    return {"torch": torch.backends.cpu.get_cpu_capability(), **asked}


def _side_by_side(
    store: Store, chosen: Sequence[PublishedRun], passes: Passes, most: int | None
) -> Iterator[EpochDone]:
    writers = {run.name: _writer(store, run) for run in published_note().runs if not store.has(run.name)}
    courses = [_course(run, writers[run.name], len(passes.train)) for run in chosen if run.name in writers]
    try:
        for epoch in range(1, max((run.epochs for run in chosen), default=0) + 1):
            if most is not None and epoch > most:
                break
            for course in courses:
                if course.epochs == epoch - 1 and epoch <= course.run.epochs:
                    yield _advanced(course, courses, passes, writers[course.run.name])
                    if course.epochs == course.run.epochs:
                        writers.pop(course.run.name).finish()
    finally:  # those that were not asked for too: the study goes on later
        for writer in writers.values():
            writer.finish("interrupted", "not trained to its end yet: the same command goes on")


def _advanced(course: Course, courses: Sequence[Course], passes: Passes, writer: RunWriter) -> EpochDone:
    """One epoch further, written with its state."""
    begun = time.perf_counter()
    leader = next((other for other in courses if course.led_by(other)), None)
    if leader is None:
        course.train(passes)
    else:
        course.follow(leader)
    epoch, shared, seconds = course.epochs, leader and leader.run.name, time.perf_counter() - begun
    step = epoch * course.steps
    writer.scalars(step, epoch, course.values)
    how = "trained" if shared is None else f"shared with {shared}"
    writer.event("epoch", f"epoch {epoch}: {how}", step, seconds=seconds, shared=shared)
    writer.checkpoint(step, lambda path: save(path, course.state()))
    return EpochDone(course.run.name, epoch, course.values, shared)


def _writer(store: Store, run: PublishedRun) -> RunWriter:
    """The writer of a run, put back to its last state where it has one; else of a new one."""
    found = store.unfinished(run.name)
    if found is None:
        return store.add_run(run.name, config=run.config)
    found.rewind(found.checkpoints()[0][0])
    return found


def _course(run: PublishedRun, writer: RunWriter, steps: int) -> Course:
    course = Course(run, steps)
    if kept := writer.checkpoints():
        course.put_back(load_state(kept[0][1]))
    return course
