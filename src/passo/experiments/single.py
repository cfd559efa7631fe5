"""`passo.train`: one training, kept in a study folder of its own."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from passo import store
from passo.data import Data
from passo.errors import ConfigError, StoreError, TrainingError
from passo.experiments.assembling import Loaders, assemble, load_data
from passo.experiments.attending import Attending, Doctor
from passo.experiments.concluding import Result
from passo.experiments.failing import memory_told
from passo.experiments.heeding import heeding
from passo.experiments.instruments import check_recording
from passo.experiments.keeping import Keeper, Keeping, machine, newest, stopping
from passo.experiments.run import running
from passo.models import own_file
from passo.training import Progress, StepRecord, TrainConfig, choose_device, keep_memory, train_config
from passo.training.config import DataConfig
from passo.training.evaluate import Evaluation


@dataclass(frozen=True)
class Trained:
    """A finished training: where it is kept, the model, the test that was touched once, the weights' hash."""

    folder: Path
    run_id: str
    model: nn.Module
    test: Evaluation | None
    weights_sha256: str
    seconds: float

    def __repr__(self) -> str:
        told = (
            ""
            if self.test is None or self.test.accuracy is None
            else f"test accuracy {100 * self.test.accuracy:.2f} %, "
        )
        return f"<Trained {self.run_id}: {told}{self.seconds:.1f} s, kept in {self.folder}>"

    @property
    def run(self) -> store.StoredRun:
        """The run as it was stored: metrics, arrays, events."""
        return store.open_study(self.folder).run(self.run_id)


def train(
    data: Data | str | Loaders | tuple[Any, ...] | Any = "fashion-mnist",
    model: str | nn.Module = "lenet",
    *,
    out: str | Path | None = None,
    force: bool = False,
    doctor: Doctor | None = None,
    **settings: Any,
) -> Trained:
    """Train a model and keep everything that happened in a study folder.

    Args:
        data: a name, loaded data, a DataLoader, or a tuple of up to three (training, validation, test).
        model: a name or a module; with a module, training goes on from its weights.
        out: the folder; a new one under `passo-runs` where none is given. `force` moves an old one aside.
        doctor: who looks in while it trains, `passo.diagnosis.live`; each finding is a `TrainingWarning`, and an event.
        settings: fields of `TrainConfig`: optimizer="adam", lr=1e-3, epochs=5, seed=0, schedule={...}, …

    Raises `ConfigError` for a wrong setting, `FolderInUse` for a folder that holds something else.
    """
    config, source, module = _given(data, model, settings)
    result: Result | None = None
    attending = None if doctor is None else Attending(doctor)
    with training(config, out, force=force, data=source, model=module, attending=attending) as opened:
        for record in opened.records:
            if isinstance(record, Result):
                result = record
    assert result is not None
    return Trained(opened.folder, opened.run_id, result.model, result.test, result.weights_sha256, result.seconds)


def _asked(data: Data) -> dict[str, Any]:
    """How loaded data were loaded, as a configuration says it."""
    known = {key: value for key, value in data.asked.items() if key in DataConfig.model_fields}
    return {**known, "scale": data.scaling.name, "seed": data.seed, "validation": len(data.validation or ())}


class Opened(NamedTuple):
    """A training that is ready: where it is kept, and the records to walk through. `steps` is None if not known.

    It goes on after `done` steps that an earlier call made; `notes` say what is to be known of that. A training whose
    time is up yields no `Result`.
    """

    folder: Path
    run_id: str
    steps: int | None
    records: Generator[StepRecord | Result, None, None]
    done: int = 0
    notes: tuple[str, ...] = ()


@contextmanager
def training(
    config: TrainConfig,
    out: str | Path | None = None,
    *,
    force: bool = False,
    data: Data | Loaders | None = None,
    model: nn.Module | None = None,
    keeping: Keeping | None = None,
    name: str | None = None,
    attending: Attending | None = None,
) -> Iterator[Opened]:
    """Open a study folder for one run; walk its records to train.

    A run that was interrupted goes on: the one in `out`, or else the newest of the same configuration, unless `force`
    starts anew. `keeping` says when its state is kept, `name` what it is called, `attending` who looks in. Data
    are loaded and everything is built before the folder is made: a mistake leaves nothing behind.
    """
    keep_memory()
    with memory_told(config):
        source = load_data(config) if data is None else data
        parts = assemble(config, source, model)
    steps = parts.steps_per_epoch and parts.steps_per_epoch * config.epochs
    check_recording(config.record, parts.model, parts.optimizer, steps)
    settings = config.model_dump(mode="json")
    name = name or f"{own_file.label(config.model.name.strip('()'))}-{config.optimizer.name}"
    named = data is None and model is None  # another call may bring other objects of the same name
    if out is not None:
        folder = Path(out)
    else:
        folder = (store.interrupted(name, settings) if named and not force else None) or store.fresh(name)
    with (
        stopping() as stop,
        store.Store.create(folder, name=name, config=settings, force=force) as study,
        heeding(folder),
    ):
        writer, state, notes = _begun(study, name, config, settings)
        progress = Progress() if state is None else Progress.of(state["progress"], parts.device)
        keeper = Keeper(writer, parts, progress, keeping or Keeping(), stop)
        if attending is not None:
            attending.begin(config, parts, writer, folder)
        records = running(config, writer, source, parts, keeper, state, attending)
        try:
            yield Opened(folder, writer.id, steps, records, progress.step, tuple(notes))
        finally:
            records.close()


