"""What a race was asked for: optimizers, schedules, surfaces and starts, in words or tables, made whole and checked."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from passo.data import load
from passo.errors import ConfigError
from passo.experiments import rates
from passo.experiments.descent import brightness
from passo.models import surfaces
from passo.models.terrain import Point, Surface
from passo.optim import check_optimizer, describe
from passo.training import parse_settings

Spec = str | Mapping[str, Any]
SHORT = {
    "momentum": {"name": "sgd", "momentum": 0.9},
    "nesterov": {"name": "sgd", "momentum": 0.9, "nesterov": True},
}
CANNOT = {
    "muon": "makes the update of a matrix orthogonal, and a point of a surface is no matrix; written as one of 1 × 2, "
    "it would keep its direction alone, which is another method: take another optimizer",
    "sparseadam": "takes sparse gradients only, and a surface's is dense: take adam",
}


@dataclass(frozen=True)
class Entry:
    label: str
    optimizer: dict[str, Any]
    schedule: dict[str, Any] | None


def entries_of(optimizers: Sequence[Spec], schedules: Spec | Sequence[Spec | None] | None) -> list[Entry]:
    """What each racer is; labels that would be alike are told apart by what differs."""
    plans = [schedules] if schedules is None or isinstance(schedules, str | Mapping) else list(schedules)
    plans = plans * len(optimizers) if len(plans) == 1 else plans
    if len(plans) != len(optimizers):
        wanted = f"one for each of the {len(optimizers)} optimizers"
        raise ConfigError(f"give one schedule for all, or {wanted} (“none” for no schedule), got {len(plans)}")
    entries = []
    for spec, plan in zip(optimizers, plans, strict=True):
        optimizer = _table(spec, "an optimizer")
        label = optimizer.pop("label", None)
        short = SHORT.get(str(optimizer["name"]).lower(), {})
        optimizer = {**short, **optimizer, "name": short.get("name", optimizer["name"])}
        optimizer["name"] = describe(optimizer["name"]).name
        if optimizer["name"] in CANNOT:
            raise ConfigError(f"{optimizer['name']} {CANNOT[optimizer['name']]}")
        check_optimizer(optimizer["name"], {key: value for key, value in optimizer.items() if key != "name"})
        schedule = None if plan is None or plan == "none" else _table(plan, "a schedule")
        entries.append(Entry(str(label or rates.family(optimizer)), optimizer, schedule))
    return _told_apart(entries)


def _told_apart(entries: list[Entry]) -> list[Entry]:
    """Where labels are alike, what differs is added: options, then the schedule, then a number."""
    labels = [entry.label for entry in entries]
    for i, entry in enumerate(entries):
        alike = [other for other in entries if other.label == entry.label]
        if len(alike) == 1:
            continue
        keys = [k for k in entry.optimizer if any(o.optimizer.get(k) != entry.optimizer[k] for o in alike)]
        label = " ".join([entry.label, *(f"{key} {_short(entry.optimizer[key])}" for key in keys)])
        if any(other.schedule != entry.schedule for other in alike):
            label += f", {entry.schedule['name'] if entry.schedule else 'no schedule'}"
        labels[i] = label
    labels = [f"{label} ({labels[: i + 1].count(label)})" if labels.count(label) > 1 else label
              for i, label in enumerate(labels)]  # fmt: skip
    return [replace(entry, label=label) for entry, label in zip(entries, labels, strict=True)]


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(spec: Any, what: str) -> dict[str, Any]:
    """A name with options, as a table: "sgd lr=0.1" → {"name": "sgd", "lr": 0.1}."""
    if isinstance(spec, str) and spec.strip():
        name, *words = shlex.split(spec)
        return {"name": name, **parse_settings(words)}
    if isinstance(spec, Mapping) and "name" in spec:
        return dict(spec)
    raise ConfigError(f"{what} must be a name, with options (“sgd lr=0.1”), or a table with a name, got {spec!r}")


def ground_of(spec: Spec | Surface) -> Surface:
    if isinstance(spec, Surface):
        return spec
    table = _table(spec, "a surface")
    name = str(table.pop("name"))
    if name != "line" or "x" in table:
        return surfaces.surface(name, **table)
    data = load(str(table.pop("dataset", "fashion-mnist-sample")))
    problem = brightness(data, int(table.pop("images", 320)))
    return surfaces.surface(name, x=problem.x.numpy(), y=problem.y.numpy(), **table)


def starts_of(ground: Surface, given: Any) -> list[Point]:
    """The starts as pairs of numbers: the surface's own, the one given, or several."""
    try:
        pairs: Any = [ground.start] if given is None else list(given)
        if len(pairs) == 2 and not any(isinstance(part, Sequence) for part in pairs):
            pairs = [pairs]
        points = [(float(x), float(y)) for x, y in pairs]
    except (TypeError, ValueError):
        raise ConfigError(f"start must be two numbers (x, y), or several such pairs, got {given!r}") from None
    if not points or not all(math.isfinite(part) for point in points for part in point):
        raise ConfigError(f"start must be two finite numbers (x, y), got {given!r}")
    return points


def listed(given: Spec | Sequence[Spec]) -> list[Spec]:
    """One optimizer, or several, as a list."""
    several = [given] if isinstance(given, str | Mapping) else list(given)
    if not several:
        raise ConfigError("a race needs at least one optimizer")
    return several
