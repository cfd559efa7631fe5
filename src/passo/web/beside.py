"""What people write about studies in the browser: tags and notes; and the queue of jobs. A file of its own.

A study has one writer, who trains; what the page writes therefore lies beside, in ROOT/.passo-ui.sqlite.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from passo.errors import StoreError, UsageError

FILE = ".passo-ui.sqlite"
TAG, TAGS, NOTE = 40, 20, 20_000  # characters of a tag, tags of a thing, characters of a note
_SCHEMA = "CREATE TABLE IF NOT EXISTS said(thing TEXT PRIMARY KEY, tags TEXT NOT NULL, note TEXT NOT NULL)"


@dataclass(frozen=True)
class Said:
    """What was written about a study ("NAME") or a run ("NAME/RUN"): tags, and a note in Markdown."""

    tags: tuple[str, ...] = ()
    note: str = ""


class Beside:
    """Reads and writes the file; one statement at a time."""

    def __init__(self, root: Path) -> None:
        self._path = root / FILE
        self._writing = threading.Lock()

    def said(self) -> dict[str, Said]:
        """All that was written, by what it is about."""
        rows = self.read("SELECT thing, tags, note FROM said")
        return {thing: Said(tuple(json.loads(tags)), note) for thing, tags, note in rows}

    def say(self, thing: str, tags: str, note: str) -> Said:
        """Write it: tags as words with commas between; raises `UsageError` for more than there is room for."""
        found = tuple(dict.fromkeys(tag for part in tags.split(",") if (tag := " ".join(part.split()))))
        if len(found) > TAGS or any(len(tag) > TAG for tag in found):
            raise UsageError(f"give at most {TAGS} tags of at most {TAG} characters")
        if len(note) > NOTE:
            raise UsageError(f"a note has room for {NOTE} characters, this one has {len(note)}")
        told = (thing, json.dumps(found, ensure_ascii=False), note.replace("\r\n", "\n"))
        self.change("INSERT OR REPLACE INTO said VALUES (?, ?, ?)", told, _SCHEMA)
        return Said(found, told[2])

    def read(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a table; none before anything was written."""
        if not self._path.is_file():
            return []
        try:
            with closing(sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)) as file:
                return file.execute(sql).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise StoreError(f"cannot read what is said about studies in {self._path}: {error}") from error
        except sqlite3.Error as error:
            raise StoreError(f"cannot read what is said about studies in {self._path}: {error}") from error

    def change(self, sql: str, given: Sequence[object], schema: str) -> int:
        """Change a table, which `schema` makes where it is not there; the number of a row that was put in."""
        with self._writing, self._open(schema) as file:
            return file.execute(sql, tuple(given)).lastrowid or 0

    @contextmanager
    def _open(self, schema: str) -> Iterator[sqlite3.Connection]:
        try:
            file = sqlite3.connect(self._path, timeout=5)
            try:
                file.execute(schema)
                with file:
                    yield file
            finally:
                file.close()
        except sqlite3.Error as error:
            raise StoreError(f"cannot write what is said about studies in {self._path}: {error}") from error
