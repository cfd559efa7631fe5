"""Trainings of a study that train as one network: how far they are, from the small file that tells it meanwhile."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from passo.language import numeral, tn
from passo.store import Outline
from passo.web.shelf import PENDING

MOST, SHOWN = 4096, 4  # bytes of such a file, and metrics that are told
WHOLE, SHARE = ("trainings", "going", "epoch", "epochs", "step"), ("since", "done")


@dataclass(frozen=True)
class Group:
    """Where a group is: all of its trainings, those that still train, since when, and means over these."""

    trainings: int
    going: int
    epoch: int
    epochs: int
    step: int
    since: float
    done: float
    live: bool
    means: dict[str, float] = field(default_factory=dict)

    def sentence(self) -> str:
        """How far it is, and what is known of it so far."""
        numbers = {"step": self.step, "epoch": self.epoch, "epochs": self.epochs}
        if self.live:
            begun = f"{datetime.fromtimestamp(self.since):%Y-%m-%d %H:%M}"
            where = tn(
                "{n:,} training has run as one network since {begun}: epoch {epoch:,} of {epochs:,}, step {step:,}.",
                "{n:,} trainings have run as one network since {begun}: epoch {epoch:,} of {epochs:,}, step {step:,}.",
                self.trainings,
                begun=begun,
                **numbers,
            )
        else:
            where = tn(
                "{n:,} training stopped as one network, in epoch {epoch:,} of {epochs:,}, step {step:,}.",
                "{n:,} trainings stopped as one network, in epoch {epoch:,} of {epochs:,}, step {step:,}.",
                self.trainings,
                **numbers,
            )
        if not self.means:
            return where
        known = ", ".join(f"{name} {numeral(f'{value:.4g}')}" for name, value in list(self.means.items())[:SHOWN])
        told = tn(
            "Of {n:,} that has not ended: {known}.",
            "Means over the {n:,} that have not ended: {known}.",
            self.going,
            known=known,
        )
        return f"{where} {told}"


def groups(study: Outline) -> list[Group]:
    """The groups of a study that trains; of one that stopped, those whose state is kept."""
    live = study.status == "running"
    found = [(path, _read(path, live)) for path in _files(study.folder)]
    return [group for path, group in found if group and (live or path.with_suffix(".safetensors").is_file())]


def mark(folder: Path) -> list[float]:
    """Another one, when a group is further."""
    found = []
    for path in _files(folder):
        with suppress(OSError):
            found.append(float(path.stat().st_mtime_ns))
    return found


def _files(folder: Path) -> Iterator[Path]:
    with suppress(OSError):
        there = [] if (folder / PENDING).is_symlink() else sorted((folder / PENDING).glob("group-*.json"))
        yield from (path for path in there if path.is_file() and not path.is_symlink())


def _read(path: Path, live: bool) -> Group | None:
    """None for what is gone meanwhile, and for what passo did not write so."""
    try:
        with path.open("rb") as file:
            told: dict[str, Any] = dict(json.loads(file.read(MOST)))
        trainings, going, epoch, epochs, step = (int(told[name]) for name in WHOLE)
        since, done = (float(told[name]) for name in SHARE)
        means = {str(name)[:60]: float(value) for name, value in dict(told["means"]).items()}
        if not all(map(math.isfinite, (since, done, *means.values()))) or not 0 <= since < 2**37:
            return None
        return Group(trainings, going, epoch, epochs, step, since, done, live, means)
    except (OSError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
        return None
