"""The published note beside our own runs under its stream: every printed number, and the table of those that differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from passo.analysis.tables import Table
from passo.analysis.words import joined
from passo.errors import StoreError
from passo.language import numeral, t
from passo.store import StoredRun, StoredStudy
from passo.studies.published import METRICS, PublishedRun, places, published_note


@dataclass(frozen=True)
class Departure:
    """A printed number that ours is not: of `column` after `epoch` of `run`, at the printed precision."""

    run: str
    epoch: int
    column: str
    published: str
    ours: str

    @property
    def size(self) -> float:
        return abs(float(self.ours) - float(self.published))


@dataclass(frozen=True)
class RunCompared:
    """One run: epochs done of those published, how many of them were `shared`, numbers compared, and departures."""

    name: str
    epochs: int
    published: int
    shared: int
    seconds: float
    numbers: int
    departures: tuple[Departure, ...]


@dataclass(frozen=True)
class Replicated:
    """All runs of a replication; `machine` is what the last digits depend on."""

    runs: tuple[RunCompared, ...]
    machine: Mapping[str, Any]

    @property
    def numbers(self) -> int:
        return sum(run.numbers for run in self.runs)

    @property
    def epochs(self) -> int:
        return sum(run.epochs for run in self.runs)

    @property
    def trained(self) -> int:
        """Epochs that were trained; the others were shared."""
        return self.epochs - sum(run.shared for run in self.runs)

    @property
    def seconds(self) -> float:
        return sum(run.seconds for run in self.runs)

    @property
    def departures(self) -> tuple[Departure, ...]:
        """Those of all runs, by run and epoch."""
        return tuple(one for run in self.runs for one in run.departures)

    @property
    def whole(self) -> bool:
        """Whether every published epoch of every run is there."""
        return all(run.epochs == run.published for run in self.runs)

    def sentence(self) -> str:
        """How many printed numbers are the same, and where the first is not."""
        if self.whole:
            start = t("Of all {count} runs", count=len(self.runs))
        else:
            start = t("Of the {count} epochs that are there", count=self.epochs)
        if not self.departures:
            return t(
                "{start}, all {numbers:,} printed numbers are ours, to the last digit.",
                start=start,
                numbers=self.numbers,
            )
        first = min(self.departures, key=lambda one: one.epoch)
        return t(
            "{start}, {agree:,} of {numbers:,} printed numbers are ours; {differ:,} differ (in {names}), the first "
            "after epoch {epoch} ({run}, {column}: published {published}, ours {ours}).",
            start=start,
            agree=self.numbers - len(self.departures),
            numbers=self.numbers,
            differ=len(self.departures),
            names=joined([run.name for run in self.runs if run.departures]),
            epoch=first.epoch,
            run=first.run,
            column=first.column,
            published=numeral(first.published),
            ours=numeral(first.ours),
        )

    def table(self) -> Table:
        """The table of differences: a row for each printed number that ours is not."""
        columns = (t("run"), t("epoch"), t("column"), t("published"), t("ours"))
        rows = [
            (one.run, str(one.epoch), one.column, numeral(one.published), numeral(one.ours)) for one in self.departures
        ]
        return Table(columns, tuple(rows), "" if rows else t("Empty: no printed number differs."))

    def by_run(self) -> Table:
        """A row for each run: its epochs, which of them were trained for another run already, and what agrees."""
        numbers = (t("printed numbers"), t("that differ"), t("first in epoch"))
        columns = (t("run"), t("epochs"), t("of them shared"), *numbers)
        rows = [
            (
                run.name,
                str(run.epochs)
                if run.epochs == run.published
                else t("{part} of {whole}", part=run.epochs, whole=run.published),
                str(run.shared),
                str(run.numbers),
                str(len(run.departures)),
                str(run.departures[0].epoch) if run.departures else "–",
            )
            for run in self.runs
        ]
        return Table(columns, tuple(rows))


def replicated(study: StoredStudy) -> Replicated:
    """Hold a replication to the published numbers; raises `StoreError` for a study that is none.

    An interrupted one is compared as far as it came.
    """
    there = {run.name: run for run in study.runs}
    note = published_note()
    if not set(note.names) & set(there) or "kernels" not in study.config:
        raise StoreError(f"{study.folder} is no replication of the published note: passo replicate makes one")
    machine = {**study.facts.get("environment", {}), **study.config["kernels"], "threads": study.config["threads"]}
    machine["torch"] = study.facts.get("environment", {}).get("torch", "?")
    machine["kernels"] = study.config["kernels"].get("torch", "?")
    return Replicated(tuple(_compared(one, there.get(one.name)) for one in note.runs), machine)


def _compared(published: PublishedRun, ours: StoredRun | None) -> RunCompared:
    """A published run and ours, epoch by epoch; None for one that was not begun."""
    if ours is None or not ours.metrics():
        return RunCompared(published.name, 0, published.epochs, 0, 0.0, 0, ())
    columns = {name: [*ours.metric(METRICS[name]).values] for name in published.printed}
    done = min(len(values) for values in columns.values())
    told = [data for kind, _, _, data in ours.events() if kind == "epoch"][:done]
    shared = sum(data["shared"] is not None for data in told)
    seconds = sum(float(data["seconds"]) for data in told)
    found = tuple(departures(published.name, published.printed, columns))
    numbers = done * len(columns)
    return RunCompared(published.name, done, published.epochs, shared, seconds, numbers, found)


def departures(
    run: str, printed: Mapping[str, Sequence[float]], ours: Mapping[str, Iterable[float]]
) -> Iterator[Departure]:
    """The numbers that differ once ours are rounded as the published ones are, epoch by epoch as far as ours go.

    >>> [one.ours for one in departures("a", {"val_loss": [0.5, 0.25]}, {"val_loss": [0.50004, 0.25006]})]
    ['0.2501']
    """
    rows = {name: list(zip(values, ours[name], strict=False)) for name, values in printed.items()}
    for epoch in range(max(map(len, rows.values()), default=0)):
        for name, pairs in rows.items():
            if epoch < len(pairs):
                published, value = (f"{one:.{places(name)}f}" for one in pairs[epoch])
                if published != value:
                    yield Departure(run, epoch + 1, name, published, value)
