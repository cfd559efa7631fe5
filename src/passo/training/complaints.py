"""Pydantic's complaints in passo's voice: the key, what it must be, and what was given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from passo.registry import unknown

_OPTIMIZER_OPTIONS = {"momentum", "betas", "eps", "weight_decay", "nesterov", "dampening", "alpha", "rho", "fused"}
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a word",
    "tuple": "a list",
    "list": "a list",
    "dict": "a table of options",
    "model": "a table of options",
}
_LIMITS = {"greater_than_equal": ("≥", "ge"), "greater_than": (">", "gt"), "less_than_equal": ("≤", "le"),
           "less_than": ("<", "lt")}  # fmt: skip


def sentence(error: ValidationError, owner: type[BaseModel]) -> str:
    """The first complaint as one sentence: with its key, and with all that would be accepted there.

    >>> from typing import Literal
    >>> class Plan(BaseModel):
    ...     size: int | Literal["all"] = 64
    >>> try:
    ...     Plan(size="many")
    ... except ValidationError as error:
    ...     print(sentence(error, Plan))
    size must be a whole number or 'all', got 'many'
    """
    return brief(_sentence(error.errors(), owner))


def brief(text: str) -> str:
    """A sentence on one line, of a length that is read: whatever it quotes was made by somebody else.

    >>> brief("got '" + 5000 * "x" + "'")[495:505]
    'xxxxx … xx'
    """
    text = " ".join(text.split())
    return text if len(text) <= 800 else f"{text[:500]} … {text[-200:]}"


def _sentence(errors: Sequence[Any], owner: type[BaseModel]) -> str:
    first = errors[0]
    where = first["loc"]
    key = ".".join(map(str, where))
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, Exception):
        return f"{key}: {cause}" if key and key not in str(cause) else str(cause)
    if first["type"] == "extra_forbidden":
        return _unknown_key(where, owner)
    if first["type"] == "missing":
        return f"{key} is missing"
    path = _path(where, owner)
    wanted = [_wanted(one) for one in errors if _path(one["loc"], owner) == path]  # a union complains for each part
    if None in wanted:
        return f"{key}: {first['msg'][0].lower()}{first['msg'][1:]}, got {first['input']!r}"
    names = dict.fromkeys(str(name) for name in wanted)
    if "a number" in names:
        names.pop("a whole number", None)
    where, (*others, last) = ".".join(map(str, path)), names
    if others:
        return f"{where} must be {', '.join(others)} or {last}, got {first['input']!r}"
    return f"{where} must be {last}, got {first['input']!r}"


def _wanted(error: Any) -> str | None:
    """What would have been accepted, or None for a complaint that has no words here."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in _LIMITS:
        sign, limit = _LIMITS[kind]
        return f"{sign} {context[limit]:g}"
    if kind == "literal_error":
        return str(context["expected"])
    return "finite" if kind == "finite_number" else _KINDS.get(kind.partition("_")[0])


def _unknown_key(where: Sequence[Any], owner: type[BaseModel]) -> str:
    key = ".".join(map(str, where))
    if len(where) == 1:
        sections = {name: _model(field.annotation) for name, field in owner.model_fields.items()}
        inside = [f"{name}.{key}" for name, model in sections.items() if model and key in model.model_fields]
        if "optimizer" in sections and key in _OPTIMIZER_OPTIONS:
            inside = [f"optimizer.{key}"]
        if inside:
            return f"unknown key {key!r}. Did you mean {inside[0]!r}?"
    for part in where[:-1]:
        if not isinstance(part, int):
            owner = _model(owner.model_fields[part].annotation) or owner
    return str(unknown("key", key, [".".join(map(str, (*where[:-1], name))) for name in owner.model_fields]))


def _path(where: Sequence[Any], owner: type[BaseModel]) -> tuple[Any, ...]:
    """Where a complaint is, without what pydantic adds for the parts of a union."""
    path: list[Any] = []
    here: type[BaseModel] | None = owner
    for part in where:
        if not isinstance(part, int):
            if here is None or part not in here.model_fields:
                break
            here = _model(here.model_fields[part].annotation)
        path.append(part)
    return tuple(path)


def _model(annotation: Any) -> type[BaseModel] | None:
    """The model inside an annotation: itself, a part of a union, or what a tuple holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model(part))), None)
