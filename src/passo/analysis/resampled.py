"""The studentised bootstrap: an interval and a test of a mean that do not take the values for normal.

With n values d₁ … d_n, mean m and standard error e = s/√n, draw n of them with replacement, again and again, and look
at how far each draw's mean m* is from m in its own standard errors:

    t* = (m* − m) / e*            interval: [m − q₀.₉₇₅(t*)·e, m − q₀.₀₂₅(t*)·e]

The quantiles q of t* take the place of Student's, one for each side, so that skewed values get a lopsided interval.
All columns are drawn alike (one set of draws of rows), so that differences of the same seeds stay together.

A draw that holds one value only has no spread: its t* counts as ±∞ (0 where its mean is m). With many ties an end may
therefore be infinite, which says that the values cannot tell.

B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap (1993), section 12.5; P. Hall, "Theoretical Comparison of
Bootstrap Confidence Intervals", Annals of Statistics 16 (1988): its error shrinks as 1/n, the percentile's as 1/√n on
each side. BCa shares the rate and covers less at 20 values (docs/comparing.md has what was measured).
"""

from __future__ import annotations

import functools
import math

import numpy as np

from passo.analysis.intervals import CONFIDENCE, intervals, t_tails
from passo.language import t

FROM = 20  # values: below, a bootstrap has too little to draw from
DRAWS = 9_999
_CELLS = 4_000_000  # of draws × columns held at a time


@functools.lru_cache(maxsize=4)
def _counts(n: int, draws: int) -> np.ndarray:
    """How often each of n rows is in each draw: (draws, n); the same in every call, so that a result is too."""
    places = np.random.default_rng(20_261).integers(0, n, (draws, n)) + n * np.arange(draws)[:, None]
    return np.bincount(places.ravel(), minlength=n * draws).reshape(draws, n).astype(np.float64)


def mean_test(values: np.ndarray, confidence: float = CONFIDENCE) -> tuple[np.ndarray, ...]:
    """Mean, low, high and p over the first axis: Student's t below 20 values, the studentised bootstrap from there.

    values (n, k) → four arrays (k,). One value has a mean, and NaN for the rest.

    >>> [round(float(found[0]), 3) for found in mean_test(np.array([[1.0], [2.0], [3.0]]))]
    [2.0, -0.484, 4.484, 0.074]
    """
    values = np.asarray(values, np.float64)
    if len(values) >= FROM:
        return bootstrap_t(values, confidence)
    mean, low, high = intervals(values, confidence)
    if len(values) < 2:
        return mean, low, high, np.full_like(mean, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = mean / (values.std(0, ddof=1) / math.sqrt(len(values)))
    t = np.where(np.isnan(t) & (mean == 0), 0.0, t)  # all differences are 0
    p = np.array([math.nan if math.isnan(one) else t_tails(float(one), len(values) - 1) for one in t])
    return mean, low, high, p


def method(n: int) -> str:
    """What `mean_test` does with n values, as a note says it."""
    return t("studentised bootstrap") if n >= FROM else t("Student's t")


def studentised(values: np.ndarray, draws: int = DRAWS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (k,), standard error (k,) and sorted t* (draws, k) of the columns of values (n, k)."""
    n = len(values)
    mean = values.mean(0)
    error = values.std(0, ddof=1) / math.sqrt(n)
    centred = values - mean
    counts = _counts(n, draws)
    shift = counts @ centred / n  # m* − m, (draws, k)
    spread = np.sqrt(np.maximum(counts @ centred**2 / n - shift**2, 0) / (n - 1))
    rounding = 1e-7 * np.abs(centred).max(0)  # below it, a difference of squares is nothing but rounding
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(spread > rounding, shift / spread, np.copysign(np.inf, shift))
    t = np.where((spread <= rounding) & (np.abs(shift) <= rounding), 0.0, t)
    return mean, error, np.sort(t, 0)


def bootstrap_t(
    values: np.ndarray, confidence: float = CONFIDENCE, draws: int = DRAWS
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean, low, high and two-sided p (of "the mean is 0") over the first axis: values (n, k) → four arrays (k,).

    The p is that of the interval: small where an interval of that confidence still leaves out 0; the least p is
    2/(draws + 1). Ends that so many draws cannot tell are infinite. Columns that are not finite get NaN. Raises
    `ValueError` for fewer than two values.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or len(values) < 2:
        raise ValueError(f"need values (n, k) with n ≥ 2, got shape {values.shape}")
    width = max(1, _CELLS // draws)
    parts = [_one(values[:, at : at + width], confidence, draws) for at in range(0, values.shape[1], width)]
    mean, low, high, p = (np.concatenate(column) for column in zip(*parts, strict=True))
    return mean, low, high, p


def _one(values: np.ndarray, confidence: float, draws: int) -> tuple[np.ndarray, ...]:
    finite = np.isfinite(values).all(0)
    mean, error, t = studentised(np.where(finite, values, 0.0), draws)
    tail = round((1 - confidence) / 2 * (draws + 1))  # the order statistic that leaves so much outside
    with np.errstate(invalid="ignore"):
        low, high = (mean - end * error for end in ((t[draws - tail], t[tail - 1]) if tail else (np.inf, -np.inf)))
    flat = error <= 1e-12 * np.abs(mean)  # all values alike: the mean is certain, as far as they say
    low, high = np.where(flat, mean, low), np.where(flat, mean, high)
    p = np.where(flat, (mean == 0).astype(float), _p(mean, error, t, draws))
    return tuple(np.where(finite, found, np.nan) for found in (values.mean(0), low, high, p))


def _p(mean: np.ndarray, error: np.ndarray, t: np.ndarray, draws: int) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = mean / error
    above, below = ((t >= seen).sum(0), (t <= seen).sum(0))
    return np.minimum(1.0, 2 * (np.minimum(above, below) + 1) / (draws + 1))
