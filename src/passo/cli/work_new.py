"""What a form for a training or a study asks the warm process: every option, what is wrong, the command, the time.

Ranges are not written down a second time: each option is tried with a few numbers, and what its own check takes says
what it takes.
"""

from __future__ import annotations

import functools
import inspect
import math
import shlex
from collections.abc import Callable, Iterable, Mapping
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from passo.errors import Diverged, PassoError, TrainingError, UsageError

TRIED = (-1, -0.5, 0, 0.5, 1, 1.5, 2)
SECTIONS = ("dataset", "model", "optimizer", "schedule", "training", "early_stopping", "record")
NEEDED: dict[str, dict[str, Any]] = {
    "StepLR": {"step_size": 1},
    "MultiStepLR": {"milestones": [1]},
    "LambdaLR": {"lr_lambda": "1"},
    "MultiplicativeLR": {"lr_lambda": "1"},
    "ExponentialLR": {"gamma": 0.9},
    "CosineAnnealingWarmRestarts": {"T_0": 1},
    "CyclicLR": {"max_lr": 10.0},
    "OneCycleLR": {"max_lr": 10.0},
}
"""Schedules that cannot be built from nothing, and what they are tried with."""
CONDITIONS = {"early_stopping": {"patience": 5}, "record": {"every": "auto"}}
"""Sections that refuse options which would have no effect, and what gives them one."""


def options(model: str, optimizer: str, schedule: str) -> list[dict[str, Any]]:
    """All options of a training, in sections; models, optimizers and schedules have their own.

    A section: its name, what can be chosen where it is a name, and its fields. A field: key, default (None where it is
    nothing), choices, whether it must be given, and the range of numbers that it takes.
    """
    from passo import data, optim
    from passo.models import MODELS
    from passo.optim import describe
    from passo.training import TrainConfig
    from passo.training.config import DataConfig, StoppingConfig
    from passo.training.recordings import RecordConfig

    chosen = {
        "dataset": (sorted(data.DATASETS), ""),
        "model": (sorted(MODELS), model),
        "optimizer": (optim.optimizers(), optimizer),
        "schedule": (optim.schedules(), schedule),
    }
    fields = {
        "dataset": _fields(DataConfig, "dataset", leave=("name", "folder")),
        "model": _of_model(model),
        "optimizer": _of_optimizer(optimizer),
        "schedule": _of_schedule(schedule) if schedule else [],
        "training": _fields(TrainConfig, "", leave=SECTIONS),
        "early_stopping": _fields(StoppingConfig, "early_stopping"),
        "record": _fields(RecordConfig, "record"),
    }
    about = {"optimizer": describe(optimizer).about}
    return [
        {
            "name": name,
            "choices": chosen[name][0] if name in chosen else None,
            "chosen": chosen[name][1] if name in chosen else "",
            "about": about.get(name, ""),
            "fields": fields[name],
        }
        for name in SECTIONS
    ]


def checked(words: list[str]) -> dict[str, Any]:
    """The settings as a command; raises what is wrong with them, as the command would."""
    from passo.cli.training import configuration

    config = configuration(words)
    _offered(config.dataset.name, config.model.name)
    return {"command": shlex.join(["passo", "train", *words]), "epochs": config.epochs, "dataset": config.dataset.name}


def estimated(words: list[str]) -> dict[str, Any]:
    """Seconds, steps and bytes of a training, from a few real steps of it."""
    from passo.cli.training import configuration
    from passo.experiments.assembling import load_data
    from passo.experiments.estimating import estimate

    config = configuration(words)
    data = load_data(config)
    try:
        found = estimate(config, data)
    except Diverged as error:
        raise TrainingError(f"it diverges at once: {error}") from error
    size = len(data.train) if config.batch_size == "all" else int(config.batch_size)
    steps = config.epochs * math.ceil(math.ceil(len(data.train) / size) / config.accumulate)
    return {"seconds": found.seconds, "bytes": found.bytes, "steps": steps}


