"""Whether two models are as often right as they are sure: expected calibration error over seeds, bin by bin.

`calibration` sorts the answers of one run into bins of confidence. Here each bin's confidence and accuracy are means
over the seeds that have images in it, and the errors of both models are held against one another, paired by seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from passo.analysis.answers import answers
from passo.analysis.calibration import BINS, Calibration, calibration
from passo.analysis.contrasts import POINTS, Contrast, Contrasted, contrasted
from passo.analysis.intervals import Interval, interval
from passo.analysis.small import both
from passo.analysis.tables import Table
from passo.analysis.words import amount, ranged, seeds
from passo.store import StoredStudy

SHARE = "accuracy"  # a metric that words tell in percent


@dataclass(frozen=True)
class Reliability:
    """One model: the calibration of each seed."""

    label: str
    runs: Mapping[int | None, Calibration]

    @property
    def error(self) -> Interval:
        """The expected calibration error."""
        return interval([run.error for run in self.runs.values()])

    @property
    def chance(self) -> float:
        """What a perfectly calibrated model with as many images would show by chance, in the mean over seeds."""
        return float(np.mean([run.chance for run in self.runs.values()]))

    @property
    def surer(self) -> Interval:
        """Mean confidence less accuracy: above 0 it is surer than right."""
        return interval([run.mean_confidence - run.mean_accuracy for run in self.runs.values()])

    def bins(self) -> list[tuple[float, Interval, float]]:
        """Of each bin that every seed has images in: mean confidence, accuracy over seeds, images in the mean."""
        runs = [*self.runs.values()]
        counts = np.stack([run.counts for run in runs])  # (S, bins)
        confidence, accuracy = (np.stack([getattr(run, what) for run in runs]) for what in ("confidence", "accuracy"))
        there = np.flatnonzero((counts > 0).all(0))
        return [(float(confidence[:, b].mean()), interval(accuracy[:, b]), float(counts[:, b].mean())) for b in there]

    def sentence(self) -> str:
        """The error, what of it is chance, and to which side the model errs."""
        surer = self.surer
        size = Interval(abs(surer.mean), math.nan, math.nan, surer.n)
        side = "surer than right" if surer.mean > 0 else "more often right than sure"
        by = ranged(size, SHARE).replace(" %", " points")
        return (
            f"The expected calibration error of the {self.label} is {ranged(self.error, SHARE)}, where chance alone "
            f"gives about {amount(self.chance, SHARE)}; it is {side} by {by} on average."
        )


@dataclass(frozen=True)
class Calibrated:
    """Both models, on the same test images."""

    entry: str
    each: tuple[Reliability, Reliability]

    @property
    def labels(self) -> tuple[str, str]:
        return self.each[0].label, self.each[1].label

    @property
    def n(self) -> int:
        """Seeds, the fewest of both."""
        return min(len(one.runs) for one in self.each)

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """The expected calibration errors, where the models share a seed."""
        first, second = (one.runs for one in self.each)
        values = {seed: first[seed].error - second[seed].error for seed in first if seed in second}
        says = "has an expected calibration error {by} lower than {other}"
        return (Contrast("calibration", "calibration error", says, POINTS, values),) if values else ()

    @cached_property
    def contrasted(self) -> tuple[Contrasted, ...]:
        return contrasted(self.contrasts, self.labels)

    def sentence(self) -> str:
        """Each model's, and whether they can be told apart."""
        parts = [one.sentence() for one in self.each]
        parts += [one.sentence() for one in self.contrasted if one.n > 1]
        return " ".join(parts)

    def table(self) -> Table:
        """A row for each model."""
        rows = tuple(
            (one.label, ranged(one.error, SHARE), amount(one.chance, SHARE), ranged(one.surer, SHARE).replace(" %", ""))
            for one in self.each
        )
        note = f"Of {self.entry}, {seeds(self.n)}; surer: mean confidence less accuracy, in points."
        return Table(("model", "expected calibration error", "by chance", "surer than right"), rows, note)


def calibrated(study: StoredStudy, entry: str = "base", bins: int = BINS) -> Calibrated:
    """Read an entry of a study of two models; raises `StoreError` where one of them has no run of it, or no answers."""
    first, second = (
        Reliability(label, {run.seed: calibration(answers(run), bins) for run in runs})
        for label, runs in both(study, entry).items()
    )
    return Calibrated(entry, (first, second))
