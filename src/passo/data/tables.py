"""CSV files: a header, then one row for each example; one column is what is predicted, the others are numbers.

    houses.csv                        one file, of which a fifth is the test part
    folder/train.csv  folder/test.csv two files with the same header

The separator is a comma, a semicolon or a tab, whichever the header has most of. A predicted column of text is a class,
of numbers a value, unless `task` says otherwise. Nothing is guessed or filled in: what is missing or is no number is
said, with its file and line.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from passo.data.described import DatasetInfo, FileInfo
from passo.data.sampling import held_out
from passo.errors import ConfigError, DataCorrupt, DataError, DataNotFound
from passo.registry import unknown

BYTES = 2**30  # of a file: its cells are in memory as text before they are numbers
TASKS = ("classify", "regress")
_MANY = {1: "one", 2: "two"}


@dataclass(frozen=True)
class Table:
    """A CSV file's columns, in its order, and its cells as text with the line each row begins at."""

    path: Path
    columns: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]
    sha256: str


def open_table(
    entry: DatasetInfo, folder: str | Path | None, target: str | None = None, task: str | None = None
) -> tuple[DatasetInfo, tuple[np.ndarray, ...], str]:
    """The entry with classes and digests, the four arrays, and where they are from.

    The arrays are training rows (N, F) float64, training targets (N,) (class numbers, or float64 values), and the same
    of the test part. `target` is the column to predict, the last one where it is not named.
    """
    if folder is None:
        raise ConfigError("csv needs its file, or the folder of train.csv and test.csv: dataset.folder=PATH")
    if task is not None and task not in TASKS:
        raise unknown("task", task, TASKS)
    path = Path(folder).expanduser()
    if path.is_dir():
        tables = [read(path / "train.csv"), read(path / "test.csv")]
        if tables[0].columns != tables[1].columns:
            raise DataCorrupt(f"{tables[1].path}, line 1: expected the same header as {tables[0].path}")
    else:
        tables = [read(path)]
    column = _target(tables[0], target)
    if task is None:
        task = "regress" if all(_is_number(row[column]) for row in tables[0].rows) else "classify"
    classes = _classes(tables[0], column) if task == "classify" else ()
    parts = [(_features(table, column), _targets(table, column, classes)) for table in tables]
    source = str(path)
    if len(parts) == 1:
        (x, y) = parts[0]
        try:
            rest, part = held_out(y if classes else np.zeros(len(y), np.uint8))
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error
        parts = [(x[rest], y[rest]), (x[part], y[part])]
        source += " (a fifth of it, the same for every seed, is the test part)"
    arrays = (*parts[0], *parts[1])
    names = ("train-rows", "train-targets", "test-rows", "test-targets")
    digests = [tables[0].sha256] * 2 + [tables[-1].sha256] * 2
    files = tuple(FileInfo(n, a.shape, sha) for n, a, sha in zip(names, arrays, digests, strict=True))
    names, predicted = tables[0].columns, tables[0].columns[column]
    told = {"title": f"{path.name}: {predicted}", "columns": tuple(n for n in names if n != predicted)}
    return replace(entry, **told, target=predicted, classes=classes, files=files), arrays, source


def rows_of(path: str | Path, columns: Sequence[str]) -> tuple[list[int], np.ndarray]:
    """Rows to predict: the line at which each begins, and (N, F) float64 of `columns`, in their order.

    The file may have them in any order, and others beside them. Raises `DataNotFound` and `DataCorrupt`.
    """
    table = read(Path(path).expanduser(), columns=1, rows=1)
    if missing := [name for name in columns if name not in table.columns]:
        raise DataCorrupt(f"{table.path}, line 1: the column {missing[0]!r} is missing; expected {', '.join(columns)}")
    places = [table.columns.index(name) for name in columns]
    return table.lines, np.array([[_number(table, row, place) for place in places] for row in range(len(table.rows))])


