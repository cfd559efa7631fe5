"""What the microscope has seen: statistics, traces, the residual, events, and a picture of any of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from passo.errors import UsageError
from passo.recording.blocks import QUANTITIES, RELATIONS, Arrays
from passo.recording.held import HeldRun, Later
from passo.recording.records import Event
from passo.registry import unknown

if TYPE_CHECKING:
    from passo.recording.watching import Probe
    from passo.recording.writing import Writing
    from passo.store import StoredRun


@dataclass(frozen=True)
class Residual:
    """The proof: how far the update that happened lies from the one that the equations explain.

    `roundings` (P,) is the largest |update − explained| seen in each parameter tensor, as a multiple of
    eps · max(|θ|, |θ′|, |update|) of the same coordinate at the same step; `steps` is how many were checked and
    `bound` how many roundings the equations promise (None: none).
    """

    parameters: tuple[str, ...]
    roundings: tuple[float, ...]
    steps: int
    bound: float | None = None

    @property
    def worst(self) -> float:
        return max(self.roundings, default=float("nan"))

    def within(self, roundings: float) -> bool:
        """Whether every coordinate of every parameter stayed within so many roundings of θ."""
        return bool(self.worst <= roundings)

    def __str__(self) -> str:
        width = max((len(name) for name in self.parameters), default=0)
        rows = [f"{n:<{width}}  {r:6.2f}" for n, r in zip(self.parameters, self.roundings, strict=True)]
        bound = "" if self.bound is None else f", promised at most {self.bound:g}"
        head = f"largest residual over {self.steps} steps, in roundings (eps · max(|θ|, |θ′|, |update|)){bound}"
        return "\n".join([head, *rows])


class Lens:
    """A microscope on one optimiser. Read it at any time; `close()` takes it off.

    `run` is everything recorded, read like a stored run: what `passo.analysis` and `passo.figures` take.
    """

    def __init__(self, probe: Probe, writing: Writing | None = None) -> None:
        self._probe, self._writing = probe, writing
        if writing is not None:
            writing.close_with(self.close)

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that this optimiser has, in the order in which a step goes through them."""
        return self._probe.eye.stages

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(slot.name for slot in self._probe.eye.slots)

    @property
    def coordinates(self) -> list[tuple[str, list[int]]]:
        """The followed coordinates: (parameter, index)."""
        return self._probe.eye.coordinates

    @property
    def renewed(self) -> dict[str, str]:
        """Which stages are the optimiser's own state after the step: stage → key in `optimizer.state`."""
        explanation = self._probe.eye.explanation
        renewed = {} if explanation is None else explanation.renewed
        return {stage: key for stage, key in renewed.items() if stage in self.stages}

    @property
    def steps(self) -> np.ndarray:
        """The optimiser steps that were recorded, counted from 1: (T,)."""
        return self.run.array("trace/steps")

    @property
    def events(self) -> list[Event]:
        """What was noticed: a gradient that is not finite, a forgotten `zero_grad`, skipped steps, …"""
        self._probe.records.arrays()  # what waits is looked over too
        return list(self._probe.records.events)

    @property
    def skipped(self) -> list[int]:
        """The steps that a GradScaler skipped."""
        return list(self._probe.noticing.skipped)

    @property
    def due(self) -> bool:
        """Whether the next step is looked at."""
        return self._probe.due

    @property
    def lost(self) -> bool:
        """Whether what was recorded could no longer be written to its store."""
        return any(event.what == "lost" for event in self._probe.records.events)

    def statistics(self, stage: str, parameter: str, quantity: str = "rms") -> np.ndarray:
        """Mean or root mean square over a parameter tensor, per recorded step: (T,)."""
        column = _position("quantity", quantity, QUANTITIES)
        return self._array("statistics")[:, self._stage(stage), self._parameter(parameter), column]

    def relation(self, name: str, parameter: str) -> np.ndarray:
        """`predicted`, g·Δθ, or `uphill`, the share of weights that moved along their gradient, per step: (T,)."""
        return self._array("relations")[:, self._parameter(parameter), _position("relation", name, RELATIONS)]

    def trace(self, stage: str, parameter: str, index: tuple[int, ...] | None = None) -> np.ndarray:
        """One coordinate of a stage, per recorded step: (T,). Without an index, the first one followed."""
        self._parameter(parameter)
        for k, (name, at) in enumerate(self.coordinates):
            if name == parameter and (index is None or tuple(at) == tuple(index)):
                return self._array("trace")[:, self._stage(stage), k]
        traced = [tuple(at) for name, at in self.coordinates if name == parameter]
        what = parameter if index is None else f"{parameter}{list(index)}"
        raise UsageError(f"{what} was not traced; traced coordinates of {parameter}: {traced or 'none'}")

    def now(self, stage: str, parameter: str) -> Tensor:
        """A stage of the last recorded step, whole, in the parameter's own shape."""
        self._stage(stage)
        return self._probe.eye.whole(stage, self._parameter(parameter))

    def snapshot(self, step: int, stage: str, parameter: str) -> np.ndarray:
        """A stage at one of the steps that `snapshots` named, whole, in the parameter's own shape."""
        self._parameter(parameter)
        return self._array(f"snapshot/{step}/{parameter}")[self._stage(stage)]

    def residual(self) -> Residual:
        """The residual of every watched parameter; raises `UsageError` where no equations explain the step."""
        if not self._probe.eye.explained:
            name = type(self._probe.optimizer).__name__
            raise UsageError(f"{name} is measured, not explained: it has no residual")
        steps = self.steps
        if not len(steps):
            removed = "" if self._probe.hooked else " (the microscope's hooks are no longer on the optimizer)"
            raise UsageError(f"no step has been seen yet: call optimizer.step() first{removed}")
        explanation = self._probe.eye.explanation
        bound = None if explanation is None or not self._probe.eye.plain else explanation.bound
        found = {n: r for n, r in zip(self.parameters, self._probe.eye.roundings(), strict=True) if not np.isnan(r)}
        return Residual(tuple(found), tuple(found.values()), len(steps), bound)

    def chart(self, stage: str, parameter: str) -> Any:
        """A picture of a stage: the traced coordinates and the root mean square, over the recorded steps."""
        from passo.figures import stage_chart  # the one way down: see docs/architecture.md

        values = {"rms of the tensor": self.statistics(stage, parameter)}
        for name, at in self.coordinates:
            if name == parameter:
                values[f"[{', '.join(map(str, at))}]"] = self.trace(stage, parameter, tuple(at))
        return stage_chart(self.steps, values, stage, parameter)

    def figure(self, name: str, **options: Any) -> Any:
        """A figure of what was recorded, by its name: "apart", "layers", "ratios", "betas", … (see `passo inspect`)."""
        from passo.figures.watched import draw_run  # the one way down, as above

        return draw_run(name, self.run, **options)

    @property
    def run(self) -> HeldRun | StoredRun:
        """Everything recorded so far, read like a stored run. Reading changes nothing of what is recorded."""
        if self._writing is not None and not self._writing.open:
            return self._writing.stored()
        arrays, records = self.arrays(), self._probe.records
        if self._writing is not None and records.written:
            arrays = self._writing.before(arrays)
        events = tuple(("watch", e.step, e.message, {"what": e.what, **e.facts}) for e in records.events)
        return HeldRun("watched", arrays, Later(lambda: {"watch": self.facts()}), events)

    def arrays(self) -> Arrays:
        """Everything recorded and still in memory, as arrays with their meaning."""
        return self._probe.records.arrays()

    def facts(self) -> dict[str, Any]:
        """What is known of the optimiser and its residual, as JSON can keep it: see docs/store.md."""
        eye = self._probe.eye
        facts: dict[str, Any] = {"optimizer": type(self._probe.optimizer).__name__, "explained": eye.explained}
        facts.update(hyper=self._probe.hyper, around=self._probe.around())
        if eye.explained and eye.explanation is not None:
            found = {n: r for n, r in zip(self.parameters, eye.roundings(), strict=True) if not np.isnan(r)}
            facts.update(bound=eye.explanation.bound, roundings=found)
        return facts

    def rest(self) -> None:
        """Look at how the training calls its parts no more, where that is not its author's doing."""
        self._probe.noticing.rest()

    def state_dict(self) -> dict[str, Any]:
        """All that the next look depends on, as nested plain data that a checkpoint can keep. Call it between steps.

        What is recorded in memory is part of it; what a `sink` has been given is not. Raises `UsageError` for a lens
        that streams to a folder of its own (`out=`).

        >>> import torch, passo
        >>> def made():
        ...     model = torch.nn.Linear(1, 1)
        ...     optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        ...     return model, optimizer, passo.watch(optimizer, model)
        >>> model, optimizer, lens = made()
        >>> model(torch.ones(1, 1)).sum().backward(); optimizer.step()
        >>> again, stepper, other = made()
        >>> other.load_state_dict(lens.state_dict())
        >>> again(torch.ones(1, 1)).sum().backward(); stepper.step()
        >>> other.steps
        array([1, 2])
        """
        self._keeps_its_own()
        return self._probe.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave, on a lens that was made alike and has seen no step.

        Put back the model's and the optimiser's own state first. Raises `UsageError` where the lens is made otherwise.
        """
        self._keeps_its_own()
        try:
            self._probe.load_state_dict(state)
        except (KeyError, ValueError, TypeError, RuntimeError, AttributeError) as error:
            raise UsageError(f"the state is not of a lens like this one: {error}") from error

    def close(self) -> None:
        """Take the microscope off; what it has seen stays readable."""
        self._probe.close()
        if self._writing is not None:
            self._writing.close(self.facts())

    def __enter__(self) -> Lens:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keeps_its_own(self) -> None:
        if self._writing is not None:
            raise UsageError(
                f"this lens streams to {self._writing.folder}, and has no state apart from it: leave out `out`"
            )

    def _array(self, name: str) -> np.ndarray:
        return self.run.array(name)

    def _stage(self, stage: str) -> int:
        return _position("stage", stage, self.stages)

    def _parameter(self, parameter: str) -> int:
        return _position("parameter", parameter, self.parameters)


def _position(kind: str, name: str, known: tuple[str, ...]) -> int:
    if name not in known:
        raise unknown(kind, name, known)
    return known.index(name)
