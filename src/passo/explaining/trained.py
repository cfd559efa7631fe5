"""The model and the data of a stored run, as they were: built from its configuration, filled with its own weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from passo.data import Data, load
from passo.errors import StoreError, UsageError
from passo.training.config import TrainConfig, train_config
from passo.training.rebuilding import describe, rebuilt, run_weights

if TYPE_CHECKING:
    from passo.store import StoredRun

_PARTS = ("dataset", "model", "seed", "batch_size", "accumulate", "epochs", "sampling")  # all that explaining asks for


def run_config(run: StoredRun) -> TrainConfig:
    """The parts of a run's configuration that say what it is made of; raises `StoreError` where it is no training."""
    if "model" not in run.config or "dataset" not in run.config:
        raise StoreError(f"run {run.id} is no training of passo (its kind is {run.kind}): choose one with weights")
    return train_config({part: run.config[part] for part in _PARTS if part in run.config})


def run_data(run: StoredRun) -> Data:
    """The data that a run was trained on, loaded as its configuration says, and held to what it recorded of them.

    Raises `UsageError` where the caller brought the data, `StoreError` where what is found here is not the same.
    """
    config = run_config(run)
    _refuse_own(run, "data", config.dataset.name)
    data = load(config.dataset.name, **config.dataset.model_dump(exclude={"name", "augment"}))
    then, now = run.info.get("data", {}), data.facts()
    if other := [key for key in ("name", "sha256", "counts") if key in then and then[key] != now[key]]:
        raise StoreError(
            f"run {run.id} was trained on {then['name']} with {then['counts']}, but here is {data!r} "
            f"(other {', '.join(other)})"
        )
    return data


def trained_model(run: StoredRun) -> nn.Module:
    """A run's model with the weights of its end, on the CPU, in evaluation mode.

    Raises `UsageError` where the caller brought the model, `StoreError` where the run kept no weights, or others.
    """
    _refuse_own(run, "a model", run_config(run).model.name)
    return rebuilt(describe(run), run_weights(run))


def _refuse_own(run: StoredRun, what: str, name: str) -> None:
    if name.startswith("("):
        raise UsageError(
            f"run {run.id} was trained on {what} of the caller's own, {name}, which no name finds again: hand yours to "
            f"the functions of passo.explaining"
        )
