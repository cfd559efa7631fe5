"""What a drop of the learning rate does to the very next steps: at once where the rate stands outside of the buffer.

PyTorch  b ← μ·b + g,   θ ← θ − η·b      the new rate applies to all that the buffer has gathered
Keras    w ← μ·w − η·g, θ ← θ + w        what was gathered goes on at the old rate, for about 1/(1 − μ) steps
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from passo.analysis.curves import runs_of
from passo.analysis.layers import Layers, layers
from passo.errors import StoreError
from passo.store import StoredStudy

RUNS = {"PyTorch": "momentum-step", "Keras": "momentum-step-keras"}
_BEFORE = 10


@dataclass(frozen=True)
class Coasting:
    """sizes: library → (T,) root mean square of each update over all weights; steps: (T,).

    drops: the steps that are the first with a new rate; factor: the first new rate over the old one.
    """

    sizes: Mapping[str, np.ndarray]
    steps: np.ndarray
    drops: tuple[int, ...]
    factor: float

    def kept(self, library: str, after: int = 0) -> float:
        """How large a step is, `after` steps from the first drop, as a share of the mean of the ten before it."""
        at = int(np.searchsorted(self.steps, self.drops[0]))
        size = self.sizes[library]
        return float(size[min(at + after, len(size) - 1)] / size[max(0, at - _BEFORE) : at].mean())


def coasting(study: StoredStudy) -> Coasting:
    """The first seed's runs under both definitions; raises `StoreError` where the rate never changes."""
    seen = {library: layers(runs_of(study, name)[0]) for library, name in RUNS.items()}
    rate = runs_of(study, RUNS["PyTorch"])[0].metric("lr").values
    changed = np.flatnonzero(np.diff(rate))
    if not len(changed):
        raise StoreError(f"the learning rate of {RUNS['PyTorch']} in {study.folder} never changes")
    drops = tuple(int(record) + 2 for record in changed)  # records count from 0, steps from 1
    sizes = {library: step_sizes(found) for library, found in seen.items()}
    return Coasting(sizes, seen["PyTorch"].steps, drops, float(rate[changed[0] + 1] / rate[changed[0]]))


def step_sizes(found: Layers) -> np.ndarray:
    """Root mean square of each update over all weights: (T,)."""
    square = found.norm("update", "the size of a step") ** 2
    weights = 1 if found.sizes is None else found.sizes.sum()
    return np.sqrt(square.sum(1) / weights)
