"""Data before and after scaling: the spread of their values and the numbers of one image, for each way of scaling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from passo.data import Data
from passo.data.scaling import Scaling, histogram, scaling
from passo.errors import UsageError

BINS = 32
CROP = 5
ORDER = ("none", "normalize", "symmetric", "standardize")


@dataclass(frozen=True)
class ScaledWay:
    """One way of scaling, value = (raw / divisor − shift) / width, and what it makes of the training part.

    edges: (S, BINS + 1), the bins' edges after scaling. mean, sd, low, high: (S,), measured after scaling.
    crop: (h, w), the numbers of one image's crop after scaling; None for a table.
    """

    scaling: Scaling
    edges: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    low: np.ndarray
    high: np.ndarray
    crop: np.ndarray | None


@dataclass(frozen=True)
class ScaledData:
    """S series (an image's channels, a table's columns): `shares` (S, BINS) of the values in each bin, in any scale.

    `ways` are the ways of scaling, "none" first; `used` is the one that the data were loaded with. image: (C, H, W)
    uint8, whose first channel has the crop at `corner`, where it varies most; None for a table.
    """

    data: str
    count: int
    series: tuple[str, ...]
    shares: np.ndarray
    ways: tuple[ScaledWay, ...]
    used: str
    image: np.ndarray | None
    corner: tuple[int, int] | None


def scaled(data: Data, image: int = 0) -> ScaledData:
    """The training part of some data before and after scaling, with the numbers of its image no. `image`.

    A scaling moves and stretches, so that the shares of the bins stay; it is measured on the training part, as in a
    training. Raises `UsageError` for an image that the training part lacks.
    """
    raw = np.asarray(data.train.raw)
    if not 0 <= image < len(raw):
        raise UsageError(f"the training part has examples 0 to {len(raw) - 1}, got {image}")
    table = raw.ndim == 2
    values, weights = _table(raw) if table else _pixels(raw)
    edges = _edges(raw) if table else np.tile(np.linspace(0, 256, BINS + 1), (len(values), 1))
    rows = zip(values, edges, weights, strict=True)
    shares = np.stack([np.histogram(value, edge, weights=often)[0] / often.sum() for value, edge, often in rows])
    picture = None if table else raw[image].reshape(-1, *raw.shape[-2:])
    corner = None if picture is None else liveliest(picture[0])
    crop = None if picture is None or corner is None else _crop(picture[0], corner)
    used = data.scaling
    known = [used if name == used.name else scaling(name, raw) for name in ORDER]
    ways = tuple(_way(how, values, weights, edges, crop) for how in known)
    names = _names(data, len(values), table)
    return ScaledData(data.name, len(raw), names, shares, ways, used.name, picture, corner)


def _names(data: Data, series: int, table: bool) -> tuple[str, ...]:
    if table:
        return data.info.columns or tuple(f"column {number}" for number in range(1, series + 1))
    return {1: ("grey",), 3: ("red", "green", "blue")}.get(series, tuple(f"channel {n}" for n in range(series)))


def _pixels(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All values 0..255 and how often each occurs, channel by channel: both (S, 256)."""
    counts = histogram(raw).reshape(-1, 256)
    return np.tile(np.arange(256.0), (len(counts), 1)), counts.astype(np.float64)


def _table(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The columns (F, N), each value once."""
    return raw.T.astype(np.float64), np.ones(raw.T.shape)


def _edges(raw: np.ndarray) -> np.ndarray:
    """Even bins from the least to the greatest value of each column: (F, BINS + 1)."""
    low, high = raw.min(axis=0).astype(np.float64), raw.max(axis=0).astype(np.float64)
    return np.linspace(low, np.where(high > low, high, low + 1), BINS + 1).T


def _way(
    how: Scaling, values: np.ndarray, weights: np.ndarray, edges: np.ndarray, crop: np.ndarray | None
) -> ScaledWay:
    shift, width = (np.broadcast_to(np.atleast_1d(part), len(values))[:, None] for part in (how.mean, how.sd))
    after = (values / how.divisor - shift) / width  # (S, K)
    mean = (after * weights).sum(1) / weights.sum(1)
    sd = np.sqrt((((after - mean[:, None]) ** 2) * weights).sum(1) / weights.sum(1))
    there = weights > 0
    low, high = np.where(there, after, np.inf).min(1), np.where(there, after, -np.inf).max(1)
    cut = None if crop is None else (crop / how.divisor - shift[0]) / width[0]
    return ScaledWay(how, (edges / how.divisor - shift) / width, mean, sd, low, high, cut)


def liveliest(picture: np.ndarray, side: int = CROP) -> tuple[int, int]:
    """The (y, x) of the crop of `side` × `side` whose values vary most; (0, 0) of an image no larger than that."""
    if min(picture.shape) <= side:
        return 0, 0
    windows = np.lib.stride_tricks.sliding_window_view(picture.astype(np.float64), (side, side))
    y, x = np.unravel_index(int(windows.var(axis=(2, 3)).argmax()), windows.shape[:2])
    return int(y), int(x)


def _crop(picture: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
    y, x = corner
    return picture[y : y + CROP, x : x + CROP].astype(np.float64)
