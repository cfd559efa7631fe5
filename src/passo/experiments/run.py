"""One run: from a configuration to trained weights, with everything that happened written down."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from passo.data import Augmentation, Data, FileBatches, load
from passo.data.reading import ended
from passo.errors import ConfigError, Diverged, StoreError, TrainingError
from passo.experiments import diverged
from passo.experiments.devices import check_devices, shared
from passo.experiments.failing import out_of_memory
from passo.experiments.instruments import instruments
from passo.experiments.keeping import Keeper, TimeUp, put_back
from passo.experiments.sink import Sink
from passo.models import MADE_FOR, build, count_parameters, own_file
from passo.optim import Schedule, describe, make_optimizer, make_schedule, parameter_groups
from passo.seeding import generator
from passo.training import (
    Evaluation,
    Penalty,
    Progress,
    StepRecord,
    TrainConfig,
    choose_device,
    environment,
    evaluate,
    fit,
    weights_sha256,
)
from passo.training.distributed import Ranks
from passo.training.loop import steps_in
from passo.training.penalty import kernels
from passo.training.stopping import Best, epoch_values
from passo.training.tasks import TASKS, Task
from passo.training.tasks.halves import Halves, HalvesSchedule

EVALUATION_BATCH = 1000
WAITING = 1000  # steps at most whose losses have not been looked at
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


@dataclass(frozen=True)
class Result:
    """What a finished run hands back: the model, its test (where there is one) and the hash of its weights.

    `best` tells of the best epoch, in a sentence; None without a validation set.
    """

    model: nn.Module
    test: Evaluation | None
    weights_sha256: str
    steps: int
    seconds: float
    best: str | None = None


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


def check_predicts(task: Task, what: str) -> None:
    """Raise `ConfigError` where `what` needs the loss of a prediction, and the task is another one."""
    if not task.predicts:
        raise ConfigError(f"{what} is of a model that predicts, and task {task.name} is another: train it plainly")


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
    size = len(data.train) if config.batch_size == "all" else config.batch_size
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


def running(
    config: TrainConfig,
    sink: Sink,
    data: Data | Loaders,
    parts: Parts,
    keeper: Keeper | None = None,
    state: Mapping[str, Any] | None = None,
) -> Generator[StepRecord | Result, None, None]:
    """Train what `assemble` built, write into `sink`, and yield each step's record, then the `Result`.

    With a `keeper` the run's state is kept on the way; with a `state` it goes on from there. However it ends, the run
    says how: done, interrupted (Ctrl-C, its time is up, or the caller stopped listening) or failed.
    """
    try:
        yield from _running(config, sink, data, parts, keeper, state)
        sink.finish("done")
    except TimeUp as up:
        sink.finish("interrupted", str(up))
    except (KeyboardInterrupt, GeneratorExit):
        sink.finish("interrupted", "stopped by the user")
        raise
    except Diverged as error:
        found = diverged.report(error, config, data, parts, keeper, records_of)
        sink.info(diverged=found.facts())
        sink.event("diverged", found.sentence(), found.seen_at)
        sink.finish("diverged", found.sentence())
        raise TrainingError(found.sentence()) from error
    except BaseException as error:
        told = ended(error) or out_of_memory(error, config)
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
) -> Iterator[StepRecord | Result]:
    sink.info(
        parameters=count_parameters(parts.model).trainable,
        **({"model_sha256": own_file.sha256(config.model.name)} if own_file.is_own(config.model.name) else {}),
        steps_per_epoch=parts.steps_per_epoch,
        task=parts.task.name,
        environment=environment(parts.device),
        data=data.facts() if isinstance(data, Data) else {"name": "(the caller's own batches)"},
    )
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
            yield from written
        finally:  # an interrupted run keeps what its instruments saw
            written.close()
            records.close()
    seconds = time.perf_counter() - begun
    speed = (progress.step - first) / seconds
    yield _conclude(config, sink, parts, trained, progress.step, seconds, speed)


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


def _written(
    records: Iterator[StepRecord], sink: Sink, parts: Parts, model: nn.Module, keeper: Keeper | None
) -> Generator[StepRecord, None, None]:
    """Hand records on; write their scalars at the end of each epoch, so that no step waits for the device.

    `model` is whose weights are evaluated: they may be the averaged ones.
    """
    waiting: list[StepRecord] = []
    per_epoch, best = parts.steps_per_epoch, parts.best
    if best is not None and best.stop:  # it was interrupted after its last epoch
        return
    try:
        for record in records:
            waiting.append(record)
            due = keeper is not None and keeper.due(record)
            if record.end is not None or due or len(waiting) == WAITING:
                written, waiting = waiting, []
                _write_steps(sink, written, per_epoch)  # first: whoever stops at the end of an epoch keeps it
                if record.end is not None:
                    _write_epoch(sink, record)
                    for name, values, meta in parts.task.at_epoch(model):
                        sink.array(name, values, first_step=record.step, **meta)
                _check_finite(written, parts.model)
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
        _write_steps(sink, waiting, per_epoch)
        waiting = []
        if keeper is not None:
            keeper.keep()
        raise
    finally:
        _write_steps(sink, waiting, per_epoch)


def _write_steps(sink: Sink, records: list[StepRecord], per_epoch: int | None) -> None:
    if not records:
        return
    losses = torch.stack([record.loss for record in records]).tolist()
    if skipped := [f"{record.step:,}" for record in records if record.skipped]:
        told = f"{len(skipped)} steps were skipped, their loss or gradient not finite: step {', '.join(skipped[:8])}"
        sink.event("skipped", told + (" …" if len(skipped) > 8 else ""), records[-1].step)
    paid = [record.penalty for record in records if record.penalty is not None]  # of all steps, or of none
    penalties = torch.stack(paid).tolist() if paid else [None] * len(records)
    told = _told(records)
    for record, loss, penalty in zip(records, losses, penalties, strict=True):
        values = {"train/loss": loss, "lr": record.lr} | ({} if penalty is None else {"train/penalty": penalty})
        values |= {f"train/{name}": value for name, value in told[record.step].items()}
        if record.momentum is not None:
            values["momentum"] = record.momentum
        sink.scalars(record.step, record.step / per_epoch if per_epoch else record.epoch, values)


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


def stopped_early(best: Best, epoch: int) -> str:
    """The sentence of an early end."""
    return (
        f"stopped after epoch {epoch}: {best.waited} epochs without a gain in {best.monitor}, "
        f"which was best ({best.value:.4g}) in epoch {best.epoch}"
    )


def _conclude(
    config: TrainConfig, sink: Sink, parts: Parts, model: nn.Module, steps: int, seconds: float, speed: float
) -> Result:
    """Put the best weights back where they are wanted, test once, hash and keep the weights, write the summary."""
    best, stopping = parts.best, config.early_stopping
    if best is not None and best.weights:
        if stopping is not None and stopping.restore_best:
            model.load_state_dict(best.weights)
        elif best.step != steps:
            for name, tensor in best.weights.items():
                sink.array(f"best/{name}", _at_least_1d(tensor).cpu().numpy(), shape=list(tensor.shape))
        sink.info(best=best.facts())
    test = None
    if parts.test is not None:
        keep = config.record.predictions
        test = evaluate(
            model,
            parts.loss_fn,
            parts.test,
            device=parts.device,
            keep=keep,
            task=parts.task,
            precision=config.precision,
        )
        sink.scalars(steps, config.epochs, {f"test/{name}": value for name, value in test.values.items()})
        if not math.isfinite(test.loss):
            raise Diverged(steps, config.epochs, "the test loss")
        for name, values, meta in () if test.measure is None else test.measure.kept():
            sink.array(f"test/{name}", values, **meta)
        if test.outputs is not None and test.targets is not None:
            for name, values, meta in parts.task.kept(test.outputs, test.targets):
                sink.array(name, values, **meta)
    sha = weights_sha256(model)
    weighty = kernels(model)  # told apart from biases, norms and buffers, for whoever reads the weights
    for place, (name, tensor) in enumerate(model.state_dict().items()):
        meta = {"shape": list(tensor.shape), "kernel": name in weighty, "place": place}
        sink.array(f"weights/{name}", _at_least_1d(tensor).cpu().numpy(), **meta)
    sink.info(weights_sha256=sha, seconds=seconds, steps_per_second=speed)
    return Result(model, test, sha, steps, seconds, _told_best(best, config, steps))


def _told_best(best: Best | None, config: TrainConfig, steps: int) -> str | None:
    if best is None or best.value is None:
        return None
    told = f"best in epoch {best.epoch}: {best.monitor} {best.value:.4g}"
    if config.early_stopping is not None and config.early_stopping.restore_best:
        early = ", after which it waited in vain" if best.stop else ""
        return f"{told}{early}; these weights were tested and are kept"
    return told if best.step == steps else f"{told}; those weights are kept as best/, the last ones were tested"


def _at_least_1d(tensor: Tensor) -> Tensor:
    return tensor.detach()[None] if tensor.dim() == 0 else tensor.detach()
