"""What the text may ask the microscope: facts about one convolution weight, its tensor, and the residual."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from passo.analysis import Traces, residual, traces
from passo.errors import StoreError
from passo.registry import unknown
from passo.store import StoredRun

ROUNDING = float(np.finfo(np.float32).eps)
"""The spacing of float32 numbers near 1."""


@dataclass(frozen=True)
class Watched:
    """A watched run: the traces of one weight, and the statistics of the tensor that it is part of."""

    run: StoredRun

    @functools.cached_property
    def traces(self) -> Traces:
        """The weight that the note and its figures follow."""
        return traces(self.run)

    @property
    def weight(self) -> str:
        """The weight's name, as in code."""
        return self.traces.coordinate

    @property
    def tensor(self) -> str:
        """The name of the tensor that the weight is part of."""
        return self.traces.parameter

    @property
    def last_tensor(self) -> str:
        """The name of the last weight tensor of the network that was watched."""
        names = self.run.meta("statistics")["parameters"]
        return next((name for name in reversed(names) if name.endswith("weight")), names[-1])

    @property
    def steps(self) -> int:
        """How many steps were watched."""
        return len(self.traces.steps)

    def at(self, stage: str, step: int) -> float:
        """A stage of the weight at one optimiser step, from 1; −1 is the last."""
        steps = self.traces.steps
        row = -1 if step == -1 else int(np.searchsorted(steps, step))
        if step != -1 and (row >= len(steps) or steps[row] != step):
            raise StoreError(f"run {self.run.id} did not record step {step}")
        return float(self.traces[stage][row])

    def sd(self, stage: str) -> float:
        """Standard deviation of the weight's stage over all recorded steps."""
        return float(self.traces[stage].std())

    def mean(self, stage: str) -> float:
        return float(self.traces[stage].mean())

    def median_size(self, stage: str) -> float:
        """Median absolute value of the weight's stage."""
        return float(np.median(np.abs(self.traces[stage])))

    def median_root(self, stage: str) -> float:
        """Median square root of the weight's stage, for averages of squares."""
        return float(np.median(np.sqrt(self.traces[stage])))

    def largest(self, stage: str) -> float:
        """Largest absolute value of the weight's stage."""
        return float(np.abs(self.traces[stage]).max())

    def flips(self, stage: str) -> float:
        """Share of steps at which the weight's stage has another sign than at the step before."""
        signs = np.sign(self.traces[stage])
        return float((signs[1:] != signs[:-1]).mean())

    def rms(self, stage: str, part: str = "all") -> float:
        """Root mean square of a stage over the whole tensor, over all steps or the first or last fifth of them."""
        values = self._statistics(stage)
        fifth = max(1, len(values) // 5)
        parts = {"all": slice(None), "first": slice(fifth), "last": slice(-fifth, None)}
        return float(np.sqrt((values[parts[part]] ** 2).mean()))

    def _statistics(self, stage: str) -> np.ndarray:
        """The tensor's root mean square of a stage, per recorded step: (T,)."""
        meta, values = self.run.meta("statistics"), self.run.array("statistics")  # (T, S, P, Q)
        if stage not in meta["stages"]:
            raise unknown(f"stage of {self.run.id}", stage, meta["stages"])
        place = meta["stages"].index(stage), meta["parameters"].index(self.tensor), meta["quantities"].index("rms")
        return values[:, *place].astype(np.float64)

    @property
    def roundings(self) -> float:
        """The largest residual of any watched weight at any step, in roundings of float32."""
        worst = residual(self.run).roundings
        if worst is None:
            raise StoreError(f"run {self.run.id} recorded no residual in roundings")
        return worst
