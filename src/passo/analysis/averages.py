"""Averages over a series: the moving average, and the exponentially weighted one (EWMA).

    m_t = β·m_{t−1} + α·x_t,   m_0 = 0,   α = 1 − β

One smoothing has four names: α, β, the periods N = 2/α − 1 of the moving average whose values are as old on
average, and that average age, 1/α = (N + 1)/2, where today's value has age 1.

Source: D. V. Godoy, "Deep Learning with PyTorch Step-by-Step", volume I, chapter 6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from passo.errors import ConfigError

_BLOCK = 256


@dataclass(frozen=True, init=False)
class Smoothing:
    """How fast an EWMA forgets, given by exactly one of its four names.

    >>> s = Smoothing(periods=19)
    >>> round(s.beta, 12), round(s.average_age, 12)
    (0.9, 10.0)

    Raises ConfigError where none or several are given, or one is out of range: 0 < α ≤ 1, 0 ≤ β < 1, periods ≥ 1,
    average age ≥ 1.
    """

    alpha: float

    def __init__(
        self,
        *,
        alpha: float | None = None,
        beta: float | None = None,
        periods: float | None = None,
        average_age: float | None = None,
    ) -> None:
        names = {"alpha": alpha, "beta": beta, "periods": periods, "average_age": average_age}
        given = {name: value for name, value in names.items() if value is not None}
        if len(given) != 1:
            told = ", ".join(given) or "none"
            raise ConfigError(f"give exactly one of alpha, beta, periods, average_age; got {told}")
        ((name, value),) = given.items()
        object.__setattr__(self, "alpha", _alpha(name, float(value)))

    @property
    def beta(self) -> float:
        """β = 1 − α, the weight of the past."""
        return 1 - self.alpha

    @property
    def periods(self) -> float:
        """N = 2/α − 1: the moving average over N values has the same average age."""
        return 2 / self.alpha - 1

    @property
    def average_age(self) -> float:
        """1/α, in steps; today's value has age 1."""
        return 1 / self.alpha


def _alpha(name: str, value: float) -> float:
    """α from any of its names, each checked against its range."""
    names: dict[str, tuple[bool, str, Callable[[float], float]]] = {
        "alpha": (0 < value <= 1, "> 0 and ≤ 1", lambda alpha: alpha),
        "beta": (0 <= value < 1, "≥ 0 and < 1", lambda beta: 1 - beta),
        "periods": (1 <= value < np.inf, "≥ 1", lambda periods: 2 / (periods + 1)),
        "average_age": (1 <= value < np.inf, "≥ 1", lambda age: 1 / age),
    }
    fits, said, alpha = names[name]
    if not fits:
        raise ConfigError(f"{name} must be {said}, got {value:g}")
    return alpha(value)


def moving_average(x: Any, periods: int, axis: int = 0) -> np.ndarray:
    """The mean of the last `periods` values; NaN until there are so many. Same shape as x.

    >>> moving_average([1, 2, 3, 4], 2)
    array([nan, 1.5, 2.5, 3.5])

    Raises ConfigError for periods that are not a whole number ≥ 1.
    """
    if int(periods) != periods or periods < 1:
        raise ConfigError(f"periods must be a whole number ≥ 1, got {periods:g}")
    series = np.moveaxis(np.asarray(x, np.float64), axis, 0)
    means = np.full_like(series, np.nan)
    if periods <= len(series):
        windows = np.lib.stride_tricks.sliding_window_view(series, int(periods), axis=0)
        means[int(periods) - 1 :] = windows.mean(-1)
    return np.moveaxis(means, 0, axis)


def ewma(
    x: Any,
    smoothing: Smoothing | None = None,
    *,
    alpha: float | None = None,
    beta: float | None = None,
    periods: float | None = None,
    average_age: float | None = None,
    bias_correction: bool = False,
    axis: int = 0,
) -> np.ndarray:
    """The exponentially weighted moving average along an axis, in float64; same shape as x.

    It starts at m_0 = 0; with `bias_correction` it is divided by 1 − βᵗ, the sum of the weights given so far.
    Give a `Smoothing`, or one of its four names.

    >>> ewma([1.0, 1.0], beta=0.5)
    array([0.5 , 0.75])
    >>> ewma([1.0, 1.0], beta=0.5, bias_correction=True)
    array([1., 1.])
    """
    names = {"alpha": alpha, "beta": beta, "periods": periods, "average_age": average_age}
    if smoothing is None:
        smoothing = Smoothing(**names)
    elif any(value is not None for value in names.values()):
        raise ConfigError("give a Smoothing, or one of alpha, beta, periods, average_age; got both")
    series = np.moveaxis(np.asarray(x, np.float64), axis, 0)
    flat = series.reshape(len(series), -1)  # (T, M)
    averages = _recursion(flat, smoothing) if not np.isfinite(flat).all() else _blocks(flat, smoothing)
    if bias_correction:
        averages /= correction(smoothing, len(flat))[:, None]
    return np.moveaxis(averages.reshape(series.shape), 0, axis)


def _blocks(x: np.ndarray, smoothing: Smoothing) -> np.ndarray:
    """The recursion, 256 steps at a time: within a block a triangular matrix, between blocks what is carried.

    No power of β is ever divided by, so that nothing overflows, however long the series.
    """
    alpha, beta = smoothing.alpha, smoothing.beta
    size = min(_BLOCK, max(1, len(x)))
    powers = beta ** np.arange(size + 1)
    lag = np.subtract.outer(np.arange(size), np.arange(size))
    weights = np.where(lag >= 0, alpha * powers[np.maximum(lag, 0)], 0.0)  # (size, size), lower triangular
    averages, carried = np.empty_like(x), np.zeros(x.shape[1])
    for start in range(0, len(x), size):
        part = x[start : start + size]
        n = len(part)
        averages[start : start + n] = weights[:n, :n] @ part + powers[1 : n + 1, None] * carried
        carried = averages[start + n - 1]
    return averages


def _recursion(x: np.ndarray, smoothing: Smoothing) -> np.ndarray:
    """The recursion, step by step: a value that is not finite must not reach the steps before it."""
    averages, last = np.empty_like(x), np.zeros(x.shape[1])
    for t, value in enumerate(x):
        last = smoothing.beta * last + smoothing.alpha * value
        averages[t] = last
    return averages


def correction(smoothing: Smoothing, steps: int) -> np.ndarray:
    """1 − βᵗ for t = 1 … steps: how much of the whole weight has been given away by then. (steps,)"""
    with np.errstate(divide="ignore"):  # α = 1 forgets everything: log 0, and 1 − 0ᵗ = 1
        return -np.expm1(np.arange(1, steps + 1) * np.log1p(-smoothing.alpha))  # exact for an α near 0, too


def weights_by_lag(smoothing: Smoothing, lags: int) -> np.ndarray:
    """The weight of the value `lag` steps back in an EWMA: α·β^lag for lag = 0 … lags − 1. (lags,)

    >>> weights_by_lag(Smoothing(beta=0.5), 3)
    array([0.5  , 0.25 , 0.125])
    """
    return smoothing.alpha * smoothing.beta ** np.arange(lags, dtype=np.float64)


def moving_average_weights(periods: int, lags: int) -> np.ndarray:
    """The same for a moving average: 1/periods for the last `periods` values, then nothing. (lags,)

    >>> moving_average_weights(2, 3)
    array([0.5, 0.5, 0. ])
    """
    return np.where(np.arange(lags) < periods, 1 / periods, 0.0)
