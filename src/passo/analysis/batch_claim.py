"""A lecture's claim about batches, as sentences: noise, progress per epoch, seconds.

Progress is told twice: with one learning rate for all sizes, as a lecture shows it, and with a rate of its own for each
size, since the size decides which rate is best. Seconds are those of runs that were trained alone, one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import numpy as np

from passo.analysis.batches import gradient_noise, loss_noise, size_of
from passo.analysis.elsewhere import chosen_elsewhere, minus
from passo.analysis.sentences import Said
from passo.analysis.targets import reach
from passo.analysis.varied import RATE, settings
from passo.language import later
from passo.store import StoredRun, StoredStudy

Studies = Mapping[str, StoredStudy]
LOSS = "validation/loss"
ONE, SMALL, LARGE = 1, 16, 256
COMMON = 0.01  # the one rate: the study's own, before a grid was laid over it
CLOSE = 0.05  # of the exponent


def at_rate(study: StoredStudy, rate: float = COMMON) -> dict[int, list[StoredRun]]:
    """By batch size, the finished runs with one learning rate."""
    found: dict[int, list[StoredRun]] = {}
    for name, each in settings(study).of.items():
        if each.get(RATE) == rate:
            for run in study.select(name):
                found.setdefault(size_of(run), []).append(run)
    return dict(sorted(found.items()))


def of_size(study: StoredStudy) -> dict[int, list[str]]:
    """By batch size, the configurations: its learning rates."""
    found: dict[int, list[str]] = {}
    for name in study.names():
        found.setdefault(size_of(study.select(name)[0]), []).append(name)
    return dict(sorted(found.items()))


def after(run: StoredRun, epoch: float, metric: str = LOSS) -> float:
    """A metric at the end of an epoch; of the last one for `inf`."""
    series = run.metric(metric)
    return series.last if math.isinf(epoch) else float(series.values[np.searchsorted(series.epochs, epoch - 1e-9)])


def seconds(run: StoredRun) -> float:
    """Of a run's fastest epoch: what else the machine does can only add to it."""
    return float(run.metric("epoch/seconds").values.min())


def own_rate(study: StoredStudy, size: int, epoch: float) -> dict[int, StoredRun]:
    """By seed, its run at the rate that the other seeds choose by the validation loss after that epoch."""
    return chosen_elsewhere(study, of_size(study)[size], partial(after, epoch=epoch))


def exponents(studies: Studies) -> dict[int, float]:
    """By seed, the slope of log(variance of the gradient) over log(batch size), by least squares."""
    study = studies["gradient-noise"]
    points: dict[int, list[tuple[float, float]]] = {}
    for run in study.select():
        if run.seed is not None:
            points.setdefault(run.seed, []).append((math.log(size_of(run)), 2 * math.log(gradient_noise(run))))
    return {seed: _slope(np.array(each)) for seed, each in sorted(points.items())}


def _slope(points: np.ndarray) -> float:
    """Of the line through points (n, 2) that leaves the least squares."""
    return float(np.polyfit(points[:, 0], points[:, 1], 1)[0])


def _common(
    studies: Studies, read: str, *, log: bool = False, first: int = SMALL, second: int = LARGE
) -> dict[int, float]:
    """By seed, first − second size at the common rate, of logarithms for a ratio."""
    how = {"noise": loss_noise, "first": partial(after, epoch=1), "seconds": seconds}[read]
    runs = at_rate(studies["batch-size"])
    small, large = (
        {run.seed: math.log(how(run)) if log else how(run) for run in runs[size] if run.seed is not None}
        for size in (first, second)
    )
    return minus(small, large)


def _own(studies: Studies, first: int, second: int, epoch: float) -> dict[int, float]:
    study = studies["batch-size"]
    losses = (
        {seed: after(run, epoch) for seed, run in own_rate(study, size, epoch).items()} for size in (first, second)
    )
    return minus(*losses)


def _until(studies: Studies) -> dict[int, float]:
    """By seed, log(seconds of the small batch to the loss that the large one ends with / seconds of the large one)."""
    study = studies["batch-size"]
    small, large = (own_rate(study, size, math.inf) for size in (SMALL, LARGE))
    ends = {seed: after(run, math.inf) for seed, run in large.items()}
    return {seed: math.log(_to(run, ends[seed]) / _to(large[seed], ends[seed])) for seed, run in small.items()}


def _to(run: StoredRun, loss: float) -> float:
    """Seconds to a validation loss: so many epochs, each as fast as the fastest; NaN where a run never is there."""
    found = reach(run, LOSS, loss)
    return found.epochs * seconds(run) if found.there else math.nan


_SMALL, _LARGE, _ONE = later("with batches of {small}"), later("with batches of {large}"), later("with single images")
_FIRST = later("at a rate of its own for each size, the validation loss after one epoch")
_TIME = later("the time of an epoch")
_said = partial(Said, fields={"small": SMALL, "large": LARGE, "rate": COMMON})

BATCHES = (
    (
        _said(
            later("the exponent of the gradient's variance over the batch size, at weights that do not move,"),
            "about", value=-1.0, margin=CLOSE,
        ),
        exponents,
    ),
    (
        _said(
            later("at a learning rate of {rate:g}, the noise of the mini-batch losses"), "higher", _SMALL, _LARGE,
            unit="ratio",
        ),
        partial(_common, read="noise", log=True),
    ),
    (
        _said(
            later("at a learning rate of {rate:g}, the validation loss after one epoch"), "lower", _SMALL, _LARGE
        ),
        partial(_common, read="first"),
    ),
    (
        _said(_FIRST, "lower", _SMALL, _LARGE),
        partial(_own, first=SMALL, second=LARGE, epoch=1),
    ),
    (
        _said(
            later("at a rate of its own for each size, the validation loss after the last epoch"), "lower",
            _SMALL, _LARGE,
        ),
        partial(_own, first=SMALL, second=LARGE, epoch=math.inf),
    ),
    (
        _said(_FIRST, "lower", _ONE, _SMALL),
        partial(_own, first=ONE, second=SMALL, epoch=1),
    ),
    (
        _said(_TIME, "higher", _ONE, _SMALL, unit="ratio"),
        partial(_common, read="seconds", log=True, first=ONE, second=SMALL),
    ),
    (
        _said(_TIME, "higher", _SMALL, _LARGE, unit="ratio"),
        partial(_common, read="seconds", log=True),
    ),
    (
        _said(
            later(
                "at a rate of its own for each size, the time to the validation loss that batches of {large} end with"
            ),
            "lower", _SMALL, _LARGE, unit="ratio",
        ),
        _until,
    ),
)  # fmt: skip
"""Each sentence with what gives its numbers, by seed."""
