"""What kind of thing a study folder holds, as the list of studies tells it, and of which run a loss surface is."""

from __future__ import annotations

from typing import NamedTuple

from passo.language import later
from passo.store import Outline, RunLine

LANDSCAPE = "landscape"
KINDS = {
    "study": later("study"),
    "training": later("training"),
    "descent": later("race of optimisers"),
    "lr_range": later("learning-rate range test"),
    "watch": later("loop of one's own"),
    LANDSCAPE: later("loss surface"),
}
"""Kinds, and how they are called; what is none of the others is a study."""


class Of(NamedTuple):
    """The run that something was made of: its study's folder, itself, and when it began, which no other run did."""

    study: str
    run: str
    started: float | None

    def is_of(self, study: str, run: RunLine) -> bool:
        """Whether it is this run. One that does not say when it began is known by its study's name."""
        return run.id == self.run and (study == self.study if self.started is None else run.started == self.started)


def kind_of(study: Outline) -> str:
    """One of `KINDS`."""
    if "planned" in study.facts:
        return "study"
    kinds = {run.kind for run in study.runs}
    found = next((kind for kind in KINDS if kind in kinds), "")
    single = "optimizer" in study.config and kinds <= {"train"}
    return found or ("training" if single else "study")


def source(study: Outline) -> Of | None:
    """The run that a loss surface is of; None where it does not say."""
    told = study.config.get("source")
    if not isinstance(told, dict):
        return None
    name, run, started = (told.get(key) for key in Of._fields)
    if not isinstance(name, str) or not isinstance(run, str):
        return None
    return Of(name, run, float(started) if isinstance(started, int | float) else None)
