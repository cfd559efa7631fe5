"""Everything that a training is made of, built from its configuration: model, optimizer, schedule, task, batches."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from passo.data import Augmentation, Data, load
from passo.errors import ConfigError
from passo.experiments.devices import check_devices
from passo.models import MADE_FOR, build, count_parameters, own_file
from passo.optim import Schedule, describe, make_optimizer, make_schedule, parameter_groups
from passo.seeding import generator
from passo.training import (
    Penalty,
    Progress,
    StepRecord,
    TrainConfig,
    choose_device,
    environment,
    fit,
)
from passo.training.distributed import Ranks
from passo.training.loop import steps_in
from passo.training.stopping import Best
from passo.training.tasks import TASKS, Task
from passo.training.tasks.halves import Halves, HalvesSchedule

EVALUATION_BATCH = 1000
EVALUATION_VALUES = 2**24  # … and pixels at most: 64 MB, however large the images are


class Parts(NamedTuple):
    """Everything that a training is made of, built from its configuration."""

    device: torch.device
    model: nn.Module
    loss_fn: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Schedule | None
    train: Any
    validation: Any
    test: Any
    steps_per_epoch: int | None  # None where the caller's own batches do not say
    task: Task
    penalty: Penalty | None = None
    scaler: torch.amp.GradScaler | None = None
    best: Best | None = None  # None without a validation set


class Loaders(NamedTuple):
    """A user's own batches: iterables of (x, y) for training, validation (or None) and test (or None)."""

    train: Any
    validation: Any = None
    test: Any = None


def load_data(config: TrainConfig) -> Data:
    """The data that a configuration names."""
    wanted = config.dataset
    options = wanted.model_dump(exclude={"name", "augment"})
    return load(wanted.name, **options)


def assemble(config: TrainConfig, data: Data | Loaders, model: nn.Module | None = None) -> Parts:
    """Build model, optimizer, schedule and batches; the seed decides weights and the order of batches."""
    device = choose_device(config.device)
    task = task_of(config, data)
    named = model is None
    if model is None:
        shape, classes = (data.in_shape, data.outputs) if isinstance(data, Data) else ((1, 28, 28), 10)
        model = build(config.model.name, shape, classes, seed=config.seed, **config.model.options)
    model = model.to(device)
    if config.optimizer.name == "lbfgs":  # torch's flattens gradients by view(), which channels-last ones refuse
        model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    train, validation, test = _batches(config, data, device)
    steps = steps_in(train, config.accumulate)
    task.begin(data if isinstance(data, Data) else None, model)
    check_devices(config, data, named, device, task, model)
    optimizer = _optimizer(config, model, task)
    schedule = _schedule(config, optimizer, steps)
    if schedule is not None and schedule.when == "plateau" and validation is None:
        raise ConfigError(f"schedule {schedule.name} needs a validation set: dataset.validation=0.1")
    penalty = Penalty(model, l1=config.l1, l2=config.l2) if config.l1 or config.l2 else None
    loss_fn = task.loss_fn(data if isinstance(data, Data) else None).to(device)
    scaler = torch.amp.GradScaler(device.type) if config.precision == "fp16" else None
    if config.early_stopping is not None and validation is None and config.early_stopping.monitor != "epoch/train_loss":
        raise ConfigError("early_stopping needs a validation set: dataset.validation=0.1")
    best = None if validation is None and config.early_stopping is None else Best(task, config.early_stopping)
    return Parts(
        device, model, loss_fn, optimizer, schedule, train, validation, test, steps, task, penalty, scaler, best
    )


def facts(config: TrainConfig, data: Data | Loaders, parts: Parts) -> dict[str, Any]:
    """What a run says of itself as it begins."""
    own = own_file.is_own(config.model.name)
    return {
        "parameters": count_parameters(parts.model).trainable,
        **({"model_sha256": own_file.sha256(config.model.name)} if own else {}),
        "steps_per_epoch": parts.steps_per_epoch,
        "task": parts.task.name,
        "environment": environment(parts.device),
        "data": data.facts() if isinstance(data, Data) else {"name": "(the caller's own batches)"},
    }


def averaged(config: TrainConfig, parts: Parts) -> AveragedModel | None:
    """The average of the weights that a configuration asks for, as it begins."""
    if config.average is None:
        return None
    return AveragedModel(parts.model, multi_avg_fn=get_ema_multi_avg_fn(config.average))


