"""Distributions of a key that varies: `{ loguniform = [1e-4, 1e-1] }`, drawn from one uniform number each.

| written as | draws |
|---|---|
| `{ uniform = [low, high] }` | low + u (high − low) |
| `{ loguniform = [low, high] }` | low (high / low)^u, for low > 0: each factor of ten is as likely as every other |
| `{ int = [low, high] }` | a whole number from low to high, both included |
| `{ choice = [a, b, …] }` | one of these |

A number is rounded to four significant digits, so that the name of a run says its value in full.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from passo.errors import ConfigError
from passo.registry import unknown

KINDS = ("uniform", "loguniform", "int", "choice")
DIGITS = 4


@dataclass(frozen=True)
class Distribution:
    """One distribution: its kind, and its ends (low, high) or what there is to choose from."""

    kind: str
    values: tuple[Any, ...]

    def draw(self, u: float) -> Any:
        """The value at u, uniform in [0, 1).

        >>> Distribution("loguniform", (1e-4, 1.0)).draw(0.5), Distribution("int", (1, 3)).draw(0.99)
        (0.01, 3)
        """
        if self.kind == "choice":
            return self.values[int(u * len(self.values))]
        low, high = self.values
        if self.kind == "int":
            return low + int(u * (high - low + 1))
        if self.kind == "loguniform":
            return self.rounded(low * (high / low) ** u)
        return self.rounded(low + u * (high - low))

    def rounded(self, value: float) -> float:
        """To four significant digits, and not beyond the ends."""
        low, high = self.values
        return min(max(float(f"{value:.{DIGITS}g}"), low), high)

    @property
    def ends(self) -> tuple[Any, ...]:
        """What shows a mistake before anything runs: both ends, or every choice."""
        return self.values


def distribution(key: str, told: Any) -> Distribution:
    """The distribution that a study file gives a key; raises `ConfigError` for what is none.

    >>> distribution("lr", {"uniform": [0.1, 0.2]})
    Distribution(kind='uniform', values=(0.1, 0.2))
    """
    if not isinstance(told, Mapping) or len(told) != 1:
        last = key.rpartition(".")[2]
        if not isinstance(told, Mapping) and "." in key and last not in KINDS:
            raise ConfigError(f"{key}: {unknown('distribution', last, KINDS)}")
        raise ConfigError(f"{key} needs one distribution, such as {{ loguniform = [1e-4, 1e-1] }}, got {told!r}")
    ((kind, values),) = told.items()
    if kind not in KINDS:
        raise ConfigError(f"{key}: {unknown('distribution', kind, KINDS)}")
    if not isinstance(values, list | tuple) or not values:
        raise ConfigError(f"{key}: {kind} needs a list of values, got {values!r}")
    if kind == "choice":
        return Distribution(kind, tuple(values))
    return Distribution(kind, _ends(key, kind, values))


def _ends(key: str, kind: str, values: Any) -> tuple[Any, ...]:
    """[low, high], checked: numbers that are finite, in order, whole for `int`, above 0 for `loguniform`."""
    if len(values) != 2 or not all(is_number(value) for value in values):
        raise ConfigError(f"{key}: {kind} needs two numbers [low, high], got {values!r}")
    low, high = values
    if not low < high:
        raise ConfigError(f"{key}: {kind} needs low < high, got {values!r}")
    if kind == "int" and not all(isinstance(value, int) for value in values):
        raise ConfigError(f"{key}: int needs whole numbers, got {values!r}")
    if kind == "loguniform" and low <= 0:
        raise ConfigError(f"{key}: loguniform needs numbers > 0, got {values!r}")
    return (low, high) if kind == "int" else (float(low), float(high))


def is_number(value: Any) -> bool:
    """Whether a value is a number that a range can end at: finite, and no larger than a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 2**62
