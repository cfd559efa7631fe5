"""A claim as a sentence that numbers decide: what it says is a range, and its verdict is where the interval lies.

For each seed i a sentence has one number xᵢ, a difference of two settings or the logarithm of a ratio, and the words
name a range for its mean:

    higher        (0, ∞)           lower        (−∞, 0)
    not lower     (−margin, ∞)     about        (value − margin, value + margin)

The interval of the mean is at 1 − 0.05/k for k sentences that are tried together (Bonferroni), so that all k intervals
hold at once in at least 95 of 100 such trials: Student's t below 20 seeds, the studentised bootstrap from there.

    holds             the interval lies inside the range
    does not hold     it lies outside
    cannot be told    it lies across an end; about so many seeds would show a mean like this one beyond that end

Words are made from the same range as the verdict, so that no sentence can say another thing than its numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from passo.analysis.compare import in_points
from passo.analysis.intervals import Interval
from passo.analysis.needed import LEVEL, Needed, needed
from passo.analysis.resampled import mean_test
from passo.analysis.words import ranged, significant
from passo.errors import UsageError
from passo.language import numeral, t, tn

Says = Literal["higher", "lower", "not lower", "about"]
Unit = Literal["points", "ratio", "decades", ""]
Verdict = Literal["holds", "does not hold", "cannot be told"]


@dataclass(frozen=True)
class Said:
    """`what` is higher (lower, not lower by more than `margin`) `first` than `second`; or it is `about` a value.

    unit: "points" of differences of shares, "ratio" where the numbers are logarithms of first over second. `what`,
    `first` and `second` are messages (`language.later`), `fields` what stands in their braces.

    >>> Said("the test accuracy", "not lower", "with Adam", "with SGD", margin=0.01, unit="points").words
    'the test accuracy is at most 1 point lower with Adam than with SGD'
    """

    what: str
    says: Says
    first: str = ""
    second: str = ""
    value: float = 0.0
    margin: float = 0.0
    unit: Unit = ""
    fields: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        compared = bool(self.first and self.second)
        if compared == (self.says == "about"):
            raise UsageError(f"a sentence compares first with second, or says about what a value is: {self}")
        if (self.margin > 0) != (self.says in ("not lower", "about")):
            raise UsageError(f"a margin above 0 belongs to 'not lower' and 'about', and to no other: {self}")
        if self.value and self.says != "about":
            raise UsageError(f"a value belongs to 'about' alone: {self}")

    @property
    def range(self) -> tuple[float, float]:
        """Where the mean lies if the sentence is true."""
        if self.says == "about":
            return self.value - self.margin, self.value + self.margin
        return {"higher": (0.0, math.inf), "lower": (-math.inf, 0.0)}.get(self.says, (-self.margin, math.inf))

    @property
    def words(self) -> str:
        """The sentence."""
        what, first, second = (t(part, **self.fields) for part in (self.what, self.first, self.second))
        if self.says == "about":
            value, margin = significant(self.value), significant(self.margin)
            return t("{what} is {value} ± {margin}", what=what, value=value, margin=margin)
        told = {"what": what, "first": first, "second": second}
        if self.says == "higher":
            return t("{what} is higher {first} than {second}", **told)
        if self.says == "lower":
            return t("{what} is lower {first} than {second}", **told)
        if self.unit != "points":
            margin = significant(self.margin)
            return t("{what} is at most {margin} lower {first} than {second}", margin=margin, **told)
        points = f"{100 * self.margin:g}"
        return tn(
            "{what} is at most {points} point lower {first} than {second}",
            "{what} is at most {points} points lower {first} than {second}",
            1 if points == "1" else 2,
            points=numeral(points),
            **told,
        )


@dataclass(frozen=True)
class Tried:
    """A sentence and its numbers: values by seed, their mean with the interval that k sentences leave.

    Where a seed has no number (it never came to what is measured), its value is NaN, and nothing can be told.
    """

    said: Said
    values: Mapping[int, float]
    found: Interval
    count: int

    @cached_property
    def verdict(self) -> Verdict:
        """Where the interval lies; a sentence without one cannot be told."""
        low, high = self.said.range
        if not self.found.known:
            return "cannot be told"
        if low < self.found.low and self.found.high < high:
            return "holds"
        return "does not hold" if self.found.high < low or high < self.found.low else "cannot be told"

    @property
    def agreeing(self) -> int:
        """In how many seeds the number itself is in the range."""
        low, high = self.said.range
        return sum(low < value < high for value in self.values.values())

    @cached_property
    def needed(self) -> Needed | None:
        """The seeds that would show a mean like this one beyond the nearest end of the range; None without numbers."""
        if not self.found.known:
            return None
        values = np.array(list(self.values.values()))
        end = min((end for end in self.said.range if math.isfinite(end)), key=lambda e: abs(self.found.mean - e))
        ends = (self.found.low - end, self.found.high - end)
        return needed(self.found.mean - end, *ends, float(values.std(ddof=1)), LEVEL / self.count)

    def amount(self) -> str:
        """The mean with its interval in the sentence's own unit.

        >>> tried(Said("x", "higher", "a", "b", unit="ratio"), {0: 0.69, 1: 0.69, 2: 0.70}, 1).amount()
        '2.000 × [1.972, 2.029]'
        """
        found, unit = self.found, self.said.unit
        if not found.known:
            return "—"
        if unit == "ratio":
            mean, low, high = (math.exp(end) for end in (found.mean, found.low, found.high))
            return ranged(Interval(mean, low, high, found.n)).replace(" [", " × [")
        if unit == "points":
            text = in_points(ranged(found, "accuracy", difference=True))
        else:
            text = ranged(found).replace(" [", f" {t('decades')} [") if unit else ranged(found)
        return text if found.mean <= 0 or self.said.says == "about" else f"+{text}"

    def told(self) -> str:
        """The verdict, with the seeds that it would take where it cannot be told."""
        if self.verdict != "cannot be told":
            return told(self.verdict)
        lost = sum(not math.isfinite(value) for value in self.values.values())
        if lost:
            return tn(
                "cannot be told: {n} of {count} seeds never came to it",
                "cannot be told: {n} of {count} seeds never came to it",
                lost,
                count=len(self.values),
            )
        if self.needed is None:
            return t("cannot be told from one seed")
        return t("cannot be told; seeds needed: {needed}", needed=self.needed.words())


def told(verdict: Verdict) -> str:
    """A verdict as a table says it."""
    return {"holds": t("holds"), "does not hold": t("does not hold"), "cannot be told": t("cannot be told")}[verdict]


def tried(said: Said, values: Mapping[int, float], count: int) -> Tried:
    """Hold a sentence to its numbers, by seed, as one of `count` that are tried together."""
    if not values or count < 1:
        raise UsageError(f"a sentence needs a number for each seed, and is one of 1 or more: {said.words}")
    column = np.array([[value] for value in values.values()], np.float64)
    mean, low, high, _ = (float(end[0]) for end in mean_test(column, 1 - LEVEL / count))
    return Tried(said, dict(values), Interval(mean, low, high, len(values)), count)
