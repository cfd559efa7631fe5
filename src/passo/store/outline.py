"""The outline of a study: what it is called, how it stands, and a line for each of its runs.

Configurations and facts are most of what there is to read of a study of thousands of runs; an outline leaves them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from passo.errors import StoreError
from passo.store.folder import ABANDONED, abandoned, check_name, reading_of
from passo.store.forged import NUMBER, check_tables, columns_of_tables, damage_told, study_facts, typed_rows
from passo.store.scalars import all_lasts, all_names, any_has
from passo.store.schema import DATABASE

LINE: dict[str, Any] = {
    "id": str,
    "kind": str,
    "name": str,
    "seed": int | None,
    "status": str,
    "started": NUMBER,
    "finished": NUMBER | None,
    "error": str | None,
}


@dataclass(frozen=True)
class RunLine:
    """What a study's table says of one run."""

    folder: Path
    id: str
    kind: str
    name: str
    seed: int | None
    status: str
    started: float
    finished: float | None
    error: str | None


@dataclass(frozen=True)
class Outline:
    """A study folder, and its runs in a line each, in the order in which they began."""

    folder: Path
    name: str
    status: str
    config: dict[str, Any]
    facts: dict[str, Any]
    runs: tuple[RunLine, ...]

    def metrics(self) -> list[str]:
        """The scalars that any run recorded."""
        return all_names(self.folder)

    def has(self, metric: str) -> bool:
        """Whether any run recorded a scalar of this name."""
        return any_has(self.folder, metric)

    def lasts(self, metric: str) -> dict[str, float]:
        """The last value of a scalar of every run that has it, by the run's id: one statement for all runs."""
        return all_lasts(self.folder, metric)


def outline(folder: str | Path) -> Outline:
    """Read a study's outline; the schema's version is checked."""
    folder = Path(folder)
    facts, status, rows = lines(folder)
    runs = tuple(RunLine(folder, *row) for row in rows)
    return Outline(folder, facts["name"], status, facts["config"], facts, runs)


def lines(folder: Path, *more: str, run: str | None = None) -> tuple[dict[str, Any], str, list[tuple[Any, ...]]]:
    """A study's facts, its status as it is now, and of each run the columns of `LINE` and those of text in `more`.

    With `run`, of the run of this id alone.
    """
    if not (folder / DATABASE).is_file():
        raise StoreError(f"{folder} is not a study folder: it has no {DATABASE}")
    with reading_of(folder) as connection:
        check_tables(folder, connection, ["study"])
        pairs = typed_rows(folder, connection.execute("SELECT key, value FROM study").fetchall(), str, str)
        facts = study_facts(folder, dict(pairs))
        check_tables(folder, connection, list(columns_of_tables())[: None if facts["schema"] > 1 else -1])
        columns = ", ".join((*LINE, *more))
        which = "" if run is None else "WHERE id = :run"
        sql = f"SELECT {columns} FROM runs {which} ORDER BY started, rowid"
        rows = connection.execute(sql, {"run": run}).fetchall()
        if facts["status"] == "failed" and "planned" not in facts:
            facts["status"] = _ended(connection.execute("SELECT DISTINCT status FROM runs").fetchall())
    typed_rows(folder, rows, *LINE.values(), *(str for _ in more))
    with damage_told(folder, StoreError):
        for run_id, *_ in rows:
            check_name(run_id)
    if facts["status"] == "running" and abandoned(folder):
        return facts, "interrupted", [_abandoned(row) for row in rows]
    return facts, facts["status"], rows


def _ended(statuses: list[tuple[Any, ...]]) -> str:
    """How a single training ended that raised: one that diverged has an outcome, and did not fail."""
    return "diverged" if statuses == [("diverged",)] else "failed"


def _abandoned(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A run of a study that nobody writes any more: one that was running no longer is."""
    told = dict(zip(LINE, row, strict=False))
    if told["status"] != "running":
        return row
    return (*(told | {"status": "interrupted", "error": ABANDONED}).values(), *row[len(LINE) :])
