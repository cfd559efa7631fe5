"""Settings laid over one another: sections that are joined, keys with dots, rates that a range test suggests."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from passo.errors import ConfigError
from passo.registry import unknown

# lr = "suggested by range-adam" is the mean suggestion of that range test; a factor may stand before it
SUGGESTED = re.compile(r"\s*(?:(\S+)\s*\*\s*)?suggested by\s+(\S+)\s*")
# dataset.classes = "3 most confused by base" are the classes that the runs of that entry confuse most
CONFUSED = re.compile(r"\s*(\d+) most confused by\s+(\S+)\s*")
OF_THE_RUN = "run"  # dataset.seed = "run" draws other images for each seed


def lay(settings: dict[str, Any], key: str, value: Any) -> None:
    """Set a key with dots; what lies on its way is copied, and a section that is its name alone becomes a table.

    >>> settings = {"optimizer": {"name": "adam", "betas": [0.9, 0.999]}, "model": "mlp"}
    >>> lay(settings, "optimizer.betas.0", 0.8); lay(settings, "model.dropout", 0.5); settings
    {'optimizer': {'name': 'adam', 'betas': [0.8, 0.999]}, 'model': {'name': 'mlp', 'dropout': 0.5}}
    """
    *way, last = key.split(".")
    here: Any = settings
    for depth, part in enumerate(way):
        inner = _inside(here, part, key)
        if isinstance(inner, dict):
            copy: Any = dict(inner)
        elif isinstance(inner, list | tuple):
            copy = list(inner)
        elif depth == 0 and isinstance(inner, str):
            copy = {"name": inner}
        elif inner is None:
            copy = {}
        else:
            raise ConfigError(f"{key}: {'.'.join(way[: depth + 1])} is {inner!r}, and holds no {last}")
        _put(here, part, copy)
        here = copy
    if isinstance(here, list):
        _inside(here, last, key)
    _put(here, last, value)


def _put(holder: Any, part: str, value: Any) -> None:
    if isinstance(holder, list):
        holder[int(part)] = value
    else:
        holder[part] = value


def _inside(holder: Any, part: str, key: str) -> Any:
    """What a table or a list holds at a key or a place."""
    if not isinstance(holder, list):
        return holder.get(part)
    if not (part.isascii() and part.isdigit() and len(part) < 6 and int(part) < len(holder)):
        raise ConfigError(f"{key}: {part} is no place in a list of {len(holder)}")
    return holder[int(part)]


def join(settings: dict[str, Any], key: str, value: Any) -> None:
    """A section's options are joined to what is there, but a new name begins a new section."""
    old = settings.get(key)
    if isinstance(value, Mapping) and "name" not in value and isinstance(old, Mapping | str):
        settings[key] = {**({"name": old} if isinstance(old, str) else old), **value}
    else:
        settings[key] = value


def resolved(value: Any, suggestions: Mapping[str, Any]) -> Any:
    """A value with every "suggested by …" in it replaced by what that range test suggests, and "… most confused by …"
    by these classes; by the first ones, where they are not known yet."""
    if isinstance(value, str):
        if (classes := confused(value)) is not None:
            return suggestions.get(value, list(range(classes[0])))
        found = SUGGESTED.fullmatch(value) if "suggested" in value else None
        if found is None:
            return value
        factor, name = found.groups()
        if name not in suggestions:
            raise unknown("range test", name, suggestions)
        return _factor(factor) * suggestions[name]
    if isinstance(value, dict):
        return {key: resolved(inner, suggestions) for key, inner in value.items()}
    return value


def confused(value: Any) -> tuple[int, str] | None:
    """How many classes, and by which run of the file; None where a value does not speak of any.

    >>> confused("3 most confused by base"), confused([0, 1])
    ((3, 'base'), None)
    """
    found = CONFUSED.fullmatch(value) if isinstance(value, str) and "confused" in value else None
    return None if found is None else (int(found[1]), found[2])


def _factor(text: str | None) -> float:
    """The number before "suggested by": 1 where none stands there."""
    try:
        factor = float(text or 1)
    except ValueError:
        factor = math.nan
    if not 0 < factor < math.inf:
        raise ConfigError(f'lr = "{quoted(text)[1:-1]} * suggested by …" needs a number > 0 before the star')
    return factor


def quoted(value: Any) -> str:
    """A value as an error quotes it."""
    told = repr(value)
    return told if len(told) <= 80 else f"{told[:78]}…{told[-1]}"
