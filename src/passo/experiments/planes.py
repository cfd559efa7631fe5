"""A plane through weight space: the two main directions of a path, or two random ones with the filters' norms.

    θ(a, b) = θ* + a·d₁ + b·d₂,   θ* the end of the path

Source: Li, Xu, Taylor, Studer and Goldstein 2018, "Visualizing the loss landscape of neural nets", sections 4 and 7;
one-dimensional tensors (biases, norm layers) as in their code (`net_plotter.py`, ignore="biasbn").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from passo.errors import UsageError
from passo.recording.path import Layout, WeightPath
from passo.seeding import generator

_COLUMNS = 1 << 16  # weights that are widened to float64 at a time
_NOTHING = 1e-10  # a direction with less than this share of the first one's squared distance is rounding


@dataclass(frozen=True)
class Plane:
    """θ(a, b) = `origin` (D,) + a·d₁ + b·d₂ with `directions` (2, D).

    `shares` are the main directions' shares of the path's squared distance from its end, largest first; none for
    random directions. `second_is_random` where the path is a straight line, which has one main direction alone.
    """

    origin: np.ndarray
    directions: np.ndarray
    shares: np.ndarray
    second_is_random: bool = False


@dataclass(frozen=True)
class Shadow:
    """A path as its plane shows it, beside what it is.

    `coordinates` (T, 2): a and b of the points' feet on the plane. `distances` (T, 2): from the end to each point,
    whole and within the plane. `moves` (T−1, 2): from each point to the next, whole and within the plane.
    """

    coordinates: np.ndarray
    distances: np.ndarray
    moves: np.ndarray


def main_directions(path: WeightPath, seed: int = 0) -> Plane:
    """The principal components of M = [θ₀ − θ*; …; θ* − θ*]: unit vectors, at right angles, around the end.

    M is not centred: the plane goes through the end point itself, and the shares are those of Σ ‖θₜ − θ*‖². Signs are
    such that the start lies at positive coordinates. Raises `UsageError` where the weights never moved.
    """
    gram = np.zeros((len(path.steps), len(path.steps)))
    for _, part in _from_end(path):
        gram += part @ part.T
    if not np.isfinite(gram).all() or not gram.any():
        reason = "did not move" if np.isfinite(gram).all() else "are not finite"
        raise UsageError(f"the weights {reason} along the {len(path.steps)} points of this path: it has no directions")
    values, vectors = np.linalg.eigh(gram)
    values, vectors = values[::-1].clip(0), vectors[:, ::-1]
    straight = bool(values[1] <= _NOTHING * values[0])
    found = 1 if straight else 2
    mixed = vectors[:, :found] / np.sqrt(values[:found])  # (T, found): d = Mᵀu / √λ
    mixed = mixed * np.where(vectors[0, :found] < 0, -1.0, 1.0)
    directions = np.zeros((2, path.points.shape[1]))
    for columns, part in _from_end(path):
        directions[:found, columns] = mixed.T @ part
    if straight:
        directions[1] = _at_right_angles(directions[0], seed)
    return Plane(path.points[-1].astype(np.float64), directions, values / values.sum(), straight)


def random_directions(path: WeightPath, seed: int = 0) -> Plane:
    """Two random directions, each filter scaled to the norm of the end point's own: d ← d · ‖θ_filter‖ / ‖d_filter‖.

    A filter is a slice along a tensor's first axis: an output channel of a convolution, a row of a linear layer.
    Tensors of one dimension (biases, scales and shifts of norm layers) get zeros.
    """
    end = path.points[-1].astype(np.float64)
    made = [_filter_normalised(end, path.parameters, generator(seed, "landscape", k)) for k in ("first", "second")]
    if not any(direction.any() for direction in made):
        raise UsageError("this model has no weights of two or more dimensions: it has no filters; take directions=pca")
    return Plane(end, np.stack(made), np.zeros(0))


def shadow(path: WeightPath, plane: Plane) -> Shadow:
    """The path's feet on the plane (least squares), and how much of its distances and moves lies within it."""
    across = plane.directions @ plane.directions.T  # (2, 2)
    products = np.zeros((len(path.steps), 2))
    distance, move = np.zeros(len(path.steps)), np.zeros(len(path.steps) - 1)
    for columns, part in _from_end(path):
        products += part @ plane.directions[:, columns].T
        distance += (part**2).sum(1)
        move += (np.diff(part, axis=0) ** 2).sum(1)
    coordinates = np.linalg.solve(across, products.T).T
    corner = np.linalg.cholesky(across)  # lengths within the plane, also where its directions lean on each other
    within, moved = coordinates @ corner, np.diff(coordinates, axis=0) @ corner
    return Shadow(
        coordinates,
        np.stack([np.sqrt(distance), np.linalg.norm(within, axis=1)], 1),
        np.stack([np.sqrt(move), np.linalg.norm(moved, axis=1)], 1),
    )


def _from_end(path: WeightPath) -> Iterator[tuple[slice, np.ndarray]]:
    """θₜ − θ*, some columns at a time, in float64: (T, columns)."""
    for start in range(0, path.points.shape[1], _COLUMNS):
        columns = slice(start, start + _COLUMNS)
        part = path.points[:, columns].astype(np.float64)
        yield columns, part - part[-1]


def _filter_normalised(end: np.ndarray, layout: Layout, random: torch.Generator) -> np.ndarray:
    pieces, start = [], 0
    for _, shape in layout:
        size = int(np.prod(shape, dtype=np.int64))
        weights = end[start : start + size].reshape(shape)
        drawn: Tensor = torch.randn(shape, generator=random, dtype=torch.float64)
        pieces.append(_scaled(drawn.numpy(), weights).ravel() if len(shape) > 1 else np.zeros(size))
        start += size
    return np.concatenate(pieces)


def _scaled(drawn: np.ndarray, weights: np.ndarray) -> np.ndarray:
    axes = tuple(range(1, drawn.ndim))
    norms = [np.sqrt((values**2).sum(axes, keepdims=True)) for values in (weights, drawn)]
    return drawn * norms[0] / norms[1]


def _at_right_angles(direction: np.ndarray, seed: int) -> np.ndarray:
    """A random unit vector at right angles to a unit vector."""
    if len(direction) < 2:
        raise UsageError("this model has one weight: its loss is a curve, not a surface")
    drawn = torch.randn(len(direction), generator=generator(seed, "landscape", "second"), dtype=torch.float64).numpy()
    rest = drawn - (drawn @ direction) * direction
    return rest / np.linalg.norm(rest)
