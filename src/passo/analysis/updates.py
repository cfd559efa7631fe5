"""What the microscope wrote down, read back: one coordinate's way through the stages of every step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from passo.errors import UsageError
from passo.registry import unknown
from passo.store import StoredRun


@dataclass(frozen=True)
class Traces:
    """One coordinate of one parameter: each stage (T,), float64, at `steps` (T,) (from 1) under `lr` (T,)."""

    run: str
    parameter: str
    index: tuple[int, ...]
    steps: np.ndarray
    lr: np.ndarray
    stages: Mapping[str, np.ndarray]

    def __getitem__(self, stage: str) -> np.ndarray:
        try:
            return self.stages[stage]
        except KeyError:
            raise unknown(f"stage of {self.run}", stage, self.stages) from None

    def __contains__(self, stage: str) -> bool:
        return stage in self.stages

    @property
    def coordinate(self) -> str:
        """The coordinate as in code: `conv1.weight[0, 0, 2, 2]`."""
        return f"{self.parameter}[{', '.join(map(str, self.index))}]"

    @property
    def measured(self) -> np.ndarray:
        """−update / lr: the direction that the parameter really took, comparable with `adapted`. (T,)

        NaN where the learning rate is 0. A decoupled weight decay is part of it.
        """
        return np.divide(-self["update"], self.lr, out=np.full(len(self.lr), np.nan), where=self.lr != 0)


def traces(run: StoredRun, coordinate: int | None = None) -> Traces:
    """The traces of one coordinate of a watched run.

    Args:
        coordinate: its place in the list of traced coordinates; without it, the middle one of the first
            convolution's weight (or of all, where there is no convolution).

    Raises `StoreError` where the run was not watched, `UsageError` where it has fewer coordinates.
    """
    values, meta = run.array("trace"), run.meta("trace")
    coordinates = [(name, tuple(index)) for name, index in meta["coordinates"]]
    if coordinate is None:
        coordinate = _usual([name for name, _ in coordinates])
    if not -len(coordinates) <= coordinate < len(coordinates):
        raise UsageError(f"run {run.id} traced {len(coordinates)} coordinates; there is no number {coordinate}")
    parameter, index = coordinates[coordinate]
    stages = {name: values[:, s, coordinate].astype(np.float64) for s, name in enumerate(meta["stages"])}
    return Traces(run.id, parameter, index, run.array("trace/steps"), run.array("trace/lr"), stages)


def _usual(names: list[str]) -> int:
    convolutions = [k for k, name in enumerate(names) if "conv" in name and name.endswith("weight")]
    first = [k for k in convolutions if names[k] == names[convolutions[0]]] or list(range(len(names)))
    return first[len(first) // 2]


@dataclass(frozen=True)
class Residual:
    """How far the measured updates lie from the explained ones.

    `largest` is the largest |residual| of any traced coordinate; `roundings`, where the run recorded it, the
    largest of any watched weight in units of eps · max(|θ|, |θ′|, |update|).
    """

    run: str
    steps: int
    largest: float
    roundings: float | None

    def sentence(self) -> str:
        if self.roundings is not None:
            return (
                f"In {self.steps} watched steps of {self.run} no update differs from what the equations explain "
                f"by more than {self.roundings:.1f} roundings of the weight."
            )
        return (
            f"In {self.steps} watched steps of {self.run} no traced update differs from what the equations explain "
            f"by more than {self.largest:.1e}."
        )


def residual(run: StoredRun) -> Residual:
    """The residual of a watched run; raises `UnknownName` where its optimiser has no written equations."""
    values, stages = run.array("trace"), run.meta("trace")["stages"]
    if "residual" not in stages:
        raise unknown(f"stage of {run.id}", "residual", stages)
    recorded = run.info.get("residual_roundings")
    worst = float(max(recorded.values())) if recorded else None
    return Residual(run.id, len(values), float(np.abs(values[:, stages.index("residual")]).max()), worst)
