"""What varies in a study: `[grid]`, `[zip]` and `[random]`, every combination of them one configuration.

`[grid]` takes all combinations of its keys' values, `[zip]` its keys' values side by side, `[random]` draws; where
several are there, each combination of one meets each of the others. Keys are those of a training, with dots.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from passo.errors import ConfigError
from passo.experiments.distributions import KINDS, Distribution, distribution
from passo.experiments.naming import spelled
from passo.experiments.studyparts import Part
from passo.registry import nearest, unknown
from passo.seeding import derive
from passo.training.config import TrainConfig, train_config

LEAVES = {*KINDS, "range", "first"}  # a table with one of these is what a key is given, and not a section
OPTIONS = {  # often written without their section; those of data and optimizer a training knows itself
    "model": ("hidden", "filters", "kernel", "units", "activation", "norm", "init", "dropout", "bottleneck", "layers"),
    "schedule": ("gamma", "step_size", "max_lr", "milestones", "warmup"),
}
DEEP = 20  # sections within sections
MISSES = 1000  # draws in a row that were there already: there are no more


def flat(table: Any, before: str = "") -> dict[str, Any]:
    """A table of keys, its sections written with dots; `lr` is the optimizer's.

    >>> flat({"lr": [0.1], "model": {"dropout": {"uniform": [0, 0.5]}}})
    {'optimizer.lr': [0.1], 'model.dropout': {'uniform': [0, 0.5]}}
    """
    if not isinstance(table, Mapping):
        raise ConfigError(f"needs a table of keys, got {table!r}")
    if before.count(".") > DEEP:
        raise ConfigError(f"{before[:60]}… lies too deep")
    found: dict[str, Any] = {}
    for key, value in table.items():
        name = "optimizer.lr" if f"{before}{key}" == "lr" else f"{before}{key}"
        if isinstance(value, Mapping) and value and not LEAVES.intersection(value):
            found.update(flat(value, f"{name}."))
        else:
            found[name] = value
    return found


def check_key(key: str) -> None:
    """Raise `ConfigError` for a key that no training has, with the nearest."""
    head = key.partition(".")[0]
    if head == "seed":
        raise ConfigError("the seeds of a study are its own key: seeds = [0, 1, 2]")
    if head not in TrainConfig.model_fields:
        if nearest(head.lower(), ["learning_rate", "learningrate"]):
            raise ConfigError(f"{key} is read by nothing: the learning rate is lr, or in full optimizer.lr")
        for section, options in OPTIONS.items():
            if head in options:
                raise ConfigError(f"unknown key {key!r}. Did you mean {f'{section}.{key}'!r}?")
        train_config({head: None})  # says so
    if "" in key.split("."):
        raise ConfigError(f"{key!r} is no key: nothing stands beside a dot")


def lists(table: Any) -> dict[str, tuple[Any, ...]]:
    """The keys of a grid, each with a list of different values."""
    keys = flat(table)
    if not keys:
        raise ConfigError('it is empty: give it a key, such as "optimizer.lr" = [0.01, 0.1]')
    for key, values in keys.items():
        check_key(key)
        if not isinstance(values, list | tuple):
            raise ConfigError(f"{key} needs a list of values, got {values!r}")
        if not values:
            raise ConfigError(f"{key} is an empty list, so that there is nothing to run: give it one value or more")
    return {key: tuple(values) for key, values in keys.items()}


def _different(table: Any) -> dict[str, tuple[Any, ...]]:
    keys = lists(table)
    for key, values in keys.items():
        twice = next((name for name, times in Counter(map(spelled, values)).items() if times > 1), None)
        if twice is not None:
            raise ConfigError(f"{key} lists {twice[:60]} twice")
    return keys


def _together(table: Any) -> dict[str, tuple[Any, ...]]:
    keys = lists(table)
    lengths = {key: len(values) for key, values in keys.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{key} has {length}" for key, length in lengths.items())
        raise ConfigError(f"its keys vary together and need equally many values: {told}")
    rows = Counter(tuple(map(spelled, row)) for row in zip(*keys.values(), strict=True))
    twice = next((row for row, times in rows.items() if times > 1), None)
    if twice is not None:
        raise ConfigError(f"it lists {', '.join(twice)[:60]} twice")
    return keys


Grid = Annotated[dict[str, tuple[Any, ...]], BeforeValidator(_different)]
Zip = Annotated[dict[str, tuple[Any, ...]], BeforeValidator(_together)]


class Keyed(Part):
    """A table of which some entries are its own, and all others are keys that vary."""

    keys: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _sorted_out(cls, table: Any) -> Any:
        if not isinstance(table, Mapping):
            return table
        own = {key: value for key, value in table.items() if key in cls.model_fields and key != "keys"}
        given = table["keys"] if isinstance(table.get("keys"), Mapping) else {}
        keys = flat({**given, **{key: value for key, value in table.items() if key not in cls.model_fields}})
        if not keys:
            raise ConfigError('it varies nothing: give it a key, such as "optimizer.lr"')
        own_keys = [name for name in cls.model_fields if name != "keys"]
        for key in keys:
            head = key.partition(".")[0]
            if head not in TrainConfig.model_fields and nearest(head.lower(), own_keys):
                raise ConfigError(str(unknown("key", head, [*own_keys, *TrainConfig.model_fields])))
            check_key(key)
        return {**own, "keys": keys}


class RandomEntry(Keyed):
    """`samples` configurations, drawn; `seed` decides which, so that the same study draws the same."""

    samples: int = Field(ge=1, le=1_000_000)
    seed: int = 0

    @model_validator(mode="after")
    def _distributed(self) -> RandomEntry:
        for key, told in self.keys.items():
            distribution(key, told)
        return self

    def draws(self) -> list[dict[str, Any]]:
        """The samples, all different; every key is drawn from a stream of its own.

        Raises `ConfigError` where there are not so many different ones.
        """
        keys = {key: distribution(key, told) for key, told in self.keys.items()}
        found: dict[tuple[str, ...], dict[str, Any]] = {}
        missed = 0
        for drawn in _drawn(keys, self.seed):
            name = tuple(map(spelled, drawn.values()))
            missed = missed + 1 if name in found else 0
            found.setdefault(name, drawn)
            if len(found) == self.samples:
                return list(found.values())
            if missed > MISSES:
                raise ConfigError(f"random: only {len(found)} different samples were found: lower samples")
        raise AssertionError("a stream has no end")


def _drawn(keys: Mapping[str, Distribution], seed: int) -> Iterator[dict[str, Any]]:
    """Without end. Python promises that `random.Random(seed).random()` stays the same in later versions."""
    streams = {key: random.Random(derive(seed, "random search", key)) for key in keys}
    while True:
        yield {key: one.draw(streams[key].random()) for key, one in keys.items()}


def check_once(tables: Mapping[str, Iterable[str]]) -> None:
    """Raise `ConfigError` for a key that two tables vary."""
    owner: dict[str, str] = {}
    for name, keys in tables.items():
        for key in keys:
            if key in owner:
                raise ConfigError(f"{key} is varied by [{owner[key]}] and by [{name}]: leave one of them out")
            owner[key] = name


def size(grid: Mapping[str, Sequence[Any]], together: Mapping[str, Sequence[Any]], drawn: RandomEntry | None) -> int:
    """How many combinations there are, without making them."""
    return (
        math.prod(len(values) for values in grid.values())
        * next((len(values) for values in together.values()), 1)
        * (1 if drawn is None else drawn.samples)
    )


def combinations(
    grid: Mapping[str, Sequence[Any]], together: Mapping[str, Sequence[Any]], drawn: RandomEntry | None
) -> Iterator[dict[str, Any]]:
    """Every combination as {key: value}; of a grid, the last key varies fastest.

    >>> list(combinations({"l2": (0.0, 0.1)}, {"epochs": (1, 2), "batch_size": (8, 16)}, None))[1]
    {'l2': 0.0, 'epochs': 2, 'batch_size': 16}
    """
    rows = [dict(zip(together, row, strict=True)) for row in zip(*together.values(), strict=True)] or [{}]
    samples = [{}] if drawn is None else drawn.draws()
    for values in product(*grid.values()):
        point = dict(zip(grid, values, strict=True))
        for row in rows:
            for sample in samples:
                yield {**point, **row, **sample}
