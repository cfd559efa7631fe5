"""Two models on little data, with validation: where each begins to over-fit, when early stopping comes, what it saves.

`overfitting` defines the gap between both losses, and since when it has been growing: that is where over-fitting
begins. Here its answers are taken over seeds, and the models compared by differences paired by seed (`contrasts`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from passo.analysis.contrasts import BySeed, Contrast, Contrasted, contrasted, less, told
from passo.analysis.overfitting import Overfitting, overfitting
from passo.analysis.small import PART, both, cell, epoch, over_seeds
from passo.analysis.tables import Table
from passo.analysis.words import ranged, seeds
from passo.store import StoredRun, StoredStudy


@dataclass(frozen=True)
class Stopping:
    """Validation and early stopping of one model, by seed.

    best, ended: the epoch of the best value that was watched, and the last one; asked: the epochs of the configuration.
    early: the seeds in which early stopping ended the training.
    """

    label: str
    runs: Mapping[int | None, Overfitting]
    best: BySeed
    ended: BySeed
    asked: int
    early: frozenset[int | None]

    @property
    def since(self) -> BySeed:
        """The epoch that the gap has been growing from; NaN where it does not grow."""
        return {seed: math.nan if run.since is None else run.since for seed, run in self.runs.items()}

    @property
    def gaps(self) -> BySeed:
        """The gap between both losses in the last epoch; NaN for a training of one."""
        return {seed: float(run.gaps[-1]) if len(run.gaps) else math.nan for seed, run in self.runs.items()}

    @property
    def least(self) -> BySeed:
        """The least validation loss."""
        return {seed: float(run.validation[run.best]) for seed, run in self.runs.items()}

    @property
    def risen(self) -> BySeed:
        """How much the validation loss had risen since, when the training ended."""
        return {seed: run.risen for seed, run in self.runs.items()}

    def sentence(self) -> str:
        """Since when the gap grows, how wide it is, when training was stopped and what that saved."""
        return f"{self._gap()} {self._stop()}"

    def _gap(self) -> str:
        since, gaps, n = over_seeds(self.since.values()), over_seeds(self.gaps.values()), len(self.runs)
        name = f"The gap between validation and training loss of the {self.label}"
        grown = sum(math.isfinite(one) for one in self.since.values())
        if not math.isfinite(gaps.mean):
            return f"One epoch of the {self.label} shows no gap over time."
        if not grown:
            return f"{name} is {ranged(gaps)} in the last epoch and is not growing."
        told = "" if grown == n else f" in {grown} of {n} seeds"
        return f"{name} has been growing since epoch {epoch(since)}{told}, to {ranged(gaps)} in the last epoch."

    def _stop(self) -> str:
        n, early = len(self.runs), len(self.early)
        best = f"its validation was best in epoch {epoch(over_seeds(self.best.values()))}"
        if not early:
            return f"Early stopping never came within the {self.asked} epochs; {best}."
        ended = over_seeds(self.ended.values())
        rose = over_seeds(self.risen.values())
        told = "" if early == n else f" in {early} of {n} seeds"
        return (
            f"Early stopping ended it after epoch {epoch(ended)} of {self.asked}{told}: {best}, and by then the "
            f"validation loss had risen by {ranged(rose)}; {self.asked - ended.mean:.3g} epochs were saved."
        )


@dataclass(frozen=True)
class Validated:
    """Both models on little data with a validation part and early stopping."""

    each: tuple[Stopping, Stopping]

    @property
    def labels(self) -> tuple[str, str]:
        return self.each[0].label, self.each[1].label

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """Onset, gap, best validation loss and its epoch, where all seeds have them."""
        one, two = self.each
        gap = "gap between validation and training loss"
        found = (
            less(
                PART,
                "onset of over-fitting",
                "begins to over-fit {by} later than {other}",
                "epochs",
                two.since,
                one.since,
            ),
            less(PART, gap, f"has a {gap} {{by}} narrower than {{other}}", "", one.gaps, two.gaps),
            less(
                PART,
                "least validation loss",
                "reaches a validation loss {by} lower than {other}",
                "",
                one.least,
                two.least,
            ),
            less(
                PART,
                "epoch of the best validation",
                "is at its best in validation {by} sooner than {other}",
                "epochs",
                one.best,
                two.best,
            ),
        )
        return tuple(one for one in found if one is not None)

    @cached_property
    def contrasted(self) -> tuple[Contrasted, ...]:
        """Its contrasts, corrected together."""
        return contrasted(self.contrasts, self.labels)

    def sentence(self) -> str:
        """Each model's, then what sets them apart."""
        return " ".join([*(one.sentence() for one in self.each), *told(self.contrasted)])

    def table(self) -> Table:
        """A row for each model."""
        columns = (
            "model",
            "gap grows since",
            "gap at the end",
            "best in epoch",
            "least validation loss",
            "ended after",
        )
        rows = tuple(
            (
                one.label,
                cell(over_seeds(one.since.values()), epoch),
                cell(over_seeds(one.gaps.values())),
                cell(over_seeds(one.best.values()), epoch),
                cell(over_seeds(one.least.values())),
                cell(over_seeds(one.ended.values()), epoch),
            )
            for one in self.each
        )
        note = (
            f"{seeds(min(len(one.runs) for one in self.each)).capitalize()}; of {self.each[0].asked} epochs that were "
            "asked for. docs/evaluation.md defines the gap and since when it grows."
        )
        return Table(columns, rows, note)


def validated(study: StoredStudy) -> Validated:
    """Read the entry `validated` of a study of two models; raises `StoreError` where it lacks it for one of them."""
    first, second = (_stopping(label, runs) for label, runs in both(study, "validated").items())
    return Validated((first, second))


def _stopping(label: str, runs: Sequence[StoredRun]) -> Stopping:
    read = {run.seed: overfitting(run) for run in runs}
    best = {
        run.seed: float(run.info.get("best", {}).get("epoch") or read[run.seed].epochs[read[run.seed].best])
        for run in runs
    }
    ended = {seed: float(one.epochs[-1]) for seed, one in read.items()}
    early = frozenset(run.seed for run in runs if any(kind == "early stopping" for kind, *_ in run.events()))
    return Stopping(label, read, best, ended, int(runs[0].config.get("epochs", max(ended.values()))), early)
