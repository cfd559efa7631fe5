"""Two models on little data, with validation: where each begins to over-fit, when early stopping comes, what it saves.

`overfitting` defines the gap between both losses, and since when it has been growing: that is where over-fitting
begins. Here its answers are taken over seeds, and the models compared by differences paired by seed (`contrasts`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from passo.analysis.contrasts import EPOCHS, Beside, BySeed, Contrast, less, told
from passo.analysis.overfitting import Overfitting, overfitting
from passo.analysis.small import PART, both, cell, epoch, over_seeds
from passo.analysis.tables import Table
from passo.analysis.words import ranged, seeds
from passo.language import later, t
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
        grown = sum(math.isfinite(one) for one in self.since.values())
        fields = {"label": self.label, "gap": ranged(gaps), "epoch": epoch(since), "grown": grown, "n": n}
        if not math.isfinite(gaps.mean):
            return t("One epoch of the {label} shows no gap over time.", **fields)
        if not grown:
            return t(
                "The gap between validation and training loss of the {label} is {gap} in the last epoch and is not "
                "growing.",
                **fields,
            )
        everywhere, somewhere = (
            later(
                "The gap between validation and training loss of the {label} has been growing since epoch {epoch}, to "
                "{gap} in the last epoch."
            ),
            later(
                "The gap between validation and training loss of the {label} has been growing since epoch {epoch} in "
                "{grown} of {n} seeds, to {gap} in the last epoch."
            ),
        )
        return t(everywhere if grown == n else somewhere, **fields)

    def _stop(self) -> str:
        n, early, ended = len(self.runs), len(self.early), over_seeds(self.ended.values())
        fields = {"asked": self.asked, "best": epoch(over_seeds(self.best.values())), "early": early, "n": n}
        if not early:
            return t(
                "Early stopping never came within the {asked} epochs; its validation was best in epoch {best}.",
                **fields,
            )
        everywhere, somewhere = (
            later(
                "Early stopping ended it after epoch {ended} of {asked}: its validation was best in epoch {best}, and "
                "from there to the end the validation loss rose by {rose}; {saved:.3g} epochs were saved."
            ),
            later(
                "Early stopping ended it after epoch {ended} of {asked} in {early} of {n} seeds: its validation was "
                "best in epoch {best}, and from there to the end the validation loss rose by {rose}; {saved:.3g} "
                "epochs were saved."
            ),
        )
        return t(
            everywhere if early == n else somewhere,
            ended=epoch(ended),
            rose=ranged(over_seeds(self.risen.values())),
            saved=self.asked - ended.mean,
            **fields,
        )


@dataclass(frozen=True)
class Validated(Beside[Stopping]):
    """Both models on little data with a validation part and early stopping."""

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """Onset, gap, best validation loss and its epoch, where all seeds have them."""
        one, two = self.each
        found = (
            less(
                PART,
                later("onset of over-fitting"),
                later("begins to over-fit {by} later than {other}"),
                *(EPOCHS, two.since, one.since),
            ),
            less(
                PART,
                later("gap between validation and training loss"),
                later("has a gap between validation and training loss {by} narrower than {other}"),
                *("", one.gaps, two.gaps),
            ),
            less(
                PART,
                later("least validation loss"),
                later("reaches a validation loss {by} lower than {other}"),
                *("", one.least, two.least),
            ),
            less(
                PART,
                later("epoch of the best validation"),
                later("is at its best in validation {by} sooner than {other}"),
                *(EPOCHS, one.best, two.best),
            ),
        )
        return tuple(one for one in found if one is not None)

    def sentence(self) -> str:
        """Each model's, then what sets them apart."""
        return " ".join([*(one.sentence() for one in self.each), *told(self.contrasted)])

    def table(self) -> Table:
        """A row for each model."""
        since, at_end, best = t("gap grows since"), t("gap at the end"), t("best in epoch")
        columns = (t("model"), since, at_end, best, t("least validation loss"), t("ended after"))
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
        note = t(
            "{seeds}; of {asked} epochs that were asked for. docs/evaluation.md defines the gap and since when it "
            "grows.",
            seeds=seeds(self.n).capitalize(),
            asked=self.each[0].asked,
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
