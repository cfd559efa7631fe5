"""The numbers that an option of a training takes, tried out.

Ranges are not written down a second time: each option is tried with a few numbers, and what its own check takes says
what it takes.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from passo.errors import PassoError

TRIED = (-1, -0.5, 0, 0.5, 1, 1.5, 2)


def limits_of(key: str, with_it: Mapping[str, Any], default: Any = None) -> dict[str, Any]:
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
