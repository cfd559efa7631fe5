"""`[coarse_to_fine]`: a grid, then a narrower one around the best so far, and again.

The grid of round r + 1 lies, for every key, between the neighbours that the best value had in round r: with k points to
each side of it, at the fractions 1/(k+1), …, k/(k+1) of the way to each neighbour, on the key's scale. It ends when
the rounds are used up, or when a round's gain is inside the noise over seeds:

    d_s = (new best − old best) for seed s, in the better direction;   mean(d) ≤ 2 sd(d) / √n

With one seed the noise is not known, and the rounds alone end it. The grid never leaves the first one's ends; a best
that lies there is named, since the truth may lie beyond.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, get_args

from pydantic import Field, model_validator

from passo.errors import ConfigError
from passo.experiments.distributions import DIGITS, is_number
from passo.experiments.searching import Proposal, Scores, Search, Verdict, Walk, mean, ranking, swept
from passo.registry import unknown

Scale = Literal["linear", "log"]
POINTS = 5


@dataclass(frozen=True)
class Axis:
    """One key: the values of its first grid, in order, and the scale on which it is divided."""

    first: tuple[Any, ...]
    scale: Scale

    @property
    def sides(self) -> int:
        """How many points a later grid has on each side of the best."""
        return max(1, len(self.first) // 2)

    def around(self, best: float, grid: Sequence[float]) -> tuple[Any, ...]:
        """The next grid: the best, and points between it and its neighbours in this grid.

        >>> Axis((1, 10, 100), "linear").around(10, (1, 10, 100))
        (6, 10, 55)
        """
        values = {best}
        lower = [value for value in grid if value < best]
        upper = [value for value in grid if value > best]
        for neighbour in lower[-1:] + upper[:1]:
            values |= {self._between(best, neighbour, part / (self.sides + 1)) for part in range(1, self.sides + 1)}
        return tuple(sorted(values))

    def _between(self, low: float, high: float, share: float) -> Any:
        if self.scale == "log":
            value = low * (high / low) ** share
        else:
            value = low + (high - low) * share
        rounded = round(value) if self.whole else float(f"{value:.{DIGITS}g}")
        return sorted((low, rounded, high))[1]  # rounding leads beyond neither

    @property
    def ends(self) -> tuple[Any, Any]:
        return self.first[0], self.first[-1]

    @property
    def whole(self) -> bool:
        """Whole numbers throughout: batch sizes, widths. `[1.0, 10.0]` has fractions between its ends."""
        return all(isinstance(value, int) for value in self.first)


def axis(key: str, told: Any) -> Axis:
    """The axis that a study file gives a key: `{ range = [low, high], points = 5, scale = "log" }`, or
    `{ first = [1e-4, 1e-3, 1e-1], scale = "log" }` with the first grid itself.

    Raises `ConfigError` for anything else.
    """
    if not isinstance(told, Mapping) or len({"range", "first"}.intersection(told)) != 1:
        raise ConfigError(f'{key} needs {{ range = [low, high], scale = "log" }} or {{ first = [a, b, c] }}')
    for name in told:
        if name not in ("range", "first", "points", "scale"):
            raise ConfigError(f"{key}: {unknown('key', name, ['range', 'first', 'points', 'scale'])}")
    scale = told.get("scale", "linear")
    if scale not in get_args(Scale):
        raise ConfigError(f"{key}: scale must be 'linear' or 'log', got {scale!r}")
    given = told["range"] if "range" in told else told["first"]
    if not isinstance(given, list | tuple) or len(given) < 2 or not all(is_number(value) for value in given):
        raise ConfigError(f"{key} needs numbers in a list, two or more, got {given!r}")
    if list(given) != sorted(set(given)):
        raise ConfigError(f"{key} needs numbers that rise, got {given!r}")
    if scale == "log" and given[0] <= 0:
        raise ConfigError(f"{key}: scale log needs numbers > 0, got {given!r}")
    return Axis(_first(key, told, Axis(tuple(given), scale)), scale)


def _first(key: str, told: Mapping[str, Any], ends: Axis) -> tuple[Any, ...]:
    """The first grid: as it is given, or spread over the range."""
    points = told.get("points", POINTS)
    if "first" in told:
        if "points" in told:
            raise ConfigError(f"{key}: points belong to a range, and first lists its points itself")
        return ends.first
    if len(ends.first) != 2:
        raise ConfigError(f"{key}: a range is [low, high]; a grid of your own is first = {list(ends.first)}")
    if isinstance(points, bool) or not isinstance(points, int) or not 2 <= points <= 1000:
        raise ConfigError(f"{key}: points must be a whole number from 2 to 1000, got {points!r}")
    low, high = ends.first
    inner = {ends._between(low, high, part / (points - 1)) for part in range(1, points - 1)}
    return tuple(sorted({low, high, *inner}))


class CoarseToFine(Search):
    """Rounds of grids, each narrower and around the best so far."""

    rounds: int = Field(default=3, ge=1, le=50)

    @model_validator(mode="after")
    def _on_axes(self) -> CoarseToFine:
        self.axes()
        return self

    def axes(self) -> dict[str, Axis]:
        return {key: axis(key, told) for key, told in self.keys.items()}

    @property
    def count(self) -> int:
        axes = self.axes().values()
        later = math.prod(2 * one.sides + 1 for one in axes) - 1
        return math.prod(len(one.first) for one in axes) + (self.rounds - 1) * later

    def corners(self) -> list[Proposal]:
        return swept({key: one.first for key, one in self.axes().items()}, "round-1")

    def walk(self, stream: str) -> Walk:
        axes = self.axes()
        grids: dict[str, tuple[Any, ...]] = {key: one.first for key, one in axes.items()}
        seen: dict[tuple[Any, ...], tuple[Proposal, Sequence[float]]] = {}
        best, told, why = None, [], ""
        for number in range(1, self.rounds + 1):
            points = [point for point in product(*grids.values()) if point not in seen]
            if not points:
                why = "nothing new lies between the best and its neighbours"
                break
            proposals = [Proposal(f"round-{number}", dict(zip(axes, point, strict=True))) for point in points]
            scores: Scores = yield proposals
            seen |= {p: (made, one) for p, made, one in zip(points, proposals, scores, strict=True)}
            places = ranking([one for _, one in seen.values()], self.higher)
            if not places:
                return Verdict(None, math.nan, f"no configuration of round {number} ended with a finite {self.metric}")
            old, best = best, list(seen)[places[0]]
            gain = {} if old is None else gained(seen[old][1], seen[best][1], self.higher)
            proposal, values = seen[best]
            told.append({"round": number, "runs": len(points), "best": proposal.changes, "value": mean(values), **gain})
            if "noise" in gain and gain["gain"] <= gain["noise"]:
                told_gain = f"the gain of round {number}, {gain['gain']:.3g},"
                why = f"{told_gain} is inside the noise over seeds, {gain['noise']:.3g}"
                break
            grids = {key: axes[key].around(value, grids[key]) for key, value in zip(axes, best, strict=True)}
        assert best is not None
        edges = [key for key, value in zip(axes, best, strict=True) if value in axes[key].ends]
        why = why or f"all {self.rounds} rounds are used up"
        return Verdict(seen[best][0], mean(seen[best][1]), why, tuple(told), tuple(edges))


def gained(old: Sequence[float], new: Sequence[float], higher: bool) -> dict[str, float]:
    """The mean gain over seeds, and as `noise` twice its standard error, of which one seed tells nothing.

    >>> gained([1.0, 2.0], [0.5, 1.5], higher=False), gained([1.0], [2.0], higher=True)
    ({'gain': 0.5, 'noise': 0.0}, {'gain': 1.0})
    """
    gains = [(after - before) if higher else (before - after) for before, after in zip(old, new, strict=True)]
    if len(gains) < 2:
        return {"gain": gains[0]}
    return {"gain": statistics.fmean(gains), "noise": 2 * statistics.stdev(gains) / math.sqrt(len(gains))}
