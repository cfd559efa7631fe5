"""What an option of a model may be, written where the option is declared, and checked before anything is built.

A builder annotates its options with the kinds below (or with `Literal`); `passo.models.check_model` reads them. An
option with another annotation is handed on as it is.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from passo.registry import Registry, unknown


@dataclass(frozen=True)
class Must:
    """A condition on a value, and the words that follow "must be" where it does not hold."""

    be: str
    holds: Callable[[Any], bool]


def _whole(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and operator.index(value) >= 1
    except TypeError:
        return False


def _real(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf  # of any length


def _wholes(value: Any) -> bool:
    return _whole(value) or (isinstance(value, Sequence) and not isinstance(value, str) and all(map(_whole, value)))


Count = Annotated[int, Must("a whole number ≥ 1", _whole)]
Counts = Annotated[int | Sequence[int], Must("whole numbers ≥ 1, one for each layer, as in [64, 32]", _wholes)]
Number = Annotated[float, Must("a finite number", _real)]
Share = Annotated[float, Must("a number in [0, 1)", lambda value: _real(value) and 0 <= value < 1)]
Flag = Annotated[bool, Must("true or false", lambda value: isinstance(value, bool))]


def counts(value: int | Sequence[int]) -> tuple[int, ...]:
    """The numbers of a `Counts` option: one number stands for one layer.

    >>> counts(64), counts([64, 32])
    ((64,), (64, 32))
    """
    return tuple(value) if isinstance(value, Sequence) else (value,)


def check_option(option: str, kind: Any, value: Any) -> None:
    """Raise `ValueError` unless `value` is what the annotation `kind` asks of `option`.

    >>> check_option("kernel", Count, 0)
    Traceback (most recent call last):
    ...
    ValueError: kernel must be a whole number ≥ 1, got 0
    """
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise unknown(option, value, map(str, get_args(kind)))
        return
    for condition in getattr(kind, "__metadata__", ()):
        if isinstance(condition, Registry):
            condition[value]  # raises UnknownName, which is a ValueError: the nearest name, and the list
        elif isinstance(condition, Must) and not condition.holds(value):
            raise ValueError(f"{option} must be {condition.be}, got {value!r}")
