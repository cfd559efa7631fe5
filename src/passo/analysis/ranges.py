"""Learning-rate range tests of one configuration, over seeds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from passo.analysis.curves import runs_of
from passo.analysis.intervals import Interval, interval, intervals
from passo.analysis.tables import Table
from passo.analysis.words import bracketed, joined, significant
from passo.language import later, numeral, t
from passo.store import StoredStudy

if TYPE_CHECKING:
    from passo.experiments.ranges import LrRange

_SAYS = {
    "steepest": later("the smoothed loss falls most steeply at a learning rate of {rate}"),
    "valley": later("the longest valley of the smoothed loss suggests a learning rate of {rate}"),
    "minimum/10": later("a tenth of the learning rate with the lowest smoothed loss is {rate}"),
    "slide": later("the slide rule suggests a learning rate of {rate}"),
}
THIS_MODEL = later("this model")
_DRAWN = (later("initialisation"), later("batch order"))  # what `RangeSummary.varied` may hold, beside "dropout"


def typed(rate: float) -> str:
    """A rate as one types it, to three significant digits.

    >>> typed(0.0012345), typed(4.2171e-5)
    ('0.00123', '4.22e-5')
    """
    return re.sub(r"e([+-])0*", lambda sign: f"e{sign[1]}".replace("+", ""), f"{rate:.3g}")


@dataclass(frozen=True)
class RangeCurve:
    """One seed's test: lr, loss, smoothed (T,); the rate suggested, and the one at which it diverged, or None.

    `suggestions` has the rate of each rule, without those that found none; `drawn` digests of what the seed decided.
    """

    seed: int | None
    lr: np.ndarray
    loss: np.ndarray
    smoothed: np.ndarray
    suggestion: float
    diverged_at: float | None
    suggestions: Mapping[str, float] = field(default_factory=dict)
    drawn: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Suggestion(Interval):
    """What one rule suggests: `mean`, geometric, and its interval over the n seeds that have one, in `values`."""

    rule: str
    values: tuple[float, ...]

    def __str__(self) -> str:
        mean, low, high = (numeral(typed(rate)) for rate in (self.mean, self.low, self.high))
        return f"{mean} {bracketed(low, high)}" if self.known else mean


@dataclass(frozen=True)
class RangeSummary:
    """The tests of one configuration, by seed. `rule` is the one whose suggestion counts; `mode` spaces the rates."""

    name: str
    curves: tuple[RangeCurve, ...]
    rule: str = "steepest"
    mode: str = "exponential"

    @property
    def suggestion(self) -> float:
        """The geometric mean of the seeds' suggestions: rates are compared on a log axis."""
        return float(np.exp(np.mean(np.log(self._suggested))))

    @property
    def lowest(self) -> float:
        return min(self._suggested)

    @property
    def highest(self) -> float:
        return max(self._suggested)

    @property
    def _suggested(self) -> list[float]:
        return [curve.suggestion for curve in self.curves if np.isfinite(curve.suggestion)]

    @property
    def diverged(self) -> int:
        """How many of the tests ended because the loss had grown far above its best."""
        return sum(curve.diverged_at is not None for curve in self.curves)

    @property
    def varied(self) -> tuple[str, ...]:
        """What differed between the seeds: of "initialisation", "batch order" and "dropout"."""
        first = self.curves[0].drawn
        return tuple(what for what in first if len({curve.drawn.get(what) for curve in self.curves}) > 1)

    @cached_property
    def suggestions(self) -> tuple[Suggestion, ...]:
        """Each rule's, with a t-interval of the logarithms over seeds.

        It is never narrower than the way from one tested rate to the next: nothing is known of what lies between.
        """
        names = list(dict.fromkeys(name for curve in self.curves for name in (self.rule, *curve.suggestions)))
        names.sort(key=lambda name: list(_SAYS).index(name) if name in _SAYS else len(_SAYS))
        return tuple(found for name in names if (found := self._suggestion(name)) is not None)

    def _suggestion(self, rule: str) -> Suggestion | None:
        given = [curve.suggestions.get(rule, curve.suggestion if rule == self.rule else None) for curve in self.curves]
        values = [value for value in given if value is not None and np.isfinite(value)]
        if not values:
            return None
        found = interval(np.log(values))
        half = max(found.half, self._step(np.exp(found.mean) * (10 if rule == "minimum/10" else 1)) / 2)
        low, high = (found.mean - half, found.mean + half) if found.known else (np.nan, np.nan)
        mean, low, high = (float(np.exp(end)) for end in (found.mean, low, high))
        return Suggestion(mean, low, high, len(values), rule, tuple(values))

    def _step(self, lr: float) -> float:
        """The way between the two tested rates around a rate, on the log axis."""
        rates = max((curve.lr for curve in self.curves), key=len)
        i = int(np.clip(np.searchsorted(rates, lr), 1, len(rates) - 1))
        return float(np.log(rates[i] / rates[i - 1]))

    @cached_property
    def band(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Rates, mean of the smoothed losses and its 95 % interval (T,), as far as no seed's test has ended.

        Beyond that, a mean over the seeds that are left would be one over those that got away.
        """
        lengths = [int(np.isfinite(curve.smoothed).sum()) for curve in self.curves]
        n = min(lengths)
        return (self.curves[0].lr[:n], *intervals(np.stack([curve.smoothed[:n] for curve in self.curves])))

    def table(self) -> Table:
        """What each rule suggests, the chosen one marked."""
        n = len(self.curves)
        rows = tuple(
            (
                f"{found.rule} *" if found.rule == self.rule else found.rule,
                numeral(typed(found.mean)),
                _span(found.low, found.high) if found.known else "–",
                _span(min(found.values), max(found.values)) if n > 1 else "–",
                t("{n} of {all}", n=found.n, all=n),
            )
            for found in self.suggestions
        )
        note = t("* the chosen rule")
        if n > 1 and self.varied:
            note = t(
                "* the chosen rule; geometric means over {n} seeds that differ in {what}",
                n=n,
                what=joined([t(what) for what in self.varied]),
            )
        heads = (t("rule"), t("suggested lr"), t("95 % interval"), t("seeds from, to"), t("seeds"))
        return Table(heads, rows, note)

    def sentence(self) -> str:
        """What the chosen rule says, and how well the seeds agree."""
        says = _SAYS.get(self.rule, later("the suggested learning rate is {rate}"))
        said = t(says, rate=significant(self.suggestion))
        found = next(each for each in self.suggestions if each.rule == self.rule)
        if len(self.curves) == 1:
            return t("For {name} {said} (one seed).", name=t(self.name), said=said)
        spread = joined([significant(value) for value in found.values])
        if found.n > 5:
            spread = t("{low} to {high}", low=significant(self.lowest), high=significant(self.highest))
        return t(
            "For {name} {said} (geometric mean of {n} seeds, which suggest {spread}; 95 % interval {low} to {high}).",
            name=t(self.name),
            said=said,
            n=found.n,
            spread=spread,
            low=significant(found.low),
            high=significant(found.high),
        )


def _span(low: float, high: float) -> str:
    return t("{low} to {high}", low=numeral(typed(low)), high=numeral(typed(high)))


def lr_ranges(study: StoredStudy, name: str) -> RangeSummary:
    """All range tests of one name."""
    runs = runs_of(study, name, "lr_range")
    curves = [
        RangeCurve(
            run.seed,
            run.array("lr"),
            run.array("loss"),
            run.array("smoothed"),
            float(run.info["suggestion"]),
            run.info.get("diverged_at"),
            {rule: rate for rule, rate in run.info.get("suggestions", {}).items() if rate is not None},
            run.info.get("drawn", {}),
        )
        for run in runs
    ]
    info: dict[str, Any] = runs[0].info
    return RangeSummary(name, tuple(curves), info.get("rule", "steepest"), info.get("mode", "exponential"))


def range_summary(found: LrRange, name: str = THIS_MODEL) -> RangeSummary:
    """The same of what `passo.lr_range` returns."""
    curves = [
        RangeCurve(
            test.seed,
            test.lr,
            test.loss,
            test.smoothed,
            test.suggestions[found.rule],
            test.diverged_at,
            {rule: rate for rule, rate in test.suggestions.items() if np.isfinite(rate)},
            test.drawn,
        )
        for test in found.tests
    ]
    return RangeSummary(name, tuple(curves), found.rule, found.plan.mode)


def rules_agree(suggestions: Sequence[Suggestion]) -> str:
    """How far the rules are from each other, in a sentence; empty where there is one rule."""
    if len(suggestions) < 2:
        return ""
    low, high = (pick(suggestions, key=lambda found: found.mean) for pick in (min, max))
    return t(
        "The rules differ by a factor of {factor}: {lowest} is the lowest with {low}, {highest} the highest with "
        "{high}.",
        factor=significant(high.mean / low.mean, 2),
        lowest=low.rule,
        low=significant(low.mean),
        highest=high.rule,
        high=significant(high.mean),
    )
