"""What sets two models apart, number by number: paired by seed, turned towards who is ahead, corrected together.

A contrast has one number dᵢ for each seed i that both models have: by how much the second model of a pair is ahead of
the first, below 0 where it is behind; a difference, or the logarithm of a ratio. Its words are said of whoever is
ahead, so that the data choose the subject of the sentence.

    interval    of the mean of d, at 95 % by itself (Student's t; from 20 seeds on the studentised bootstrap)
    wide        the same at 1 − 0.05/k for k contrasts that are looked at together (Bonferroni): all k hold at once
    told        where Holm's adjusted p is at most 0.05: the chance that any of the k is told wrongly stays below 5 %
    surety      |mean| / standard error: what they are ranked by

Where numbers move in steps (whole epochs, shares of N images), seeds may agree by rounding alone: `paired_shares` says
what standard deviation then counts.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from passo.analysis.compare import in_points
from passo.analysis.intervals import CONFIDENCE, Interval
from passo.analysis.needed import LEVEL
from passo.analysis.paired import holm
from passo.analysis.paired_shares import share_test
from passo.analysis.words import bracketed, joined, ranged, significant
from passo.language import later, numeral, t

POINTS, RATIO, EPOCHS = "points", "times", "epochs"
BySeed = Mapping[int | None, float]
_WITH_UNIT = {
    RATIO: later("{amount} times"),
    EPOCHS: later("{amount} epochs"),
    "nats": later("{amount} nats"),
    "": "{amount}",
}


@dataclass(frozen=True)
class Contrast:
    """One thing in which two models may differ. Its words are messages, said in the language of whoever asks.

    name: what it is, as a list says it. says: what is said of the model that is ahead, with places for {by} and for
    the {other}. unit: "points" of differences of shares, "times" where values are logarithms of a ratio, else a word
    for what is counted ("" for a loss). values: the second's advantage by seed. step: what the values move in, if any.
    fields: of both messages; a function is one that is said. aside: says what a reader should know, in brackets.
    """

    part: str
    name: str
    says: str
    unit: str
    values: BySeed
    step: float = 0.0
    fields: Mapping[str, Any] = field(default_factory=dict)
    aside: Callable[[], str] | None = None

    @property
    def called(self) -> str:
        """Its name, said."""
        return t(self.name, **self._told())

    def of_ahead(self, by: str, other: str) -> str:
        """What is said of the model that is ahead."""
        return t(self.says, by=by, other=other, **self._told())

    def _told(self) -> dict[str, Any]:
        return {name: value() if callable(value) else value for name, value in self.fields.items()}


@dataclass(frozen=True)
class Contrasted(Interval):
    """A contrast with its mean, its own 95 % interval, p, Holm's adjusted p, and Bonferroni's interval (`wide`)."""

    contrast: Contrast
    labels: tuple[str, str]
    error: float
    p: float
    adjusted: float
    wide: tuple[float, float]

    @property
    def told(self) -> bool:
        """Whether the models can be told apart by it, after the correction."""
        return self.adjusted <= LEVEL

    @property
    def alone(self) -> bool:
        """Whether its own 95 % interval leaves out 0, and the correction does not let that count."""
        return not self.told and self.known and not self.low <= 0 <= self.high

    @property
    def surety(self) -> float:
        """|mean| in standard errors; infinite where all seeds gave the same, NaN where there is no interval."""
        return abs(self.mean) / self.error if self.error else math.inf if self.mean else 0.0

    @property
    def ahead(self) -> str:
        """The model that the mean is in favour of."""
        return self.labels[self.mean > 0]

    @property
    def behind(self) -> str:
        return self.labels[not self.mean > 0]

    def sentence(self, *, aside: bool = True) -> str:
        """Who is ahead, by how much, within what; or that this cannot be told."""
        if not self.told:
            return t(
                "The {first} and the {second} are not distinguishable in {name} ({amount}).",
                first=self.labels[0],
                second=self.labels[1],
                name=self.name,
                amount=self.amount(),
            )
        by, _, ends = self.amount(of_ahead=True).partition(" [")
        if self.contrast.unit == RATIO:
            by = t("about {factor} times", factor=significant(_exp(abs(self.mean)), 2))
        said = t(
            "The {model} {does}",
            model=self.ahead,
            does=self.contrast.of_ahead(by, t("the {label}", label=self.behind)),
        )
        more = f" ({self.contrast.aside()})" if aside and self.contrast.aside else ""
        return f"{said}{f' [{ends}' if ends else ''}{more}."

    @property
    def name(self) -> str:
        """What was compared, said."""
        return self.contrast.called

    def amount(self, *, of_ahead: bool = False) -> str:
        """The mean with its interval, in its unit: of the second's advantage, or of whoever is ahead.

        >>> values = {0: -0.07, 1: -0.08, 2: -0.09}
        >>> (found,) = contrasted([Contrast("sizes", "test accuracy", "is {by} more accurate", "points", values)], "ab")
        >>> found.amount(), found.amount(of_ahead=True)
        ('−8.0 points [−10.5, −5.5]', '8.0 points [5.5, 10.5]')
        """
        flipped = of_ahead and self.mean < 0
        mean, low, high = (-self.mean, -self.high, -self.low) if flipped else (self.mean, self.low, self.high)
        unit = self.contrast.unit
        if unit == RATIO:
            return _with(unit, ranged(Interval(_exp(mean), _exp(low), _exp(high), self.n)))
        sign = "+" if mean > 0 and not of_ahead else ""
        if unit == POINTS:
            return sign + in_points(ranged(Interval(mean, low, high, self.n), "accuracy", difference=True))
        if unit == EPOCHS:
            mean, low, high = (numeral(f"{end:.1f}".replace("-", "−")) for end in (mean, low, high))
            return sign + _with(unit, f"{mean} {bracketed(low, high)}" if self.known else mean)
        return sign + _with(unit, ranged(Interval(mean, low, high, self.n)))


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf


def _with(unit: str, text: str) -> str:
    """A mean and its interval with a unit behind the mean."""
    mean, gap, ends = text.partition(" [")
    return f"{t(_WITH_UNIT[unit], amount=mean)}{gap}{ends}"


class Compared(Protocol):
    """What one model came to: its label, and what each seed's run did."""

    @property
    def label(self) -> str: ...
    @property
    def runs(self) -> Mapping[int | None, Any]: ...


