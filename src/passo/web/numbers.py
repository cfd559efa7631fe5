"""Numbers that somebody typed: in an address, or in the settings of an optimiser, a schedule or a training.

A decimal has a point wherever settings are typed, in any language. Who reads Portuguese types a comma: one number
alone, "0,01", is then taken as 0.01, and in English it is refused with the hint to write 0.01. What has two commas, a
point, or brackets is a list and stays one ("0.1,0.01", "[64,32]"). Ambiguous is "64,32": it is the number 64.32, unless
the option is one of `LISTS`, which hold whole numbers, or stands in a table that varies options, which holds what is
tried. A comma never parts thousands: "1,000" is 1 in Portuguese, and refused in English.
"""

from __future__ import annotations

import math
import re

from passo.errors import UsageError
from passo.language import numeral
from passo.web.answering import Asked

LISTS = frozenset(
    {"between", "classes", "coordinates", "filters", "hidden", "milestones", "rare", "seeds", "size", "snapshots"}
    | {"imbalance", "units"}
)
"""Options that take a list of whole numbers without brackets: hidden=64,32."""
VARYING = ("grid.", "zip.", "random.", "coarse_to_fine.", "tpe.", "successive_halving.")
_DECIMAL = re.compile(r"([+-]?\d+),(\d+)((?:e[+-]?\d+)?)", re.IGNORECASE | re.ASCII)
_SETTING = re.compile(r"([\w.-]+)=(\S+)")


def decimal(
    asked: Asked, name: str, default: float, *, least: float = -math.inf, most: float = math.inf, whole: bool = False
) -> float:
    """A finite number within its range; the default where none is asked for. Raises `UsageError` for another."""
    given = asked.query(name)
    if not given:
        return default
    kind = "a whole number" if whole else "a number"
    try:
        value = float(pointed(name, given))
    except ValueError as error:
        if isinstance(error, UsageError):
            raise
        value = math.nan
    if math.isfinite(value) and least <= value <= most and not (whole and value != int(value)):
        return value
    if math.isfinite(least) and math.isfinite(most):
        raise UsageError(f"{name} must be {kind} from {least:,.12g} to {most:,.12g}, got {given!r}")
    raise UsageError(f"{name} must be {kind}, got {given!r}")


def whole(asked: Asked, name: str, default: int, most: int, least: int = 1) -> int:
    """A whole number within its range; raises `UsageError` for what is none."""
    return int(decimal(asked, name, default, least=least, most=most, whole=True))


def pointed(name: str, text: str) -> str:
    """What was typed for an option, with a point where it is one number with a decimal comma (see above).

    >>> pointed("betas", "0.9,0.999"), pointed("model.hidden", "64,32"), pointed("schedule", "StepLR")
    ('0.9,0.999', '64,32', 'StepLR')
    """
    text = text.strip()
    found = _DECIMAL.fullmatch(text)
    if found is None or name.rpartition(".")[2] in LISTS or name.startswith(VARYING):
        return text
    written = f"{found[1]}.{found[2]}{found[3]}"
    if numeral(".") == ",":
        return written
    if len(found[2]) == 3 and found[1].lstrip("+-0"):
        raise UsageError(f"{name}: a comma parts no thousands here: write {found[1]}{found[2]} instead of {text}")
    raise UsageError(f"{name}: decimals have a point here: write {written} instead of {text}")


def pointed_settings(text: str) -> str:
    """The same in every setting of a line: "StepLR step_size=3 gamma=0,5"."""
    return _SETTING.sub(lambda one: f"{one[1]}={pointed(one[1], one[2])}", text)
