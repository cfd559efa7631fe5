"""Differences of shares (accuracies, recalls, rates of confusion), paired by seed, corrected for how many there are.

A share of N images moves in steps of h = 1/N. Where all n differences fall into one step, their standard deviation is
0, which is not what is known of them: an even spread over one step has h/√12 (W. F. Sheppard, Proceedings of the London
Mathematical Society 29 (1898)). A smaller one counts as that, so that two seeds that happen to differ by the same
number of images do not seem certain:

    s = max(sd(d), h/√12)        t = mean(d) / (s/√n)

Beyond that the test is `resampled.mean_test`'s, and the correction Holm's (`paired.holm`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from passo.analysis.intervals import CONFIDENCE, Interval, interval, t_quantile, t_tails
from passo.analysis.needed import LEVEL, needed
from passo.analysis.paired import ALONE, APART, Paired, holm, told_p
from passo.analysis.resampled import mean_test
from passo.language import t

BySeed = Mapping[int | None, float]
SHARE = "accuracy"
"""A metric that `words` tells in percent, for what is a share."""


def share_interval(values: Sequence[float] | np.ndarray) -> Interval:
    """Mean and 95 % interval of shares over seeds, cut to what a share can be.

    >>> found = share_interval([0.99, 0.95])
    >>> round(found.low, 3), found.high
    (0.716, 1.0)
    """
    found = interval(values)
    low, high = (min(max(end, 0.0), 1.0) if found.known else end for end in (found.low, found.high))
    return Interval(found.mean, low, high, found.n)


def standing(found: Paired) -> str:
    """How a difference stands after the correction, for a table: "higher", "lower", or why that cannot be said."""
    if not found.known:
        return "—"
    return t(ALONE if found.alone else found.verdict)


def apart(found: Paired) -> str:
    """The same where it is asked only whether there is a difference: "yes", or why that cannot be said."""
    return t("yes") if found.verdict != APART else standing(found)


def corrected(found: Paired) -> str:
    """The corrected p, for a table."""
    return told_p(found.adjusted) if found.known else "—"


def unsure(found: Paired) -> str:
    """What a sentence says of a difference that the correction does not let count; "" of others, and of one seed."""
    if not found.known or found.verdict != APART:
        return ""
    return f", {t('distinguishable only by itself') if found.alone else t(APART)}"


def share_test(
    differences: np.ndarray, step: np.ndarray | float, confidence: float = CONFIDENCE
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean, low, high, p and the standard deviation that was used, over seeds.

    differences (n, k) of shares that move in steps of `step` (one, or (k,)) → five arrays (k,). One seed has a mean and
    NaN for the rest.

    >>> same = np.array([[0.02], [0.02]])  # two seeds, both 2 of 100 images apart
    >>> [round(float(found[0]), 4) for found in share_test(same, 0.01)]
    [0.02, -0.0059, 0.0459, 0.0648, 0.0029]
    """
    differences = np.asarray(differences, np.float64)
    n = len(differences)
    mean, low, high, p = (np.array(found) for found in mean_test(differences, confidence))
    if n < 2:
        return mean, low, high, p, np.full_like(mean, np.nan)
    least = np.broadcast_to(np.asarray(step, np.float64), mean.shape) / math.sqrt(12)
    sd = differences.std(0, ddof=1)
    flat = sd < least
    half = t_quantile((1 + confidence) / 2, n - 1) * least / math.sqrt(n)
    low, high = np.where(flat, mean - half, low), np.where(flat, mean + half, high)
    for i in np.flatnonzero(flat):
        p[i] = t_tails(float(mean[i] * math.sqrt(n) / least[i]), n - 1)
    return mean, low, high, p, np.where(flat, least, sd)


@dataclass(frozen=True)
class Versus:
    """Two named shares by seed, each of so many images, to be held against one another."""

    first: str
    second: str
    firsts: BySeed
    seconds: BySeed
    images: int

    @property
    def differences(self) -> np.ndarray:
        """first − second over the seeds that both have: (n,)."""
        return np.array([value - self.seconds[seed] for seed, value in self.firsts.items() if seed in self.seconds])


def differing(pairs: Sequence[Versus]) -> tuple[Paired, ...]:
    """The difference of each pair, all of them corrected for one another (Holm); NaN where two share no seed."""
    tests = [_test(pair, len(pairs)) for pair in pairs]
    adjusted = holm([test[3] for test, _ in tests])
    return tuple(
        Paired(
            mean=mean,
            low=low,
            high=high,
            n=len(pair.differences),
            first=pair.first,
            second=pair.second,
            sd=sd,
            p=p,
            adjusted=float(adjusted[i]),
            wide=wide,
            needed=needed(mean, low, high, sd, LEVEL / len(pairs)),
        )
        for i, (pair, ((mean, low, high, p, sd), wide)) in enumerate(zip(pairs, tests, strict=True))
    )


def _test(pair: Versus, count: int) -> tuple[tuple[float, ...], tuple[float, float]]:
    """`share_test` of one pair, and the ends of its interval at 1 − 0.05/count."""
    values = pair.differences[:, None]
    if not len(values):
        return (math.nan,) * 5, (math.nan, math.nan)
    found = tuple(float(each[0]) for each in share_test(values, 1 / pair.images))
    wide = share_test(values, 1 / pair.images, 1 - LEVEL / count)
    return found, (float(wide[1][0]), float(wide[2][0]))
