"""The instruments that a configuration asks for, put on a run and taken off again however it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import torch
from torch import nn

from passo.errors import CheckpointError, ConfigError, UsageError
from passo.experiments.sink import Sink
from passo.recording import LastBatch, Lens, PathRecorder, Probes, WeightPath, probe, record_path, watch
from passo.recording.choosing import choose
from passo.recording.layout import banks
from passo.training.recordings import RecordConfig
from passo.training.step import Penalising
from passo.training.tasks.halves import Halves


class Instruments:
    """The open instruments of one run: `state()` is what a checkpoint keeps of them, `put_back` its inverse."""

    def __init__(self, sink: Sink) -> None:
        self.lens: Lens | None = None
        self.path: PathRecorder | None = None
        self.probes: Probes | None = None
        self.others: dict[str, Lens] = {}  # of further halves, where each has an optimizer of its own
        self._sink = sink

    @property
    def due(self) -> bool:
        """Whether any of them looks at the next step."""
        there = (self.lens, self.path, self.probes, *self.others.values())
        return any(one.due for one in there if one is not None)

    def state(self) -> dict[str, Any]:
        """All that they hold, after a step. Points of the path that stay are written, and so are no part of it."""
        if self.path is not None:
            _keep_points(self.path.drain(), self._sink)
        held = {"lens": self.lens, "path": self.path, "probes": self.probes, **self.others}
        return {name: None if one is None else one.state_dict() for name, one in held.items()}

    def put_back(self, state: Mapping[str, Any]) -> None:
        """Raises `CheckpointError` where the state is of other instruments."""
        own = (("lens", self.lens), ("path", self.path), ("probes", self.probes))
        for name, one in (*own, *self.others.items()):
            try:
                if one is not None:
                    one.load_state_dict(state[name])
            except (UsageError, KeyError, TypeError) as error:
                raise CheckpointError(f"the checkpoint does not fit what this run records: {error}") from error


@contextmanager
def instruments(
    wanted: RecordConfig,
    model: nn.Module,
    loss_fn: nn.Module,
    optimizer: torch.optim.Optimizer | Halves,
    sink: Sink,
    total: int | None,
    penalty: Penalising | None = None,
    scaler: Any = None,
) -> Iterator[Instruments]:
    """Record what `wanted` says into `sink` while the block runs; `total` is the number of steps, where it is known.

    `penalty` is what is trained beside the loss: the loss before and after a step is recorded with it, since the
    gradient, and so the change that it predicts, is that of both. `scaler` is the GradScaler of a training in half
    precision: gradients are told without its factor.
    """
    found, whole = Instruments(sink), cast(Any, optimizer)
    with ExitStack() as stack:
        if wanted.every and isinstance(optimizer, Halves):
            for name, one, parameters in _of_each(optimizer, model, wanted.parameters):
                first = found.lens is None and not found.others
                under = sink if first else Under(sink, name)
                own = wanted.model_copy(update={"parameters": parameters})
                lens = _lens(own, model, loss_fn, one, under, stack, penalty, scaler)
                stack.callback(_keep_lens, lens, under)
                if first:
                    found.lens = lens
                else:
                    found.others[name] = lens
        elif wanted.every:
            found.lens = _lens(wanted, model, loss_fn, whole, sink, stack, penalty, scaler)
            stack.callback(_keep_lens, found.lens, sink)
        if wanted.path:
            found.path = record_path(model, whole, points=wanted.path, total=total)
            stack.callback(_keep_path, found.path, sink)
        if wanted.probes:
            looks = wanted.probes
            found.probes = probe(model, whole, loss_fn, looks=looks, total=total, penalty=penalty, sink=sink)
            stack.callback(_keep_probes, found.probes, sink)
        yield found


def check_recording(
    wanted: RecordConfig, model: nn.Module, optimizer: torch.optim.Optimizer | Halves, steps: int | None
) -> None:
    """Refuse, before a folder is made, what this model does not have and what this run does not reach.

    `steps` is how many the run has, None where that is not known. Raises `ConfigError`, which names the key.
    """
    if isinstance(optimizer, Halves):
        for key in ("loss", "activations", "path", "probes"):
            if getattr(wanted, key):
                raise ConfigError(
                    f"record.{key} is of one model with one loss, and here {' and '.join(optimizer.parts)} have one "
                    f"each: leave it out"
                )
    if not wanted.every:
        return
    with _about("record.parameters"):
        slots = [slot for bank in banks(cast(Any, optimizer), model, wanted.parameters) for slot in bank]
    with _about("record.coordinates"):
        choose(slots, wanted.coordinates, seed=0)
    if steps is None:
        return
    late = [step for step in wanted.snapshots if step > steps]
    if late:
        raise ConfigError(f"record.snapshots asks for step {late[0]:,}, and this run has {steps:,} steps")
    key, first = ("between", wanted.between[0]) if wanted.between else ("every", wanted.every)
    if first != "auto" and first > steps and not wanted.snapshots:
        raise ConfigError(
            f"record.{key} records nothing: it begins at step {first:,}, and this run has {steps:,} steps"
        )


class Under:
    """A sink for one half of a model: arrays and facts go under its name, and events say whose they are."""

    def __init__(self, sink: Sink, half: str) -> None:
        self._sink, self._half = sink, half

    def chunk(self, arrays: Mapping[str, tuple[Any, Mapping[str, Any]]], *, first_step: int = 0) -> None:
        self._sink.chunk({f"{self._half}/{name}": one for name, one in arrays.items()}, first_step=first_step)

    def event(self, kind: str, message: str, step: int | None = None, **data: Any) -> None:
        self._sink.event(kind, f"{self._half}: {message}", step, **{**data, "half": self._half})

    def info(self, **facts: Any) -> None:
        self._sink.info(**{f"{self._half}/{name}": fact for name, fact in facts.items()})


class _Telling:
    """A sink that tells with the first arrays what the optimiser is: a run is looked at while it trains."""

    def __init__(self, sink: Sink | Under) -> None:
        self._sink = sink
        self.lens: Lens | None = None

    def chunk(self, arrays: Mapping[str, tuple[Any, Mapping[str, Any]]], *, first_step: int = 0) -> None:
        self._sink.chunk(arrays, first_step=first_step)
        if self.lens is not None:
            self._sink.info(watch=self.lens.facts())
            self.lens = None

    def event(self, kind: str, message: str, step: int | None = None, **data: Any) -> None:
        self._sink.event(kind, message, step, **data)


def _of_each(
    optimizer: Halves, model: nn.Module, wanted: Sequence[str] | None
) -> Iterator[tuple[str, torch.optim.Optimizer, tuple[str, ...] | None]]:
    """Each half with its optimizer and those of the wanted parameters that it has; not one that has none of them."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for half, one in optimizer.parts.items():
        held = {names[id(p)] for group in one.param_groups for p in group["params"]}
        own = None if wanted is None else tuple(name for name in wanted if name in held)
        if own is None or own:
            yield half, one, own


