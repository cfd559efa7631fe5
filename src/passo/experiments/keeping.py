"""When a run's state is kept, so that it goes on to the same bits: at epochs, every so often, when it is stopped."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from passo.errors import CheckpointError, ConfigError
from passo.store import RunWriter
from passo.training import Progress
from passo.training.checkpoint import load, save
from passo.training.machine import threads

if TYPE_CHECKING:
    from passo.experiments.assembling import Parts
    from passo.experiments.instruments import Instruments
    from passo.training import StepRecord


NEEDED = ("model", "optimizer", "schedule", "average", "progress", "machine")


class TimeUp(Exception):
    """The time that a run was given is over; its state is kept."""


@dataclass(frozen=True)
class Keeping:
    """When to keep: after so many `steps`, after so many `seconds`, at the end of each epoch; None and False for never.

    `max_time` (seconds) ends the run, with its state kept. Raises `ConfigError` for a number that is none.
    """

    steps: int | None = None
    seconds: float | None = 60.0
    epochs: bool = True
    max_time: float | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "seconds", "max_time"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} must be > 0, got {value}")


class Stop:
    """Ctrl-C and SIGTERM, held back until the step under way is whole; a second one does not wait."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, number: int, frame: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def stopping() -> Iterator[Stop]:
    """Hold signals back inside the block; elsewhere than in the main thread there are none to hold.

    One that is ignored stays so: a study's workers leave Ctrl-C to their parent.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    heard = [one for one in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(one) is not signal.SIG_IGN]
    old = {one: signal.signal(one, stop) for one in heard}
    try:
        yield stop
    finally:
        for one, handler in old.items():
            signal.signal(one, handler)


class Keeper:
    """Keeps the state of one run in its study: `after(record)` is called once a step's scalars can be written."""

    def __init__(self, writer: RunWriter, parts: Parts, progress: Progress, keeping: Keeping, stop: Stop) -> None:
        self.progress, self._writer, self._parts, self._keeping, self._stop = progress, writer, parts, keeping, stop
        self._average: AveragedModel | None = None
        self._instruments: Instruments | None = None
        self._begun = self._last = time.monotonic()
        self._kept = progress.step

    def averaging(self, average: AveragedModel | None) -> None:
        """The averaged weights are part of the state too."""
        self._average = average

    def watching(self, instruments: Instruments) -> None:
        """So is what instruments hold."""
        self._instruments = instruments

    def due(self, record: StepRecord) -> bool:
        """Whether the state is to be kept after this step."""
        keeping, now = self._keeping, time.monotonic()
        return (
            self._stop.asked
            or (keeping.epochs and record.end is not None)
            or (keeping.steps is not None and record.step - self._kept >= keeping.steps)
            or (keeping.seconds is not None and now - self._last >= keeping.seconds)
            or self._over(now)
        )

    def keep(self) -> None:
        """Keep it now; all that was recorded before is written with it."""
        parts, step = self._parts, self.progress.step
        if step == self._kept:
            return
        state = {
            "model": _tensors(parts.model),
            "optimizer": parts.optimizer.state_dict(),
            "schedule": None if parts.schedule is None else parts.schedule.state_dict(),
            "scaler": None if parts.scaler is None else parts.scaler.state_dict(),
            "best": None if parts.best is None else parts.best.state_dict(),
            "average": None if self._average is None else _tensors(self._average),
            "progress": self.progress.state(parts.train),
            "instruments": {} if self._instruments is None else self._instruments.state(),
            "machine": machine(parts.device),
        }
        self._writer.checkpoint(step, lambda path: save(path, state))
        self._last, self._kept = time.monotonic(), step

    def newest(self) -> tuple[int, Mapping[str, Any]] | None:
        """The last state that can be read, and its step."""
        found = newest(self._writer)
        return None if found is None else found[:2]

    def end(self) -> None:
        """Raise where the run is to stop here, its state kept."""
        if self._stop.asked:
            raise KeyboardInterrupt
        if self._over(time.monotonic()):
            raise TimeUp(f"its time is up ({self._keeping.max_time:g} s)")

    def _over(self, now: float) -> bool:
        return self._keeping.max_time is not None and now - self._begun >= self._keeping.max_time


def machine(device: torch.device) -> dict[str, Any]:
    """What the last bits depend on beside the state."""
    return {"torch": torch.__version__, "threads": threads(), "device": str(device)}


def newest(writer: RunWriter) -> tuple[int, dict[str, Any], list[str]] | None:
    """The newest state of a run that can be read, its step, and what was wrong with newer ones; None where none can."""
    wrong: list[str] = []
    for step, path in writer.checkpoints():
        try:
            state = load(path)
        except CheckpointError as error:
            wrong.append(str(error))
            continue
        if missing := [part for part in NEEDED if part not in state]:
            wrong.append(f"{path} is no state of a training: it has no {missing[0]}")
            continue
        return step, state, wrong
    return None


def put_back(state: Mapping[str, Any], parts: Parts, average: AveragedModel | None) -> None:
    """Make a training's parts what they were when the state was kept. Random generators follow with `Progress.walk`.

    Raises `CheckpointError` where these are other parts.
    """
    try:
        _fill(parts.model, state["model"])
        parts.optimizer.load_state_dict(state["optimizer"])
        if parts.schedule is not None:
            parts.schedule.load_state_dict(state["schedule"])
        if average is not None:
            _fill(average, state["average"])
        if parts.scaler is not None:
            parts.scaler.load_state_dict(state["scaler"])
        if parts.best is not None:
            parts.best.load_state_dict(state["best"])
    except (KeyError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        raise CheckpointError(f"the checkpoint does not fit this training: {error}") from error


def _tensors(module: nn.Module) -> dict[str, Any]:
    """Every parameter and buffer by name, those too that no state_dict names; shared ones under all their names."""
    found = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    return {name: tensor.detach() for name, tensor in found}


@torch.no_grad()
def _fill(module: nn.Module, kept: Mapping[str, Any]) -> None:
    """Put tensors back in place, in the memory format that they had."""
    there = dict([*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)])
    if there.keys() != kept.keys():
        raise ValueError(f"other tensors: {', '.join(sorted(there.keys() ^ kept.keys()))}")
    for name, tensor in there.items():
        value = kept[name]
        if tensor.shape != value.shape or tensor.dtype != value.dtype:
            raise ValueError(f"{name} has another shape or dtype")
        if tensor.stride() == value.stride():
            tensor.copy_(value)
        else:
            tensor.data = value.to(tensor.device)
