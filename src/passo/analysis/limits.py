"""The strength of a perturbation beyond which a model's accuracy falls below a level.

The limit of a seed is the smallest strength, from 0 outwards, at which its accuracy falls below the level, between two
measured strengths by a straight line. A limit over seeds is their mean with Student's t, and is only given where every
seed falls below.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from passo.analysis.intervals import Interval, interval
from passo.analysis.perturbed import Along, amount, told
from passo.analysis.words import joined

LEVEL = 0.6
_ROOM = 0.1  # of the level to chance, and to the accuracy on unchanged images


@dataclass(frozen=True)
class Limit(Interval):
    """Where one model's accuracy falls below a level: a strength, as a mean over `n` seeds.

    held: how many seeds never fall below, up to the strength `last`; then there is no mean (NaN).
    """

    model: str
    trained: str
    perturbation: str
    last: float
    held: int

    @property
    def found(self) -> bool:
        """Whether every seed falls below."""
        return not self.held

    def words(self) -> str:
        """The limit as a table says it."""
        if self.found:
            return amount(self.perturbation, self)
        largest = amount(self.perturbation, self.last)
        return f"beyond {largest}" if self.held == self.n else f"beyond {largest} for {self.held} of {self.n} seeds"


def usual_level(chance: float, clean: Sequence[float]) -> float:
    """60 %, or, where that is near to chance or to an accuracy on unchanged images, halfway between the two.

    Halfway is told in steps of 5 points, where there is room for it.

    >>> usual_level(0.1, [0.85, 0.9]), usual_level(0.5, [0.94, 0.95])
    (0.6, 0.7)
    """
    least = min(clean)
    if chance + _ROOM < LEVEL < least - _ROOM:
        return LEVEL
    steps = 20 if least - chance > 2 * _ROOM else 100
    return min(0.99, max(0.01, round(steps * (chance + least) / 2) / steps))


def limit(one: Along, level: float, side: int = 0) -> Limit:
    """Where accuracy falls below a level on one side of 0, beyond which its interval does not reach."""
    places = one.sides[side].places
    found = [crossing(one.strengths[places], own, level) for own in one.accuracy[:, places]]
    held = sum(map(math.isinf, found))
    over = Interval(math.nan, math.nan, math.nan, len(found)) if held else interval(found)
    last = float(one.strengths[places[-1]])
    low, high = (
        np.clip((over.low, over.high), 0, None) if last > 0 else np.clip((over.low, over.high), None, 0)
    ).tolist()
    return Limit(over.mean, low, high, over.n, one.model, one.trained, one.perturbation, last, held)


def crossing(strengths: np.ndarray, values: np.ndarray, level: float) -> float:
    """The first strength at which values (K,) fall below a level, on a straight line between two; ∞ where none does.

    >>> crossing(np.array([0.0, 2.0, 4.0]), np.array([0.9, 0.7, 0.5]), 0.6)
    3.0
    """
    below = np.flatnonzero(values < level)
    if not len(below):
        return math.inf
    if (k := int(below[0])) == 0:
        return float(strengths[0])
    share = (values[k - 1] - level) / (values[k - 1] - values[k])
    return float(strengths[k - 1] + share * (strengths[k] - strengths[k - 1]))


def fallen(limits: Sequence[Limit], level: float) -> str:
    """Where each of some models falls below a level on one side of 0, the least robust first; in one sentence."""
    below = sorted((one for one in limits if one.found), key=lambda one: abs(one.mean))
    above = [one for one in limits if not one.found]
    way, share = limits[0].perturbation, f"{100 * level:.0f} %"
    last = told(way, limits[0].last)
    if not below:
        names = joined([f"the {one.model}" for one in above])
        some = "" if all(one.held == one.n for one in above) else " in some seeds"
        return f"Up to {last}, {names} {'stay' if len(above) > 1 else 'stays'} above {share}{some}."
    first, *others = below
    text = f"Beyond {told(way, first)} the {first.model} falls below {share}"
    text += "".join(f", the {one.model} at {amount(way, one)}" for one in others)
    for one in above:
        some = "" if one.held == one.n else f" in {one.held} of {one.n} seeds"
        text += f"; the {one.model} stays above it{some} up to the strongest, {last}"
    return f"{text}."