@functools.cache
def studies() -> list[dict[str, Any]]:
    """The studies of the package: name, description, number of runs, and whether it has a quick form."""
    from passo.experiments import read_study, shipped

    return [
        {"name": name, "about": file.description, "runs": file.count, "quick": bool(file.quick)}
        for name in shipped()
        for file in [read_study(name)]
    ]


def study(name: str, settings: list[str], quick: bool) -> dict[str, Any]:
    """What a study would run: description, runs, seeds, base, and names of its runs."""
    from passo.cli.planned import typed
    from passo.experiments import study as begin
    from passo.experiments.stages import first_trainings

    file = begin(name, settings, quick=quick).file
    for task in first_trainings(file):
        _offered(task.settings["dataset"]["name"], task.settings["model"]["name"])
    names = [run.name for run in file.configurations if run.name]
    return {
        "name": file.name,
        "title": file.title,
        "about": file.description,
        "runs": file.count,
        "seeds": list(file.seeds),
        "base": typed(file.base) if file.base else "",
        "names": names[:200],
        "configurations": len(names),
        "quick": bool(file.quick),
    }


def study_estimated(name: str, settings: list[str], quick: bool) -> dict[str, Any]:
    """Seconds of a study's trainings, so many at a time as this machine takes, judged by some of its groups."""
    from passo.cli.planned import _jobs, _seconds, _threads
    from passo.experiments import study as begin
    from passo.experiments.estimating import estimates
    from passo.experiments.grouping import groups
    from passo.experiments.stages import first_trainings

    file = begin(name, settings, quick=quick).file
    found = groups(first_trainings(file))[:4]
    runs = len(file.seeds) * sum(map(len, groups(first_trainings(file))))
    measured = estimates(found, threads=_threads(runs)) if found else []
    known = [(len(group), _seconds(group, one)) for group, one in zip(found, measured, strict=True) if one is not None]
    if not known:
        return {"seconds": None, "runs": runs, "jobs": _jobs(max(1, runs))}
    mean = sum(count * each for count, each in known) / sum(count for count, _ in known)
    return {"seconds": runs * mean / _jobs(runs), "runs": runs, "jobs": _jobs(runs)}


def _offered(dataset: object, model: object) -> None:
    """Raise `UsageError` for data or a model that a page does not offer: files, which might lie anywhere."""
    from passo import data
    from passo.models.own_file import is_own

    if is_own(str(model)):
        raise UsageError("a model of your own is trained from the command line, which runs its file")
    if str(dataset) not in data.DATASETS:
        known = ", ".join(sorted(data.DATASETS))
        raise UsageError(f"the form knows the data sets {known}: train on others from the command line")


# ── Fields ──


def _fields(of: Any, section: str, leave: Iterable[str] = ()) -> list[dict[str, Any]]:
    """The fields of a pydantic model."""
    from passo.training import tasks

    found = []
    for name, field in of.model_fields.items():
        if name in leave:
            continue
        key = f"{section}.{name}" if section else name
        if key == "task":
            found.append(_field(key, None, list(tasks.TASKS)))
            continue
        with_it = {} if name in CONDITIONS.get(section, {}) else CONDITIONS.get(section, {})
        found.append(_field(key, field.default, _literals(field.annotation), tried=_taken(key, with_it)))
    return found


def _of_model(name: str) -> list[dict[str, Any]]:
    from passo.models import MODELS
    from passo.models.catalogue import model_options
    from passo.registry import Registry

    kinds = get_type_hints(MODELS[name], include_extras=True)
    found = []
    for option, default in model_options(name).items():
        registries = [one for one in getattr(kinds[option], "__metadata__", ()) if isinstance(one, Registry)]
        choices = list(registries[0]) if registries else _literals(kinds[option])
        found.append(_field(f"model.{option}", default, choices, tried=_taken(f"model.{option}", {"name": name})))
    return found


def _of_optimizer(name: str) -> list[dict[str, Any]]:
    from passo.optim import describe

    return [
        _field(
            f"optimizer.{one.name}",
            one.default,
            [],
            required=one.required,
            tried=_taken(f"optimizer.{one.name}", {"name": name}, one.default),
        )
        for one in describe(name).arguments
        if one.name not in ("foreach", "capturable", "differentiable", "fused")
    ]


