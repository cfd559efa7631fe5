"""What a study will take, before it runs: a few real steps of one training of each group, timed and weighed.

The time of one run is  epochs · (steps · seconds a step + validation) + test,  each measured here and now, on one
thread where several runs will share the processor. Its memory is what stays while it steps: weights and buffers, their
gradients, what the optimizer keeps, and what the forward pass leaves for the backward pass (counted by
`torch.autograd.graph.saved_tensors_hooks`, each storage once). Data and torch itself come on top, once a process.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from passo.data import Data
from passo.errors import Diverged
from passo.experiments.assembling import Parts, assemble, load_data, records_of
from passo.experiments.stages import Task
from passo.training import Progress, TrainConfig
from passo.training.evaluate import evaluate
from passo.training.tasks.halves import Halves

STEPS = 64  # at most, after the first, which is not timed
SECONDS = 0.3  # … or as many as these allow: a few steps alone would miss what else the machine does
GROUPS = 12  # that are measured; there may be thousands


@dataclass(frozen=True)
class Estimate:
    """One run of a group: seconds from its first step to its test, and bytes while it steps."""

    seconds: float
    bytes: int


def estimates(groups: Sequence[Sequence[Task]], threads: int = 1) -> list[Estimate | None]:
    """An `Estimate` for one run of each group; None for those after the first `GROUPS`, and where it diverged at once.

    Raises what a training raises where it cannot begin: its data are missing, its model does not suit them.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    data: dict[str, Data] = {}
    found: list[Estimate | None] = []
    try:
        for group in groups[:GROUPS]:
            config = TrainConfig.model_validate({**group[0].settings, "record": {}})
            name = config.dataset.model_dump_json()
            if name not in data:
                data[name] = load_data(config)
            try:
                found.append(estimate(config, data[name]))
            except Diverged:
                found.append(None)
    finally:
        torch.set_num_threads(before)
    return [*found, *[None] * (len(groups) - len(found))]


def estimate(config: TrainConfig, data: Data) -> Estimate:
    """Begin a training, take a few steps and one evaluation, and tell what the whole would take."""
    parts, records, size = _begun(config, data)
    assert parts.steps_per_epoch is not None
    steps = config.epochs * parts.steps_per_epoch
    step = _seconds_a_step(islice(records, STEPS), parts.device) if steps > 1 else _of_one_step(config, data)
    return Estimate(steps * step + _evaluations(config, data, parts), size)


def memory(config: TrainConfig, data: Data) -> int:
    """Bytes of one training while it steps, its data apart: it takes a step to know."""
    return _begun(config, data)[2]


def _begun(config: TrainConfig, data: Data) -> tuple[Parts, Iterator[Any], int]:
    """A training after its first step: its parts, its next steps, and its bytes."""
    parts = assemble(config, data)
    records = records_of(config, parts._replace(validation=None), None, Progress())
    kept: dict[int, int] = {}
    own = {p.untyped_storage().data_ptr() for p in parts.model.parameters()}

    def seen(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(seen, lambda tensor: tensor):
        next(records)
    return parts, records, _weights(parts) + sum(kept.values())


def _seconds_a_step(records: Iterable[Any], device: torch.device) -> float:
    begun, steps = time.perf_counter(), 0
    for _ in records:
        steps += 1
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if time.perf_counter() - begun > SECONDS:
            break
    return (time.perf_counter() - begun) / steps


def _of_one_step(config: TrainConfig, data: Data) -> float:
    """Of a training that has one step, the time of that step in a second training, which is warm."""
    parts = assemble(config, data)
    return _seconds_a_step(records_of(config, parts._replace(validation=None), None, Progress()), parts.device)


def _evaluations(config: TrainConfig, data: Data, parts: Parts) -> float:
    """Seconds for the validation after every epoch, and the test at the end."""
    batches = parts.validation if parts.validation is not None else parts.test
    if batches is None:
        return 0.0
    begun = time.perf_counter()
    found = evaluate(
        parts.model, parts.loss_fn, batches, device=parts.device, task=parts.task, precision=config.precision
    )
    each = (time.perf_counter() - begun) / found.count
    return each * (config.epochs * len(data.validation or ()) + len(data.test or ()))


def _weights(parts: Parts) -> int:
    """Bytes of weights, buffers, gradients and the optimizer's state."""
    tensors = [*parts.model.parameters(), *parts.model.buffers()]
    tensors += [p.grad for p in parts.model.parameters() if p.grad is not None]
    optimizers = parts.optimizer.parts.values() if isinstance(parts.optimizer, Halves) else [parts.optimizer]
    for optimizer in optimizers:
        for state in optimizer.state.values():
            tensors += [value for value in state.values() if isinstance(value, Tensor)]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
