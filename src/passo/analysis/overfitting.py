"""Over-fitting: how far validation stands behind training, per epoch, and since when the distance has been growing.

The training loss of epoch e is a mean over its steps, so it is as old as the epoch's middle; the validation loss is
measured at the epoch's end. Both are brought to the same time, the epoch as a whole, by the trapezoid:

    gap_e = (V_{e−1} + V_e) / 2 − T_e        from the second epoch on

Without that, training that learns fast looks half an epoch worse than it is, and the gap seems to grow as learning
slows. Dropout makes T larger than an evaluation would; that moves all gaps alike, and the growth hardly.

**Growing since.** Losses have no common unit, so the rule takes its scale from the run's own noise:

1. σ = 1.4826 · median |gap_{e−1} − 2 gap_e + gap_{e+1}| / √6. Second differences are blind to a level and to a slope;
   the median, to single spikes.
2. δ = 2 σ √(2 ln n) for n gaps: pure noise seldom spans more (D. L. Donoho, I. M. Johnstone, "Ideal spatial adaptation
   by wavelet shrinkage", Biometrika 81 (1994), section 2.2: each of n values stays below σ √(2 ln n)).
3. The last stretch without a fall: the longest run of gaps up to the end in which none exceeds a later one by
   more than δ. A gap that rose and fell, as after a drop of the learning rate, is not growing since its first rise.
4. It grows, if its last gap exceeds its least by more than δ.
5. Since when: the knee of "level, then a line" through the stretch, by least squares. The least gap itself would be a
   bad answer: on a noisy level it may be anywhere.

Measured on white noise (4,000 draws each): growth is claimed wrongly in 8 % of cases for 5 gaps, 5 % for 10 and 1 % for
50; noise that drifts (correlation 0.5) fools it in 7 to 14 %. With fewer than 5 gaps nothing is claimed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from passo.analysis.recorded import Recorded
from passo.analysis.tables import Table
from passo.analysis.words import amount, significant
from passo.errors import StoreError
from passo.language import numeral, t
from passo.store import StoredRun

FEWEST = 5
"""Gaps (epochs less one) below which noise and growth cannot be told apart."""


@dataclass(frozen=True)
class Growth:
    """What the rule says of n gaps: `since` is a place in them, None where they do not grow; `noise` is δ."""

    since: int | None
    noise: float


def growth(gaps: np.ndarray) -> Growth:
    """Since when gaps (n,) have been growing, by the rule of this module.

    >>> growth(np.array([0.0, 0.1, 0.0, 0.1, 0.0, 1.0, 2.0, 3.0, 4.0])).since
    4
    """
    n = len(gaps)
    if n < FEWEST:
        return Growth(None, math.nan)
    sigma = 1.4826 * float(np.median(np.abs(np.diff(gaps, 2)))) / math.sqrt(6)
    noise = 2 * sigma * math.sqrt(2 * math.log(n))
    start = _last_stretch(gaps, noise)
    least = float(gaps[start:].min())
    rounding = 1e-9 * float(np.abs(gaps).max())  # gaps without noise differ by that
    return Growth(start + _knee(gaps[start:]) if gaps[-1] - least > max(noise, rounding) else None, noise)


def _last_stretch(gaps: np.ndarray, noise: float) -> int:
    """Where the longest stretch up to the end begins in which no gap exceeds a later one by more than the noise."""
    start, least = len(gaps) - 1, float(gaps[-1])
    while start > 0 and gaps[start - 1] <= least + noise:
        start -= 1
        least = min(least, float(gaps[start]))
    return start


def _knee(gaps: np.ndarray) -> int:
    """The τ of a + b·max(0, e − τ), b > 0, that leaves the least squares over gaps (n,)."""
    epochs = np.arange(len(gaps))
    best, found = math.inf, 0
    for knee in range(len(gaps) - 1):
        line = np.maximum(0, epochs - knee) - np.maximum(0, epochs - knee).mean()
        slope = float(line @ gaps / (line @ line))
        left = float(((gaps - gaps.mean() - slope * line) ** 2).sum())
        if slope > 0 and left < best:
            best, found = left, knee
    return found


@dataclass(frozen=True)
class Overfitting:
    """Training and validation, epoch by epoch.

    epochs, training, validation: (E,) losses. gaps: (E − 1,) of the epochs from the second on. since: the epoch that
    the gap has been growing from, or None. noise: what of a gap noise explains (δ), NaN for too few epochs.
    rising: whether the validation loss itself rises at the end, by the same rule.
    validation_accuracy, training_accuracy: (E,), None where the run did not record it. accuracy_gaps: (E − 1,),
    training minus validation, so that over-fitting is above 0 here too; None without both accuracies.
    averaged: the validation is of averaged weights, the training loss is not.
    """

    run: str
    epochs: np.ndarray
    training: np.ndarray
    validation: np.ndarray
    gaps: np.ndarray
    since: float | None
    noise: float
    rising: bool
    validation_accuracy: np.ndarray | None
    training_accuracy: np.ndarray | None
    accuracy_gaps: np.ndarray | None
    averaged: bool

    @property
    def best(self) -> int:
        """The place of the least validation loss."""
        return int(self.validation.argmin())

    @property
    def risen(self) -> float:
        """How much the validation loss has risen since its least."""
        return float(self.validation[-1] - self.validation[self.best])

    def sentence(self) -> str:
        """The gap and its growth, then where the validation was best, then the accuracies."""
        return " ".join(part for part in (self._gap(), self._validation(), self._accuracy()) if part)

    def _gap(self) -> str:
        told = {"run": self.run, "fewest": FEWEST + 1}
        if not len(self.gaps):
            return t("One epoch of {run} shows no gap over time: train for {fewest} or more.", **told)
        told["last"] = significant(float(self.gaps[-1]), 2)
        if len(self.gaps) < FEWEST:
            return t(
                "The gap between validation and training loss of {run} is {last} in the last epoch; {epochs} epochs "
                "are too few to tell its growth from noise ({fewest} at least).",
                epochs=len(self.epochs),
                **told,
            )
        told["noise"] = significant(self.noise, 2)
        if self.since is None:
            return t(
                "The gap between validation and training loss of {run} is {last} in the last epoch and is not growing "
                "(noise explains up to {noise}).",
                **told,
            )
        first = int(np.flatnonzero(self.epochs[1:] == self.since)[0])
        told |= {"since": self.since, "first": significant(float(self.gaps[first]), 2)}
        late = float(self.gaps[-1] - self.gaps[(first + len(self.gaps) - 1) // 2])
        share = late / float(self.gaps[-1] - self.gaps[first]) if self.gaps[-1] > self.gaps[first] else math.nan
        if 0 <= share <= 1:
            return t(
                "The gap between validation and training loss of {run} has been growing since epoch {since:g}, from "
                "{first} to {last}, {share:.0f} % of it in the second half of that time (noise explains up to "
                "{noise}).",
                share=100 * share,
                **told,
            )
        return t(
            "The gap between validation and training loss of {run} has been growing since epoch {since:g}, from "
            "{first} to {last} (noise explains up to {noise}).",
            **told,
        )

    def _validation(self) -> str:
        if len(self.epochs) < 2:
            return ""
        told = {"epoch": float(self.epochs[self.best]), "value": significant(float(self.validation[self.best]))}
        if self.best == len(self.epochs) - 1:
            return t(
                "The validation loss was least after epoch {epoch:g} ({value}), the last: longer training may still "
                "help.",
                **told,
            )
        said = t(
            "The validation loss was least after epoch {epoch:g} ({value}) and is {risen} higher at the end",
            risen=significant(self.risen, 2),
            **told,
        )
        if len(self.gaps) < FEWEST:
            return f"{said}."
        if not self.rising:
            return t("{said}, no more than noise explains.", said=said)
        if self.since is not None:
            return t("{said}: the run over-fits.", said=said)
        return t("{said}, but so is the training loss.", said=said)

    def _accuracy(self) -> str:
        if self.validation_accuracy is None:
            return ""
        best, last = float(self.validation_accuracy.max()), float(self.validation_accuracy[-1])
        told = {"last": amount(last, "accuracy"), "best": amount(best, "accuracy")}
        if self.accuracy_gaps is None or not len(self.accuracy_gaps):
            return t("Validation accuracy ends at {last} (best {best}).", **told)
        points = 100 * float(self.accuracy_gaps[-1])
        if points >= 0:
            return t(
                "Validation accuracy ends at {last} (best {best}), {points:.1f} points behind training.",
                points=points,
                **told,
            )
        return t(
            "Validation accuracy ends at {last} (best {best}), {points:.1f} points ahead of training.",
            points=-points,
            **told,
        )

    def table(self) -> Table:
        """A row for each epoch; of more than 12, the first, some between and the last."""
        n = len(self.epochs)
        shown = np.arange(n) if n <= 12 else np.unique(np.linspace(0, n - 1, 12).round().astype(int))
        rows = tuple(
            (
                numeral(f"{self.epochs[i]:g}"),
                significant(float(self.training[i])),
                significant(float(self.validation[i])),
                significant(float(self.gaps[i - 1]), 2) if i else "–",
            )
            for i in shown
        )
        note = t("gap: the validation loss over the epoch (the mean of both its ends) less the training loss over it.")
        return Table((t("epoch"), t("training loss"), t("validation loss"), t("gap")), rows, note)


def overfitting(run: StoredRun | Recorded) -> Overfitting:
    """Read a run's losses and accuracies per epoch.

    Raises `StoreError` where it is a lens, had no validation set, or where not one epoch has both losses.
    """
    if not isinstance(run, StoredRun):
        raise StoreError(f"{run.id} is a lens on somebody's own loop, which tells no losses per epoch")
    there = run.metrics()
    if not {"epoch/train_loss", "validation/loss"} <= set(there):
        raise StoreError(f"run {run.id} has no losses of training and validation: train it with dataset.validation=0.1")
    train, validation = run.metric("epoch/train_loss"), run.metric("validation/loss")
    both = np.intersect1d(
        train.steps[np.isfinite(train.values)], validation.steps[np.isfinite(validation.values)], assume_unique=True
    )
    if not len(both):
        raise StoreError(f"run {run.id} has no epoch whose training and validation loss are both finite")
    t, v = (one.values[np.isin(one.steps, both)] for one in (train, validation))
    epochs = train.epochs[np.isin(train.steps, both)]
    gaps = between(v) - t[1:]
    grown = growth(gaps)
    accuracies = {name: _at(run, name, both) for name in ("validation/accuracy", "epoch/train_accuracy")}
    va, ta = accuracies.values()
    return Overfitting(
        run.id,
        epochs,
        t,
        v,
        gaps,
        None if grown.since is None else float(epochs[grown.since + 1]),
        grown.noise,
        growth(v).since is not None,
        va,
        ta,
        None if va is None or ta is None else ta[1:] - between(va),
        bool(run.config.get("average")),
    )


def between(values: np.ndarray) -> np.ndarray:
    """The mean of each value and the one before: (E,) → (E − 1,)."""
    return (values[1:] + values[:-1]) / 2


def _at(run: StoredRun, name: str, steps: np.ndarray) -> np.ndarray | None:
    """A metric at these steps; None where the run has it not at all of them."""
    if name not in run.metrics():
        return None
    series = run.metric(name)
    kept = np.isin(series.steps, steps)
    return series.values[kept] if kept.sum() == len(steps) and np.isfinite(series.values[kept]).all() else None
