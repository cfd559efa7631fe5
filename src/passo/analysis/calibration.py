"""Whether a run is as often right as it is sure: confidence against accuracy, in bins.

    ECE = Σ_b n_b / N · |accuracy_b − confidence_b|

over bins ((b−1)/B, b/B] of the confidence, the probability of the likeliest class. A bin of few images is off by
chance alone, so an ECE is never quite 0: what a perfectly calibrated model would show with these very confidences
is told beside it. Both depend on the number of bins.

Source: C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
equations 3 and 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from passo.analysis.answers import Answers
from passo.analysis.classified import percent, shares
from passo.analysis.intervals import CONFIDENCE
from passo.analysis.tables import Table
from passo.errors import UsageError
from passo.language import numeral, t

BINS = 10
_Z = 1.959964
assert CONFIDENCE == 0.95, "_Z belongs to intervals of 95 %"


def wilson(right: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends of a share's 95 % interval: E. B. Wilson, JASA 22 (1927), equation 7; NaN for 0 of 0.

    >>> [round(float(end), 3) for end in wilson(np.array(8), np.array(10))]
    [0.49, 0.943]
    """
    of = np.asarray(of, np.float64)
    share = shares(right, of)
    safe = np.maximum(of, 1)
    middle = (share + _Z**2 / (2 * safe)) / (1 + _Z**2 / safe)
    half = _Z / (1 + _Z**2 / safe) * np.sqrt(share * (1 - share) / safe + _Z**2 / (4 * safe**2))
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


@dataclass(frozen=True)
class Calibration:
    """Answers by their confidence, in B bins.

    edges: (B + 1,). counts, right: (B,) images, and those named rightly. confidence, accuracy: (B,) means, NaN in an
    empty bin. low, high: (B,) the accuracy's 95 % interval. mean_confidence, mean_accuracy: over all images.
    chance: the ECE that a perfectly calibrated model would have on average, with these confidences.
    """

    run: str
    edges: np.ndarray
    counts: np.ndarray
    right: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mean_confidence: float
    mean_accuracy: float
    chance: float

    @property
    def gaps(self) -> np.ndarray:
        """accuracy − confidence: (B,), below 0 where the run is surer than it is right."""
        return self.accuracy - self.confidence

    @property
    def error(self) -> float:
        """The expected calibration error (ECE)."""
        return float(np.nansum(self.counts * np.abs(self.gaps)) / self.counts.sum())

    def sentence(self) -> str:
        """The ECE, what of it is chance, and to which side the run errs."""
        surer = 100 * (self.mean_confidence - self.mean_accuracy)
        told = {
            "run": self.run,
            "points": abs(surer),
            "confidence": percent(self.mean_confidence),
            "accuracy": percent(self.mean_accuracy),
        }
        if surer > 0:
            side = t(
                "{run} is surer than right by {points:.1f} points on average (confidence {confidence}, accuracy "
                "{accuracy})",
                **told,
            )
        else:
            side = t(
                "{run} is more often right than sure, by {points:.1f} points on average (confidence {confidence}, "
                "accuracy {accuracy})",
                **told,
            )
        error = t(
            "its expected calibration error is {error} in {bins} bins, where chance alone gives about {chance} to a "
            "perfectly calibrated one.",
            error=percent(self.error),
            bins=len(self.counts),
            chance=percent(self.chance),
        )
        return f"{side}; {error} {self._worst()}"

    def _worst(self) -> str:
        """The bin that adds most to the error."""
        weights = np.where(self.counts > 0, self.counts * np.abs(np.nan_to_num(self.gaps)), -1.0)
        worst = int(weights.argmax())
        return t(
            "The bin from {low:.0f} to {high:.0f} % adds most: {images:,} images, {accuracy} of them right.",
            low=100 * self.edges[worst],
            high=100 * self.edges[worst + 1],
            images=int(self.counts[worst]),
            accuracy=percent(self.accuracy[worst]),
        )

    def table(self) -> Table:
        """A row for each bin that holds images."""
        rows = tuple(
            (
                f"{100 * self.edges[b]:.0f}–{100 * self.edges[b + 1]:.0f} %",
                numeral(f"{self.counts[b]:,}"),
                percent(self.confidence[b]),
                percent(self.accuracy[b]),
                numeral(f"{100 * self.low[b]:.1f}–{100 * self.high[b]:.1f} %"),
                numeral(f"{100 * self.gaps[b]:+.1f}".replace("-", "−")),
            )
            for b in np.flatnonzero(self.counts)
        )
        note = t("confidence: mean probability of the likeliest class; gap: accuracy − confidence, in points.")
        columns = (t("bin"), t("images"), t("confidence"), t("accuracy"), t("95 % interval"), t("gap"))
        return Table(columns, rows, note)


def calibration(seen: Answers, bins: int = BINS) -> Calibration:
    """Sort the answers of a run into bins of confidence; raises `UsageError` for less than one bin.

    >>> sure = np.array([[0.95, 0.05], [0.95, 0.05], [0.65, 0.35], [0.65, 0.35]])
    >>> round(calibration(Answers("demo", ("cat", "dog"), sure, np.array([0, 1, 0, 0]))).error, 3)
    0.4
    """
    if bins < 1:
        raise UsageError(f"calibration needs at least one bin, got {bins}")
    edges = np.linspace(0, 1, bins + 1)
    sure = seen.confidence
    place = np.clip(np.searchsorted(edges, sure, side="left") - 1, 0, bins - 1)  # (N,), bins are open to the left

    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(place, values, bins)

    counts, right = summed(np.ones(len(seen))).astype(np.int64), summed(seen.right).astype(np.int64)
    low, high = wilson(right, counts)
    # Σ_b n_b/N · E|difference| with a variance of Σ c(1−c)/n_b², and E|x| = σ √(2/π) for a normal x
    chance = float(np.sqrt(2 / math.pi * summed(sure * (1 - sure))).sum() / len(seen))
    confidence, accuracy = shares(summed(sure), counts), shares(right, counts)
    means = float(sure.mean()), float(seen.right.mean())
    return Calibration(seen.run, edges, counts, right, confidence, accuracy, low, high, *means, chance)
