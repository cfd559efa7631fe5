"""Paths over a loss surface that can be drawn: the model `line`, real data, the real optimizer classes.

The regression: from the mean brightness x of an image's upper half, predict the mean brightness y of its lower
half, ŷ = b + w·x. Brightness is in [0, 1] and not centred, so that b and w pull on each other: a narrow valley.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from passo.data import Batches, Data
from passo.language import later
from passo.models import Line
from passo.optim import make_optimizer, make_schedule
from passo.seeding import generator
from passo.training import fit

X, Y = later("mean brightness of the upper half of an image"), later("mean brightness of its lower half")


@dataclass(frozen=True)
class Regression:
    """x (N, 1) and y (N, 1), and the least-squares solution (b, w) with its loss, the mean squared error."""

    x: torch.Tensor
    y: torch.Tensor
    minimum: tuple[float, float]
    loss_minimum: float


@dataclass(frozen=True)
class Surface:
    """The mean squared error over a grid: `loss` has shape (len(b), len(w))."""

    b: np.ndarray
    w: np.ndarray
    loss: np.ndarray


@dataclass(frozen=True)
class Path:
    """Where a descent went: `points` (T+1, 2) as (b, w), `loss` (T+1,) over all samples, `lr` (T,)."""

    points: np.ndarray
    loss: np.ndarray
    lr: np.ndarray


def brightness(data: Data, images: int = 320) -> Regression:
    """The regression on the first `images` training images."""
    raw = np.asarray(data.train.raw[:images], dtype=np.float64).reshape(-1, *data.in_shape[-2:]) / 255
    half = raw.shape[1] // 2
    x, y = raw[:, :half].mean((1, 2)), raw[:, half:].mean((1, 2))
    design = np.stack([np.ones_like(x), x], 1)
    solution, *_ = np.linalg.lstsq(design, y, rcond=None)
    least = float(((design @ solution - y) ** 2).mean())
    as_column = [torch.tensor(values, dtype=torch.float32)[:, None] for values in (x, y)]
    return Regression(as_column[0], as_column[1], (float(solution[0]), float(solution[1])), least)


def surface(problem: Regression, b: tuple[float, float], w: tuple[float, float], points: int = 61) -> Surface:
    """The loss over a grid of (b, w)."""
    bs, ws = np.linspace(*b, points), np.linspace(*w, points)
    x, y = problem.x.numpy().astype(np.float64).ravel(), problem.y.numpy().astype(np.float64).ravel()
    loss = ((bs[:, None, None] + ws[None, :, None] * x - y) ** 2).mean(-1)
    return Surface(bs, ws, loss)


def descend(
    problem: Regression,
    optimizer: Mapping[str, Any],
    schedule: Mapping[str, Any] | None = None,
    *,
    start: tuple[float, float] = (0.0, 0.0),
    epochs: int = 10,
    batch_size: int = 16,
    seed: int = 0,
) -> Path:
    """Walk down from `start` in mini-batches and note every point."""
    model = Line(*start)
    options = {k: v for k, v in optimizer.items() if k != "name"}
    real = make_optimizer(optimizer["name"], model.parameters(), **options)
    batches = Batches(problem.x, problem.y, batch_size, generator=generator(seed, "descent"))
    plan = None
    if schedule is not None:
        options = {k: v for k, v in schedule.items() if k != "name"}
        plan = make_schedule(schedule["name"], real, epochs=epochs, steps_per_epoch=len(batches), **options)
    points, lrs = [start], []
    for record in fit(model, nn.MSELoss(), real, batches, epochs=epochs, schedule=plan):
        points.append((float(model.b.detach()), float(model.w.detach())))
        lrs.append(record.lr)
    path = np.array(points)
    x, y = problem.x.numpy().astype(np.float64), problem.y.numpy().astype(np.float64)
    loss = ((path[:, 0] + path[:, 1] * x - y) ** 2).mean(0)  # x, y: (N, 1) against (T+1,)
    return Path(path, loss, np.array(lrs))
