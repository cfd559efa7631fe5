"""Two definitions under one name, PyTorch's and Keras', read back: both walked along the same recorded gradients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from passo.registry import unknown
from passo.store import StoredRun, StoredStudy

KIND = "definition"


@dataclass(frozen=True)
class Definition:
    """One name on the same gradients, at steps (T,) from 1.

    pytorch, keras: (T,) root mean square of each step's update over all weights, each with its own defaults.
    apart: (T,) ‖Δ_Keras − Δ_PyTorch‖/‖Δ_PyTorch‖ of each step's update, with equal values for every argument that
        both take (`alike`) and the learning rate divided by `drop` after step `dropped_after`.
    """

    name: str
    steps: np.ndarray
    pytorch: np.ndarray
    keras: np.ndarray
    apart: np.ndarray
    alike: dict[str, object]
    dropped_after: int
    drop: float

    @property
    def ratio(self) -> float:
        """How many times larger the steps of Keras' defaults are than PyTorch's, in the median step."""
        return float(np.median(self.keras / self.pytorch))

    @property
    def first(self) -> float:
        """How far apart the first steps are, with equal arguments."""
        return float(self.apart[0])

    @property
    def before_drop(self) -> float:
        """How far apart the median step is before the learning rate changes."""
        return float(np.median(self.apart[: self.dropped_after]))

    @property
    def at_drop(self) -> float:
        """How far apart the first step with the new learning rate is."""
        return float(self.apart[self.dropped_after])


def definitions(study: StoredStudy) -> tuple[Definition, ...]:
    """Every name that was walked twice, in the order in which it was written.

    Raises `UnknownName` where the study holds none.
    """
    found = study.select(kind=KIND)
    if not found:
        raise unknown(f"kind of run in {study.folder}", KIND, sorted({run.kind for run in study.runs}))
    return tuple(_definition(run) for run in found)


def _definition(run: StoredRun) -> Definition:
    pytorch, keras = (run.array(f"rms/{side}").astype(np.float64) for side in ("pytorch", "keras"))
    return Definition(
        run.name,
        np.arange(1, len(pytorch) + 1),
        pytorch,
        keras,
        run.array("apart").astype(np.float64),
        dict(run.config["alike"]),
        int(run.config["dropped_after"]),
        float(run.config["drop"]),
    )