def records_of(
    config: TrainConfig,
    parts: Parts,
    average: AveragedModel | None,
    progress: Progress,
    ranks: Ranks | None = None,
) -> Iterator[StepRecord]:
    """The training itself, one record a step."""
    return fit(
        parts.model,
        parts.loss_fn,
        parts.optimizer,
        parts.train,
        epochs=config.epochs,
        schedule=parts.schedule,
        validation=parts.validation,
        average=average,
        clip_norm=config.clip_norm,
        clip_value=config.clip_value,
        penalty=parts.penalty,
        accumulate=config.accumulate,
        precision=config.precision,
        scaler=parts.scaler,
        nonfinite=config.nonfinite,
        task=parts.task,
        device=parts.device,
        seed=config.seed,
        progress=progress,
        ranks=ranks,
    )


def task_of(config: TrainConfig, data: Data | Loaders) -> Task:
    """The task that is asked for, or else what the model is made for, or else what the data are.

    Raises `ConfigError` where the model is made for another one, or the task does not take such an option.
    """
    made = MADE_FOR.get(config.model.name)
    usual = data.task if isinstance(data, Data) else "classify"
    name = config.task.name or made or usual
    if made is not None and made != name:
        raise ConfigError(f"model {config.model.name} is made to {made}, not to {name}: leave out task={name}")
    try:
        return TASKS[name](config, **config.task.options)
    except TypeError:
        takes = [one for one in inspect.signature(TASKS[name]).parameters if one != "config"]
        raise ConfigError(
            f"task {name} takes {', '.join(takes) or 'no options'}, got {dict(config.task.options)}"
        ) from None


def check_predicts(task: Task, what: str) -> None:
    """Raise `ConfigError` where `what` needs the loss of a prediction, and the task is another one."""
    if not task.predicts:
        raise ConfigError(f"{what} is of a model that predicts, and task {task.name} is another: train it plainly")


def _optimizer(config: TrainConfig, model: nn.Module, task: Task) -> Any:
    """The configured optimizer; for a task that trains parts of the model apart, one for each, as `Halves`."""

    def made(module: nn.Module, other: Mapping[str, Any]) -> torch.optim.Optimizer:
        options = {**config.optimizer.options, **other}
        decay = options.get("weight_decay", _default_decay(config.optimizer.name))
        params = parameter_groups(module, decay) if decay and not config.decay_biases else module.parameters()
        return make_optimizer(config.optimizer.name, params, **options)

    if not (halves := task.halves()):
        return made(model, {})
    return Halves({name: made(getattr(model, name), other) for name, other in halves.items()})


def _schedule(config: TrainConfig, optimizer: Any, steps: int | None) -> Schedule | None:
    """The configured schedule; of `Halves`, one for each."""
    if config.schedule is None:
        return None
    name, options = config.schedule.name, {"epochs": config.epochs, **config.schedule.options}
    if steps is None:
        raise ConfigError(f"schedule {name}: these batches do not say how many there are in an epoch")
    if not isinstance(optimizer, Halves):
        return make_schedule(name, optimizer, steps_per_epoch=steps, **options)
    parts = {half: make_schedule(name, one, steps_per_epoch=steps, **options) for half, one in optimizer.parts.items()}
    return HalvesSchedule(optimizer, parts)


def _default_decay(optimizer: str) -> float:
    """The weight decay that the class takes by itself: AdamW has one."""
    arguments = {argument.name: argument.default for argument in describe(optimizer).arguments}
    return float(arguments.get("weight_decay") or 0.0)


def _batches(config: TrainConfig, data: Data | Loaders, device: torch.device) -> tuple[Any, Any, Any]:
    workers = config.num_workers
    if isinstance(data, Loaders):
        if workers:
            raise ConfigError("num_workers is of passo's own data: give your DataLoader its own")
        return data.train, data.validation, data.test
    there = len(data.train)
    size = there if config.batch_size == "all" else min(config.batch_size, there)  # as a DataLoader does
    changes = config.dataset.augment
    train = data.train.batches(
        size,
        device=device,
        num_workers=workers,
        shuffle=config.sampling == "shuffle",
        weights="balanced" if config.sampling == "balanced" else None,
        generator=generator(config.seed, "batches"),
        augment=Augmentation(changes, data.scaling, seed=config.seed) if changes else None,
    )
    return train, _whole(data.validation, device, workers), _whole(data.test, device, workers)


def _whole(split: Any, device: torch.device, workers: int) -> Any:
    """A split in order, in big batches. Its own generator: evaluating draws nothing from anybody else's."""
    if split is None:
        return None
    size = min(EVALUATION_BATCH, max(1, EVALUATION_VALUES // math.prod(split.shape)), len(split))
    return split.batches(size, device=device, num_workers=workers, shuffle=False, generator=torch.Generator())
