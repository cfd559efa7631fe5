"""What of a study can be had here: its two models matched, and without the runs that data or models cannot give."""

from __future__ import annotations

from typing import Any

import torch

from passo.data import Data
from passo.errors import PassoError, UsageError
from passo.experiments.short import loaded
from passo.experiments.studyform import StudyFile
from passo.experiments.studyruns import Configuration
from passo.models import build


def ready(file: StudyFile) -> StudyFile:
    """The study as it is run: with the widths of its `[pair]`, and with `left_out` of what is `optional`.

    Raises `ConfigError` where the two models cannot be matched, and what loading the data raises.
    """
    if file.pair is not None and not file.left_out:
        data = loaded(file.dataset())
        file = _with(file, pair=file.pair.fitted(data.in_shape, data.outputs, [one.parameters for one in file.runs]))
    if any(entry.optional for entry in file.runs) and not file.left_out:
        refused = {one.name: _refused(file, one) for one in file.configurations if one.entry.optional}
        file = _with(file, left_out={name: why for name, why in refused.items() if why})
    return file


def told(file: StudyFile, data: Data) -> dict[str, Any]:
    """What a study tells of its two models, of what each configuration is for, and of what was left out."""
    if file.pair is None:
        return {"left_out": dict(file.left_out)} if file.left_out else {}
    return {
        "pair": file.pair.facts(data.in_shape, data.outputs),
        "configurations": {one.name: one.facts() for one in file.configurations},
        "left_out": dict(file.left_out),
        "quick": file.form == "quick",
    }


def _with(file: StudyFile, **changes: object) -> StudyFile:
    """A study with other fields; what was computed of the former ones is not kept."""
    fields = {name: getattr(file, name) for name in file.model_fields_set}
    return StudyFile(**{**fields, **changes})  # type: ignore[arg-type]


def _refused(file: StudyFile, run: Configuration) -> str:
    """Why a configuration cannot be had with these data or this model; empty where it can."""
    try:
        config = file.training(run, file.seeds[0], {})
        data = loaded(config)
        with torch.device("meta"):
            build(config.model.name, data.in_shape, data.outputs, **config.model.options)
    except UsageError as error:
        return str(error).removeprefix(f"run {run.name!r}: ")
    except PassoError as error:
        return str(error)
    return ""
