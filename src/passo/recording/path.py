"""The way that a model's weights go while it is trained, kept at chosen steps of anybody's loop.

    recorder = passo.record_path(model, optimizer)
    ...                                                 # the training, unchanged
    path = recorder.path()                              # points (T, D), steps (T,)

It uses the optimiser's own post-step hook and only reads: a recorded run ends bit for bit like any other.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from passo.errors import StoreError, UsageError

if TYPE_CHECKING:
    from passo.store import StoredRun

Layout = tuple[tuple[str, tuple[int, ...]], ...]
"""(name, shape) of each tensor, in the order in which they lie in a row."""


@dataclass(frozen=True)
class WeightPath:
    """Where the weights were: `points` (T, D) at the optimiser steps `steps` (T,), from 0, the start, to the last.

    A row holds every trainable parameter in its logical order; `buffers` (T, B) the floating-point buffers that go
    with it, as they were then (BatchNorm's running statistics). The layouts name their pieces.
    """

    steps: np.ndarray
    points: np.ndarray
    buffers: np.ndarray
    parameters: Layout
    buffer_layout: Layout

    def arrays(self) -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
        """As the store keeps it: arrays with the names and shapes of what lies in a row."""
        kept = {"path": (self.points, _meta(self.parameters)), "path/steps": (self.steps, {})}
        if self.buffer_layout:
            kept["path/buffers"] = (self.buffers, _meta(self.buffer_layout))
        return kept

    @classmethod
    def of(cls, run: StoredRun) -> WeightPath:
        """The path that a run has recorded; raises `StoreError` where it has none, and says how to record one."""
        if "path" not in run.arrays():
            raise StoreError(
                f"run {run.id} has no recorded path of its weights: train it with record.path=40 "
                '(passo train … record.path=40, or record={"path": 40}); in a loop of your own, passo.record_path '
                "records one for passo.landscape"
            )
        points, buffered = run.array("path"), "path/buffers" in run.arrays()
        buffers = run.array("path/buffers") if buffered else np.zeros((len(points), 0), points.dtype)
        layouts = [_layout(run.meta("path")), _layout(run.meta("path/buffers")) if buffered else ()]
        return cls(run.array("path/steps"), points, buffers, *layouts)


def record_path(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    every: int | None = None,
    points: int = 200,
    total: int | None = None,
    megabytes: float = 512.0,
) -> PathRecorder:
    """Record the weights along a training; call it after building both and before training.

    Args:
        every: keep each n-th step. Without it, every step is kept at first, and fewer as the run grows.
        points: at most so many; beyond, every second point is dropped and the distance between them doubles.
        total: how many steps the training will have, where that is known: the points are spread evenly over them.
        megabytes: what the points may take of the memory; fewer are kept where they would take more.

    Step 0 and the last step are always in it. Where fewer points are kept than were asked for, it is told once, as a
    warning and in `PathRecorder.notices`. Raises `UsageError` for arguments that cannot be.

    >>> model = nn.Linear(2, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> recorder = record_path(model, optimizer, every=2)
    >>> for _ in range(5):
    ...     model(torch.ones(1, 2)).sum().backward(); optimizer.step()
    >>> recorder.path().steps, recorder.path().points.shape
    (array([0, 2, 4, 5]), (4, 3))
    """
    if not isinstance(model, nn.Module) or not isinstance(optimizer, torch.optim.Optimizer):
        got = f"{type(model).__name__}, {type(optimizer).__name__}"
        raise UsageError(f"record_path(model, optimizer): expected a module and a torch optimizer, got {got}")
    for name, value, least in (("every", every, 1), ("points", points, 3), ("total", total, 1)):
        if value is not None and value < least:
            raise UsageError(f"{name} must be ≥ {least}, got {value}")
    return PathRecorder(model, optimizer, every=every, points=points, total=total, megabytes=megabytes)


class PathRecorder:
    """Keeps the weights after chosen steps. Read it at any time with `path()`; `close()` takes it off."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        every: int | None,
        points: int,
        total: int | None,
        megabytes: float,
    ) -> None:
        self._weights = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self._buffers = {n: b for n, b in model.named_buffers() if b.is_floating_point()}
        _check(self._weights, optimizer)
        self.notices: list[str] = []
        self._most = self._within(points, megabytes)
        self._asked = every
        self._every = every or 1
        self._at = None if total is None else _spread(total, self._most)
        self.step = self._latest = 0  # `_latest`: the step of the last point
        self._kept: list[tuple[int, Tensor, Tensor]] = []
        self._keep()
        self._handle: Any = optimizer.register_step_post_hook(self._after)

    def path(self) -> WeightPath:
        """What was kept so far, and the weights as they are now (where it was closed: as they were then)."""
        return self._path(self._kept if self._handle is None else self._with_now())

    @property
    def due(self) -> bool:
        """Whether the weights after the next step are kept."""
        step = self.step + 1
        return step in self._at if self._at is not None else step % self._every == 0

    def drain(self) -> WeightPath | None:
        """Hand over the points so far, and forget them; None where there are none, or where some may still be dropped.

        With `total`, what is kept stays: a long path need not lie in memory, nor in every checkpoint.
        """
        if self._at is None or not self._kept:
            return None
        settled, self._kept = self._path(self._kept), []
        return settled

    def state_dict(self) -> dict[str, Any]:
        """The points that were not handed over, and how thin they are, as nested plain data; between two steps."""
        kept = self._path(self._kept)
        rows = {"steps": kept.steps, "points": kept.points, "buffers": kept.buffers}
        plain = {"step": self.step, "latest": self._latest, "every": self._every, "most": self._most}
        return {**plain, "notices": list(self.notices), "kept": rows, "names": list(self._weights)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave, once the weights are put back.

        Raises `UsageError` where another path is recorded.
        """
        if state["names"] != list(self._weights) or state["most"] != self._most:
            raise UsageError("the state is not of a path like this one: other weights, or another number of points")
        self.step, self._latest, self._every = state["step"], state["latest"], state["every"]
        self.notices, kept = list(state["notices"]), state["kept"]
        rows = zip(kept["steps"].tolist(), kept["points"], kept["buffers"], strict=True)
        self._kept = [(step, torch.from_numpy(point), torch.from_numpy(buffer)) for step, point, buffer in rows]

    def close(self) -> None:
        """Take it off; what it has kept stays readable."""
        if self._handle is not None:
            self._kept = self._with_now()
            self._handle.remove()
            self._handle = None

    def __enter__(self) -> PathRecorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _after(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        due, self.step = self.due, self.step + 1
        if due:
            self._keep()

    def _keep(self) -> None:
        self._kept.append((self.step, _row(self._weights), _row(self._buffers)))
        if len(self._kept) > self._most:
            self._every *= 2
            self._kept = [kept for kept in self._kept if kept[0] % self._every == 0]
            if self._asked is not None:
                self._say(
                    f"the path of the weights has over {self._most} points: one is kept every {self._every} steps"
                )
        self._latest = self._kept[-1][0]

    def _with_now(self) -> list[tuple[int, Tensor, Tensor]]:
        if self._latest == self.step:
            return self._kept
        return [*self._kept, (self.step, _row(self._weights), _row(self._buffers))]

    def _path(self, kept: Sequence[tuple[int, Tensor, Tensor]]) -> WeightPath:
        rows = [row for _, *row in kept] or [[_row(self._weights), _row(self._buffers)]]  # none: for the widths
        points, buffers = (torch.stack(column).numpy()[: len(kept)] for column in zip(*rows, strict=True))
        return WeightPath(
            np.array([step for step, _, _ in kept], np.int64),
            points,
            buffers,
            tuple((name, tuple(p.shape)) for name, p in self._weights.items()),
            tuple((name, tuple(b.shape)) for name, b in self._buffers.items()),
        )

    def _within(self, points: int, megabytes: float) -> int:
        """How many points the memory allows."""
        count = sum(p.numel() for p in self._weights.values())
        row = _row(self._weights).nbytes / 2**20
        fitting = math.floor(megabytes / row)
        if fitting < 3:
            raise UsageError(
                f"{count:,} weights take {row:,.3g} MB at each point: three points do not fit into {megabytes:,g} MB"
            )
        if fitting < points:
            self._say(f"{points} points of these weights would take more than {megabytes:,g} MB: {fitting} are kept")
        return min(points, fitting)

    def _say(self, message: str) -> None:
        if not self.notices:
            warnings.warn(message, stacklevel=5)
        self.notices.append(message)


def _check(weights: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
    if not weights:
        raise UsageError("the model has no trainable parameters: its path would have no points")
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not held & {id(p) for p in weights.values()}:
        raise UsageError("none of the optimizer's parameters are the model's: was it built on another model?")
    if any(p.is_complex() for p in weights.values()):
        raise UsageError("a path of complex weights cannot be recorded")


def _spread(total: int, points: int) -> frozenset[int]:
    """So many steps, spread evenly from 0 to the last."""
    return frozenset(np.linspace(0, total, points).round().astype(int).tolist())


@torch.no_grad()
def _row(tensors: dict[str, Any]) -> Tensor:
    """Tensors one after the other, each in logical order: (D,) on the CPU, float64 if one of them is, else float32."""
    wide = any(t.dtype == torch.float64 for t in tensors.values())
    kind = torch.float64 if wide else torch.float32
    pieces = [t.detach().reshape(-1).to("cpu", kind) for t in tensors.values()]
    return torch.cat(pieces) if pieces else torch.zeros(0)


def _meta(layout: Layout) -> dict[str, Any]:
    return {"names": [name for name, _ in layout], "shapes": [list(shape) for _, shape in layout]}


def _layout(meta: dict[str, Any]) -> Layout:
    return tuple((name, tuple(shape)) for name, shape in zip(meta["names"], meta["shapes"], strict=True))
