"""A broken run and its healthy twin as one exhibit of the gallery: what the doctor says, what it cost, how to look."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from passo.analysis.words import amount
from passo.diagnosis import DETECTORS, Diagnosis, NotSeen, diagnose
from passo.figures import Figure
from passo.figures.beside import Beside, curves, instrument
from passo.figures.instruments import INSTRUMENTS
from passo.language import later, t
from passo.store import StoredRun

FOUND, SUSPECTED, MISSED = later("found"), later("suspected"), later("missed")
SPARK = (120.0, 34.0)  # points
MEASURES = ("validation/accuracy", "test/accuracy", "test/loss")
NEAR = 0.03  # of test accuracy, about what a test of 1,000 images can tell from chance


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """One defect: its words as they are read, both runs, the name of the `detector` that should tell it.

    `broken` and `cured` are code. `instead` says why it is shown on another model than the one that was asked for.
    """

    key: str
    title: str
    wrong: str
    broken: str
    cured: str
    symptom: str
    cure: str
    detector: str
    runs: Beside
    folder: Path
    instead: str = ""

    @cached_property
    def diagnosis(self) -> Diagnosis:
        return diagnose(self.runs.broken)

    @cached_property
    def of_twin(self) -> Diagnosis:
        return diagnose(self.runs.healthy)

    @property
    def verdict(self) -> str:
        """How sure the doctor is of this very defect: `FOUND`, `SUSPECTED` or `MISSED`."""
        return next((one.level for one in self.diagnosis.findings if one.name == self.detector), MISSED)

    @property
    def missed(self) -> str:
        """What is said where the doctor does not name the defect; else empty."""
        if self.verdict != MISSED:
            return ""
        return t("“{title}” is what it should say: in this run it misses it.", title=t(DETECTORS[self.detector].title))

    @cached_property
    def figures(self) -> tuple[Figure, Figure]:
        """The losses, and the instrument that shows the defect: the accuracies where none was recorded."""
        losses, shown = curves(self.runs, "loss"), INSTRUMENTS.get(self.detector)
        try:
            return losses, curves(self.runs, "accuracy") if shown is None else instrument(self.runs, shown)
        except NotSeen:
            return losses, curves(self.runs, "accuracy")

    @property
    def results(self) -> list[tuple[str, list[str]]]:
        """Each run's name, and what it reached."""
        return [(name, [told(run, metric) for metric in MEASURES]) for name, run in self.runs.both]

    @property
    def reached(self) -> str:
        """The test accuracies, broken → healthy, in whole percents."""
        return " → ".join(f"{100 * run.last('test/accuracy'):.0f}\N{NO-BREAK SPACE}%" for _, run in self.runs.both)

    @property
    def near(self) -> str:
        """What is said where both test accuracies are about the same; else empty."""
        apart = abs(self.runs.healthy.last("test/accuracy") - self.runs.broken.last("test/accuracy"))
        if apart >= NEAR:
            return ""
        told = later("The test accuracies are {points:.1f} points apart: this defect hardly shows there.")
        return t(told, points=100 * apart)

    def place(self, run: StoredRun) -> str:
        """A run as a command takes it."""
        return shlex.quote(f"{self.folder.as_posix()}/{run.id}")

    @property
    def commands(self) -> list[str]:
        """What shows the broken run to oneself."""
        figure = INSTRUMENTS[self.detector].figure if self.detector in INSTRUMENTS else ""
        place = self.place(self.runs.broken)
        return [f"passo doctor {place}", f"passo inspect {place}" + (f" --figure {figure}" if figure else "")]


def told(run: StoredRun, metric: str) -> str:
    """The last value of a metric; NaN where it is no number, a dash where the run ended before it had one."""
    if not run.has(metric):
        return "–"
    return amount(value, metric) if np.isfinite(value := run.last(metric)) else "NaN"


def spark(runs: Beside) -> list[str]:
    """The points of two small lines, healthy and broken: the training loss, cut off above what is healthy."""
    wide, high = SPARK
    found = [run.metric("train/loss") for run in (runs.healthy, runs.broken)]
    last = max(float(one.steps[-1]) for one in found)
    top = 1.4 * float(np.nanmax(found[0].values))
    drawn = []
    for one in found:
        kept = np.unique(np.linspace(0, len(one.values) - 1, 60).round().astype(int))
        x = wide * one.steps[kept] / last
        y = high * (1 - np.nan_to_num(one.values[kept], nan=top, posinf=top).clip(0, top) / top)
        drawn.append(" ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)))
    return drawn
