"""The gallery's training loop: plain PyTorch, watched by `passo.watch`. Each defect replaces one part of it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from passo.experiments.sink import Sink
from passo.gallery import examples
from passo.gallery.networks import network, own_optimizer
from passo.recording import watch
from passo.seeding import derive, generator, isolated

Optimizer = torch.optim.Optimizer
Schedule = torch.optim.lr_scheduler.LRScheduler


def nothing(*_: Any) -> None:
    """A part that does nothing."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """The parts of the loop, healthy where nothing else is said. `schedule` gets the steps of the whole training."""

    epochs: int = 5
    batch: int = 64
    steps: int | None = None  # of an epoch, at most
    prepare: Callable[[torch.Generator], examples.Examples] = examples.scaled
    order: Callable[[Tensor, torch.Generator], Tensor] = examples.shuffled
    build: Callable[[str], nn.Module] = network
    spoil: Callable[[nn.Module], Any] = nothing  # what is done to the new model
    optimizer: Callable[[nn.Module, str], Optimizer] = own_optimizer
    schedule: Callable[[Optimizer, int], Schedule | None] = nothing
    per_batch: bool = True  # whether the schedule is stepped after each batch, or after each epoch
    mode: Callable[[nn.Module], Any] = nn.Module.train
    evaluating: Callable[[nn.Module], Any] = nn.Module.eval
    clear: Callable[[Optimizer], Any] = torch.optim.Optimizer.zero_grad
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy
    half: bool = False  # forward and backward pass in float16
    scaler: Callable[[], torch.amp.GradScaler | None] = nothing
    limit: Callable[[nn.Module], Any] = nothing  # what is done to the gradients before the step


def train(training: Training, kind: str, seed: int, sink: Sink) -> None:
    """Train a network by its name and write the run into `sink`; a loss that is no number ends it as diverged.

    Scalars: train/loss and lr of every step; train/accuracy (over the epoch, while it was trained), validation/loss and
    validation/accuracy of every epoch; test/loss and test/accuracy at the end, in eval mode, which no instrument sees.
    """
    with _one_thread(), _unwarned(), isolated(derive(seed, "gallery")):
        part = training.prepare(generator(seed, "gallery", "data"))
        drawing = generator(seed, "gallery", "order")
        model = training.build(kind)
        training.spoil(model)
        optimizer = training.optimizer(model, kind)
        per_epoch = min(math.ceil(len(part.x) / training.batch), training.steps or len(part.x))
        schedule = training.schedule(optimizer, training.epochs * per_epoch)
        scaler = training.scaler()
        sink.info(parameters=sum(p.numel() for p in model.parameters()), steps_per_epoch=per_epoch)
        step, ended = 0, None
        with watch(optimizer, model, activations=True, scaler=scaler, sink=sink, warn=False) as lens:
            for epoch in range(1, training.epochs + 1):
                right = seen = 0
                training.mode(model)
                for rows in training.order(part.y, drawing).split(training.batch)[:per_epoch]:
                    x, y = part.x[rows], part.y[rows]
                    rate = optimizer.param_groups[0]["lr"]
                    training.clear(optimizer)
                    with torch.autocast("cpu", torch.float16, enabled=training.half):
                        logits = model(x)
                    loss = training.loss(logits.float(), y)
                    if scaler is None:
                        loss.backward()
                        training.limit(model)
                        optimizer.step()
                    else:
                        scaler.scale(loss).backward()
                        scaler.step(optimizer)
                        scaler.update()
                    if schedule is not None and training.per_batch:
                        schedule.step()
                    step += 1
                    right += int((logits.argmax(1) == y).sum())
                    seen += len(y)
                    value = loss.item()
                    sink.scalars(step, step / per_epoch, {"train/loss": value, "lr": rate})
                    if not math.isfinite(value):
                        ended = f"the loss is {value} at step {step}"
                        break
                if ended:
                    break
                if schedule is not None and not training.per_batch:
                    schedule.step()
                training.evaluating(model)
                found = _evaluated(training, model, part.validation_x, part.validation_y)
                scalars = {f"validation/{name}": value for name, value in found.items()}
                sink.scalars(step, epoch, {"train/accuracy": right / seen, **scalars})
        sink.info(watch=lens.facts())
        model.eval()
        tested = _evaluated(training, model, part.test_x, part.test_y)
        sink.scalars(step, step / per_epoch, {f"test/{name}": value for name, value in tested.items()})
        if ended:
            sink.event("diverged", ended, step)
        sink.finish("diverged" if ended else "done", ended)


@torch.no_grad()
def _evaluated(training: Training, model: nn.Module, x: Tensor, y: Tensor) -> dict[str, float]:
    """Mean loss and accuracy, in the mode that the model is in."""
    logits = torch.cat([model(part) for part in x.split(250)])
    accuracy = (logits.argmax(1) == y).float().mean()
    return {"loss": float(training.loss(logits, y)), "accuracy": float(accuracy)}


@contextmanager
def _unwarned() -> Iterator[None]:
    """Without torch's warning of a schedule whose optimizer makes no steps, which is a defect's own doing."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)
        yield


@contextmanager
def _one_thread() -> Iterator[None]:
    """The same bits whatever else the process does; such small networks gain nothing from more threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
