"""Paths over a loss surface of two parameters: how near they end, and how far they swing past the minimum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from passo.analysis.words import joined, significant
from passo.errors import StoreError
from passo.language import t
from passo.store import StoredStudy


@dataclass(frozen=True)
class Surface:
    """A loss over a grid: b (n,), w (m,), loss (n, m); the minimum (b, w) and its loss; what x and y are."""

    b: np.ndarray
    w: np.ndarray
    loss: np.ndarray
    minimum: tuple[float, float]
    loss_minimum: float
    x: str
    y: str

    def outline(self, level: float, points: int = 97) -> np.ndarray:
        """The curve on which the loss has one level: an ellipse, (points, 2) as (b, w), closed.

        A mean squared error is a quadratic in b and w, so its curvature, fitted to the grid, says it all; raises
        `StoreError` for a surface that is no bowl around its minimum.
        """
        b, w = np.meshgrid(self.b - self.minimum[0], self.w - self.minimum[1], indexing="ij")
        terms = np.stack([b**2, 2 * b * w, w**2], -1).reshape(-1, 3)
        height = (self.loss - self.loss_minimum).ravel()
        (p, q, r), *_ = np.linalg.lstsq(terms, height, rcond=None)
        values, vectors = np.linalg.eigh(np.array([[p, q], [q, r]]))
        if values[0] <= 0 or not np.allclose(terms @ (p, q, r), height, atol=1e-4 * height.max()):
            raise StoreError("the surface is no quadratic bowl around its minimum: it has no elliptic outlines")
        angle = np.linspace(0, 2 * np.pi, points)
        circle = np.stack([np.cos(angle), np.sin(angle)])
        radii = np.sqrt(max(0.0, level - self.loss_minimum) / values)
        return np.array(self.minimum) + (vectors @ (radii[:, None] * circle)).T


@dataclass(frozen=True)
class Descent:
    """A path from a start towards the minimum: points (T+1, 2) as (b, w), loss (T+1,), lr (T,)."""

    name: str
    points: np.ndarray
    loss: np.ndarray
    lr: np.ndarray
    minimum: tuple[float, float]
    loss_minimum: float

    @property
    def steps(self) -> int:
        return len(self.points) - 1

    @property
    def distances(self) -> np.ndarray:
        """Distance to the minimum at each point, in units of the parameters: (T+1,)."""
        return np.linalg.norm(self.points - np.array(self.minimum), axis=1)

    @property
    def distance(self) -> float:
        """Distance to the minimum at the end."""
        return float(self.distances[-1])

    @property
    def overshoot(self) -> float:
        """How far the path swings past the minimum, along the line from the start through it.

        As a share of the distance from the start to the minimum; 0 where it never passes.
        """
        way = np.array(self.minimum) - self.points[0]
        length = float(np.linalg.norm(way))
        if length == 0:
            return 0.0
        passed = (self.points - np.array(self.minimum)) @ (way / length)
        return max(0.0, float(passed.max())) / length

    @property
    def excess(self) -> float:
        """The loss at the end, above the minimum's."""
        return float(self.loss[-1] - self.loss_minimum)

    @property
    def length(self) -> float:
        """The length of the way walked, in units of the parameters."""
        return float(np.linalg.norm(np.diff(self.points, axis=0), axis=1).sum())


def descent(study: StoredStudy, name: str) -> Descent:
    """One path by its name."""
    run = _one(study, name, "descent")
    minimum, least = run.info["minimum"], float(run.info["loss_minimum"])
    path, loss, lr = run.array("path"), run.array("loss"), run.array("lr")
    return Descent(name, path, loss, lr, (float(minimum[0]), float(minimum[1])), least)


def surface(study: StoredStudy, name: str = "line-surface") -> Surface:
    """The loss surface under the paths; the grid comes as (len(b), len(w))."""
    run = _one(study, name, "surface")
    b, w, loss = run.array("b"), run.array("w"), run.array("loss")
    if loss.shape != (len(b), len(w)):
        raise StoreError(f"run {name}: the loss has shape {loss.shape}, not {(len(b), len(w))} of b and w")
    minimum, least = run.info["minimum"], float(run.info["loss_minimum"])
    x, y = str(run.info.get("x", "x")), str(run.info.get("y", "y"))
    return Surface(b, w, loss, (float(minimum[0]), float(minimum[1])), least, x, y)


def _one(study: StoredStudy, name: str, kind: str):
    found = study.select(name, kind)
    if not found:
        there = ", ".join(study.names(kind)) or "none"
        raise StoreError(f"{study.folder} has no finished {kind} {name!r}; there are: {there}")
    return found[0]


def tell(paths: Sequence[Descent]) -> str:
    """How near the paths end, how long they are, and which of them swing past the minimum."""
    names = [path.name.removeprefix("line-") for path in paths]
    ends = [f"{name} {significant(path.distance, 2)}" for name, path in zip(names, paths, strict=True)]
    found = {
        "first": significant(float(paths[0].distances[0]), 2),
        "ends": joined(ends),
        "ways": joined([significant(path.length, 2) for path in paths]),
    }
    if len({path.steps for path in paths}) == 1:
        text = t(
            "After {n} mini-batch steps the distance to the minimum, {first} at the start, is for {ends}; the ways "
            "walked are {ways} long",
            n=paths[0].steps,
            **found,
        )
    else:
        text = t(
            "At the end the distance to the minimum, {first} at the start, is for {ends}; the ways walked are {ways} "
            "long",
            **found,
        )
    passed = [
        t("{name} by {share:.0f} %", name=name, share=100 * path.overshoot)
        for name, path in zip(names, paths, strict=True)
        if path.overshoot > 0.005
    ]
    if not passed:
        return f"{text}."
    return f"{text}, {t('and past the minimum swings {passed} of the first distance', passed=joined(passed))}."
