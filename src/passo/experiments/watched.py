"""Every step of one racer, recorded: what the microscope sees of a real optimizer on a surface of two parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from passo.experiments.race import check, drawn_noise, racer_of
from passo.experiments.racers import Spec, entries_of, ground_of, starts_of
from passo.experiments.walk import Course, walk
from passo.models.terrain import Point
from passo.recording import Lens, watch
from passo.recording.held import HeldRun


class _Place(nn.Module):
    """A model of two weights: where the racer is."""

    def __init__(self, point: nn.Parameter) -> None:
        super().__init__()
        self.point = point


def watched_descent(
    surface: Spec,
    optimizer: Spec,
    schedule: Spec | None = None,
    *,
    start: Point | None = None,
    steps: int = 300,
    noise: float = 0.0,
    seed: int = 0,
) -> HeldRun:
    """The same way that `descend` takes with these arguments, step by step: read it like a watched run.

    >>> run = watched_descent("bowl", "momentum lr=0.1", start=(1.0, 0.0), steps=2)
    >>> values, meta = run.array("trace"), run.meta("trace")
    >>> values[:, meta["stages"].index("momentum_buffer"), 0].round(3).tolist()
    [1.0, 1.8]
    """
    check(steps, noise, 1.0)
    ground = ground_of(surface)
    (entry,) = entries_of([optimizer], [schedule])
    (at,) = starts_of(ground, start)
    course = Course(ground, steps, drawn_noise(ground, noise, seed, steps), seed, 1.0)
    lenses: list[Lens] = []

    def watching(stepper: torch.optim.Optimizer, point: nn.Parameter) -> None:
        lenses.append(watch(stepper, _Place(point), coordinates={"point": 2}))

    walk(course, replace(entry, optimizer=racer_of(course, entry, at).optimizer), at, watching)
    with lenses[0] as lens:
        return lens.run  # type: ignore[return-value]  # nothing is written, so it is one in memory


def as_json(run: HeldRun) -> Mapping[str, Any]:
    """What reading a step needs, as JSON can hold it (with NaN)."""
    wanted = ("trace", "trace/steps", "trace/lr", "trace/lrs")
    arrays = {name: [run.array(name).tolist(), run.meta(name)] for name in wanted if name in run.arrays()}
    return {"info": dict(run.info), "arrays": arrays}
