"""What the microscope has seen: statistics, traces, the residual, and a picture of any of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from passo.errors import UsageError
from passo.registry import unknown

if TYPE_CHECKING:
    from passo.recording.layout import Slot
    from passo.recording.microscope import _Probe

QUANTITIES = ("mean", "rms")


class Records:
    """Growing arrays of what was recorded: statistics (T, S, P, Q) and traces (T, S, K)."""

    def __init__(
        self, stages: tuple[str, ...], slots: tuple[Slot, ...], coordinates: list[tuple[str, list[int]]], every: int
    ) -> None:
        self.stages, self.coordinates, self.every = stages, coordinates, every
        self.parameters = [slot.name for slot in slots]
        self._sizes = np.array([slot.stop - slot.start for slot in slots], np.float64)
        self.steps: list[int] = []
        self.lrs: list[float] = []
        self._sums: list[Tensor] = []  # each (P · Q · S): sum and norm of every stage, parameter by parameter
        self._traces: list[Tensor] = []

    def add(self, step: int, lr: float, sums: Tensor, trace: Tensor) -> None:
        self.steps.append(step)
        self.lrs.append(lr)
        self._sums.append(sums)
        self._traces.append(trace)

    def statistics(self) -> np.ndarray:
        """Mean and root mean square: (T, S, P, Q)."""
        shape = (len(self.steps), len(self.parameters), len(QUANTITIES), len(self.stages))
        if not self._sums:
            return np.zeros((0, shape[3], shape[1], shape[2]), np.float32)
        raw = torch.stack(self._sums).cpu().numpy().reshape(shape)
        scaled = raw / np.stack([self._sizes, np.sqrt(self._sizes)], 1)[None, :, :, None]
        return scaled.transpose(0, 3, 1, 2).astype(raw.dtype)

    def traces(self) -> np.ndarray:
        """(T, S, K)."""
        if not self._traces:
            return np.zeros((0, len(self.stages), len(self.coordinates)), np.float32)
        return torch.stack(self._traces).cpu().numpy()


@dataclass(frozen=True)
class Residual:
    """The proof: how far the update that happened lies from the one that the equations explain.

    `roundings` (P,) is the largest |update − explained| seen in each parameter tensor, as a multiple of
    eps · max(|θ|, |θ′|, |update|) of the same coordinate at the same step; `steps` is how many were checked.
    """

    parameters: tuple[str, ...]
    roundings: tuple[float, ...]
    steps: int

    @property
    def worst(self) -> float:
        return max(self.roundings)

    def within(self, roundings: float) -> bool:
        """Whether every coordinate of every parameter stayed within so many roundings of θ."""
        return bool(self.worst <= roundings)

    def __str__(self) -> str:
        width = max(len(name) for name in self.parameters)
        rows = [f"{n:<{width}}  {r:6.2f}" for n, r in zip(self.parameters, self.roundings, strict=True)]
        head = f"largest residual over {self.steps} steps, in roundings (eps · max(|θ|, |θ′|, |update|))"
        return "\n".join([head, *rows])


class Lens:
    """A microscope on one optimiser. Read it at any time; `close()` takes it off."""

    def __init__(self, probe: _Probe) -> None:
        self._probe = probe

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that this optimiser has, in the order in which a step goes through them."""
        return self._probe.stages

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(self._probe.records.parameters)

    @property
    def coordinates(self) -> list[tuple[str, list[int]]]:
        """The traced coordinates: (parameter, index)."""
        return self._probe.records.coordinates

    @property
    def steps(self) -> np.ndarray:
        """The optimiser steps that were recorded, counted from 1: (T,)."""
        return np.array(self._probe.records.steps, np.int64)

    def statistics(self, stage: str, parameter: str, quantity: str = "rms") -> np.ndarray:
        """Mean or root mean square over a parameter tensor, per recorded step: (T,)."""
        column = _position("quantity", quantity, QUANTITIES)
        return self._probe.records.statistics()[:, self._stage(stage), self._parameter(parameter), column]

    def trace(self, stage: str, parameter: str, index: tuple[int, ...] | None = None) -> np.ndarray:
        """One coordinate of a stage, per recorded step: (T,). Without an index, the first one traced."""
        self._parameter(parameter)
        for k, (name, at) in enumerate(self.coordinates):
            if name == parameter and (index is None or tuple(at) == tuple(index)):
                return self._probe.records.traces()[:, self._stage(stage), k]
        traced = [tuple(at) for name, at in self.coordinates if name == parameter]
        raise UsageError(f"{parameter}{list(index or ())} was not traced; of this parameter there are: {traced}")

    def now(self, stage: str, parameter: str) -> Tensor:
        """A stage of the last recorded step, whole, in the parameter's own shape."""
        self._stage(stage)
        return self._probe.whole(stage, self._parameter(parameter))

    def residual(self) -> Residual:
        """The residual of every watched parameter; raises `UsageError` where no equations explain the step."""
        if self._probe.explanation is None:
            name = type(self._probe.optimizer).__name__
            raise UsageError(f"{name} is measured, not explained: it has no residual")
        if not len(self.steps):
            raise UsageError("no step has been seen yet: call optimizer.step() first")
        eps = torch.finfo(self._probe.worst.dtype).eps
        largest = [float(self._probe.worst[s.start : s.stop].max()) / eps for s in self._probe.slots]
        return Residual(self.parameters, tuple(largest), len(self.steps))

    def chart(self, stage: str, parameter: str) -> Any:
        """A picture of a stage: the traced coordinates and the root mean square, over the recorded steps."""
        from passo.figures import stage_chart  # the one way down: see docs/architecture.md

        values = {"rms of the tensor": self.statistics(stage, parameter)}
        for name, at in self.coordinates:
            if name == parameter:
                values[f"[{', '.join(map(str, at))}]"] = self.trace(stage, parameter, tuple(at))
        return stage_chart(self.steps, values, stage, parameter)

    def arrays(self) -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
        """Everything recorded, as arrays with their meaning, ready for the store."""
        records = self._probe.records
        meta = {"stages": list(self.stages), "every": records.every}
        return {
            "statistics": (
                records.statistics(),
                {**meta, "parameters": records.parameters, "quantities": list(QUANTITIES)},
            ),
            "trace": (records.traces(), {**meta, "coordinates": [list(c) for c in self.coordinates]}),
            "trace/steps": (self.steps, {}),
            "trace/lr": (np.array(records.lrs), {}),
        }

    def close(self) -> None:
        """Take the microscope off; what it has seen stays readable."""
        self._probe.close()

    def __enter__(self) -> Lens:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _stage(self, stage: str) -> int:
        return _position("stage", stage, self.stages)

    def _parameter(self, parameter: str) -> int:
        return _position("parameter", parameter, self.parameters)


def _position(kind: str, name: str, known: tuple[str, ...]) -> int:
    if name not in known:
        raise unknown(kind, name, known)
    return known.index(name)
