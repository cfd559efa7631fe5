"""Numbers that an address asks for."""

from __future__ import annotations

import math

from passo.errors import UsageError
from passo.web.answering import Asked


def decimal(asked: Asked, name: str, default: float) -> float:
    """A finite number; raises `UsageError` for what is none."""
    try:
        value = float(asked.query(name) or default)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{name} must be a number, got {asked.query(name)!r}")
    return value


def whole(asked: Asked, name: str, default: int, most: int, least: int = 1) -> int:
    """A whole number within its range; raises `UsageError` for what is none."""
    value = decimal(asked, name, default)
    if value != int(value) or not least <= value <= most:
        raise UsageError(f"{name} must be a whole number from {least} to {most}, got {asked.query(name)!r}")
    return int(value)
