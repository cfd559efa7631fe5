"""Surfaces of two parameters to descend on: each with its formula, its minima, its slope and where it comes from.

bowl        one round minimum                             ravine      curved κ times more across than along
saddle      flat at its middle, two minima beside it      plateau     a pit in a plain whose slope fades away
rosenbrock  a bent valley                                 beale       steep walls, a flat floor
himmelblau  four minima, equally deep                     rastrigin   a grid of minima, one the deepest
line        the loss of the model `line` on data: ŷ = b + w·x
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from passo.errors import ConfigError
from passo.language import later
from passo.models.terrain import Minimum, Point, Slope, Surface
from passo.registry import Registry, unknown

SURFACES: Registry[Callable[..., Surface]] = Registry("surface")


def surface(name: str, **options: Any) -> Surface:
    """A surface by name: `surface("ravine", kappa=10)`. Raises `UnknownName` and `ConfigError`, in one sentence.

    >>> surface("ravine", kappa=10).told
    'f(x, y) = ½ (x² + 10 y²)'
    """
    make = SURFACES[name]
    known = inspect.signature(make).parameters
    for option in options:
        if option not in known:
            if not known:
                raise ConfigError(f"surface {name} has no options, got {option!r}")
            raise ConfigError(str(unknown(f"option of surface {name}", option, known)))
    missing = [p.name for p in known.values() if p.default is p.empty and p.name not in options]
    if missing:
        raise ConfigError(f"surface {name} needs {' and '.join(missing)}")
    return make(**options)


# ── One minimum ───────────────────────────────────────────────────────────────────────────────────────────


def bowl() -> Surface:
    """½ (x² + y²): every way down is straight."""
    return Surface(
        name="bowl",
        title=later("a bowl"),
        formula=r"f(x, y) = \tfrac12 \left(x^2 + y^2\right)",
        told="f(x, y) = ½ (x² + y²)",
        value=lambda x, y: 0.5 * (x**2 + y**2),
        slope=lambda x, y: (x, y),
        x=(-2.0, 2.0),
        y=(-1.5, 1.5),
        start=(-1.7, 1.1),
        minima=(Minimum((0.0, 0.0), 0.0),),
        source=later("the unit quadratic"),
    )


def ravine(*, kappa: float = 50.0, angle: float = 0.0) -> Surface:
    """½ (u² + κ v²), u along the ravine, v across, turned by `angle` degrees against the axes.

    Methods that scale each coordinate by itself (Adagrad, RMSprop, Adam) undo κ where the ravine lies along an axis;
    an angle of 45 takes that gift away.
    """
    kappa, angle = _number("kappa", kappa), _number("angle", angle)
    if kappa < 1:
        raise ConfigError(f"ravine: kappa must be ≥ 1, got {kappa:g}")
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))

    def value(x: Tensor, y: Tensor) -> Tensor:
        return 0.5 * ((cos * x + sin * y) ** 2 + kappa * (cos * y - sin * x) ** 2)

    def slope(x: float, y: float) -> Point:
        u, v = cos * x + sin * y, kappa * (cos * y - sin * x)
        return cos * u - sin * v, sin * u + cos * v

    turned = f", u and v turned by {angle:g}°" if angle else ""
    u, v = ("u", "v") if angle else ("x", "y")
    along, across = -4.4, 0.9
    return Surface(
        name="ravine",
        title=later("a ravine"),
        formula=rf"f(x, y) = \tfrac12 \left({u}^2 + {kappa:g}\,{v}^2\right)",
        told=f"f(x, y) = ½ ({u}² + {kappa:g} {v}²){turned}",
        value=value,
        slope=slope,
        x=(-5.0, 5.0) if angle else (-5.0, 2.0),
        y=(-4.0, 4.0) if angle else (-1.2, 1.2),
        start=(cos * along - sin * across, sin * along + cos * across),
        minima=(Minimum((0.0, 0.0), 0.0),),
        note=""
        if angle
        else later(
            "Lying along an axis, the ravine favours what scales each coordinate by itself (Adagrad, RMSprop, Adam): "
            "angle=30 takes that away."
        ),
        source=later(
            "Polyak 1964, “Some methods of speeding up the convergence of iteration methods”, the case l = 1, L = κ"
        ),
    )


def rosenbrock() -> Surface:
    """(1 − x)² + 100 (y − x²)²: into the valley is easy, along it is hard."""

    def slope(x: float, y: float) -> Point:
        off = y - x * x
        return -2 * (1 - x) - 400 * x * off, 200 * off

    return Surface(
        name="rosenbrock",
        title=later("Rosenbrock’s valley"),
        formula=r"f(x, y) = (1 - x)^2 + 100 \left(y - x^2\right)^2",
        told="f(x, y) = (1 − x)² + 100 (y − x²)²",
        value=lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2,
        slope=slope,
        x=(-2.0, 2.0),
        y=(-0.75, 2.25),
        start=(-1.2, 1.0),
        minima=(Minimum((1.0, 1.0), 0.0),),
        source=later("Rosenbrock 1960, “An automatic method for finding the greatest or least value of a function”"),
    )


_BEALE = ((1.5, 1), (2.25, 2), (2.625, 3))


def beale() -> Surface:
    """Σ (c − x + x yᵏ)² with c = 1.5, 2.25, 2.625 for k = 1, 2, 3: steep walls around a flat floor."""

    def value(x: Tensor, y: Tensor) -> Tensor:
        return sum(((c - x + x * y**k) ** 2 for c, k in _BEALE), torch.zeros_like(x))

    def slope(x: float, y: float) -> Point:
        terms = [(c - x + x * y**k, y**k - 1, k * x * y ** (k - 1)) for c, k in _BEALE]
        return sum(2 * r * dx for r, dx, _ in terms), sum(2 * r * dy for r, _, dy in terms)

    return Surface(
        name="beale",
        title=later("Beale’s function"),
        formula=r"f(x, y) = (1.5 - x + xy)^2 + (2.25 - x + xy^2)^2 + (2.625 - x + xy^3)^2",
        told="f(x, y) = (1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)²",
        value=value,
        slope=slope,
        x=(-0.5, 4.5),
        y=(-1.5, 2.25),
        start=(1.0, 1.6),
        minima=(Minimum((3.0, 0.5), 0.0),),
        source=later(
            "Beale 1958, “On an iterative method for finding a local minimum of a function of more than one variable”"
        ),
    )


def plateau() -> Surface:
    """1 − exp(−½ (x² + y²)): far from the pit the slope is there, and next to nothing."""

    def slope(x: float, y: float) -> Point:
        depth = math.exp(-0.5 * (x * x + y * y))
        return x * depth, y * depth

    return Surface(
        name="plateau",
        title=later("a plateau with a pit"),
        formula=r"f(x, y) = 1 - e^{-\frac12 \left(x^2 + y^2\right)}",
        told="f(x, y) = 1 − exp(−½ (x² + y²))",
        value=lambda x, y: 1 - torch.exp(-0.5 * (x**2 + y**2)),
        slope=slope,
        x=(-5.0, 3.0),
        y=(-3.0, 3.0),
        start=(-4.3, 1.4),
        minima=(Minimum((0.0, 0.0), 0.0),),
        source=later(
            "an inverted bell; on plateaus see Goodfellow, Bengio and Courville 2016, “Deep Learning”, section 8.2.3"
        ),
    )


# ── Several minima ────────────────────────────────────────────────────────────────────────────────────────


def saddle() -> Surface:
    """½ x² − ½ y² + ¼ y⁴: down along x to a saddle at (0, 0), and from there to a minimum on either side."""
    return Surface(
        name="saddle",
        title=later("a saddle"),
        formula=r"f(x, y) = \tfrac12 x^2 - \tfrac12 y^2 + \tfrac14 y^4",
        told="f(x, y) = ½ x² − ½ y² + ¼ y⁴",
        value=lambda x, y: 0.5 * x**2 - 0.5 * y**2 + 0.25 * y**4,
        slope=lambda x, y: (x, y * (y * y - 1)),
        x=(-2.0, 2.0),
        y=(-1.5, 1.5),
        start=(-1.8, 0.001),
        minima=(Minimum((0.0, 1.0), -0.25), Minimum((0.0, -1.0), -0.25)),
        source=later(
            "the double well; on saddles see Dauphin et al. 2014, “Identifying and attacking the saddle point "
            "problem in high-dimensional non-convex optimization”"
        ),
    )


def himmelblau() -> Surface:
    """(x² + y − 11)² + (x + y² − 7)²: four minima, all of loss 0; a step decides which."""

    def slope(x: float, y: float) -> Point:
        first, second = x * x + y - 11, x + y * y - 7
        return 4 * x * first + 2 * second, 2 * first + 4 * y * second

    # (3, 2) is exact; the others are the remaining roots of both brackets, to the last bit of float64.
    at = ((3.0, 2.0), (-2.805118086952745, 3.131312518250573),
          (-3.779310253377747, -3.283185991286170), (3.584428340330492, -1.848126526964404))  # fmt: skip
    return Surface(
        name="himmelblau",
        title=later("Himmelblau’s four minima"),
        formula=r"f(x, y) = \left(x^2 + y - 11\right)^2 + \left(x + y^2 - 7\right)^2",
        told="f(x, y) = (x² + y − 11)² + (x + y² − 7)²",
        value=lambda x, y: (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2,
        slope=slope,
        x=(-6.0, 6.0),
        y=(-4.5, 4.5),
        start=(-0.4, -1.1),
        minima=tuple(Minimum(point, 0.0) for point in at),
        source=later("Himmelblau 1972, “Applied nonlinear programming”"),
    )


def rastrigin() -> Surface:
    """20 + Σ t² − 10 cos 2πt over t = x, y: a minimum near every pair of whole numbers, the deepest at (0, 0)."""
    turn = 2 * math.pi

    def value(x: Tensor, y: Tensor) -> Tensor:
        return 20 + x**2 - 10 * torch.cos(turn * x) + y**2 - 10 * torch.cos(turn * y)

    def slope(x: float, y: float) -> Point:
        return 2 * x + 10 * turn * math.sin(turn * x), 2 * y + 10 * turn * math.sin(turn * y)

    low = [_rastrigin_root(k) for k in range(-5, 6)]  # the function is a sum over coordinates, and so are its minima
    height = [10 + t * t - 10 * math.cos(turn * t) for t in low]
    minima = [Minimum((low[i], low[j]), height[i] + height[j]) for i in range(len(low)) for j in range(len(low))]
    return Surface(
        name="rastrigin",
        title=later("Rastrigin’s many minima"),
        formula=r"f(x, y) = 20 + x^2 - 10 \cos 2\pi x + y^2 - 10 \cos 2\pi y",
        told="f(x, y) = 20 + x² − 10 cos 2πx + y² − 10 cos 2πy",
        value=value,
        slope=slope,
        x=(-3.4, 1.4),
        y=(-1.2, 2.4),
        start=(-2.4, 1.7),
        minima=tuple(minima),
        source=later(
            "Rastrigin 1974; here as in Mühlenbein, Schomisch and Born 1991, “The parallel genetic algorithm as "
            "function optimizer”"
        ),
    )


def _rastrigin_root(k: int) -> float:
    """Where 2t + 20π sin 2πt = 0 near the whole number k, by Newton's method."""
    t, turn = float(k), 2 * math.pi
    for _ in range(8):
        t -= (2 * t + 10 * turn * math.sin(turn * t)) / (2 + 10 * turn * turn * math.cos(turn * t))
    return t


