"""`passo.train`: one training, kept in a study folder of its own."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from passo import store
from passo.data import Data
from passo.errors import ConfigError
from passo.experiments.instruments import check_recording
from passo.experiments.run import Loaders, Result, assemble, load_data, running
from passo.training import StepRecord, TrainConfig, keep_memory, train_config
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
    **settings: Any,
) -> Trained:
    """Train a model and keep everything that happened in a study folder.

    Args:
        data: a name, loaded data, a DataLoader, or a tuple of up to three (training, validation, test).
        model: a name or a module; with a module, training goes on from its weights.
        out: the folder; a new one under `passo-runs` where none is given. `force` moves an old one aside.
        settings: fields of `TrainConfig`: optimizer="adam", lr=1e-3, epochs=5, seed=0, schedule={...}, …

    Raises `ConfigError` for a wrong setting, `FolderInUse` for a folder that holds something else.
    """
    config, source, module = _given(data, model, settings)
    result: Result | None = None
    with training(config, out, force=force, data=source, model=module) as opened:
        for record in opened.records:
            if isinstance(record, Result):
                result = record
    assert result is not None
    return Trained(opened.folder, opened.run_id, result.model, result.test, result.weights_sha256, result.seconds)


class Opened(NamedTuple):
    """A training that is ready: where it is kept, and the records to walk through. `steps` is None if not known."""

    folder: Path
    run_id: str
    steps: int | None
    records: Generator[StepRecord | Result, None, None]


@contextmanager
def training(
    config: TrainConfig,
    out: str | Path | None = None,
    *,
    force: bool = False,
    data: Data | Loaders | None = None,
    model: nn.Module | None = None,
) -> Iterator[Opened]:
    """Open a study folder for one run; walk its records to train.

    Data are loaded and everything is built before the folder is made: a mistake leaves nothing behind.
    """
    keep_memory()
    source = load_data(config) if data is None else data
    parts = assemble(config, source, model)
    steps = parts.steps_per_epoch and parts.steps_per_epoch * config.epochs
    check_recording(config.record, parts.model, parts.optimizer, steps)
    settings = config.model_dump(mode="json")
    name = f"{config.model.name.strip('()')}-{config.optimizer.name}"
    folder = Path(out) if out is not None else store.fresh(name)
    with store.Store.create(folder, name=name, config=settings, force=force) as study:
        writer = study.add_run(name, config=settings, seed=config.seed)
        records = running(config, writer, source, parts)
        try:
            yield Opened(folder, writer.id, steps, records)
        finally:
            records.close()


def _given(
    data: Any, model: str | nn.Module, settings: dict[str, Any]
) -> tuple[TrainConfig, Data | Loaders | None, nn.Module | None]:
    """The configuration, and the data and the model where they are objects and not names."""
    module = None if isinstance(model, str) else model
    named = model if isinstance(model, str) else f"({type(model).__name__})"
    source: Data | Loaders | None = None
    if isinstance(data, str):
        settings = {**settings, "dataset": {"name": data, **settings.get("dataset", {})}}
    elif isinstance(data, Data):
        if "dataset" in settings:
            raise ConfigError("data were given, loaded; set the options of `dataset` where they are loaded")
        source = data
        chosen = {"per_class": data.per_class, "seed": data.seed, "validation": len(data.validation or ())}
        settings = {**settings, "dataset": {"name": data.name, "scale": data.scaling.name, **chosen}}
    else:
        source = Loaders(*data) if isinstance(data, tuple) else Loaders(data)
        settings = {**settings, "dataset": {"name": "(loaders)"}}
    if "model" in settings:
        raise ConfigError("the model is the second argument; its options go into `model_options`")
    options = settings.pop("model_options", {})
    return train_config({**settings, "model": {"name": named, **options}}), source, module
