"""The run that is looked at: its data, its model and its answers, each made when it is first asked for, and kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from passo import store
from passo.analysis.answers import Answers, answers
from passo.analysis.recorded import Recorded
from passo.data import Data
from passo.errors import UsageError
from passo.explaining import run_data
from passo.explaining.attribution import probabilities
from passo.explaining.interchange import load_model, trained_run
from passo.explaining.predicting import TrainedModel
from passo.recording.held import HeldRun
from passo.store import StoredRun

ANSWERS = ("test/probabilities", "test/labels")
INSTEAD = {
    "regress": "it predicts values: passo inspect {run} --evaluation, or --figure residuals, overfitting, weights",
    "reconstruct": "it gives images back: passo inspect {run} --figure reconstructions, errors, latent, filters",
    "generate": "it makes images from noise: passo inspect {run} --figure samples, discriminator, weights",
}
"""What can be had of runs whose task is not to classify."""


@dataclass(frozen=True)
class Subject:
    """A trained run, and what was asked: how many `images` are mapped, which `layer` is looked into, the `seed`.

    `own` is the model again where it is somebody's own, as of `load_model`.
    """

    run: StoredRun
    images: int
    layer: str | None
    seed: int
    own: nn.Module | str | None = None

    @property
    def name(self) -> str:
        return self.run.id

    @cached_property
    def data(self) -> Data:
        """Its data again; raises as `explaining.run_data`."""
        return run_data(self.run)

    @cached_property
    def trained(self) -> TrainedModel:
        """Its model with the weights of its end, and what feeds it; raises as `load_model`."""
        return load_model(self.run, self.own)

    @property
    def model(self) -> nn.Module:
        return self.trained.model

    @cached_property
    def answered(self) -> Recorded:
        """The run with its test predictions: those that it kept, or else computed again from model and data."""
        if set(ANSWERS) <= set(self.run.arrays()):
            return self.run
        test = self.data.test
        given = probabilities(self.model, test.images)
        values = (given, test.targets.astype(np.int64))
        held: dict[str, Any] = {name: (array, {}) for name, array in zip(ANSWERS, values, strict=True)}
        return HeldRun(self.run.id, held, self.run.info)

    @cached_property
    def answers(self) -> Answers:
        return answers(self.answered)

    @cached_property
    def pixels(self) -> np.ndarray:
        """The test images as they are in files; raises `UsageError` for the rows of a table."""
        raw = self.data.test.raw
        if raw.ndim < 3:
            raise UsageError(f"{self.data.name} holds rows of a table, and this draws images")
        return raw

    @property
    def example(self) -> int:
        """The first test image that it names rightly, by its place in the test part; the first of all where none is."""
        return int(self.answers.right.argmax())


def found_run(source: Any) -> StoredRun:
    """The trained run that is meant: STUDY/RUN, a study with one trained run or its folder, or what `train` returned.

    Raises `StoreError` where there is none or it kept no weights, `UsageError` where its task is not to classify.
    """
    run = trained_run(store.named(source) if isinstance(source, str | Path) else source)
    task = run.info.get("task") or ("regress" if run.info.get("data", {}).get("classes") == [] else "classify")
    if told := INSTEAD.get(task):
        raise UsageError(f"{run.id} does not classify, {told.format(run=f'{run.folder}/{run.id}')}")
    return run
