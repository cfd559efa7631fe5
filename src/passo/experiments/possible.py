"""What of a study can be had here: its two models matched, and without the runs that data or models cannot give."""

from __future__ import annotations

from typing import Any

import torch

from passo.data import Data
from passo.errors import ConfigError, PassoError, UsageError
from passo.experiments.pairing import Pair
from passo.experiments.short import loaded
from passo.experiments.studyform import StudyFile
from passo.experiments.studyruns import Configuration
from passo.models import build


def ready(file: StudyFile) -> StudyFile:
    """The study as it is run: with the widths of its `[pair]`, and with `left_out` of what is `optional`.

    Raises `ConfigError` where the two models cannot be matched, and what loading the data raises.
    """
    if file.left_out:
        return file  # it was made ready before
    refused: dict[str, str] = {}
    if file.pair is not None:
        file, refused = _matched(file, file.pair)
    for one in file.configurations:
        if one.entry.optional and one.name not in refused and (why := _refused(file, one)):
            refused[one.name] = why
    return _with(file, left_out=refused) if refused else file


def _matched(file: StudyFile, pair: Pair) -> tuple[StudyFile, dict[str, str]]:
    """The study with the widths of both models for each budget; runs whose budget cannot be met, and why."""
    data, refused = loaded(file.dataset()), {}
    pair = pair.fitted(data.in_shape, data.outputs)
    for entry in file.runs:
        try:
            pair = pair.fitted(data.in_shape, data.outputs, entry.parameters)
        except ConfigError as error:
            if not entry.optional:
                raise
            refused |= {one.name: str(error) for one in file.configurations if one.entry == entry}
    return _with(file, pair=pair), refused


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
