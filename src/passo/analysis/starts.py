"""What became of the random start: how long each layer's weights are, step by step, and what a formula says of it.

Read from runs that were watched from their first step on; names are MODEL-CONFIGURATION, as in the study
`why-ftrl-loses`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from passo.analysis.curves import runs_of
from passo.analysis.layers import layers
from passo.analysis.recorded import hyper, needed_stage, recorded
from passo.errors import StoreError
from passo.store import StoredRun, StoredStudy


@dataclass(frozen=True)
class Kept:
    """How much of the start is left in one configuration's weights.

    parameters: the P weight tensors (biases left out: they start near 0 and are small).
    taken: (T,) steps that had been taken, from 0.
    share: (seeds, T, P) ‖w‖ after so many steps over ‖w‖ at the start.
    gradient: (seeds, T, P) ‖∂L/∂w‖ as the next step read it.
    """

    name: str
    parameters: tuple[str, ...]
    taken: np.ndarray
    share: np.ndarray
    gradient: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """The geometric mean of the share over seeds: (T, P)."""
        return np.exp(np.log(self.share).mean(0))

    @property
    def after_one(self) -> np.ndarray:
        """What the first step leaves of each layer, the mean over seeds: (P,)."""
        return self.mean[1]

    @property
    def gradient_left(self) -> np.ndarray:
        """The second gradient's norm over the first's, the geometric mean over seeds: (P,)."""
        return np.exp(np.log(self.gradient[:, 1] / self.gradient[:, 0]).mean(0))


def kept(study: StoredStudy, name: str) -> Kept:
    """What is left of the start; raises `StoreError` where a run was not watched from its first two steps on."""
    seen = [_shares(run) for run in runs_of(study, name)]
    parameters, taken, _, _ = seen[0]
    return Kept(name, parameters, taken, np.stack([s[2] for s in seen]), np.stack([s[3] for s in seen]))


def _shares(run: StoredRun) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, np.ndarray]:
    found = layers(run)
    if list(found.steps[:2]) != [1, 2]:
        raise StoreError(f"run {run.id} was not watched at steps 1 and 2, and the first step is what counts here")
    columns = [p for p, name in enumerate(found.names) if name.endswith("weight")]
    purpose = "the length of the weights"
    theta, grad = (found.norm(stage, purpose)[:, columns] for stage in ("theta", "grad"))
    return tuple(found.names[p] for p in columns), found.steps - 1, theta / theta[0], grad


@dataclass(frozen=True)
class FirstStep:
    """Ftrl's first step against its formula, over all traced coordinates of all seeds.

    coordinates: how many. off: the largest |measured − formula| of a weight after the step. size: the largest
    weight before it. factor: (lowest, median, highest) of 1 − √(a₀/(a₀+g²)), what is left of a weight.
    """

    coordinates: int
    off: float
    size: float
    factor: tuple[float, float, float]


def first_step(study: StoredStudy, name: str) -> FirstStep:
    """θ′ = θ·(1 − √(a₀/(a₀+g²))) − lr·g/√(a₀+g²), held against what happened: Ftrl with l1 = l2 = 0."""
    parts = [_against(run) for run in runs_of(study, name)]
    off, size, factor = (np.concatenate(column) for column in zip(*parts, strict=True))
    low, middle, high = np.quantile(factor, [0, 0.5, 1])
    return FirstStep(len(off), float(off.max()), float(size.max()), (float(low), float(middle), float(high)))


def _against(run: StoredRun) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values, meta = recorded(run, "trace")
    stages, options = list(meta["stages"]), hyper(run)
    theta, grad, update = (
        values[0, stages.index(needed_stage(run.id, stage, tuple(stages), "the first step"))].astype(np.float64)
        for stage in ("theta", "grad", "update")
    )
    a0, lr = options["initial_accumulator_value"], options["lr"]
    factor = 1 - np.sqrt(a0 / (a0 + grad**2))
    formula = theta * factor - lr * grad / np.sqrt(a0 + grad**2)
    return np.abs(theta + update - formula), np.abs(theta), factor


def models_of(study: StoredStudy) -> tuple[str, ...]:
    """The models of a study whose runs are called MODEL-CONFIGURATION, in the order in which they were run."""
    return tuple(dict.fromkeys(name.partition("-")[0] for name in study.names()))


def there(study: StoredStudy, model: str, configurations: Sequence[str]) -> list[str]:
    """Those of the configurations that the study has for a model, as names of runs."""
    return [f"{model}-{one}" for one in configurations if f"{model}-{one}" in study.names()]
