"""The programs of a repository to hand in: one for each configuration of a study, which trains it again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from passo.language import t

if TYPE_CHECKING:
    from passo.store import StoredRun, StoredStudy

PROGRAM = '''"""{told}"""

import sys

import passo
from passo.errors import FolderInUse


def train(seed):
    """Train it from a seed, and keep all that happens in a folder."""
    return passo.train(
{arguments}
    )


if __name__ == "__main__":
    seed = sys.argv[1] if len(sys.argv) > 1 else "{first}"
    if not seed.isdecimal():
        sys.exit(f"{no_seed}")
    try:
        trained = train(int(seed))
    except FolderInUse:
        sys.exit(f"{in_use}")
    except passo.PassoError as error:
        sys.exit(str(error))
    for name, value in trained.run.lasts().items():
        print(f"{{name:24}} {{value:.4f}}")
'''
SHOWN = (
    "optimizer",
    "schedule",
    "epochs",
    "batch_size",
)  # settings that a program says even where they are passo's own


def programs(study: StoredStudy) -> dict[str, str]:
    """A program for each configuration that was trained, by its file's name without the ending."""
    made: dict[str, str] = {}
    for name in study.names():
        stem = _stem(name)
        while stem in made:
            stem += "_"
        made[stem] = program(stem, name, study.select(name))
    return made


def program(stem: str, name: str, runs: tuple[StoredRun, ...]) -> str:
    """A plain program that trains one configuration again, with passo's public functions."""
    first = _first(runs)
    data, model, settings = settings_of(first.config)
    if len(runs) > 1 and all(run.config.get("dataset", {}).get("seed") == run.seed for run in runs):
        settings.setdefault("dataset", {})["seed"] = _SEED  # each seed drew images of its own
    lines = [_python(data), _python(model), *(f"{key}={_python(value)}" for key, value in settings.items())]
    lines += ["seed=seed", f'out=f"runs/{stem}-s{{seed}}"']
    told = t("The training {name} again: python src/{stem}.py SEED", name=name, stem=stem)
    folder = f"runs/{stem}-s{{int(seed)}}"
    return PROGRAM.format(
        told=told.replace("\\", "\\\\").replace('"""', "'''"),
        arguments="\n".join(f"        {line}," for line in lines),
        first=first.seed or 0,
        no_seed=t("a seed is a whole number from 0 on, got {seed}", seed="{seed}"),
        in_use=t("{folder} is in use: remove this folder to train again", folder=folder),
    )


def watched(study: StoredStudy) -> tuple[str, int] | None:
    """The first program that records the steps, as the study's training did, and its seed; None where none does."""
    for stem, name in zip(programs(study), study.names(), strict=True):
        first = _first(study.select(name))
        if (first.config.get("record") or {}).get("every"):
            return stem, first.seed or 0
    return None


def _first(runs: tuple[StoredRun, ...]) -> StoredRun:
    """The run of the least seed, which a study watches where it watches any."""
    return min(runs, key=lambda run: -1 if run.seed is None else run.seed)


_SEED = object()  # stands for the name `seed` in a program


def _python(value: Any) -> str:
    """A setting as Python has it, strings in double quotation marks."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_python(key)}: {_python(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_python, value))}]"
    if value is _SEED:
        return "seed"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def settings_of(config: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """The data, the model, and what else was asked of a training, as `passo.train` takes it."""
    from passo.training.config import train_config

    asked = train_config(dict(config)).model_dump(mode="json", exclude_defaults=True)
    asked |= {key: config[key] for key in SHOWN if config.get(key) is not None}
    for key in ("seed", "device", "devices", "num_workers"):
        asked.pop(key, None)
    dataset, model = dict(asked.pop("dataset", {})), dict(asked.pop("model", {}))
    data = str(dataset.pop("name", config["dataset"]["name"]))
    named = str(model.pop("name", config["model"]["name"]))
    more = {key: value for key, value in (("model_options", model), ("dataset", dataset)) if value}
    return data, named, {**more, **asked}


def _stem(name: str) -> str:
    """A configuration's name as the name of a program.

    >>> _stem("nesterov,lr=0.01")
    'nesterov_lr_0_01'
    """
    words = "".join(sign if sign.isascii() and sign.isalnum() else " " for sign in name).split()
    return "_".join(words)[:100] or "training"