def _of_schedule(name: str) -> list[dict[str, Any]]:
    from passo.optim.rules import CLASSES, names, rule_of

    proper = names().get(name.lower().replace("-", "").replace("_", ""), name)
    cls = CLASSES.get(proper)
    given: Mapping[str, inspect.Parameter] = {} if cls is None else inspect.signature(cls).parameters
    needs, found = rule_of(proper).needs or "", []
    for option, parameter in given.items():
        if option in ("optimizer", "last_epoch", "verbose"):
            continue
        required = parameter.default is parameter.empty and option not in dict(rule_of(proper).fill)
        choices = _choices_in(str(parameter.annotation))
        default = None if parameter.default is parameter.empty else parameter.default
        with_it = {"name": proper, **NEEDED.get(proper, {})}
        told = needs if needs.startswith(option) else ""
        tried = _taken(f"schedule.{option}", with_it)
        found.append({**_field(f"schedule.{option}", default, choices, required, tried), "needs": told})
    return found


def _field(
    key: str, default: Any, choices: list[str], required: bool = False, tried: dict[str, Any] | None = None
) -> dict[str, Any]:
    from passo.cli.planned import _value

    choices = ["true", "false"] if isinstance(default, bool) else choices
    return {
        "key": key,
        "default": None if default is None or default == () else _value(default),
        "choices": [_value(one) if one not in ("true", "false") else one for one in choices],
        "required": required,
        "range": None if choices else tried or None,
    }


def _literals(annotation: Any) -> list[str]:
    """The words of a `Literal` or of a truth value, also in a union of such; none where other values are taken."""
    if annotation is bool:
        return ["true", "false"]
    if get_origin(annotation) is Literal:
        return [str(one) for one in get_args(annotation)]
    parts = [part for part in get_args(annotation) if part is not NoneType]
    inner = [_literals(part) for part in parts]
    return [word for words in inner for word in words] if parts and all(inner) else []


def _choices_in(annotation: str) -> list[str]:
    from passo.optim.arguments import _choices

    return [str(one) for one in _choices(annotation)]


@functools.cache
def _tried(key: str, with_it: tuple[tuple[str, Any], ...], others: tuple[float, ...]) -> tuple[float, ...]:
    """The numbers that a training's own checks take for an option; for the first of several, the `others` as usual."""
    from passo.training import train_config
    from passo.training.config import merge

    section, _, option = key.rpartition(".")

    def taken(number: float) -> bool:
        settings: dict[str, Any] = {}
        value = [float(number), *others] if others else number
        if section:
            settings[section] = {**dict(with_it), option: value}
        else:
            merge(settings, [option], value)
        try:
            return train_config(settings) is not None
        except PassoError:
            return False

    return tuple(value for value in TRIED if taken(value))


def _taken(key: str, with_it: Mapping[str, Any], default: Any = None) -> dict[str, Any]:
    """The range of numbers that an option takes: {} where it takes none.

    "whole" says whether only whole ones; "least" and "above" what they begin at, "most" and "below" what they end at;
    "count" how many of them, where it is not one.
    """
    hashable = tuple((name, tuple(one) if isinstance(one, list) else one) for name, one in with_it.items())
    several = isinstance(default, tuple) and len(default) > 1 and all(isinstance(one, int | float) for one in default)
    found = _tried(key, hashable, default[1:] if several else ())
    if not found:
        return {}
    limits: dict[str, Any] = {"whole": not any(value != int(value) for value in found)}
    if several:
        limits["count"] = len(default)
    if found[0] == 0.5:
        limits["above"] = 0
    elif found[0] >= 0:
        limits["least"] = found[0]
    if found[-1] == 0.5:
        limits["below"] = 1
    elif found[-1] < 1.5 and not limits["whole"]:
        limits["most"] = found[-1]
    return limits


TASKS: dict[str, Callable[..., Any]] = {
    "options": options,
    "checked": checked,
    "estimated": estimated,
    "studies": studies,
    "study": study,
    "study_estimated": study_estimated,
}
