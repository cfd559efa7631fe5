"""The descents of a study as races that play: the same paths that its figures show, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from passo.analysis import Descent, Surface, descent, surface
from passo.analysis.races import Minimum, Race, Racer, tell
from passo.errors import StoreError
from passo.figures import racing
from passo.figures.animation import race_gif
from passo.figures.races import Scene
from passo.language import later, t
from passo.store import StoredStudy

NEAR = 0.05  # of the first distance to the minimum: who is nearer, and stays, has arrived
FRAMES, SCALE = 30, 1.0
_TITLE, _GROUND = later("the valley of a line"), later("mean squared error of a line, by its weight and its bias")
_NESTEROV = later("mean squared error of a line, by its weight and its bias; all with Nesterov momentum")
_AXES = later("bias b"), later("weight w")


@dataclass(frozen=True)
class Playing:
    """A race that plays: its words, the GIF, and its last moment as an SVG."""

    alt: str
    gif: bytes
    svg: str


def playing(study: StoredStudy, figure: str) -> Playing | None:
    """The race behind a figure of paths; None for other figures, and where the study lacks the descents."""
    if figure not in RACES:
        return None
    told, labels = RACES[figure]
    try:
        made = raced(surface(study), [descent(study, name) for name in labels], list(labels.values()), told)
    except StoreError:
        return None
    scene = Scene(made)
    return Playing(tell(made), race_gif(made, frames=FRAMES, scale=SCALE), racing.picture(scene, made.steps))


RACES: dict[str, tuple[str, dict[str, str]]] = {
    "sgd-paths": (_GROUND, {"line-sgd": "sgd", "line-momentum": "momentum", "line-nesterov": "nesterov"}),
    "schedule-paths": (
        _NESTEROV,
        {
            "line-nesterov-none": later("no schedule"),
            "line-nesterov-step": "StepLR",
            "line-nesterov-cyclic": "CyclicLR",
        },
    ),
}
"""Figures of paths, each with what its race is over and the descents in it, by their labels."""


def raced(ground: Surface, paths: Sequence[Descent], labels: Sequence[str], told: str = _GROUND) -> Race:
    """Descents over one surface as a race; whoever comes within a twentieth of the first distance has arrived."""
    least = Minimum(ground.minimum, ground.loss_minimum)
    near = float(f"{NEAR * float(paths[0].distances[0]):.1g}")
    return Race(
        surface="line",
        title=_TITLE,
        told=told,
        formula="",
        source="",
        note="",
        axes=_AXES,
        x=ground.b,
        y=ground.w,
        loss=ground.loss.T,
        minima=(least,),
        steps=max(path.steps for path in paths),
        noise=0.0,
        batches=None,
        seed=0,
        tolerance=near,
        racers=tuple(_racer(path, t(label), least, near) for path, label in zip(paths, labels, strict=True)),
    )


def _racer(path: Descent, label: str, least: Minimum, near: float) -> Racer:
    start = path.points[0]
    return Racer(
        label=label,
        optimizer={"lr": float(path.lr[0])},
        schedule=None,
        start=(float(start[0]), float(start[1])),
        rate="given",
        points=path.points,
        losses=path.loss,
        lr=path.lr,
        evaluations=path.steps,
        nearest=least,
        arrived=_arrived(path.distances, near),
        diverged=None,
    )


def _arrived(distances: np.ndarray, near: float) -> int | None:
    """The step after which a path is near the minimum, and stays; None where it never does."""
    away = np.flatnonzero(~(distances <= near))
    first = int(away[-1]) + 1 if len(away) else 0
    return first if first < len(distances) and math.isfinite(near) else None
