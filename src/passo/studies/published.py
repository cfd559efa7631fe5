"""The published Fashion-MNIST note: its runs, how they were configured, and what was printed of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from passo.registry import unknown

EXACT = "published-note-exact"
"""The name of the study that repeats it, and of its folder where none is given."""

METRICS = {
    "train_loss": "epoch/train_loss",
    "val_loss": "validation/loss",
    "train_accuracy": "epoch/train_accuracy",
    "val_accuracy": "validation/accuracy",
    "lr": "lr",
}
"""What the note prints of an epoch, and under which name a replication stores it."""

PLACES = {"lr": 6}
"""Decimals as printed; 4 where nothing else is said."""


@dataclass(frozen=True)
class PublishedRun:
    """One run of the note: `printed[column][epoch − 1]` are its numbers, each rounded to `places(column)` decimals."""

    name: str
    part: str
    published_as: str
    optimizer: Mapping[str, Any]
    schedule: Mapping[str, Any] | None
    printed: Mapping[str, Sequence[float]]

    @property
    def epochs(self) -> int:
        return len(self.printed["train_loss"])

    @property
    def config(self) -> dict[str, Any]:
        """What decides its result beside the random stream; `train_accuracy` because its pass draws from the stream."""
        schedule = None if self.schedule is None else dict(self.schedule)
        accuracy = "train_accuracy" in self.printed
        optimizer = dict(self.optimizer)
        return {"optimizer": optimizer, "schedule": schedule, "epochs": self.epochs, "train_accuracy": accuracy}


@dataclass(frozen=True)
class PublishedNote:
    """The whole note; raises `UnknownName` for a run that it does not have.

    >>> note = published_note()
    >>> len(note.runs), sum(run.epochs for run in note.runs)
    (14, 190)
    """

    source: str
    runs: tuple[PublishedRun, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(run.name for run in self.runs)

    def chosen(self, names: Sequence[str] = ()) -> tuple[PublishedRun, ...]:
        """The runs of these names, all where none are given, in the note's order."""
        for name in names:
            if name not in self.names:
                raise unknown("run of the published note", name, self.names)
        return tuple(run for run in self.runs if not names or run.name in names)


def places(column: str) -> int:
    """With how many decimals the note prints a column."""
    return PLACES.get(column, 4)


@cache
def published_note() -> PublishedNote:
    """The note as it is shipped in the package."""
    told = json.loads((files("passo") / "studies" / "published_fashion_note.json").read_text(encoding="utf-8"))
    return PublishedNote(told["source"], tuple(PublishedRun(**run) for run in told["runs"]))
