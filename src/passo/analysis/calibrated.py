"""Whether two models are as often right as they are sure: expected calibration error over seeds, bin by bin.

`calibration` sorts the answers of one run into bins of confidence. Here each bin's confidence and accuracy are means
over the seeds that have images in it, and the errors of both models are held against one another, paired by seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from passo.analysis.answers import answers
from passo.analysis.calibration import BINS, Calibration, calibration
from passo.analysis.compare import in_points
from passo.analysis.contrasts import POINTS, Beside, Contrast
from passo.analysis.intervals import Interval, interval
from passo.analysis.small import both
from passo.analysis.tables import Table
from passo.analysis.words import amount, ranged, seeds
from passo.language import later, t
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
        surer_than_right, righter_than_sure = (
            later(
                "The expected calibration error of the {label} is {error}, where chance alone gives about {chance}; "
                "it is surer than right by {points} on average."
            ),
            later(
                "The expected calibration error of the {label} is {error}, where chance alone gives about {chance}; "
                "it is more often right than sure by {points} on average."
            ),
        )
        return t(
            surer_than_right if surer.mean > 0 else righter_than_sure,
            label=self.label,
            error=ranged(self.error, SHARE),
            chance=amount(self.chance, SHARE),
            points=in_points(amount(abs(surer.mean), SHARE)),
        )


@dataclass(frozen=True)
class Calibrated(Beside[Reliability]):
    """Both models, on the same test images."""

    entry: str

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """The expected calibration errors, where the models share a seed."""
        first, second = (one.runs for one in self.each)
        values = {seed: first[seed].error - second[seed].error for seed in first if seed in second}
        name, says = later("calibration error"), later("has an expected calibration error {by} lower than {other}")
        return (Contrast("calibration", name, says, POINTS, values),) if values else ()

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
        note = t(
            "Of {entry}, {seeds}; surer: mean confidence less accuracy, in points.",
            entry=self.entry,
            seeds=seeds(self.n),
        )
        head = (t("model"), t("expected calibration error"), t("by chance"), t("surer than right"))
        return Table(head, rows, note)


def calibrated(study: StoredStudy, entry: str = "base", bins: int = BINS) -> Calibrated:
    """Read an entry of a study of two models; raises `StoreError` where one of them has no run of it, or no answers."""
    first, second = (
        Reliability(label, {run.seed: calibration(answers(run), bins) for run in runs})
        for label, runs in both(study, entry).items()
    )
    return Calibrated((first, second), entry)