def read(path: Path, columns: int = 2, rows: int = 2) -> Table:
    """A CSV file's header and rows, of so many at least; raises `DataNotFound` and `DataCorrupt`."""
    try:
        if path.stat().st_size > BYTES:
            raise DataError(f"{path} has more than {BYTES:,} bytes: give a smaller file")
        data = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataNotFound(f"cannot read {path}: {reason}; name a file that is there") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataCorrupt(f"{path}, line {line}: expected text in UTF-8; save the file in it") from error
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] = []
    found, lines, begins = [], [], 1
    try:
        for cells in reader:
            if not header:
                header = _header(path, cells, columns)
            elif cells:
                if len(cells) != len(header):
                    raise DataCorrupt(f"{path}, line {begins}: expected {len(header)} columns, found {len(cells)}")
                found.append(cells)
                lines.append(begins)
            begins = reader.line_num + 1
    except csv.Error as error:
        raise DataCorrupt(f"{path}, line {max(reader.line_num, 1)}: {error}; correct that line") from error
    if len(found) < rows:
        raise DataCorrupt(f"{path}: expected a header and {_MANY[rows]} or more rows, found {len(found)} rows")
    return Table(path, tuple(header), found, lines, hashlib.sha256(data).hexdigest())


def _header(path: Path, cells: list[str], least: int) -> list[str]:
    names = [cell.strip() for cell in cells]
    if len(names) < least:
        raise DataCorrupt(f"{path}, line 1: expected the names of two or more columns, found {len(names)}")
    if "" in names:
        raise DataCorrupt(f"{path}, line 1: column {names.index('') + 1} has no name: give it one")
    if doubled := [name for place, name in enumerate(names) if name in names[:place]]:
        raise DataCorrupt(f"{path}, line 1: two columns are named {doubled[0]!r}: rename one")
    if all(_is_number(name) for name in names):
        raise DataCorrupt(f"{path}, line 1: expected the names of the columns, found only numbers: add a header")
    return names


def _target(table: Table, target: str | None) -> int:
    if target is None:
        return len(table.columns) - 1
    if target not in table.columns:
        raise unknown(f"column of {table.path}", target, table.columns)
    return table.columns.index(target)


def _features(table: Table, target: int) -> np.ndarray:
    """The other columns: (N, F) float64."""
    others = [place for place in range(len(table.columns)) if place != target]
    return np.array([[_number(table, row, place) for place in others] for row in range(len(table.rows))], np.float64)


def _targets(table: Table, column: int, classes: tuple[str, ...]) -> np.ndarray:
    """The predicted column: (N,) float64 values, or class numbers."""
    if not classes:
        return np.array([_number(table, row, column) for row in range(len(table.rows))], np.float64)
    numbers = {name: number for number, name in enumerate(classes)}
    found = []
    for row, cells in enumerate(table.rows):
        if (name := cells[column].strip()) not in numbers:
            raise DataCorrupt(f"{_where(table, row, column)}: class {name!r} is not in the training file")
        found.append(numbers[name])
    return np.array(found, np.uint8 if len(classes) <= 256 else np.int64)


def _classes(table: Table, column: int) -> tuple[str, ...]:
    """The different values, numbers by size and text by letters."""
    for row, cells in enumerate(table.rows):
        if not cells[column].strip():
            raise DataCorrupt(f"{_where(table, row, column)}: the class is missing: fill it in, or remove the line")
    names = {cells[column].strip() for cells in table.rows}
    if len(names) < 2 or len(names) > max(2, len(table.rows) // 2):
        raise DataCorrupt(
            f"{table.path}: column {table.columns[column]!r} has {len(names)} different values in {len(table.rows)} "
            "rows, which are no classes: name another with dataset.target=COLUMN"
        )
    return tuple(sorted(names, key=float) if all(map(_is_number, names)) else sorted(names))


def _number(table: Table, row: int, column: int) -> float:
    text = table.rows[row][column].strip()
    if not text or text.lower() in ("na", "n/a", "nan", "null", "none", "?"):
        raise DataCorrupt(f"{_where(table, row, column)}: the value is missing: fill it in, or remove the line")
    if not _is_number(text):
        raise DataCorrupt(
            f"{_where(table, row, column)}: expected a number, found {text[:40]!r}: correct it, or remove the column"
        )
    return float(text)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False


def _where(table: Table, row: int, column: int) -> str:
    return f"{table.path}, line {table.lines[row]}, column {table.columns[column]!r}"
