"""What a form for a training asks the warm process: every option, what is wrong, the command."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Iterable, Mapping
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from passo.cli.limits import limits_of
from passo.errors import UsageError

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
    offered(config.dataset.name, config.model.name)
    return {"command": shlex.join(["passo", "train", *words]), "epochs": config.epochs, "dataset": config.dataset.name}


def offered(dataset: object, model: object) -> None:
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
        found.append(_field(key, field.default, _literals(field.annotation), tried=limits_of(key, with_it)))
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
        found.append(_field(f"model.{option}", default, choices, tried=limits_of(f"model.{option}", {"name": name})))
    return found


def _of_optimizer(name: str) -> list[dict[str, Any]]:
    from passo.optim import describe

    return [
        _field(
            f"optimizer.{one.name}",
            one.default,
            [],
            required=one.required,
            tried=limits_of(f"optimizer.{one.name}", {"name": name}, one.default),
        )
        for one in describe(name).arguments
        if one.name not in ("foreach", "capturable", "differentiable", "fused")
    ]


def _of_schedule(name: str) -> list[dict[str, Any]]:
    from passo.optim.fitting import NOT_HERE
    from passo.optim.rules import CLASSES, names, rule_of

    proper = names().get(name.lower().replace("-", "").replace("_", ""), name)
    cls = CLASSES.get(proper)
    given: Mapping[str, inspect.Parameter] = {} if cls is None else inspect.signature(cls).parameters
    needs, found = rule_of(proper).needs or "", []
    for option, parameter in given.items():
        if option in ("optimizer", "verbose", *NOT_HERE):
            continue
        required = parameter.default is parameter.empty and option not in dict(rule_of(proper).fill)
        choices = _choices_in(str(parameter.annotation))
        default = None if parameter.default is parameter.empty else parameter.default
        with_it = {"name": proper, **NEEDED.get(proper, {})}
        told = needs if needs.startswith(option) else ""
        tried = limits_of(f"schedule.{option}", with_it)
        found.append({**_field(f"schedule.{option}", default, choices, required, tried), "needs": told})
    return found


def _field(
    key: str, default: Any, choices: list[str], required: bool = False, tried: dict[str, Any] | None = None
) -> dict[str, Any]:
    from passo.cli.planned import typed_value

    choices = ["true", "false"] if isinstance(default, bool) else choices
    return {
        "key": key,
        "default": None if default is None or default == () else typed_value(default),
        "choices": [typed_value(one) if one not in ("true", "false") else one for one in choices],
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
    from passo.optim.arguments import choices_in

    return [str(one) for one in choices_in(annotation)]


TASKS: dict[str, Callable[..., Any]] = {"options": options, "checked": checked}
