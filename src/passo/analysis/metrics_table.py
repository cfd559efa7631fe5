"""The metrics of runs as one table, for a spreadsheet, pandas, R or a database: CSV, or Parquet where pyarrow is there.

    long   run, configuration, seed, metric, step, epoch, value               one row for each value (the usual form)
    wide   run, configuration, seed, step, epoch, lr, train/loss, …           one row for each step, one column a metric

The long form holds nothing but what was recorded, whatever the runs have in common; group it by `metric`. In the wide
form a cell is empty where its metric was not recorded at that step. A recorded value that is no number is written NaN.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from passo import store
from passo.analysis.placing import placed
from passo.errors import ConfigError, StoreError, require
from passo.store import StoredRun, StoredStudy

KEYS = ("run", "configuration", "seed")
LONG = (*KEYS, "metric", "step", "epoch", "value")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would take for one

Source = StoredStudy | StoredRun | Sequence[StoredRun] | str | Path


@dataclass(frozen=True)
class MetricsTable:
    """A table of metrics: `columns` maps each name to a list, one item a row; None stands for an empty cell.

    `pandas.DataFrame(table.columns)` and `polars.DataFrame(table.columns)` take it as it is.
    """

    columns: dict[str, list[Any]]

    def __len__(self) -> int:
        return len(self.columns["run"])

    def __repr__(self) -> str:
        return f"MetricsTable({len(self):,} rows: {', '.join(self.columns)})"

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write a `.csv` or a `.parquet` file, whole or not at all.

        Raises `ConfigError` for another ending, `FolderInUse` for a file that is there (unless `force`),
        `MissingExtra` for Parquet without pyarrow.
        """
        path = Path(path)
        write = {".csv": _write_csv, ".parquet": _write_parquet}.get(path.suffix.lower())
        if write is None:
            raise ConfigError(f"metrics are written as .csv or .parquet, got {path.name!r}")
        if write is _write_parquet:
            require("pyarrow.parquet", "parquet")
        with placed(path, force=force) as beside:
            write(beside, self.columns)
        return path


def metrics_table(source: Source, *, wide: bool = False) -> MetricsTable:
    """The metrics of a study, of a run, or of several runs, in the order in which they were run.

    `source` may be a name or a path as well: STUDY, or STUDY/RUN. Raises `StoreError` where nothing was recorded.
    """
    runs = runs_in(source)
    columns = _wide(runs) if wide else _long(runs)
    if not columns["run"]:
        raise StoreError(f"no metric was recorded in {', '.join(run.id for run in runs) or 'this study'}")
    return MetricsTable(columns)


def runs_in(source: Source) -> tuple[StoredRun, ...]:
    """The runs that a study, a run, or a name of either stands for; raises `StoreError` for a name of none."""
    if isinstance(source, str | Path):
        source = store.named(source)
    if isinstance(source, StoredRun):
        return (source,)
    return tuple(source.runs) if isinstance(source, StoredStudy) else tuple(source)


def _long(runs: Iterable[StoredRun]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [] for name in LONG}
    for run in runs:
        for metric in run.metrics():
            series = run.metric(metric)
            count = len(series.steps)
            for name, value in (*_keys(run), ("metric", metric)):
                columns[name] += [value] * count
            for name, values in (("step", series.steps), ("epoch", series.epochs), ("value", series.values)):
                columns[name] += values.tolist()
    return columns


def _wide(runs: Sequence[StoredRun]) -> dict[str, list[Any]]:
    metrics = sorted({metric for run in runs for metric in run.metrics()})
    if clash := sorted({*KEYS, "step", "epoch"} & set(metrics)):
        raise ConfigError(f"a metric is called {clash[0]!r}, as a column of the wide form is: take the long form")
    columns: dict[str, list[Any]] = {name: [] for name in (*KEYS, "step", "epoch", *metrics)}
    for run in runs:
        found = {metric: run.metric(metric) for metric in run.metrics()}
        epochs = {step: epoch for one in found.values() for step, epoch in zip(one.steps, one.epochs, strict=True)}
        steps = sorted(epochs)
        place = {step: number for number, step in enumerate(steps)}
        for name, value in _keys(run):
            columns[name] += [value] * len(steps)
        columns["step"] += [int(step) for step in steps]
        columns["epoch"] += [float(epochs[step]) for step in steps]
        for metric in metrics:
            cells: list[float | None] = [None] * len(steps)
            if metric in found:
                for step, value in zip(found[metric].steps, found[metric].values.tolist(), strict=True):
                    cells[place[step]] = value
            columns[metric] += cells
    return columns


def _keys(run: StoredRun) -> tuple[tuple[str, Any], ...]:
    return tuple(zip(KEYS, (run.id, run.name, run.seed), strict=True))


def _write_csv(path: Path, columns: dict[str, list[Any]]) -> None:
    """RFC 4180 in UTF-8; with a mark at the start where a name needs one, without which Excel reads Latin-1."""
    plain = all(str(name).isascii() for name in (*columns, *columns["run"], *columns["configuration"]))
    with path.open("w", newline="", encoding="utf-8" if plain else "utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow([_cell(name) for name in columns])
        writer.writerows([_cell(value) for value in row] for row in zip(*columns.values(), strict=True))


def _cell(value: Any) -> Any:
    """A number in full precision; text that a spreadsheet would run as a formula, with an apostrophe before it.

    >>> [_cell(0.1 + 0.2), _cell(float("nan")), _cell(None), _cell("=1+1")]
    [0.30000000000000004, 'NaN', None, "'=1+1"]
    """
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _write_parquet(path: Path, columns: dict[str, list[Any]]) -> None:
    import pyarrow as pa  # pyright: ignore[reportMissingImports]
    import pyarrow.parquet as pq  # pyright: ignore[reportMissingImports]

    words, whole = pa.dictionary(pa.int32(), pa.string()), pa.int64()
    kinds = {"run": words, "configuration": words, "metric": words, "seed": whole, "step": whole}
    arrays = [pa.array(values, kinds.get(name, pa.float64())) for name, values in columns.items()]
    pq.write_table(pa.table(arrays, names=list(columns)), path)
