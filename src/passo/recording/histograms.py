"""Histograms of all values of every tensor at some of the recorded steps, in bounded memory.

Each has its own ends, the least and the greatest finite value, and bins of one width between them. Steps are evenly
apart: when there are as many as may be kept, every other is dropped, and from then on every other look is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from passo.recording.blocks import Arrays
from passo.recording.seeing import Eye

STAGES = ("theta", "grad", "update")
BINS = 64


class Histograms:
    """What an eye sees, as counts (H, P, S, B) between ends (H, P, S, 2), at no more than `most` steps (H,)."""

    def __init__(self, eye: Eye, most: int) -> None:
        self._eye, self._most = eye, most
        self._stages = [stage for stage in STAGES if stage in eye.stages]
        self._seen, self._stride = 0, 1
        self._steps: list[int] = []
        self._counts: list[np.ndarray] = []
        self._ends: list[np.ndarray] = []

    def look(self, step: int) -> None:
        """Keep the step that the eye has just seen, where it is its turn."""
        number, self._seen = self._seen, self._seen + 1
        if number % self._stride:
            return
        if len(self._steps) == self._most:
            self._steps, self._counts, self._ends = self._steps[::2], self._counts[::2], self._ends[::2]
            self._stride *= 2
            if number % self._stride:
                return
        found = [[counted(self._eye.whole(stage, p)) for stage in self._stages] for p in range(len(self._eye.slots))]
        self._steps.append(step)
        self._counts.append(np.array([[counts for counts, _ in row] for row in found], dtype=np.int32))
        self._ends.append(np.array([[ends for _, ends in row] for row in found], dtype=np.float64))

    def arrays(self) -> Arrays:
        """The histograms so far, with their meaning; nothing before the first look."""
        if not self._steps:
            return {}
        meta = {"stages": self._stages, "parameters": [slot.name for slot in self._eye.slots]}
        return {
            "histograms": (np.stack(self._counts), meta),
            "histograms/ends": (np.stack(self._ends), meta),
            "histograms/steps": (np.array(self._steps), {}),
        }

    def state_dict(self) -> dict[str, Any]:
        held = {"steps": self._steps, "counts": self._counts, "ends": self._ends}
        return {"seen": self._seen, "stride": self._stride, **{name: list(values) for name, values in held.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._seen, self._stride = state["seen"], state["stride"]
        self._steps, self._counts, self._ends = (list(state[name]) for name in ("steps", "counts", "ends"))


def counted(values: Tensor) -> tuple[np.ndarray, tuple[float, float]]:
    """How many values fall into each of `BINS` bins between the least and the greatest; what is not finite is left out.

    >>> counts, ends = counted(torch.tensor([0.0, 0.5, 1.0, float("inf")]))
    >>> np.flatnonzero(counts).tolist(), ends
    ([0, 32, 63], (0.0, 1.0))
    """
    values = values.detach().float().ravel()
    values = values[values.isfinite()]
    if not values.numel():
        return np.zeros(BINS, dtype=np.int32), (float("nan"), float("nan"))
    low, high = (float(end) for end in values.aminmax())
    return torch.histc(values.cpu(), BINS, low, high).numpy().astype(np.int32), (low, high)
