"""From a run to a trained model, and from there to files: `load_model`, `save_model`, `export_onnx`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from passo import store
from passo.errors import ConfigError, StoreError
from passo.explaining.predicting import TrainedModel
from passo.models import MODELS
from passo.store import StoredRun, StoredStudy
from passo.training.onnx_file import write_onnx
from passo.training.rebuilding import KEPT, describe, rebuilt, run_weights
from passo.training.saved import is_saved, read_model, write_model

if TYPE_CHECKING:
    from torch import nn


def load_model(source: Any, model: nn.Module | str | None = None) -> TrainedModel:
    """A trained model: from a saved folder, or from a run (STUDY[/RUN], a path of either, or what `train` returned).

    `model` hands over one of somebody's own again: the module (its copy is filled), or FILE.py:FUNCTION, which is run.
    The weights are held to their recorded hash. `.model` is the `torch.nn.Module`; `.predict` feeds it.

    Raises `CheckpointError` for a damaged folder, `StoreError` where there is no such run or it kept no model, and
    `ConfigError` where the model is somebody's own and was not handed over.
    """
    if isinstance(source, str | Path) and is_saved(source):
        return TrainedModel(*read_model(source, model))
    run = trained_run(source)
    told = describe(run)
    return TrainedModel(rebuilt(told, run_weights(run), model), told)


def save_model(source: Any, folder: str | Path, model: nn.Module | str | None = None, *, force: bool = False) -> Path:
    """Save a run's trained model in a folder, as `model.safetensors` and `model.json` (`training.saved`).

    `source` and `model` are as in `load_model`, but a model of somebody's own need not be handed over. Raises
    `FolderInUse` where the folder holds anything, unless `force` replaces the two files.
    """
    run = trained_run(source)
    told, weights = describe(run), run_weights(run)
    if model is not None or told.name in MODELS:
        weights = rebuilt(told, weights, model).state_dict()  # checked; and it knows which tensors are one
    return write_model(folder, told, weights, force=force)


def export_onnx(source: Any, path: str | Path, model: nn.Module | str | None = None, *, force: bool = False) -> Path:
    """Write a trained model, saved or of a run, as ONNX (`training.onnx_file`); arguments as in `load_model`.

    Raises `MissingExtra` without onnx and onnxscript, `FolderInUse` where the file is there already (unless `force`).
    """
    trained = load_model(source, model)
    return write_onnx(path, trained.model, trained.description, force=force)


def trained_run(source: Any) -> StoredRun:
    """The run with a trained model that is meant; raises `StoreError` where there is none, or are several."""
    if isinstance(source, str | Path):
        source = _named(str(source))
    if isinstance(source, StoredStudy):
        there = [run for run in source.runs if any(name.startswith(KEPT) for name in run.arrays())]
        if len(there) != 1:
            which = f"say which: {', '.join(run.id for run in there)}" if there else "train one to its end"
            raise StoreError(f"{source.folder} holds {len(there)} runs with a trained model: {which}")
        return there[0]
    run = source if isinstance(source, StoredRun) else getattr(source, "run", None)
    if not isinstance(run, StoredRun):
        raise ConfigError(f"a trained model is in a saved folder or a run, got a {type(source).__name__}")
    return run


def _named(name: str) -> StoredStudy | StoredRun:
    try:
        return store.find(name)
    except StoreError as error:
        study, _, run_id = name.rpartition("/")
        try:
            there = store.find(study)
        except StoreError:
            raise StoreError(f"{error}, nor a saved model") from None
        return there.run(run_id)
