"""The largest eigenvalue of a symmetric operator that is known only by its products with vectors: Lanczos's method.

A Hessian-vector product costs about two gradients and needs no Hessian (Pearlmutter 1994). Power iteration finds the
eigenvalue of the largest size, which at a training's start may be negative; Lanczos's finds the largest one, and in
fewer products (Golub & Van Loan, Matrix Computations, section 10.1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

TOLERANCE = 0.01
MOST = 48


class Largest(NamedTuple):
    """An eigenvalue, its `residual` ‖Av − λv‖ / |λ| for the unit vector v found, and how many `products` it took.

    Some eigenvalue of A lies within |λ| · residual of it. It has converged where the residual is at most `TOLERANCE`.
    """

    value: float
    residual: float
    products: int


def largest(
    product: Callable[[Tensor], Tensor], start: Tensor, *, tolerance: float = TOLERANCE, most: int = MOST
) -> Largest:
    """The largest eigenvalue of a symmetric A, with `product(v)` = Av, from a random vector `start` (D,).

    Every new vector is made orthogonal to all before, twice (Parlett 1998, section 6.9), so that rounding brings no
    copies of eigenvalues. At most `most` vectors of D numbers are held. NaN where a product is not finite.

    >>> a = torch.diag(torch.tensor([-5.0, 1.0, 3.0]))
    >>> round(largest(lambda v: a @ v, torch.ones(3)).value, 4)
    3.0
    """
    size = start.numel()
    basis: list[Tensor] = []
    diagonal: list[float] = []
    beside: list[float] = []
    vector = start / start.norm()
    value, weights = float("nan"), np.ones(1)
    while len(basis) < min(most, size):
        basis.append(vector)
        image = product(vector)
        diagonal.append(float(image @ vector))
        for other in (*basis, *basis):
            image = image - (other @ image) * other
        left = float(image.norm())
        if not np.isfinite([left, diagonal[-1]]).all():
            return Largest(float("nan"), float("nan"), len(basis))
        small = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
        values, vectors = np.linalg.eigh(small)
        value, weights = float(values[-1]), vectors[:, -1]
        if left * abs(weights[-1]) <= 0.5 * tolerance * abs(value) or left <= 1e-7 * np.abs(values).max():
            break
        beside.append(left)
        vector = image / left
    found = torch.zeros_like(start)
    for weight, vector in zip(weights.tolist(), basis, strict=True):
        found = found.add_(vector, alpha=weight)
    found = found / found.norm()
    off = float((product(found) - value * found).norm())
    return Largest(value, off / abs(value) if value else (float("inf") if off else 0.0), len(basis) + 1)
