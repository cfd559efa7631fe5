"""At which strength of a perturbation two models part: one has lost more of its accuracy than the other.

With a_m(s) the accuracy of model m at strength s, the difference of what was lost is, seed by seed,

    d(s) = [a₂(s) − a₂(0)] − [a₁(s) − a₁(0)]                above 0: the second has lost less

Each strength is tested (`resampled.mean_test`: Student's t below 20 seeds), and all strengths of one perturbation, on
both sides of 0, are corrected for together (Holm, `paired.holm`): that *any* of them is called different where none is
happens in at most 5 % of studies. The two part at the smallest strength that is told apart, and are apart up to the
last strength in an unbroken row of those that are told apart in the same direction. Very strong perturbations bring
both down to chance, so that models that part may meet again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from passo.analysis.intervals import Interval
from passo.analysis.needed import LEVEL
from passo.analysis.paired import holm, told_p
from passo.analysis.perturbed import Along, Side, sided, told
from passo.analysis.resampled import mean_test
from passo.analysis.tables import Table
from passo.analysis.words import ranged
from passo.language import t


@dataclass(frozen=True)
class Parting:
    """Two models along one side of a perturbation: k strengths from the smallest on, without 0.

    differences: d(s) at each strength, with its own 95 % interval. adjusted: (k,) Holm's p, for `count` strengths.
    at, until: the first and the last place in `strengths` where they are apart, None where they never are.
    """

    perturbation: str
    first: str
    second: str
    strengths: tuple[float, ...]
    differences: tuple[Interval, ...]
    adjusted: tuple[float, ...]
    count: int
    at: int | None
    until: int | None

    @property
    def n(self) -> int:
        """Seeds that both models have."""
        return self.differences[0].n

    @property
    def strength(self) -> float | None:
        """The smallest strength at which they are apart."""
        return None if self.at is None else self.strengths[self.at]

    @property
    def better(self) -> str | None:
        """Which of them has lost less there."""
        return None if self.at is None else self.second if self.differences[self.at].mean > 0 else self.first

    def sentence(self) -> str:
        """Where they part and how far they are apart there; or that they cannot be told apart."""
        fields = {"way": self._way(), "first": self.first, "second": self.second, "n": self.n, "count": self.count}
        if self.n < 2:
            return t("Along {way} one seed does not tell the {first} and the {second} apart.", **fields)
        if self.at is None or self.until is None:
            return t(
                "Along {way} it cannot be told that the {first} and the {second} lose differently, at any strength up "
                "to {last} ({n} seeds, corrected for {count} strengths).",
                last=told(self.perturbation, self.strengths[-1]),
                **fields,
            )
        gap = self.differences[self.at]
        return t(
            "Along {way} the two part at {strength}, where the {worse} has lost {points} points of accuracy more than "
            "the {better}{together} ({n} seeds, corrected for {count} strengths).",
            strength=told(self.perturbation, self.strengths[self.at]),
            worse=self.first if self.better == self.second else self.second,
            points=_points(gap if gap.mean > 0 else Interval(-gap.mean, -gap.high, -gap.low, gap.n)),
            better=self.better,
            together=self._together(),
            **fields,
        )

    def _together(self) -> str:
        """How far they stay apart, as a clause behind a comma; "" where the last strength is that at which they "
        "part."""
        if self.at is None or self.until is None or self.at == len(self.strengths) - 1:
            return ""
        if self.until == len(self.strengths) - 1:
            return f", {t('and they stay apart to the last strength')}"
        if self.until == self.at:
            return f", {t('and no more at the next strength')}"
        last = told(self.perturbation, self.strengths[self.until])
        return f", {t('and they stay apart up to {strength}', strength=last)}"

    def _way(self) -> str:
        """The perturbation, with the side of 0 that it is, where there are two."""
        sides = 1 if self.count == len(self.strengths) else 2
        return sided(self.perturbation, sides, -1 if self.strengths[0] < 0 else 1)

    def table(self) -> Table:
        """A row for each strength."""
        better = t("{model} has lost less by (points)", model=self.second)
        head = (t("strength"), better, t("p (corrected)"), t("apart"))
        rows = [
            (told(self.perturbation, strength), _points(gap), told_p(p), t("yes") if p <= LEVEL else t("no"))
            for strength, gap, p in zip(self.strengths, self.differences, self.adjusted, strict=True)
        ]
        note = t("Paired by seed; p: corrected by Holm for {count} strengths.", count=self.count)
        return Table(head, tuple(rows), note)


def _points(gap: Interval) -> str:
    """A difference of two shares, in points."""
    return ranged(gap, "accuracy", difference=True).replace(" %", "")


def parting(first: Along, second: Along) -> tuple[Parting, ...]:
    """Where two models part along one perturbation: one result for each side of 0, the smaller strengths first.

    Both were measured at the same strengths; raises `ValueError` where they were not, or share no seed.
    """
    mine, other = first.shared(second)
    if not mine or not np.array_equal(first.strengths, second.strengths):
        raise ValueError(f"{first.configuration} and {second.configuration} share no seed, or not all strengths")
    right = [
        one.right[at].sum(2) for one, at in ((first, mine), (second, other))
    ]  # counts: their differences are exact
    lost = [counts[:, :1] - counts for counts in right]
    mean, low, high, p = mean_test((lost[0] - lost[1]) / len(first.labels))  # of (n, K)
    adjusted = np.full(len(p), np.nan)
    adjusted[1:] = holm(p[1:])  # strength 0 is no comparison
    ends = [Interval(float(mean[k]), float(low[k]), float(high[k]), len(mine)) for k in range(len(p))]
    return tuple(_of_side(first, second, side, ends, adjusted) for side in first.sides)


def _of_side(first: Along, second: Along, side: Side, ends: list[Interval], adjusted: np.ndarray) -> Parting:
    places = side.places[1:]
    strengths, gaps = first.strengths[places], [ends[k] for k in places]
    apart = [p <= LEVEL for p in adjusted[places]]  # NaN is not
    at = apart.index(True) if any(apart) else None
    until = at
    while until is not None and until + 1 < len(places) and apart[until + 1]:
        if (gaps[until + 1].mean > 0) != (gaps[until].mean > 0):
            break
        until += 1
    return Parting(
        first.perturbation,
        first.model,
        second.model,
        tuple(strengths.tolist()),
        tuple(gaps),
        tuple(adjusted[places].tolist()),
        len(first.strengths) - 1,
        at,
        until,
    )
