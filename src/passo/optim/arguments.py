"""What a torch class accepts, read from its own signature, and one sentence for what it does not accept."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterable, Mapping
from inspect import Parameter
from numbers import Real
from typing import Any

from torch import Tensor

from passo.errors import ConfigError, PassoError, UnknownName
from passo.registry import nearest

WHOLE = {"int", "int | None", "Optional[int]", "typing.Optional[int]"}


def plain(name: object) -> str:
    """A name without case, spaces, hyphens and underscores: "Sparse-Adam" → "sparseadam"."""
    return "".join(letter for letter in str(name).lower() if letter not in " -_")


def resolve(kind: str, name: object, known: Mapping[str, str]) -> str:
    """The proper name behind what was typed; `known` maps plain names (aliases too) to proper ones.

    Raises UnknownName with the nearest and the list.
    """
    if isinstance(name, str) and plain(name) in known:
        return known[plain(name)]
    near = nearest(plain(name), known)
    hint = f" Did you mean {known[near]!r}?" if near is not None else ""
    listed = ", ".join(sorted(set(known.values()), key=str.lower))
    raise UnknownName(f"unknown {kind} {name!r}.{hint} Known: {listed}")


def arguments_of(cls: type, hidden: Iterable[str]) -> dict[str, Parameter]:
    """The arguments of a class in the order of its signature, without the `hidden` ones."""
    parameters = inspect.signature(cls).parameters
    return {name: parameter for name, parameter in parameters.items() if name not in set(hidden)}


def check_names(owner: str, options: Iterable[str], allowed: Iterable[str]) -> None:
    """Raise ConfigError for the first option that is not in `allowed`; says the nearest and the list."""
    allowed = list(allowed)
    for option in options:
        if option in allowed:
            continue
        near = nearest(str(option), allowed)
        hint = f" Did you mean {near!r}?" if near is not None else ""
        raise ConfigError(f"{owner} has no argument {option!r}.{hint} It takes: {', '.join(allowed)}")


def check_value(owner: str, parameter: Parameter, value: Any) -> Any:
    """The value as the class wants it: lists become tuples where its default is one, 5.0 becomes 5.

    Raises ConfigError where the kind of value cannot be right; ranges are left to the class itself.
    """
    label, default = f"{owner}: {parameter.name}", parameter.default
    annotation = _annotation(parameter)
    optional = default is None or ("None" in annotation and not isinstance(default, tuple))
    if isinstance(value, Tensor) or (value is None and optional):
        return value
    if choices := choices_in(annotation):
        return _choice(label, choices, value)
    if isinstance(default, tuple):
        return _numbers(label, value, default)
    if isinstance(default, bool) or (default is None and annotation.startswith("bool")):
        return _of_type(label, bool, "true or false", value)
    if annotation.startswith("str"):
        return _of_type(label, str, "a word", value)
    if isinstance(value, list | tuple):
        if "list" not in annotation:
            raise ConfigError(f"{label} must be one number, got {value!r}")
        return [number(label, part) for part in value]
    if annotation in WHOLE:
        return whole(label, value)
    return float(number(label, value)) if isinstance(default, float) else number(label, value)


def number(label: str, value: Any) -> Any:
    """A finite number that is not a truth value, unchanged; else ConfigError."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ConfigError(f"{label} must be a number, got {value!r}")
    size: Any = abs(value)
    if not size <= sys.float_info.max:  # also catches NaN, and a whole number that no float can hold
        raise ConfigError(f"{label} must be finite, got {str(value)[:40]}")
    return value


def whole(label: str, value: Any, least: int | None = None) -> int:
    """A whole number (5 or 5.0) that is at least `least`; else ConfigError."""
    if number(label, value) != int(value):
        raise ConfigError(f"{label} must be a whole number, got {value!r}")
    if least is not None and value < least:
        raise ConfigError(f"{label} must be >= {least}, got {value}")
    return int(value)


def positive(label: str, value: Any) -> None:
    """Raise ConfigError unless the number (or a tensor of one) is > 0: `lr must be > 0, got -0.1`."""
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise ConfigError(f"{label} must be one number, got a tensor of {value.numel()}")
        value = value.item()
    if number(label, value) <= 0:
        raise ConfigError(f"{label} must be > 0, got {value}")


def retold(owner: str, error: BaseException) -> ConfigError:
    """A class's own complaint as one sentence that begins with the name of the one who complains.

    Torch's words stand in it as torch says them: what can be foreseen is checked before (`passo.optim.ranges`).
    """
    text = (" ".join(str(error).split()) or type(error).__name__).rstrip(".")
    if isinstance(error, PassoError):
        return ConfigError(f"{owner}: {text}")
    return ConfigError(f"{owner}: torch refuses these options: “{text}”")


def _annotation(parameter: Parameter) -> str:
    annotation = parameter.annotation
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def choices_in(annotation: str) -> tuple[str, ...]:
    """The words of a `Literal` in an annotation; none where it has none."""
    _, found, inside = annotation.partition("Literal[")
    return ast.literal_eval(f"({inside.rpartition(']')[0]},)") if found else ()


def _choice(label: str, choices: tuple[str, ...], value: Any) -> str:
    if value not in choices:
        raise ConfigError(f"{label} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def _numbers(label: str, value: Any, default: tuple[Any, ...]) -> tuple[Any, ...]:
    """As many numbers as the default has; floats where it has them, because torch's Adam refuses a β of 0 for 0.0."""
    if not isinstance(value, list | tuple) or len(value) != len(default):
        raise ConfigError(f"{label} must be {len(default)} numbers, got {value!r}")
    return tuple(_like(label, part, usual) for part, usual in zip(value, default, strict=True))


def _like(label: str, part: Any, usual: Any) -> Any:
    if part is None or isinstance(part, Tensor):
        return part
    return float(number(label, part)) if isinstance(usual, float) else number(label, part)


def _of_type(label: str, kind: type, words: str, value: Any) -> Any:
    if not isinstance(value, kind):
        raise ConfigError(f"{label} must be {words}, got {value!r}")
    return value
