"""Codes of an autoencoder, read: their principal components, and how well near codes are of one class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from passo.errors import UsageError


@dataclass(frozen=True)
class CodeMap:
    """points: (N, 2), the codes along their first two principal components; shares: of the variance that each shows.

    A code of two numbers is only turned and shifted, and its shares add up to 1. Of one number, the second is 0.
    """

    points: np.ndarray
    shares: tuple[float, float]


def code_map(codes: np.ndarray) -> CodeMap:
    """Principal components of codes (N, D): centred, and projected on the directions of most variance.

    The signs are chosen so that each direction's largest weight is positive. Source: Pearson 1901, by the singular
    value decomposition.

    >>> code_map(np.array([[0.0, 0.0], [0.0, 4.0], [1.0, 2.0], [-1.0, 2.0]])).shares
    (0.8, 0.2)
    """
    centred = np.asarray(codes, np.float64) - np.mean(codes, axis=0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    directions = directions[:2]
    largest = directions[np.arange(len(directions)), np.abs(directions).argmax(1)]
    directions = directions * np.sign(largest)[:, None]
    points = np.zeros((len(centred), 2))
    points[:, : len(directions)] = centred @ directions.T
    variance = sizes**2
    shares = (variance / variance.sum() if variance.sum() else variance)[:2]
    first, second = (round(float(share), 12) for share in (*shares, 0.0)[:2])
    return CodeMap(points, (first, second))


def neighbours_agree(codes: np.ndarray, labels: np.ndarray, k: int = 5) -> float:
    """The share of codes whose k nearest other codes mostly (ties: the lower class) have their label.

    The leave-one-out accuracy of k nearest neighbours, in all D dimensions and Euclidean distance.

    >>> neighbours_agree(np.array([[0.0], [0.1], [5.0], [5.1], [9.0]]), np.array([0, 0, 1, 1, 0]), k=1)
    0.8
    """
    if not 1 <= k < len(codes):
        raise UsageError(f"k must be from 1 to {len(codes) - 1}, one less than there are codes, got {k}")
    codes, labels = np.asarray(codes, np.float64), np.asarray(labels)
    squares = (codes**2).sum(1)
    right = 0
    for begin in range(0, len(codes), 500):  # so many rows of distances at a time
        part = slice(begin, begin + 500)
        away = squares[part, None] + squares - 2 * codes[part] @ codes.T  # (B, N)
        away[np.arange(len(away)), np.arange(begin, begin + len(away))] = np.inf
        near = labels[np.argpartition(away, k - 1, axis=1)[:, :k]]  # (B, k)
        votes = (near[:, :, None] == np.unique(labels)).sum(1)
        right += int((np.unique(labels)[votes.argmax(1)] == labels[part]).sum())
    return right / len(codes)
