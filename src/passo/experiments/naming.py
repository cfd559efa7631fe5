"""Names of runs that vary: `lr=0.001,momentum=0.9`, short, the same every time, and each one folder."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

LONGEST = 110  # bytes of a name: a folder's may have 150, and the run's seed stands behind it


def shortened(keys: Iterable[str]) -> dict[str, str]:
    """What each key is called in a name: its last part, or the whole where another key ends alike.

    The key `….name` is called by its section, and a place in a list by the list and the place.

    >>> shortened(["optimizer.lr", "optimizer.betas.0", "model.name"])
    {'optimizer.lr': 'lr', 'optimizer.betas.0': 'betas.0', 'model.name': 'model'}
    >>> shortened(["optimizer.name", "optimizer"])
    {'optimizer.name': 'optimizer.name', 'optimizer': 'optimizer'}
    """
    last = {key: _last(key.split(".")) for key in keys}
    often = Counter(last.values())
    return {key: short if often[short] == 1 else key for key, short in last.items()}


def _last(parts: list[str]) -> str:
    if len(parts) > 1 and parts[-1] == "name":
        return parts[-2]
    return ".".join(parts[-2:]) if parts[-1].isdigit() else parts[-1]


def spelled(value: Any) -> str:
    """A value as a name has it: numbers as short as they are exact, lists with `_`, tables with `+`.

    >>> spelled(1e-05), spelled(1.0), spelled([0.9, 0.999]), spelled({"name": "sgd", "lr": 0.1}), spelled(True)
    ('1e-5', '1', '0.9_0.999', 'sgd+lr=0.1', 'true')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        first = [spelled(value["name"])] if "name" in value else []
        return "+".join(first + [f"{key}={spelled(inner)}" for key, inner in value.items() if key != "name"]) or "{}"
    if isinstance(value, list | tuple):
        return "_".join(map(spelled, value)) or "[]"
    return str(value)


def _number(value: float) -> str:
    """As `repr`, without zeros that say nothing: 1e-05 is 1e-5, and 1.0 is 1."""
    mantissa, e, exponent = repr(value).partition("e")
    mantissa = mantissa.removesuffix(".0")
    return f"{mantissa}e{int(exponent)}" if e else mantissa


def named(changes: Mapping[str, Any], short: Mapping[str, str], *before: str) -> str:
    """The name of a configuration: what stands before it, and what it changes, as one folder.

    >>> named({"optimizer.lr": 0.001}, {"optimizer.lr": "lr"}, "adam", "round-2")
    'adam,round-2,lr=0.001'
    """
    return folder(",".join([*filter(None, before), *(f"{short[key]}={spelled(v)}" for key, v in changes.items())]))


def folder(name: str) -> str:
    """A name that can be a folder: what had to be changed in it is told apart by digits of its SHA-256.

    >>> folder("model=nets/mine.py:build")
    'model=nets-mine.py:build~cb7f42'
    """
    fit = name
    if not (name.isascii() and name.isprintable()) or "/" in name or "\\" in name:
        fit = "".join("-" if sign in "/\\" or not sign.isprintable() else sign for sign in name)
    if len(name) > LONGEST // 4:  # no sign has more than four bytes
        fit = fit.encode(errors="replace")[:LONGEST].decode(errors="ignore")
    if fit == name:
        return name
    return f"{fit}~{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:6]}"
