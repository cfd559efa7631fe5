"""The loss surface of a real network around the way that its training went.

    found = passo.landscape(run)        # a run that was trained with record.path, or the path of a passo.record_path

`passo.analysis.loss_surface(found)` says how much of the path its plane shows, `passo.figures.landscape_chart(found)`
draws it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import nn

from passo import store
from passo.errors import ConfigError
from passo.experiments.planes import Plane, main_directions, random_directions, shadow
from passo.experiments.scenes import BatchNorm, Place, Scene, losses, set_scene
from passo.experiments.single import Trained
from passo.recording.path import WeightPath
from passo.training import environment
from passo.training.config import sentence

_NARROW = 0.2  # the grid's shorter side is at least this share of the longer one: noise is not blown up


class LandscapeConfig(BaseModel):
    """What is looked at, and how closely.

    `directions` are the path's two main ones ("pca") or random ones with the filters' norms ("random"). The grid has
    `points` × `points` values: around the path with a `margin` (a share of its extent) on each side, or, for random
    directions, from −`reach` to `reach` times the filters' norms. The loss is the mean over `images` training images.
    `batch_norm` says what BatchNorm normalises by: the statistics that were "running" (those of the end on the plane,
    each point's own on the path), or those of all the chosen images in one "batch". `seed` draws images and directions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    directions: Literal["pca", "random"] = "pca"
    points: int = Field(default=41, ge=3)
    margin: float = Field(default=0.3, ge=0)
    reach: float = Field(default=1.0, gt=0)
    images: int = Field(default=1000, ge=1)
    batch_norm: BatchNorm = "running"
    seed: int = Field(default=0, ge=0)


@dataclass(frozen=True)
class Landscape:
    """A loss over a plane through weight space, and the path beside it.

    `x` (n,) and `y` (m,) are a and b of θ* + a·d₁ + b·d₂, θ* the path's end; `loss` (m, n) is over the grid. Of the
    path's T points: `steps` (T,), their feet on the plane `path` (T, 2), the real loss `path_loss` (T,) and the loss at
    their feet `plane_loss` (T,); `distances` (T, 2) from the end and `moves` (T−1, 2) to the next point, each whole and
    within the plane. `shares` are the main directions' shares of the squared distance from the end, largest first.
    `info` says of what, how, and where it was recorded; `folder` is the study that keeps it.
    """

    x: np.ndarray
    y: np.ndarray
    loss: np.ndarray
    steps: np.ndarray
    path: np.ndarray
    path_loss: np.ndarray
    plane_loss: np.ndarray
    distances: np.ndarray
    moves: np.ndarray
    shares: np.ndarray
    info: Mapping[str, Any]
    folder: Path | None = None

    def array(self, name: str) -> np.ndarray:
        """An array by its name in the store: what is in memory reads like what is kept."""
        return getattr(self, name)


ARRAYS = ("x", "y", "loss", "steps", "path", "path_loss", "plane_loss", "distances", "moves", "shares")


def landscape(
    source: store.StoredRun | Trained | WeightPath,
    *,
    model: nn.Module | None = None,
    loss_fn: Any = None,
    data: Any = None,
    out: str | Path | None = None,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
    **settings: Any,
) -> Landscape:
    """The loss around a training's path, over the plane that shows most of it (or over a random one).

    Args:
        source: a run that was trained with `record={"path": 40}`, or the path of a `passo.record_path`.
        model, loss_fn, data: needed with a path of your own, and where a run was given objects instead of names; data
            are passo's, (x, y) tensors, or an iterable of such batches. The model is left as it is.
        out: a study folder to keep the result in (kind `landscape`). `force` moves an old one aside.
        progress: called as progress(done, total) while losses are computed.
        settings: fields of `LandscapeConfig`: directions="pca", points=41, margin=0.3, images=1000, seed=0, …

    Raises `ConfigError` for a wrong setting, `StoreError` for a run without a path, `UsageError` where model and path
    do not fit each other or the weights never moved.

    >>> from passo.recording import record_path
    >>> model, x = nn.Linear(2, 1), torch.eye(2)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> recorder = record_path(model, optimizer)
    >>> for _ in range(20):
    ...     optimizer.zero_grad(); nn.functional.mse_loss(model(x), x[:, :1]).backward(); optimizer.step()
    >>> found = landscape(recorder.path(), model=model, loss_fn=nn.MSELoss(), data=(x, x[:, :1]), points=5)
    >>> found.loss.shape, bool(found.shares[:2].sum() > 0.99)
    ((5, 5), True)
    """
    try:
        config = LandscapeConfig.model_validate(settings)
    except ValidationError as error:
        raise ConfigError(sentence(error, LandscapeConfig)) from error
    before = set_scene(source, model, loss_fn, data, config.images, config.seed)  # a mistake leaves no folder behind
    plane = _plane(before.path, config)
    if out is None:
        return survey(before, plane, config, progress)
    name = f"landscape-{config.directions}"
    chosen = {**config.model_dump(mode="json"), "source": before.info.get("source")}
    with store.Store.create(out, name=name, config=chosen, force=force) as study:
        writer = study.add_run(name, config=chosen, seed=config.seed, kind="landscape")
        found = _told(writer, lambda: survey(before, plane, config, progress))
        for array in ARRAYS:
            writer.array(array, found.array(array))
        writer.info(**found.info)
        writer.finish()
    return replace(found, folder=Path(out))


def survey(
    scene: Scene, plane: Plane, config: LandscapeConfig, progress: Callable[[int, int], None] | None = None
) -> Landscape:
    """Compute the loss over the grid, at the path's points and at their feet on the plane."""
    begun, path = time.perf_counter(), scene.path
    seen = shadow(path, plane)
    x, y = _axes(seen.coordinates, config)
    total = len(x) * len(y) + 2 * len(path.steps)
    values = np.empty(total)
    for done, value in enumerate(losses(scene, _places(path, plane, x, y, seen.coordinates), config.batch_norm)):
        values[done] = value
        if progress is not None:
            progress(done + 1, total)
    grid, real, feet = np.split(values, [len(x) * len(y), len(x) * len(y) + len(path.steps)])
    info = {
        **scene.info,
        **config.model_dump(exclude={"images"}),
        "weights": path.points.shape[1],
        "buffers": path.buffers.shape[1],
        "second_is_random": plane.second_is_random,
        "seconds": time.perf_counter() - begun,
        "environment": environment(scene.x.device),
    }
    arrays = (x, y, grid.reshape(len(y), len(x)), path.steps, seen.coordinates, real, feet, seen.distances, seen.moves)
    return Landscape(*arrays, plane.shares, info)


def _plane(path: WeightPath, config: LandscapeConfig) -> Plane:
    return (main_directions if config.directions == "pca" else random_directions)(path, config.seed)


def _axes(coordinates: np.ndarray, config: LandscapeConfig) -> tuple[np.ndarray, np.ndarray]:
    """The grid's a and b: around the path, or around its end."""
    if config.directions == "random":
        axis = np.linspace(-config.reach, config.reach, config.points)
        return axis, axis.copy()
    low, high = coordinates.min(0), coordinates.max(0)
    side = (high - low) * (1 + 2 * config.margin)
    side = np.maximum(side, _NARROW * side.max())
    middle = (low + high) / 2
    first, second = (np.linspace(m - s / 2, m + s / 2, config.points) for m, s in zip(middle, side, strict=True))
    return first, second


def _places(path: WeightPath, plane: Plane, x: np.ndarray, y: np.ndarray, feet: np.ndarray) -> Iterator[Place]:
    """The weights of the grid, row by row; then of the path's points; then of their feet, in the path's precision."""
    kind = torch.from_numpy(path.points).dtype
    origin, first, second = (torch.from_numpy(row).to(kind) for row in (plane.origin, *plane.directions))
    buffers = torch.from_numpy(path.buffers)
    grid = ((a, b) for b in y.tolist() for a in x.tolist())
    on_plane = ((origin + a * first + b * second, buffers[-1]) for a, b in grid)
    yield from on_plane
    yield from zip(torch.from_numpy(path.points), buffers, strict=True)
    for a, b in feet.tolist():
        yield origin + a * first + b * second, buffers[-1]


def _told(writer: store.RunWriter, work: Callable[[], Landscape]) -> Landscape:
    """Do the work; where it does not come to its end, the run says so."""
    try:
        return work()
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt)
        writer.finish("interrupted" if stopped else "failed", "stopped by the user" if stopped else str(error))
        raise
