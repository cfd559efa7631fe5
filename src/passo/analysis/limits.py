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
from passo.language import t, tn

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
        if self.held == self.n:
            return t("beyond {largest}", largest=largest)
        return t("beyond {largest} for {held} of {n} seeds", largest=largest, held=self.held, n=self.n)


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
    way, share = limits[0].perturbation, 100 * level
    if not below:
        return _standing(above, share)
    first, *others = below
    text = t(
        "Beyond {strength} the {model} falls below {level:.0f} %",
        strength=told(way, first),
        model=first.model,
        level=share,
    )
    text += "".join(f", {t('the {model} at {amount}', model=one.model, amount=amount(way, one))}" for one in others)
    return text + "".join(f"; {_above(one)}" for one in above) + "."


def _standing(above: Sequence[Limit], share: float) -> str:
    """That none of them falls below the level, in all seeds or in some."""
    fields = {
        "last": told(above[0].perturbation, above[0].last),
        "models": joined([t("the {label}", label=one.model) for one in above]),
        "level": share,
    }
    if all(one.held == one.n for one in above):
        return tn(
            "Up to {last}, {models} stays above {level:.0f} %.",
            "Up to {last}, {models} stay above {level:.0f} %.",
            len(above),
            **fields,
        )
    return tn(
        "Up to {last}, {models} stays above {level:.0f} % in some seeds.",
        "Up to {last}, {models} stay above {level:.0f} % in some seeds.",
        len(above),
        **fields,
    )


def _above(one: Limit) -> str:
    """That a model stays above the level where another falls below it."""
    last = told(one.perturbation, one.last)
    if one.held == one.n:
        return t("the {model} stays above it up to the strongest, {last}", model=one.model, last=last)
    return t(
        "the {model} stays above it in {held} of {n} seeds up to the strongest, {last}",
        model=one.model,
        held=one.held,
        n=one.n,
        last=last,
    )
