"""The loop is a `for` that yields: callers watch, stop with `break`, or ignore."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from passo.errors import Diverged, TrainingError
from passo.models.dropout import dropouts, set_step
from passo.optim.stepping import as_schedule, check_same_optimizer
from passo.training.evaluate import Precision, evaluate
from passo.training.penalty import Penalty
from passo.training.progress import Progress
from passo.training.step import (
    EpochEnd,
    LossFunction,
    Manner,
    NonFinite,
    Pair,
    Penalising,
    StepRecord,
    accumulated_step,
)

if TYPE_CHECKING:
    from torch.optim.swa_utils import AveragedModel

    from passo.training.distributed import Ranks
    from passo.training.tasks import Task

Pairs = Iterable[tuple[Tensor, Tensor]]


def length(batches: Any) -> int | None:
    """How many batches an epoch has; None where they do not say (an iterable data set)."""
    try:
        return len(batches)
    except TypeError:
        return None


def steps_in(batches: Any, accumulate: int = 1) -> int | None:
    """How many optimiser steps an epoch has; None where the batches do not say."""
    there = length(batches)
    return None if there is None else -(-there // accumulate)


def fit(
    model: nn.Module,
    loss_fn: LossFunction,
    optimizer: torch.optim.Optimizer,
    batches: Pairs,
    *,
    epochs: int = 1,
    schedule: Any = None,
    validation: Pairs | None = None,
    average: AveragedModel | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    penalty: Penalising | None = None,
    accumulate: int = 1,
    precision: Precision = "float32",
    scaler: torch.amp.GradScaler | None = None,
    nonfinite: NonFinite | None = None,
    task: Task | None = None,
    device: torch.device | str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    ranks: Ranks | None = None,
) -> Iterator[StepRecord]:
    """Train, and yield a `StepRecord` after every optimiser step.

    `batches` is any iterable of (x, y) pairs that can be walked once an epoch: passo's `Batches`, a DataLoader, a
    list. `schedule` is a passo schedule or a torch scheduler built on this optimizer; it is stepped when it wants
    to be. `validation` is evaluated at the end of every epoch, with the averaged weights where there is an
    `average`. `penalty` is added to the loss that is trained: `penalty=Penalty(model, l2=1e-3)`. `accumulate`
    mini-batches make one step; the last step of an epoch takes what is left. `clip_norm`, `clip_value`, `precision`,
    `scaler` and `nonfinite` are told at `step.Manner`. A `task` says what a batch and a step are, where they are not
    the usual ones. `seed` decides the masks of passo's own dropout. `progress` is where the training goes on, and is
    kept true at every record (a `Progress()` of the caller's is a place to read it). `ranks` is this process's part
    where several train one model.

    >>> model = nn.Linear(1, 1)
    >>> batches = [(torch.ones(4, 1), torch.zeros(4, 1))] * 3
    >>> records = list(fit(model, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.1), batches, epochs=2))
    >>> [record.step for record in records], records[-1].end.validation
    ([1, 2, 3, 4, 5, 6], None)
    """
    plan = as_schedule(schedule, steps_per_epoch=steps_in(batches, accumulate))
    if plan is not None:
        check_same_optimizer(plan, optimizer)
    if isinstance(penalty, Penalty):
        penalty.check(optimizer)
    manner = Manner(clip_norm, clip_value, penalty, precision, scaler, nonfinite)
    make = accumulated_step if task is None else task.step
    make = make if ranks is None else ranks.step
    layers = dropouts(model)
    at = progress or Progress()

    def trained(pairs: list[Pair], places: list[Any], epoch: int) -> StepRecord:
        step = at.step + 1
        if layers:
            set_step(layers, seed, step)
        try:
            record = make(model, loss_fn, optimizer, pairs, manner, step=step, epoch=epoch)
        except Diverged as error:
            error.positions = places[error.part]
            raise
        at.step, at.taken = step, at.taken + len(pairs)
        if record.skipped:
            at.skipped += 1
        else:
            at.total = record.loss if at.total is None else at.total + record.loss
        if average is not None:
            average.update_parameters(model)
        if plan is not None:
            plan.after_step()
        return record._replace(positions=places)

    for epoch in range(at.epoch, epochs + 1):
        model.train()
        begun = time.perf_counter() - at.seconds
        held: StepRecord | None = None  # a record is handed on once it is known whether it ends the epoch
        pairs: list[Pair] = []
        places: list[Any] = []  # of each mini-batch's samples, where the batches tell
        for x, y in at.walk(batches):
            if held is not None and not pairs:
                at.seconds = time.perf_counter() - begun
                yield held
            if device is not None:
                x, y = x.to(device), y.to(device)
            pairs.append((x, y) if task is None else task.prepare(x, y, at.step + 1, len(pairs)))
            places.append(getattr(batches, "positions", None))
            if len(pairs) == accumulate:
                held, pairs, places = trained(pairs, places, epoch), [], []
        if pairs:
            held = trained(pairs, places, epoch)
        if held is None:
            raise TrainingError(f"epoch {epoch} has no batches: the data are empty, or were used up by an iterator")
        if at.total is None:
            raise Diverged(at.step, epoch)  # every step was skipped
        seen = None
        if validation is not None:
            watched = model if average is None else average.module
            with nullcontext() if ranks is None else ranks.alone():
                seen = evaluate(watched, loss_fn, validation, device=device, task=task, precision=precision)
        if plan is not None:
            watched_loss = None if seen is None else seen.loss
            plan.after_epoch(watched_loss if ranks is None else ranks.told(watched_loss))
        steps = -(-at.taken // accumulate) - at.skipped
        end = EpochEnd(float(at.total) / steps, seen, time.perf_counter() - begun)
        at.after_epoch()
        yield held._replace(end=end)
