"""How many seeds it takes to tell two configurations apart, from their paired differences.

About m seeds show a mean difference δ of standard deviation σ with probability 0.8 (the test at level α):

    (t₁₋α⸝₂,ₘ₋₁ + t₀.₈,ₘ₋₁) σ/√m ≤ |δ|          the least such m

Taking δ and σ as they were seen makes m as unsure as these are: `least` takes the far end of the difference's
interval for δ, `most` the near one, and is None where that interval holds 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from passo.analysis.intervals import t_quantile
from passo.language import t

LEVEL, POWER = 0.05, 0.8
MOST = 1_000_000  # seeds that are counted up to


def seeds_needed(difference: float, sd: float, level: float = LEVEL, power: float = POWER) -> int | None:
    """About how many seeds show a paired difference of this mean and standard deviation; None for more than 10⁶.

    >>> seeds_needed(1.0, 1.0), seeds_needed(0.0, 1.0)
    (10, None)
    """
    if not (math.isfinite(difference) and math.isfinite(sd)) or difference == 0:
        return None
    ratio = sd / abs(difference)

    def enough(m: int) -> bool:
        return (_quantile(1 - level / 2, m - 1) + _quantile(power, m - 1)) * ratio <= math.sqrt(m)

    if not enough(MOST):
        return None
    low, high = 1, MOST  # low is not enough, high is
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _quantile(probability: float, freedom: int) -> float:
    """Student's t; from 300 degrees of freedom on the normal one, which is within 0.5 %."""
    return t_quantile(probability, freedom) if freedom < 300 else NormalDist().inv_cdf(probability)


@dataclass(frozen=True)
class Needed:
    """Seeds that would show the difference: `about`, if it is what was seen; `least` and `most` at its interval's ends.

    None: no number up to a million would do.
    """

    about: int | None
    least: int | None
    most: int | None

    def words(self) -> str:
        """ "about 12 (6 to 80)"; where the difference may be 0, "about 12 (6 or more)"."""
        if self.about is None:
            return t("more than a million") if self.least is None else t("{least:,} or more", least=self.least)
        if self.most is None:
            return t("about {about:,} ({least:,} or more)", about=self.about, least=self.least)
        return t("about {about:,} ({least:,} to {most:,})", about=self.about, least=self.least, most=self.most)


def needed(mean: float, low: float, high: float, sd: float, level: float = LEVEL) -> Needed:
    """Seeds for a difference with this interval and standard deviation; all None where there is none."""
    far, near = (low, high) if mean < 0 else (high, low)
    most = None if low <= 0 <= high else seeds_needed(near, sd, level)
    return Needed(seeds_needed(mean, sd, level), seeds_needed(far, sd, level), most)