@contextmanager
def _about(key: str) -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        raise ConfigError(f"{key}: {error}") from error


def _lens(
    wanted: RecordConfig,
    model: nn.Module,
    loss_fn: nn.Module,
    optimizer: torch.optim.Optimizer,
    sink: Sink | Under,
    stack: ExitStack,
    penalty: Penalising | None,
    scaler: Any,
) -> Lens:
    loss: Penalising | None = None
    if wanted.loss:
        last = LastBatch(model, loss_fn)
        stack.callback(last.close)
        loss = last if penalty is None else lambda: last() + penalty()
    telling = _Telling(sink)
    lens = telling.lens = watch(
        optimizer,
        model,
        parameters=wanted.parameters,
        every=wanted.every,  # type: ignore[arg-type]
        between=wanted.between,
        budget=wanted.budget,
        coordinates=wanted.coordinates,
        statistics=wanted.statistics,
        snapshots=wanted.snapshots,
        histograms=wanted.histograms,
        witness=wanted.witness,
        activations=wanted.activations,
        loss=loss,
        scaler=scaler,
        sink=telling,
        warn=False,
    )
    return lens


def _keep_lens(lens: Lens, sink: Sink | Under) -> None:
    lens.close()
    if lens.lost:  # the store failed on the way: what is left in memory cannot go there either
        return
    facts = lens.facts()
    sink.info(watch=facts, **({"residual_roundings": facts["roundings"]} if "roundings" in facts else {}))


def _keep_path(path: PathRecorder, sink: Sink) -> None:
    path.close()
    _keep_points(path.path(), sink)
    for notice in path.notices:
        sink.event("path", notice, path.step)


def _keep_probes(probes: Probes, sink: Sink) -> None:
    probes.close()
    sink.info(probes=probes.facts())
    for notice in probes.notices:
        sink.event("probes", notice, probes.step)


def _keep_points(points: WeightPath | None, sink: Sink) -> None:
    """Write points of a path behind those that are there."""
    if points is not None and len(points.steps):
        sink.chunk(points.arrays(), first_step=int(points.steps[0]))
