"""A result as plain data, as JSON has it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Dataclasses and mappings as objects, arrays and tuples as lists, what is not finite as None.

    >>> plain({"mean": np.float64(0.5), "ends": (math.nan, 1)})
    {'mean': 0.5, 'ends': [None, 1]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def said(found: Any) -> dict[str, Any]:
    """A result that has a sentence and a table: both, and its fields."""
    table = found.table()
    return {"sentence": found.sentence(), "table": [table.columns, *table.rows], "note": table.note, **plain(found)}