# ── Of data ───────────────────────────────────────────────────────────────────────────────────────────────


def line(*, x: np.ndarray, y: np.ndarray, batch_size: int | None = None) -> Surface:
    """The mean squared error of ŷ = b + w·x over data x (N,), y (N,): a point of the surface is (b, w).

    Being quadratic in b and w, it needs of the data, or of a mini-batch of them, five means and no more. With a
    `batch_size`, a descent follows the slopes of mini-batches, drawn anew for each epoch without replacement.
    """
    xs, ys = (np.asarray(column, np.float64).ravel() for column in (x, y))
    if len(xs) != len(ys) or len(xs) < 2 or np.ptp(xs) == 0:
        raise ConfigError(f"surface line needs at least two pairs of different x, got {len(xs)} x and {len(ys)} y")
    if batch_size is not None and not (isinstance(batch_size, int) and 1 <= batch_size <= len(xs)):
        raise ConfigError(f"surface line: batch_size must be from 1 to {len(xs)}, got {batch_size!r}")
    columns = np.stack([xs, xs * xs, ys, xs * ys, ys * ys], 1)  # (N, 5)
    mx, mxx, my, mxy, myy = columns.mean(0).tolist()
    w = (mxy - mx * my) / (mxx - mx * mx)
    b = my - w * mx
    least = float(((b + w * xs - ys) ** 2).mean())

    def sampled(seed: int) -> Iterator[Slope]:
        assert batch_size is not None
        random = np.random.default_rng(seed)
        while True:
            order = random.permutation(len(xs))
            for first in range(0, len(xs), batch_size):
                yield _quadratic(*columns[order[first : first + batch_size], :4].mean(0).tolist())

    reach = 0.45 + abs(b), 0.6 + abs(w)
    return Surface(
        name="line",
        title=later("the loss of a line"),
        formula=r"f(b, w) = \frac1N \sum_i \left(b + w x_i - y_i\right)^2",
        told=later("f(b, w) = mean of (b + w·x − y)²"),
        value=lambda b, w: b**2 + 2 * b * w * mx + w**2 * mxx - 2 * b * my - 2 * w * mxy + myy,
        slope=_quadratic(mx, mxx, my, mxy),
        x=(b - reach[0], b + reach[0]),
        y=(w - reach[1], w + reach[1]),
        start=(0.0, 0.0),
        minima=(Minimum((b, w), least),),
        source=later("least squares"),
        axes=("bias b", "weight w"),
        sampled=sampled if batch_size is not None else None,
        per_epoch=math.ceil(len(xs) / batch_size) if batch_size is not None else 1,
    )


def _quadratic(mx: float, mxx: float, my: float, mxy: float) -> Slope:
    return lambda b, w: (2 * (b + w * mx - my), 2 * (b * mx + w * mxx - mxy))


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"ravine: {name} must be a number, got {value!r}")
    return float(value)


for _make in (bowl, ravine, rosenbrock, beale, plateau, saddle, himmelblau, rastrigin, line):
    SURFACES.add(_make.__name__, _make)
