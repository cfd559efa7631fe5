"""One run: from what it is made of to trained weights, with everything that happened written down."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import torch
from torch import nn

from passo.data import Data, FileBatches
from passo.data.reading import ended
from passo.errors import Diverged, StoreError, TrainingError
from passo.experiments import diverged
from passo.experiments.assembling import Loaders, Parts, averaged, facts, records_of
from passo.experiments.attending import Attending
from passo.experiments.concluding import Result, conclude, stopped_early
from passo.experiments.devices import shared
from passo.experiments.failing import of_own_model, out_of_memory
from passo.experiments.instruments import instruments
from passo.experiments.keeping import Keeper, TimeUp, put_back
from passo.experiments.sink import Sink
from passo.training import (
    Progress,
    StepRecord,
    TrainConfig,
)
from passo.training.stopping import epoch_values

WAITING = 1000  # steps at most whose losses have not been looked at
PERIOD = 0.2  # seconds after which scalars are written, for whoever watches


def running(
    config: TrainConfig,
    sink: Sink,
    data: Data | Loaders,
    parts: Parts,
    keeper: Keeper | None = None,
    state: Mapping[str, Any] | None = None,
    attending: Attending | None = None,
) -> Generator[StepRecord | Result, None, None]:
    """Train what `assemble` built, write into `sink`, and yield each step's record, then the `Result`.

    With a `keeper` the run's state is kept on the way; with a `state` it goes on from there; `attending` looks in on
    it. However it ends, the run says how: done, interrupted (Ctrl-C, its time is up, or the caller stopped listening)
    or failed.
    """
    try:
        yield from _running(config, sink, data, parts, keeper, state, attending)
        sink.finish("done")
    except TimeUp as up:
        sink.finish("interrupted", str(up))
    except (KeyboardInterrupt, GeneratorExit):
        sink.finish("interrupted", "stopped by the user")
        raise
    except Diverged as error:
        try:
            found = diverged.report(error, config, data, parts, keeper, records_of)
        except KeyboardInterrupt:  # of a search that takes too long; repeated, it comes here again
            sink.finish("interrupted", "stopped by the user")
            raise
        sink.info(diverged=found.facts())
        sink.event("diverged", found.sentence(), found.seen_at)
        sink.finish("diverged", found.sentence())
        raise TrainingError(found.sentence()) from error
    except BaseException as error:
        told = ended(error) or out_of_memory(error, config) or of_own_model(error, config)
        with suppress(StoreError):  # a full disk does not take this either: the run then shows as interrupted
            sink.finish("failed", f"{type(told or error).__name__}: {told or error}")
        if told is not None:
            raise told from None
        raise
    finally:
        for batches in (parts.train, parts.validation, parts.test):
            if isinstance(batches, FileBatches):
                batches.close()


def _running(
    config: TrainConfig,
    sink: Sink,
    data: Data | Loaders,
    parts: Parts,
    keeper: Keeper | None,
    state: Mapping[str, Any] | None,
    attending: Attending | None,
) -> Iterator[StepRecord | Result]:
    sink.info(**facts(config, data, parts))
    average = averaged(config, parts)
    if state is not None:
        put_back(state, parts, average)
    progress = Progress() if keeper is None else keeper.progress
    if keeper is not None:
        keeper.averaging(average)
    begun, first = time.perf_counter(), progress.step
    trained = parts.model if average is None else average.module
    train = partial(records_of, config, parts, average, progress)
    records = shared(config, data, parts, state, sink, train)
    written = _written(records, sink, parts, trained, keeper)
    total = parts.steps_per_epoch and parts.steps_per_epoch * config.epochs
    asked = (config.record, parts.model, parts.loss_fn, parts.optimizer, sink, total, parts.penalty, parts.scaler)
    with instruments(*asked) as watching:
        if state is not None:
            watching.put_back(state.get("instruments", {}))
        if keeper is not None:
            keeper.watching(watching)
        try:
            yield from written if attending is None else attending.of(written, first)
        finally:  # an interrupted run keeps what its instruments saw
            written.close()
            records.close()
    seconds = time.perf_counter() - begun
    speed = (progress.step - first) / seconds
    yield conclude(config, sink, parts, trained, progress, seconds, speed)


def _written(
    records: Iterator[StepRecord], sink: Sink, parts: Parts, model: nn.Module, keeper: Keeper | None
) -> Generator[StepRecord, None, None]:
    """Hand records on; write their scalars a few times a second, so that few steps wait for the device.

    What is looked at, and may end the run, is looked at after so many steps, which no clock decides.
    `model` is whose weights are evaluated: they may be the averaged ones.
    """
    waiting: list[StepRecord] = []  # to be looked at; so many of them, `written`, are in the store
    written, last = 0, time.monotonic()
    per_epoch, best = parts.steps_per_epoch, parts.best
    if best is not None and best.stop:  # it was interrupted after its last epoch, before that could be said
        assert keeper is not None
        sink.event("early stopping", stopped_early(best, keeper.progress.epoch - 1), keeper.progress.step)
        return
    try:
        for record in records:
            waiting.append(record)
            due = keeper is not None and keeper.due(record)
            whole = record.end is not None or due or len(waiting) == WAITING
            if whole or time.monotonic() - last >= PERIOD:
                written = _write_steps(sink, waiting, per_epoch, written)  # first: who stops at an epoch's end keeps it
                sink.flush()
                last = time.monotonic()
            if whole:
                looked, waiting, written = waiting, [], 0
                if record.end is not None:
                    _write_epoch(sink, record)
                    for name, values, meta in parts.task.at_epoch(model):
                        sink.array(name, values, first_step=record.step, **meta)
                _tell_skipped(sink, looked)
                _check_finite(looked, parts.model)
            if record.end is not None and best is not None:
                best.look(record.end, model, step=record.step, epoch=record.epoch)
            if keeper is not None and due:
                keeper.keep()
                keeper.end()
            yield record
            if record.end is not None and best is not None and best.stop:
                sink.event("early stopping", stopped_early(best, record.epoch), record.step)
                return
    except GeneratorExit:  # between two steps: all is whole
        _write_steps(sink, waiting, per_epoch, written)
        _tell_skipped(sink, waiting)
        waiting = []
        if keeper is not None:
            keeper.keep()
        raise
    finally:
        _write_steps(sink, waiting, per_epoch, written)
        _tell_skipped(sink, waiting)


def _write_steps(sink: Sink, records: list[StepRecord], per_epoch: int | None, written: int) -> int:
    """Write the scalars of those after the first `written`; how many are written now."""
    new = records[written:]
    if not new:
        return written
    losses = torch.stack([record.loss for record in new]).tolist()
    paid = [record.penalty for record in new if record.penalty is not None]  # of all steps, or of none
    penalties = torch.stack(paid).tolist() if paid else [None] * len(new)
    told = _told(new)
    for record, loss, penalty in zip(new, losses, penalties, strict=True):
        values = {"train/loss": loss, "lr": record.lr} | ({} if penalty is None else {"train/penalty": penalty})
        values |= {f"train/{name}": value for name, value in told[record.step].items()}
        if record.momentum is not None:
            values["momentum"] = record.momentum
        sink.scalars(record.step, record.step / per_epoch if per_epoch else record.epoch, values)
    return len(records)


def _tell_skipped(sink: Sink, records: list[StepRecord]) -> None:
    if skipped := [f"{record.step:,}" for record in records if record.skipped]:
        told = f"{len(skipped)} steps were skipped, their loss or gradient not finite: step {', '.join(skipped[:8])}"
        sink.event("skipped", told + (" …" if len(skipped) > 8 else ""), records[-1].step)


def _told(records: list[StepRecord]) -> dict[int, dict[str, float]]:
    """What a task told of each step, read from the device at once."""
    there = [value.float() for record in records for value in (record.told or {}).values()]
    values = iter(torch.stack(there).tolist() if there else [])
    return {record.step: {name: next(values) for name in record.told or ()} for record in records}


def _check_finite(records: list[StepRecord], model: nn.Module) -> None:
    """Raise `Diverged` at the first loss that is not finite (a GPU's are looked at only here), or for the weights."""
    last = records[-1]
    losses = torch.stack([record.loss for record in records]).tolist()
    for record, loss in zip(records, losses, strict=True):
        if not record.skipped and not math.isfinite(loss):
            raise Diverged(record.step, record.epoch)
    if not all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters()):
        raise Diverged(last.step, last.epoch, "a weight")
    if last.end is not None and last.end.validation is not None and not math.isfinite(last.end.validation.loss):
        raise Diverged(last.step, last.epoch, "the validation loss")


def _write_epoch(sink: Sink, record: StepRecord) -> None:
    end = record.end
    assert end is not None
    sink.scalars(record.step, record.epoch, {**epoch_values(end), "epoch/seconds": end.seconds})
