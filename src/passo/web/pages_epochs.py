"""What an iteration, a mini-batch and an epoch are, on a run's own data: which examples each of its steps drew."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.responses import Response

from passo.analysis.lost import lost
from passo.analysis.words import significant
from passo.errors import PassoError, UsageError
from passo.figures.style import Written
from passo.language import language, t
from passo.store import StoredRun
from passo.web.answering import Asked
from passo.web.kept import KeptRun
from passo.web.numbers import whole
from passo.web.pictures import answer
from passo.web.series import extremes
from passo.web.spoken import spoken_words

SHOWN = 96  # images of a mini-batch
CELLS = 240  # mini-batches of an epoch that have a cell each
WIDE, HIGH = 720.0, 90.0  # points of the curve of losses


@dataclass(frozen=True)
class Standing:
    """Where a step is: epoch and place in it, from 1; what is done of epoch and run; `loss` of this step, if known.

    A step is one mini-batch, or `accumulate` of them.
    """

    step: int
    epoch: int
    place: int
    per_epoch: int
    epochs: int
    steps: int
    loss: float | None
    accumulate: int = 1

    @property
    def share(self) -> float:
        """Of the epoch, after this step."""
        return self.place / self.per_epoch

    def sentence(self) -> str:
        numbers = {"step": self.step, "steps": self.steps, "place": self.place, "per": self.per_epoch}
        numbers |= {"epoch": self.epoch, "epochs": self.epochs}
        where = t(
            "Step {step:,} of {steps:,} is mini-batch {place:,} of {per:,} in epoch {epoch} of {epochs}.", **numbers
        )
        if self.accumulate > 1:
            where = t(
                "Step {step:,} of {steps:,} is step {place:,} of {per:,} in epoch {epoch} of {epochs}; a step takes "
                "{n} mini-batches.",
                n=self.accumulate,
                **numbers,
            )
        if self.loss is None:
            return where
        return f"{where} {t('The mean loss of its examples is {loss}.', loss=significant(self.loss))}"

    def strip(self) -> str:
        """What the strip of the epoch shows."""
        numbers = {"epoch": self.epoch, "place": self.place, "per": self.per_epoch}
        if self.accumulate > 1:
            return t("Epoch {epoch}: step {place:,} of {per:,} is drawn; those before it are done.", **numbers)
        return t("Epoch {epoch}: mini-batch {place:,} of {per:,} is drawn; those before it are done.", **numbers)


def has_epochs(run: StoredRun) -> bool:
    """Whether the run is a training that knows how many steps its epoch has."""
    return run.kind == "train" and bool(run.info.get("steps_per_epoch")) and run.has("train/loss")


def epochs(asked: Asked) -> Response:
    """The page: the three words with this run's numbers, and the step that the address asks for."""
    run = _run(asked)
    found, trouble = _epochs(asked, run)
    return asked.page(
        "epochs.html.j2",
        study=asked.place("study"),
        run=run,
        found=found,
        trouble=trouble,
        last=_steps(run),
        **_shown(asked, run),
        words=spoken_words(),
    )


def batch(asked: Asked) -> Response:
    """One step alone, as a part of the page: what its script puts in the place of another step."""
    return asked.page("batch.html.j2", **_shown(asked, _run(asked)))


def pictured_epochs(asked: Asked) -> Response:
    """The first mini-batches, or what scaling makes of the data, as a picture."""
    found, trouble = _epochs(asked, _run(asked))
    name = asked.place("which")
    if not found or name not in found["figures"]:
        raise UsageError(trouble or f"run {asked.place('run')} has no images to draw")
    figure = found["figures"][name]
    return answer(asked, Written(name, figure["spec"], "", figure["sentence"]), picture=True)


def _epochs(asked: Asked, run: KeptRun) -> tuple[dict[str, Any] | None, str]:
    """What the worker knows of the run's epochs, asked once."""
    key = ("epochs", language())
    try:
        found = run.known(key) or _worked(asked, "epochs", language=language())
    except PassoError as why:
        return None, asked.told(why)
    return run.made(key, lambda: found), ""


def _shown(asked: Asked, run: StoredRun) -> dict[str, Any]:
    """A step with its examples, and where it stands."""
    step = whole(asked, "step", 1, _steps(run))
    try:
        found, trouble = _worked(asked, "mini_batch", step=step, most=SHOWN), ""
    except PassoError as why:
        found, trouble = None, asked.told(why)
    report = lost(run)
    culprits = set(report.culprits) if report is not None and report.step == step else set()
    return {
        "batch": found,
        "why": trouble,
        "stands": _standing(run, step),
        "curve": _curve(run, step),
        "culprits": culprits,
        "cells": CELLS,
    }


def _run(asked: Asked) -> KeptRun:
    run = asked.lab.kept.run(asked.place("study"), asked.place("run"))
    if not has_epochs(run):
        raise UsageError(f"run {run.id} is no training with epochs")
    return run


def _worked(asked: Asked, task: str, **given: Any) -> dict[str, Any]:
    """The worker's answer about this run."""
    folder = asked.lab.shelf.folder(asked.place("study"))
    return asked.lab.worker.ask(task, folder=str(folder), run=asked.place("run"), **given)


def _steps(run: StoredRun) -> int:
    """The last step that the run has made; one that left the finite numbers has no loss, and is told all the same."""
    steps, report = run.metric("train/loss").steps, lost(run)
    return max(1, *map(int, steps[-1:]), 0 if report is None else report.seen_at)


def _standing(run: StoredRun, step: int) -> Standing:
    per_epoch, losses = int(run.info["steps_per_epoch"]), run.metric("train/loss")
    at = np.flatnonzero(losses.steps == step)
    loss = float(losses.values[at[0]]) if len(at) and math.isfinite(losses.values[at[0]]) else None
    accumulate = int(run.config.get("accumulate") or 1)
    planned = int(run.config.get("epochs") or math.ceil(_steps(run) / per_epoch))
    epoch, place = divmod(step - 1, per_epoch)
    return Standing(step, epoch + 1, place + 1, per_epoch, planned, per_epoch * planned, loss, accumulate)


def _curve(run: StoredRun, step: int) -> dict[str, Any]:
    """The losses of all steps as a line in points, and where this step is on it."""
    losses = run.metric("train/loss")
    finite = np.isfinite(losses.values)
    if not finite.any():
        return {}
    steps, values = extremes(losses.steps[finite], losses.values[finite], 600)
    low, high = float(values.min()), float(values.max())
    wide = max(1, int(losses.steps[-1]) - 1)

    def x(at: float) -> float:
        return (at - 1) / wide * WIDE

    def y(value: float) -> float:
        return HIGH - (value - low) / ((high - low) or 1.0) * HIGH

    line = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in zip(steps.tolist(), values.tolist(), strict=True))
    at = np.flatnonzero((losses.steps == step) & finite)
    here = (x(step), y(float(losses.values[at[0]]))) if len(at) else None
    return {"line": line, "x": x(step), "here": here, "low": significant(low), "high": significant(high)}
