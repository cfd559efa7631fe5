"""What a recorded run shows, read once for all detectors; what was not recorded says how to record it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from passo.analysis.layers import Layers, layers
from passo.analysis.recorded import Recorded, watch_facts

WATCH, WITNESS, ACTIVATIONS, VALIDATION = "statistics", "witness", "activations", "validation"
AROUND, ANSWERS, STEPS, UNWRITTEN = "around", "answers", "steps", "unwritten"
LATE = 0.5  # detectors of habits look at the later half of what was recorded


class NotSeen(Exception):
    """A detector could not look: `what` of the evidence was not recorded."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Evidence:
    """One run, stored or still in memory. Attributes raise `NotSeen` where the run has nothing of the kind."""

    def __init__(self, run: Recorded) -> None:
        self.run = run
        self.there = set(run.arrays())

    # ── the steps ──

    @cached_property
    def layers(self) -> Layers:
        """Statistics by stage: (T, P)."""
        if "statistics" not in self.there or not len(self.run.array("trace/steps")):
            raise NotSeen(self._watch)
        return layers(self.run)

    @cached_property
    def weights(self) -> np.ndarray:
        """Which parameters have a matrix's name, (P,): biases and the scales of normalisations are small tensors."""
        found = self.layers
        named = np.array([name.rpartition(".")[2].startswith("weight") for name in found.names])
        if found.sizes is None:
            return named
        biases = {n.rpartition(".")[0]: s for n, s in zip(found.names, found.sizes, strict=True) if n.endswith("bias")}
        own = [biases.get(n.rpartition(".")[0]) != s for n, s in zip(found.names, found.sizes, strict=True)]
        return named & np.array(own)  # a normalisation has as many scales as shifts

    @property
    def lr(self) -> np.ndarray:
        """(T,): the greatest of the parameter groups."""
        return self.layers.lr.max(1)

    @cached_property
    def change(self) -> np.ndarray:
        """rms(Δθ) / rms(θ) of each parameter: (T, P)."""
        theta, update = (self.layers.root(stage, stage) for stage in ("theta", "update"))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(theta > 0, update / theta, np.nan)

    # ── what was noticed, and facts ──

    def noticed(self, what: str) -> tuple[int | None, str] | None:
        """The step and the message of a thing that the microscope noticed."""
        if "trace/steps" not in self.there:
            raise NotSeen(self._watch)
        for _, step, message, data in self.run.events():
            if data.get("what") == what:
                return step, message
        return None

    @cached_property
    def around(self) -> Mapping[str, Any]:
        """Facts of the training beside its steps: `recording.watching.Probe.around`; older recordings lack them."""
        found = watch_facts(self.run).get(AROUND)
        if found is None:
            raise NotSeen(AROUND if "trace/steps" in self.there else WATCH)
        return found

    @property
    def hyper(self) -> list[Mapping[str, Any]]:
        """The options of each parameter group."""
        return list(watch_facts(self.run).get("hyper", ()))

    # ── the data and the answers ──

    @property
    def passes(self) -> Mapping[str, Any]:
        """Facts of the witness."""
        if "witness" not in self.around:
            raise NotSeen(WITNESS)
        return self.around["witness"]

    def seen(self, quantity: str) -> np.ndarray:
        """A quantity of the witness, (T,); it raises where it is NaN throughout."""
        if "witness" not in self.there:
            raise NotSeen(self._witness)
        values = self.run.array("witness").astype(np.float64)
        found = values[:, self.run.meta("witness")["quantities"].index(quantity)]
        if np.isnan(found).all():
            raise NotSeen(ANSWERS)
        return found

    @property
    def witnessed(self) -> np.ndarray:
        """The steps that the witness has rows of, (T,)."""
        if "witness/steps" not in self.there:
            raise NotSeen(self._witness)
        return self.run.array("witness/steps").astype(np.float64)

    @cached_property
    def labels(self) -> tuple[np.ndarray, np.ndarray]:
        """How often each class was a label, and was answered rightly: (T, C) each."""
        if "witness/labels" not in self.there:
            raise NotSeen(self._witness)
        values = self.run.array("witness/labels").astype(np.float64)
        if not values.shape[2]:
            raise NotSeen(ANSWERS)
        return values[:, 0], values[:, 1]

    # ── why it is not there ──

    @property
    def _watch(self) -> str:
        """Nobody watches, or there was no step yet."""
        return STEPS if watch_facts(self.run).get(AROUND, {}).get("taken") == 0 else WATCH

    @property
    def _witness(self) -> str:
        """Nobody looks at what goes in and out, or it could not be read."""
        there = "witness" in watch_facts(self.run).get(AROUND, {})
        return WITNESS if not there else STEPS if self._watch == STEPS else ANSWERS

    # ── activations, curves ──

    def activations(self, quantity: str) -> tuple[list[str], list[str], np.ndarray]:
        """Names and kinds of the L layers, and a quantity of them: (T, L)."""
        if "activations" not in self.there:
            raise NotSeen(ACTIVATIONS)
        meta = self.run.meta("activations")
        values = self.run.array("activations")[:, :, meta["quantities"].index(quantity)].astype(np.float64)
        return list(meta["layers"]), list(meta["kinds"]), values

    def curve(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps and values of a metric."""
        has = getattr(self.run, "has", None)
        if has is None or not has(name):
            raise NotSeen(VALIDATION if name.startswith("validation") else name)
        found = self.run.metric(name)  # type: ignore[attr-defined]
        return np.asarray(found.steps), np.asarray(found.values, np.float64)


def late(values: np.ndarray) -> np.ndarray:
    """The later half of what was recorded, along the first axis."""
    return values[int(len(values) * LATE) :]
