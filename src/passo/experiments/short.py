"""Short tasks of a study, done in place: range tests, descents, surfaces, previews of schedules."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from passo.data import Data
from passo.errors import PassoError
from passo.experiments import descent
from passo.experiments.assembling import load_data
from passo.experiments.range_runs import range_run, verify_run
from passo.experiments.sink import Draft
from passo.experiments.stages import Task
from passo.experiments.studyparts import DescentEntry, PreviewEntry
from passo.optim import preview
from passo.training import TrainConfig

KEPT = 8  # data sets: each may hold all its images as floats


def perform(task: Task) -> Draft:
    """Do one task and return what it would write; a failure is written down and not raised."""
    draft = Draft()
    try:
        _KINDS[task.kind](task, draft)
        draft.finish("done")
    except PassoError as error:
        draft.finish("failed", str(error))
    except Exception as error:  # whatever it is, the other runs go on
        draft.finish("failed", f"{type(error).__name__}: {error}")
    return draft


def loaded(config: TrainConfig) -> Data:
    """A training's data, loaded once for all."""
    return _cached_data(config.model_dump_json(include={"dataset"}))


@lru_cache(maxsize=KEPT)
def _cached_data(dataset: str) -> Data:
    return load_data(TrainConfig.model_validate_json(dataset))


def _range(task: Task, draft: Draft) -> None:
    config, data, settings = _trained(task)
    range_run(config, data, settings, draft)


def _verify(task: Task, draft: Draft) -> None:
    config, data, settings = _trained(task)
    verify_run(config, data, settings, draft)


def _trained(task: Task) -> tuple[TrainConfig, Data, dict[str, Any]]:
    """The training's configuration, its data, and the other settings."""
    config = TrainConfig.model_validate(task.settings["training"])
    others = {key: value for key, value in task.settings.items() if key != "training"}
    return config, loaded(config), others


def _problem(task: Task) -> tuple[descent.Regression, dict[str, Any]]:
    config = TrainConfig.model_validate({"dataset": task.settings["dataset"]})
    place = task.settings["surface"]
    return descent.brightness(loaded(config), place["images"]), place


def _surface(task: Task, draft: Draft) -> None:
    problem, place = _problem(task)
    grid = descent.surface(problem, place["b"], place["w"])
    for name in ("b", "w", "loss"):
        draft.array(name, getattr(grid, name))
    draft.info(
        minimum=problem.minimum,
        loss_minimum=problem.loss_minimum,
        x=descent.X,
        y=descent.Y,
        images=len(problem.x),
    )


def _descent(task: Task, draft: Draft) -> None:
    problem, place = _problem(task)
    entry = DescentEntry.model_validate({k: task.settings[k] for k in ("name", "optimizer", "schedule")})
    path = descent.descend(
        problem,
        entry.optimizer,
        entry.schedule,
        start=tuple(place["start"]),
        epochs=place["epochs"],
        batch_size=place["batch_size"],
    )
    for name, values in (("path", path.points), ("loss", path.loss), ("lr", path.lr)):
        draft.array(name, values)
    draft.info(minimum=problem.minimum, loss_minimum=problem.loss_minimum)


def _preview(task: Task, draft: Draft) -> None:
    entry = PreviewEntry.model_validate(task.settings)
    options = dict(entry.schedule)
    curve = preview(
        options.pop("name"),
        lr=entry.lr,
        epochs=entry.epochs,
        steps_per_epoch=entry.steps_per_epoch,
        losses=entry.losses,
        **options,
    )
    draft.array("epochs", np.asarray(curve.epochs))
    draft.array("lr", np.asarray(curve.lr))
    draft.info(steps_per_epoch=entry.steps_per_epoch, when=curve.when)


_KINDS = {
    "lr_range": _range,
    "lr_verify": _verify,
    "surface": _surface,
    "descent": _descent,
    "schedule": _preview,
}