def resume(run: str | Path, *, keeping: Keeping | None = None) -> Trained:
    """Go on with an interrupted training, by its study's path or name, to the end that it would have had.

    Raises `StoreError` where there is none, and `ConfigError` where it was trained on objects of the caller's.
    """
    result: Result | None = None
    folder, config = unfinished(run)
    with training(config, folder, keeping=keeping) as opened:
        for record in opened.records:
            if isinstance(record, Result):
                result = record
    if result is None:
        raise TrainingError(f"the time of {folder} was up before its end: call passo.resume again to go on")
    return Trained(opened.folder, opened.run_id, result.model, result.test, result.weights_sha256, result.seconds)


def unfinished(run: str | Path) -> tuple[Path, TrainConfig]:
    """The folder and the configuration of a training that is not done."""
    there = store.find(run)
    if there.status == "done":
        raise StoreError(f"{there.folder} is finished: there is nothing to resume")
    if [one.kind for one in there.runs] not in ([], ["train"]) or "optimizer" not in there.config:
        raise StoreError(f"{there.folder} is no single training: repeat the command that made it, and it goes on")
    own = [key for key in ("dataset", "model") if str(there.config[key]["name"]).startswith("(")]
    if own:
        raise ConfigError(
            f"{there.folder} was trained on the caller's own {' and '.join(own)}: call passo.train again with these "
            f"and out={str(there.folder)!r}, and it goes on"
        )
    return there.folder, train_config(there.config)


def _begun(
    study: store.Store, name: str, config: TrainConfig, settings: dict[str, Any]
) -> tuple[store.RunWriter, dict[str, Any] | None, list[str]]:
    """The run's writer, and the state that it goes on from, with what is to be said of it."""
    old = study.unfinished(name, config.seed)
    found = None if old is None else newest(old)
    if old is None or found is None:
        return study.add_run(name, config=settings, seed=config.seed), None, []
    step, state, notes = found
    old.rewind(step)
    was, now = state["machine"], machine(choose_device(config.device))
    if was["threads"] != now["threads"]:
        torch.set_num_threads(was["threads"])  # another number of threads adds in another order
    other = [key for key in ("torch", "device") if was[key] != now[key]]
    notes += [f"{key} was {was[key]} and is {now[key]}: the last bits may differ" for key in other]
    old.event("resumed", "; ".join([f"goes on after step {step}", *notes]), step)
    return old, state, notes


def _given(
    data: Any, model: str | nn.Module, settings: dict[str, Any]
) -> tuple[TrainConfig, Data | Loaders | None, nn.Module | None]:
    """The configuration, and the data and the model where they are objects and not names."""
    module = None if isinstance(model, str) else model
    if isinstance(model, str) and own_file.is_own(model):
        own_file.allow(model)  # named by the caller, here and now
    named = model if isinstance(model, str) else f"({type(model).__name__})"
    source: Data | Loaders | None = None
    if isinstance(data, str):
        settings = {**settings, "dataset": {"name": data, **settings.get("dataset", {})}}
    elif isinstance(data, Data):
        if "dataset" in settings:
            raise ConfigError("data were given, loaded; set the options of `dataset` where they are loaded")
        source = data
        settings = {**settings, "dataset": {"name": data.name, **_asked(data)}}
    else:
        source = Loaders(*data) if isinstance(data, tuple) else Loaders(data)
        settings = {**settings, "dataset": {"name": "(loaders)"}}
    if "model" in settings:
        raise ConfigError("the model is the second argument; its options go into `model_options`")
    options = settings.pop("model_options", {})
    return train_config({**settings, "model": {"name": named, **options}}), source, module
