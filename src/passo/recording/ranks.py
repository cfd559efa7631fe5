"""The effective rank of what a layer gives out: how many directions its outputs really use."""

from __future__ import annotations

import math

import torch
from torch import Tensor

ROWS = 4096


def effective_rank(x: Tensor) -> float:
    """exp of the entropy of the normalised singular values of x (N, U) (Roy & Vetterli 2007): from 1 to min(N, U).

    The values are the roots of the smaller Gram matrix's eigenvalues, in double precision. 0 where all of x is 0; NaN
    where it is not finite.

    >>> round(effective_rank(torch.eye(5)), 4), round(effective_rank(torch.ones(5, 3)), 4)
    (5.0, 1.0)
    """
    x = x.detach().double()
    gram = x.T @ x if x.shape[0] >= x.shape[1] else x @ x.T
    if not torch.isfinite(gram).all():
        return math.nan
    squares = torch.linalg.eigvalsh(gram)
    squares = squares[squares > 1e-14 * squares.max()]  # below lies only what rounding left
    if not len(squares):
        return 0.0
    shares = squares.sqrt() / squares.sqrt().sum()
    return float(torch.exp(-(shares * shares.log()).sum()))


def rows_of(output: Tensor, channels: bool | None) -> Tensor:
    """An output as a matrix (N, U): units beside each other, examples and positions below each other.

    `channels`: whether units lie on the second axis or on the last; None where the shape tells: images have four axes.
    Of very many rows at most about `ROWS`, or eight for each unit, are taken, evenly.
    """
    x = output.detach()
    if x.ndim < 2:
        return x.reshape(-1, 1)
    if (x.ndim > 3) if channels is None else channels:
        x = x.movedim(1, -1)
    x = x.reshape(-1, x.shape[-1])
    return x[:: max(1, len(x) // max(ROWS, 8 * x.shape[1]))].clone()
