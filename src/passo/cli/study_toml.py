"""A study's configuration as the TOML that a person would write: tables, and lines that can be read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

WIDTH = 110  # of a line, where its values can be parted
COMPUTED = ("form", "left_out", "quick")  # what passo found or laid over when it ran the study, and finds again


def toml(config: Mapping[str, Any]) -> str:
    """A study's configuration as a file, without what is computed: plain keys first, then tables.

    The order of keys within a table stays: it says what varies first.

    >>> print(toml({"name": "a", "base": {"optimizer": {"name": "sgd", "lr": 1e-05}}, "runs": [{"name": "b"}]}), end="")
    name = "a"
    <BLANKLINE>
    [base]
    optimizer = { name = "sgd", lr = 1e-05 }
    <BLANKLINE>
    [[runs]]
    name = "b"
    """
    left = {key: value for key, value in config.items() if key not in COMPUTED}
    if isinstance(left.get("pair"), Mapping):
        left["pair"] = {key: value for key, value in left["pair"].items() if key != "widths"}
    tables = {key: value for key, value in left.items() if _is_table(value) or _are_tables(value)}
    lines = [line for key, value in left.items() if key not in tables for line in _entry(key, value)]
    for key, value in tables.items():
        for one in [value] if _is_table(value) else value:
            lines += ["", f"[{_key(key)}]" if _is_table(value) else f"[[{_key(key)}]]", *_table(one, _key(key))]
    return "\n".join(lines).strip("\n") + "\n"


def _table(table: Mapping[str, Any], name: str) -> Iterator[str]:
    """A table's lines; if one of the tables at its end is too long for a line, these get a heading each."""
    entries = [(key, value) for key, value in table.items() if value is not None]
    last = list(takewhile(lambda entry: _is_table(entry[1]), reversed(entries)))[::-1]
    if all(len(line) <= WIDTH for entry in last for line in _entry(*entry)):
        last = []
    for key, value in entries[: len(entries) - len(last)]:
        yield from _entry(key, value)
    for key, value in last:
        yield from ("", f"[{name}.{_key(key)}]", *_table(value, f"{name}.{_key(key)}"))


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value)


def _are_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _entry(key: str, value: Any) -> Iterator[str]:
    """A key with its value on one line; a list that is too long for it on several."""
    if value is None:
        return
    line = f"{_key(key)} = {_value(value)}"
    if len(line) <= WIDTH or not isinstance(value, list | tuple):
        yield line
        return
    yield f"{_key(key)} = ["
    held = ""
    for word in (f"{_value(one)}," for one in value):
        if held and len(held) + len(word) >= WIDTH:
            yield held
            held = ""
        held = f"{held} {word}" if held else f"    {word}"
    yield from (held, "]")


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items() if one is not None)
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, float):
        return repr(value)  # JSON has no infinity
    return _string(value) if isinstance(value, str) else json.dumps(value)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else _string(key)
