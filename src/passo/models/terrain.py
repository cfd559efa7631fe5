"""What a surface to descend on is: a loss of two parameters, its slope, its minima, and the part that is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

Point = tuple[float, float]
Slope = Callable[[float, float], Point]


@dataclass(frozen=True)
class Minimum:
    """A point of no slope with higher ground around it, and the loss there."""

    at: Point
    loss: float


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A loss f(x, y) and what is known of it.

    title: as it stands in a heading. formula: LaTeX; told: the same in plain text.
    value: f of tensors x and y of one shape. slope: its gradient at a point of plain floats; without it, autograd's.
    x, y: the part of the plane that is drawn. start: where a descent begins unless told otherwise.
    note: what to know before drawing conclusions from a race.
    sampled: for a seed, the slope of one mini-batch after another, without end; None where there are no data.

    >>> from passo.models.surfaces import rosenbrock
    >>> rosenbrock().gradient(torch.tensor([[-1.2, 1.0]]))
    tensor([[-215.6000,  -88.0000]])
    """

    name: str
    title: str
    formula: str
    told: str
    value: Callable[[Tensor, Tensor], Tensor] = field(repr=False)
    slope: Slope | None = field(default=None, repr=False)
    x: Point
    y: Point
    start: Point
    minima: tuple[Minimum, ...]
    source: str
    note: str = ""
    axes: tuple[str, str] = ("x", "y")
    sampled: Callable[[int], Iterator[Slope]] | None = field(default=None, repr=False)
    per_epoch: int = 1

    def loss(self, points: Tensor) -> Tensor:
        """f at each point: (…, 2) → (…)."""
        return self.value(points[..., 0], points[..., 1])

    def gradient(self, points: Tensor) -> Tensor:
        """∂f/∂x and ∂f/∂y at each point by autograd: (…, 2) → (…, 2)."""
        with torch.enable_grad():
            leaf = points.detach().clone().requires_grad_()
            return torch.autograd.grad(self.loss(leaf).sum(), leaf)[0]

    def slope_at(self, x: float, y: float) -> Point:
        """The gradient at one point in float64, by formula where there is one: a hundred times autograd's speed."""
        if self.slope is not None:
            return self.slope(x, y)
        gx, gy = self.gradient(torch.tensor([x, y], dtype=torch.float64)).tolist()
        return gx, gy

    def grid(self, points: int = 161) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x (n,), y (n,) over the part that is drawn, and the loss (n, n): a row for each y."""
        x, y = np.linspace(*self.x, points), np.linspace(*self.y, points)
        across, up = np.meshgrid(x, y)
        return x, y, self.value(torch.from_numpy(across), torch.from_numpy(up)).numpy()

    def nearest(self, x: float, y: float) -> Minimum:
        """The known minimum that is nearest to a point."""
        return min(self.minima, key=lambda minimum: math.dist(minimum.at, (x, y)))

    @property
    def lowest(self) -> float:
        """The loss of the deepest minimum."""
        return min(minimum.loss for minimum in self.minima)
