"""One optimizer's way down a surface: the real class steps on a real parameter of two numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

import numpy as np
import torch
from torch import nn

from passo.experiments.racers import Entry
from passo.models.terrain import Minimum, Point, Slope, Surface
from passo.optim import make_optimizer, make_schedule, needs_closure
from passo.seeding import derive

FAR = 10  # diagonals of what is drawn: who is farther from its middle has diverged


@dataclass(frozen=True, kw_only=True)
class Racer:
    """One optimizer's way down from `start`, T steps or as many as it took before it diverged.

    points (T+1, 2) and losses (T+1,), the start first and all finite; lr (T,), the rate of each step. `evaluations`
    of the gradient: more than steps for LBFGS. `nearest` is the minimum that is nearest to the end; `arrived` the step
    from which on the path stays within the race's tolerance of it, or None; `diverged` the step that led out of the
    numbers, or ten times the picture away, or None. `rate` says who chose the learning rate.
    """

    label: str
    optimizer: dict[str, Any]
    schedule: dict[str, Any] | None
    start: Point
    rate: str
    points: np.ndarray = field(repr=False)
    losses: np.ndarray = field(repr=False)
    lr: np.ndarray = field(repr=False)
    evaluations: int
    nearest: Minimum
    arrived: int | None
    diverged: int | None

    @property
    def distance(self) -> float:
        """From the end to the nearest minimum."""
        return math.dist(self.points[-1], self.nearest.at)

    def told(self) -> str:
        """Who it is and where it ended, in a line."""
        plan = f", {self.schedule['name']}" if self.schedule else ""
        who = f"{self.label} (lr {float(self.optimizer['lr']):.3g}{plan})"
        if self.diverged is not None:
            return f"{who}: diverged at step {self.diverged}"
        x, y = self.points[-1]
        arrived = "" if self.arrived is None else f", at a minimum after {self.arrived} steps"
        return f"{who}: ended at ({x:.4g}, {y:.4g}), loss {self.losses[-1]:.3g}{arrived}"

    def __repr__(self) -> str:
        return f"<Racer {self.told()}>"


@dataclass(frozen=True)
class Course:
    """What all racers share; `noise` (steps, 2) is drawn once."""

    surface: Surface
    steps: int
    noise: np.ndarray | None
    seed: int
    tolerance: float

    def slopes(self) -> Iterator[Slope]:
        """The slope of each step: of a mini-batch where there are some, with the step's noise where there is some."""
        sampled = self.surface.sampled
        plain = repeat(self.surface.slope_at) if sampled is None else sampled(derive(self.seed, "descent", "batches"))
        return plain if self.noise is None else map(_tilted, plain, self.noise.tolist())

    def left(self, x: float, y: float) -> bool:
        """Whether a point is out of the numbers, or too far to come back."""
        (x0, x1), (y0, y1) = self.surface.x, self.surface.y
        far = FAR * math.hypot(x1 - x0, y1 - y0)
        return not math.dist((x, y), ((x0 + x1) / 2, (y0 + y1) / 2)) <= far


def _tilted(slope: Slope, shift: Sequence[float]) -> Slope:
    def tilted(x: float, y: float) -> Point:
        gx, gy = slope(x, y)
        return gx + shift[0], gy + shift[1]

    return tilted


Watching = Callable[[torch.optim.Optimizer, nn.Parameter], object]
"""Called with the optimizer and the point before the first step: who wants to see every step puts a lens on it."""


def walk(course: Course, entry: Entry, start: Point, watching: Watching | None = None) -> Racer:
    """One entry's way down from a start."""
    surface = course.surface
    here = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    options = {key: value for key, value in entry.optimizer.items() if key != "name"}
    optimizer = make_optimizer(entry.optimizer["name"], [here], **options)
    after = _schedule(surface, entry.schedule, optimizer, course.steps)
    if watching is not None:
        watching(optimizer, here)
    step = _stepping(surface, optimizer, here)
    points, lrs, diverged, evaluations = [start], [], None, 0
    for number, slope in zip(range(1, course.steps + 1), course.slopes(), strict=False):
        lrs.append(float(optimizer.param_groups[0]["lr"]))
        evaluations += step(slope)
        x, y = here.tolist()
        if course.left(x, y):
            diverged = number
            if math.isfinite(x) and math.isfinite(y):
                points.append((x, y))
            break
        points.append((x, y))
        after(number, x, y)
    path = np.array(points)
    nearest = surface.nearest(*points[-1])
    return Racer(
        label=entry.label, optimizer=entry.optimizer, schedule=entry.schedule, start=start, rate="given",
        points=path, losses=surface.loss(torch.from_numpy(path)).numpy(), lr=np.array(lrs[: len(path) - 1]),
        evaluations=evaluations, nearest=nearest, diverged=diverged,
        arrived=None if diverged is not None else _arrived(path, nearest, course.tolerance),
    )  # fmt: skip


def _stepping(surface: Surface, optimizer: torch.optim.Optimizer, here: nn.Parameter) -> Callable[[Slope], int]:
    """A function that takes one step down a slope and says how often it evaluated it."""

    def look(slope: Slope) -> None:
        try:
            gradient = slope(*here.tolist())
        except (OverflowError, ValueError):  # a point so far out that floats end
            gradient = (math.nan, math.nan)
        here.grad = torch.tensor(gradient, dtype=torch.float64)

    def once(slope: Slope) -> int:
        look(slope)
        optimizer.step()
        return 1

    def several(slope: Slope) -> int:
        count = 0

        def closure() -> float:
            nonlocal count
            count += 1
            look(slope)
            return float(surface.loss(here.detach()))

        optimizer.step(closure)
        return count

    return several if needs_closure(optimizer) else once


def _schedule(
    surface: Surface, spec: Mapping[str, Any] | None, optimizer: torch.optim.Optimizer, steps: int
) -> Callable[[int, float, float], None]:
    """What moves the learning rate after a step: step number, x, y."""
    if spec is None:
        return lambda number, x, y: None
    options = {key: value for key, value in spec.items() if key != "name"}
    per_epoch = surface.per_epoch
    epochs = math.ceil(steps / per_epoch)
    plan = make_schedule(spec["name"], optimizer, epochs=epochs, steps_per_epoch=per_epoch, **options)

    def after(number: int, x: float, y: float) -> None:
        plan.after_step()
        if number % per_epoch == 0:
            told = float(surface.loss(torch.tensor([x, y], dtype=torch.float64))) if plan.when == "plateau" else None
            plan.after_epoch(told)

    return after


def _arrived(path: np.ndarray, nearest: Minimum, tolerance: float) -> int | None:
    """The step from which on the path stays within the tolerance of where it ends up."""
    outside = np.flatnonzero(~(np.linalg.norm(path - np.array(nearest.at), axis=1) <= tolerance))
    first = int(outside[-1]) + 1 if len(outside) else 0
    return first if first < len(path) else None
