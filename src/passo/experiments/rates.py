"""Learning rates for a race in which none is given: the same number tried for each optimizer, the best one taken.

The rates that `passo descend` takes by itself stand in `rates.toml`; `python benchmarks/descend.py --rates` makes it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from passo.errors import ConfigError

TABLE = Path(__file__).with_name("rates.toml")
LOWEST, HIGHEST = 1e-4, 1e2


def grid(count: int) -> list[float]:
    """So many rates from 10⁻⁴ to 100, evenly on a log scale.

    >>> grid(4)
    [0.0001, 0.01, 1.0, 100.0]
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 2:
        raise ConfigError(f"tune must be a whole number of learning rates ≥ 2, got {count!r}")
    return [float(f"{rate:.3g}") for rate in np.geomspace(LOWEST, HIGHEST, count)]


def family(optimizer: Mapping[str, Any]) -> str:
    """What the table knows an optimizer by: its name, but SGD with a momentum apart from SGD without.

    >>> family({"name": "sgd", "momentum": 0.9, "nesterov": True}), family({"name": "adam"})
    ('nesterov', 'adam')
    """
    if optimizer["name"] == "sgd" and optimizer.get("momentum"):
        return "nesterov" if optimizer.get("nesterov") else "momentum"
    return str(optimizer["name"])


def usual(surface: str, optimizer: Mapping[str, Any]) -> float | None:
    """The table's learning rate for an optimizer on a surface, or None."""
    return _table().get(surface, {}).get(family(optimizer))


def best(rates: Sequence[float], score: Callable[[float], tuple[float, ...]]) -> float:
    """The rate of the least score, the smaller rate where two are alike."""
    return min(sorted(rates), key=score)


@cache
def _table() -> dict[str, dict[str, float]]:
    return tomllib.loads(TABLE.read_text(encoding="utf-8")) if TABLE.is_file() else {}
