"""Four rules that read a learning rate off a range test, each as its authors defined it.

All of them were made for exponential tests; on linear ones they answer too, and the steepest is the one to look at.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from passo.registry import unknown

NOISE = 4.0  # the smoothed loss falls where it does so by so many standard deviations of that difference
SINGLE = 6.0  # and so does a loss where a single mini-batch lies so many below the average


def steepest(lr: np.ndarray, smoothed: np.ndarray, steps: int, *, linear: bool = False) -> float:
    """Where the smoothed loss falls most steeply, before its minimum.

    The slope is the one on the drawn axis: per decade in an exponential test, per unit of rate in a linear one.
    Source: Gugger 2018, "How do you find a good learning rate"; fastai 2 `callback/schedule.py: steep`.
    """
    start, stop = _descent(smoothed, linear)
    x = lr[start:stop] if linear else np.log10(lr[start:stop])
    return float(lr[start + int(np.argmin(np.gradient(smoothed[start:stop], x)))])


def valley(lr: np.ndarray, smoothed: np.ndarray, steps: int, *, linear: bool = False) -> float:
    """The middle of the longest valley.

    The valley is the longest strictly decreasing subsequence of the smoothed losses; with its (first) end at position e
    and its length n, the suggestion stands at e − n + ⌊n/3⌋ + ⌊n/6⌋. Source: fastai 2 `callback/schedule.py: valley`,
    its own default, after ESRI's ArcGIS.
    """
    lr, smoothed = _window(lr, smoothed, steps, linear)
    lengths = np.ones(len(lr), int)
    for i in range(1, len(lr)):
        longer = lengths[:i][smoothed[:i] > smoothed[i]]
        lengths[i] = 1 + longer.max(initial=0)
    end = int(np.argmax(lengths))
    n = int(lengths[end])
    return float(lr[max(0, end - n + n // 3 + n // 6)])


def tenth_of_minimum(lr: np.ndarray, smoothed: np.ndarray, steps: int, *, linear: bool = False) -> float:
    """A tenth of the rate at which the smoothed loss is lowest.

    Source: fastai 2 `callback/schedule.py: minimum`; Gugger 2018 too goes one order of magnitude below the minimum.
    """
    lr, smoothed = _window(lr, smoothed, steps, linear)
    return float(lr[np.argmin(smoothed)]) / 10


def slide(lr: np.ndarray, smoothed: np.ndarray, steps: int, *, linear: bool = False) -> float:
    """The left end of an interval that slides from the largest rate down, until the curve is straight over it.

    The interval is 15 steps wide in a test of 100. It stops where the slopes of the smoothed loss (per step) at its two
    ends differ by at most 0.005; the answer is its left end one step before that. The slope and the width are scaled
    for tests of another length. Source: fastai 2 `callback/schedule.py: slide`, which answers with the smallest rate
    where the interval never stops; here there is no suggestion then. The threshold is in units of the loss: this rule
    alone changes its mind where the loss is scaled.
    """
    lr, smoothed = _window(lr, smoothed, steps, linear)
    width, limit = max(1, round(15 * steps / 100)), 0.005 * 100 / steps
    slope = np.gradient(smoothed) if len(lr) > width else np.array([])
    found = len(lr) - 1 - width
    for left in range(found, -1, -1):
        if abs(slope[left + width] - slope[left]) <= limit:
            return float(lr[found])
        found = left
    return np.nan


RULES: dict[str, Callable[..., float]] = {
    "steepest": steepest,
    "valley": valley,
    "minimum/10": tenth_of_minimum,
    "slide": slide,
}


def check_rule(name: str) -> str:
    """The name itself; raises `UnknownName`, with the nearest and the list, where no rule has it."""
    if name not in RULES:
        raise unknown("rule", name, RULES)
    return name


def suggest(
    lr: np.ndarray, loss: np.ndarray, smoothed: np.ndarray, steps: int, *, beta: float = 0.9, linear: bool = False
) -> dict[str, float]:
    """What each rule reads off one test: lr, loss, smoothed (T,) of `steps` asked for; NaN where it finds nothing.

    A loss that does not fall further than its own noise gets no suggestion from any rule.

    >>> lr = np.geomspace(1e-5, 1, 100)
    >>> smoothed = 2.3 - 2 / (1 + (0.003 / lr) ** 2) + 30 * lr**2
    >>> {name: round(rate, 4) for name, rate in suggest(lr, smoothed, smoothed, 100).items()}
    {'steepest': 0.003, 'valley': 0.0007, 'minimum/10': 0.0027, 'slide': 0.0001}
    """
    kept = np.isfinite(smoothed)
    lr, loss, smoothed = lr[kept], loss[kept], smoothed[kept]
    if not _falls(loss, smoothed, beta, linear):
        return dict.fromkeys(RULES, np.nan)
    return {name: rule(lr, smoothed, steps, linear=linear) for name, rule in RULES.items()}


def _window(lr: np.ndarray, smoothed: np.ndarray, steps: int, linear: bool) -> tuple[np.ndarray, np.ndarray]:
    """fastai's: without the first tenth of the steps asked for and without the last five of those made."""
    first = min(_first(steps, linear) if linear else steps // 10, len(lr) - 1)
    kept = slice(first, max(len(lr) - 5, first + 1))
    return lr[kept], smoothed[kept]


def _descent(smoothed: np.ndarray, linear: bool) -> tuple[int, int]:
    """From where averages are no longer young to the minimum after it: positions start:stop."""
    start = _first(len(smoothed), linear)
    return start, start + int(np.argmin(smoothed[start:])) + 1 if len(smoothed) > start else start


def _first(steps: int, linear: bool) -> int:
    """The first tenth is left out; of a linear test, whose loss falls at once, only two steps."""
    return 2 if linear else max(2, steps // 10)


def _falls(loss: np.ndarray, smoothed: np.ndarray, beta: float, linear: bool) -> bool:
    """Whether the loss falls by more than its noise.

    The noise σ of one mini-batch's loss is estimated from differences of neighbours (their median, so that the end,
    where the loss leaps, does not count). An average over t steps has the variance σ²·(1−β)/(1+β)·(1+βᵗ)/(1−βᵗ), and
    the fall is a difference of two averages. Where it is too short and steep for the average, single losses tell.
    """
    start, stop = _descent(smoothed, linear)
    if stop - start < 3:
        return False
    noise = np.median(np.abs(np.diff(loss[:stop]))) / (0.6745 * np.sqrt(2))
    left = beta ** np.array([start + 1, stop])
    deviation = noise * np.sqrt((1 - beta) / (1 + beta) * ((1 + left) / (1 - left)).sum())
    slowly = smoothed[start] - smoothed[stop - 1] > NOISE * deviation
    return bool(slowly or smoothed[start] - loss[start:stop].min() > SINGLE * noise)
