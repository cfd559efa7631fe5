"""The loss surface around a training's path: how much of the path its plane shows, and how true the loss there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np

from passo.analysis.words import significant
from passo.errors import StoreError
from passo.language import numeral, t


class Kept(Protocol):
    """A stored run, or a landscape that is still in memory."""

    @property
    def info(self) -> Mapping[str, Any]: ...
    def array(self, name: str) -> np.ndarray: ...


class Shares(NamedTuple):
    """What a plane shows of a path: the share of the squared distance from the end, and that of the length."""

    distance: float
    length: float


@dataclass(frozen=True)
class LossSurface:
    """A loss over a plane through weight space and a training's path beside it.

    `x` (n,), `y` (m,) and `loss` (m, n) are the grid. Of the recorded points: `steps` (T,), their feet on the plane
    `path` (T, 2), their real loss `path_loss` (T,), the loss at their feet `plane_loss` (T,). `distances` (T, 2) and
    `moves` (T−1, 2) are lengths from the end and to the next point, each whole and within the plane.
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

    @property
    def random(self) -> bool:
        """Whether the directions are random, and not the path's own."""
        return self.info["directions"] == "random"

    @property
    def share_of_distance(self) -> float:
        """Σ ‖in the plane‖² / Σ ‖whole‖² of the points' distances from the end: what PCA calls explained variance."""
        whole, within = (self.distances**2).sum(0)
        return float(within / whole)

    @property
    def share_of_length(self) -> float:
        """The length of the way as the plane shows it, of its length from recorded point to recorded point."""
        whole, within = self.moves.sum(0)
        return float(within / whole)

    @cached_property
    def walk(self) -> Shares:
        """Both shares of a random walk that was recorded at the same steps."""
        return random_walk(self.steps)

    @property
    def error(self) -> np.ndarray:
        """The loss on the plane minus the real one, at each recorded point: (T,)."""
        return self.plane_loss - self.path_loss

    @property
    def worst(self) -> int:
        """The recorded point at which the loss on the plane is farthest from the real one."""
        return int(np.argmax(np.where(np.isfinite(self.error), np.abs(self.error), -1.0)))

    @property
    def lowest(self) -> float:
        """The least finite loss on the grid."""
        return float(self.loss[np.isfinite(self.loss)].min(initial=np.inf))

    @property
    def highest(self) -> float:
        """The greatest finite loss on the grid."""
        return float(self.loss[np.isfinite(self.loss)].max(initial=-np.inf))

    @property
    def not_finite(self) -> int:
        """At how many points of the grid the loss is not a finite number."""
        return int((~np.isfinite(self.loss)).sum())

    def within(self, factor: float) -> float:
        """The share of the grid on which the loss is at most `factor` times that of the end."""
        return float((self.loss <= factor * self.path_loss[-1]).mean())


def random_walk(steps: np.ndarray) -> Shares:
    """What a plane of main directions shows of a random walk in many dimensions, recorded at `steps` (T,).

    With increments of independent directions and length √Δ, the points around the end are M = A Ξ: A holds √Δ of the
    increments that lie between a point and the end, Ξ has orthonormal rows. With A = U S Vᵀ, the first two directions
    show (s₁² + s₂²) / Σ s² of the squared distance, and of each increment the share ‖(v₁, v₂)‖ of its length.

    The first share tends to (1 + 1/9) · 8/π² = 90 % with many points: alone, such a share says little. Source of the
    thought (with centred points): Antognini and Sohl-Dickstein 2018, "PCA of high dimensional random walks with
    comparison to neural network training".

    >>> [round(value, 2) for value in random_walk(np.arange(401))]
    [0.9, 0.07]
    """
    lengths = np.sqrt(np.diff(np.asarray(steps, np.float64)))
    to_end = np.triu(np.ones((len(lengths), len(lengths)))) * lengths
    _, s, vt = np.linalg.svd(to_end)
    within = np.linalg.norm(vt[:2], axis=0) @ lengths
    return Shares(float((s[:2] ** 2).sum() / (s**2).sum()), float(within / lengths.sum()))


def loss_surface(run: Kept) -> LossSurface:
    """Read a landscape from a study, or from memory; raises `StoreError` for a run of another kind."""
    kind = getattr(run, "kind", "landscape")
    if kind != "landscape":
        raise StoreError(f"run {getattr(run, 'id', '')} is a {kind}, not a landscape: passo landscape makes one of it")
    names = ("x", "y", "loss", "steps", "path", "path_loss", "plane_loss", "distances", "moves", "shares")
    return LossSurface(**{name: run.array(name) for name in names}, info=dict(run.info))


# ── In words ──────────────────────────────────────────────────────────────────────────────────────────────


def shown(found: LossSurface) -> str:
    """How much of the path's movement the plane shows, beside what it would show of a random walk."""
    distance, length = share(found.share_of_distance), share(found.share_of_length)
    if found.random:
        return t(
            "These random directions show {distance} of the path's squared distance from its end", distance=distance
        )
    walk = [share(value) for value in found.walk]
    return t(
        "The plane shows {distance} of the path's squared distance from its end (of a random walk: {walk_distance}) "
        "and {length} of its length (of a random walk: {walk_length})",
        distance=distance,
        walk_distance=walk[0],
        length=length,
        walk_length=walk[1],
    )


def missed(found: LossSurface) -> str:
    """How far the loss on the plane is from the real one, at the recorded points."""
    errors, n = np.abs(found.error), found.worst
    finite = errors[np.isfinite(errors)]
    middle = float(np.median(finite)) if len(finite) else np.nan
    there, really = (significant(float(loss[n])) for loss in (found.plane_loss, found.path_loss))
    return t(
        "The loss on it is off by {median} in the median, by {most} at most (at step {step:,}, {there} instead of "
        "{really})",
        median=significant(middle, 2),
        most=significant(float(errors[n]), 2),
        step=int(found.steps[n]),
        there=there,
        really=really,
    )


def tell(found: LossSurface) -> str:
    """What the picture shows, in words."""
    ends = [significant(float(found.path_loss[n])) for n in (0, -1)]
    if not found.random:
        way = t(
            "From step 0 to step {last:,} the loss goes from {start} to {end}.",
            last=int(found.steps[-1]),
            start=ends[0],
            end=ends[1],
        )
        return f"{way} {shown(found)}. {missed(found)}."
    lower = found.lowest < found.path_loss[-1]
    around = t(
        "At the end the loss is {end}; around it, up to {reach} times the filters' norms away, it is {least} and at "
        "most {most}, and on {share} of the square at most twice that of the end.",
        end=ends[1],
        reach=significant(float(found.x[-1])),
        least=t("at least {loss}", loss=significant(found.lowest)) if lower else t("nowhere lower"),
        most=significant(found.highest),
        share=share(found.within(2)),
    )
    return f"{around} {shown(found)}."


def share(value: float) -> str:
    """A share in percent, with one decimal; never rounded up to all or down to nothing.

    >>> share(0.5), share(0.9876), share(0.99999), share(0.00004), share(1.0)
    ('50 %', '98.8 %', 'over 99.9 %', 'under 0.1 %', '100 %')
    """
    if 0 < value < 0.001:
        return t("under {least:g} %", least=0.1)
    if 0.999 < value < 1 - 1e-9:
        return t("over {most:g} %", most=99.9)
    return numeral(f"{100 * value:.1f} %".replace(".0 %", " %"))