_Model = TypeVar("_Model", bound=Compared)


@dataclass(frozen=True)
class Beside(ABC, Generic[_Model]):
    """Two models beside each other, and what sets them apart."""

    each: tuple[_Model, _Model]

    @property
    @abstractmethod
    def contrasts(self) -> tuple[Contrast, ...]:
        """Those that the models' seeds allow."""

    @property
    def labels(self) -> tuple[str, str]:
        return self.each[0].label, self.each[1].label

    @property
    def n(self) -> int:
        """Seeds, the fewest of both."""
        return min(len(one.runs) for one in self.each)

    @cached_property
    def contrasted(self) -> tuple[Contrasted, ...]:
        """Its contrasts, corrected together."""
        return contrasted(self.contrasts, self.labels)


def contrasted(contrasts: Sequence[Contrast], labels: Sequence[str]) -> tuple[Contrasted, ...]:
    """Hold each contrast to its seeds, corrected for all that are given, in their order.

    One with a seed that has no number (NaN), or with a single seed, has no interval and is never told; it counts.
    """
    own = [_tested(one, CONFIDENCE) for one in contrasts]
    wide = [_tested(one, 1 - LEVEL / len(contrasts)) for one in contrasts]
    adjusted = holm([found[3] for found in own])
    first, second = labels
    return tuple(
        Contrasted(
            mean=mean,
            low=low,
            high=high,
            n=len(one.values),
            contrast=one,
            labels=(first, second),
            error=sd / math.sqrt(max(1, len(one.values))),
            p=p,
            adjusted=float(corrected),
            wide=(ends[1], ends[2]),
        )
        for one, (mean, low, high, p, sd), ends, corrected in zip(contrasts, own, wide, adjusted, strict=True)
    )


def _tested(one: Contrast, confidence: float) -> tuple[float, float, float, float, float]:
    """Mean, low, high, p and standard deviation of a contrast; NaN where there is none."""
    values = np.array(list(one.values.values()), np.float64)
    if not len(values) or not np.isfinite(values).all():
        return math.nan, math.nan, math.nan, math.nan, math.nan
    mean, low, high, p, sd = (float(found[0]) for found in share_test(values[:, None], one.step, confidence))
    return mean, low, high, p, sd


def less(part: str, name: str, says: str, unit: str, first: BySeed, second: BySeed) -> Contrast | None:
    """A contrast in which the smaller number is ahead; None where they share no seed, or a seed has no number."""
    values = {seed: first[seed] - second[seed] for seed in first if seed in second}
    if not values or not all(map(math.isfinite, values.values())):
        return None
    return Contrast(part, name, says, unit, values, step=1.0 if unit == EPOCHS else 0.0)


def told(found: Sequence[Contrasted]) -> list[str]:
    """Sentences: what sets the models apart, one sentence each; then, in one, what does not."""
    level = [one for one in found if not one.told]
    told = [one.sentence() for one in found if one.told]
    if not level or level[0].n < 2:
        return told
    first, second = level[0].labels
    names = joined([one.name for one in level])
    return [
        *told,
        t("The {first} and the {second} are not distinguishable in {names}.", first=first, second=second, names=names),
    ]
