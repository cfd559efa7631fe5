"""What a stranger may have written: every table, row and text is held to its form before it is believed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from tokenize import TokenError
from typing import Any

from passo.errors import SchemaMismatch, StoreError
from passo.store.schema import CHECKPOINTS, DATABASE, READ, SCHEMA, TABLES

NUMBER = int | float
UNREADABLE = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    SyntaxError,
    RecursionError,
    MemoryError,
    TokenError,
)


@contextmanager
def damage_told(path: Path, *errors: type[Exception]) -> Iterator[None]:
    """Turn what a damaged or forged file does to its reader into one sentence."""
    try:
        yield
    except errors as error:
        what = " ".join(str(error).split())[:200] or type(error).__name__
        raise StoreError(f"{path} is damaged, or passo did not write it: {what}") from error


@cache
def columns_of_tables() -> dict[str, list[str]]:
    """Table → its columns, as this passo makes them; the newest table comes last."""
    with closing(sqlite3.connect(":memory:")) as made:
        made.executescript(TABLES + CHECKPOINTS)
        names = [name for (name,) in made.execute("SELECT name FROM sqlite_master WHERE type='table' ORDER BY rowid")]
        return {name: [row[1] for row in made.execute(f"PRAGMA table_info({name})")] for name in names}


def check_tables(folder: Path, connection: sqlite3.Connection, wanted: list[str]) -> None:
    """Refuse other tables, and what runs when it is read or written: views, triggers, a module's own tables."""
    told = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    if not told:
        raise StoreError(f"{folder} holds nothing: copy it again, whole, with {DATABASE}-wal where there is one")
    tables = {name for kind, name, sql in told if kind == "table" and str(sql)[:13].upper() == "CREATE TABLE "}
    for name in wanted:
        here = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
        if name not in tables or here != columns_of_tables()[name]:
            raise StoreError(f"{folder} is no study that passo wrote: its table {name} is missing or another")
    if any(kind == "trigger" for kind, *_ in told):
        raise StoreError(f"{folder} is no study that passo wrote: its database holds a trigger")


def study_facts(folder: Path, words: Mapping[str, str]) -> dict[str, Any]:
    """The facts of a study: those that every one has, of their kinds, and all others."""
    with damage_told(folder / DATABASE, ValueError, RecursionError):
        facts = {key: json.loads(value) for key, value in words.items()}
    schema = facts.get("schema")
    if type(schema) is not int or schema not in READ:
        raise SchemaMismatch(
            f"{folder} was written with schema {json.dumps(schema)[:40]}; this passo reads schemas up to {SCHEMA}"
        )
    for key, kind in {"name": str, "status": str, "config": dict, "created": NUMBER}.items():
        if not isinstance(facts.get(key), kind):
            raise StoreError(f"{folder} is damaged: its fact {key} is missing or of another kind")
    if not 0 <= facts["created"] < 2**37:  # seconds; beyond it there are no dates
        raise StoreError(f"{folder} is damaged: it was created at no time that there is")
    return facts


def json_object(folder: Path, text: str, kinds: Mapping[str, type] | None = None) -> dict[str, Any]:
    """A JSON object, with values of these kinds."""
    with damage_told(folder / DATABASE, ValueError, RecursionError):
        found = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError(f"expected a JSON object, found {text[:40]!r}")
        for key, kind in (kinds or {}).items():
            if not isinstance(found.get(key), kind):
                raise ValueError(f"expected {key} in {text[:40]!r}")
    return found


def typed_rows(folder: Path, rows: list[tuple[Any, ...]], *kinds: Any) -> list[tuple[Any, ...]]:
    """The rows, once each of their cells is of its column's kind: SQLite itself takes any."""
    for row in rows:
        for cell, kind in zip(row, kinds, strict=True):
            if not isinstance(cell, kind):
                raise StoreError(f"{folder / DATABASE} is damaged: {str(cell)[:40]!r} stands where it cannot stand")
    return rows
