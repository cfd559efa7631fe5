"""Cross-entropy as a distance: how far predicted distributions lie from the true ones, in nats.

    H(p, q) = H(p) + KL(p ‖ q)

A label is a distribution with all its weight on one class, so H(p) = 0 and the cross-entropy *is* the divergence:
the mean of −log q(true class). A uniform guess over C classes is log C away, whatever the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from passo.analysis.words import significant
from passo.errors import StoreError
from passo.language import t
from passo.store import StoredRun

_LEAST = float(np.finfo(np.float32).tiny)


def entropy(p: np.ndarray) -> np.ndarray:
    """H(p) = −Σ p log p over the last axis, in nats.

    >>> round(float(entropy(np.array([0.5, 0.5]))), 4)
    0.6931
    """
    return cross_entropy(p, p)


def cross_entropy(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """H(p, q) = −Σ p log q over the last axis, in nats; a q of 0 counts as float32's least normal number."""
    return -(np.asarray(p, np.float64) * np.log(np.maximum(np.asarray(q, np.float64), _LEAST))).sum(-1)


def divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """KL(p ‖ q) = H(p, q) − H(p) over the last axis, in nats."""
    return cross_entropy(p, q) - entropy(p)


@dataclass(frozen=True)
class Predictions:
    """A run's test predictions, seen as distributions over C classes.

    mean_predicted: (C, C), row c the average prediction for images whose true class is c.
    per_class: (C,) mean cross-entropy of the images of each class, in nats. counts: (C,) images of each class.
    total: mean over all images. accuracy: share whose likeliest class is the true one.
    """

    run: str
    classes: tuple[str, ...]
    mean_predicted: np.ndarray
    per_class: np.ndarray
    counts: np.ndarray
    total: float
    accuracy: float

    @property
    def uniform(self) -> float:
        """log C: the cross-entropy of guessing all classes alike."""
        return float(np.log(len(self.classes)))

    @property
    def confused(self) -> tuple[str, str, float]:
        """The true class, the wrong class that gets most of its weight, and how much."""
        wrong = np.where(np.eye(len(self.classes), dtype=bool), -1.0, self.mean_predicted)
        row, column = np.unravel_index(int(wrong.argmax()), wrong.shape)
        return self.classes[row], self.classes[column], float(wrong[row, column])

    def sentence(self) -> str:
        near, far = int(self.per_class.argmin()), int(self.per_class.argmax())
        true, wrong, weight = self.confused
        return t(
            "The predictions of {run} lie {total} nats from the labels of {n:,} test images, where a uniform guess "
            "lies log {classes} = {uniform} away; {near} is closest ({least}), {far} farthest ({most}), and the weight "
            "most often misplaced goes from {true} to {wrong} ({share:.0f} % on average).",
            run=self.run,
            total=significant(self.total),
            n=int(self.counts.sum()),
            classes=len(self.classes),
            uniform=significant(self.uniform),
            near=self.classes[near],
            least=significant(self.per_class[near]),
            far=self.classes[far],
            most=significant(self.per_class[far]),
            true=true,
            wrong=wrong,
            share=100 * weight,
        )


def predictions(run: StoredRun, classes: Sequence[str]) -> Predictions:
    """Read a run's test predictions; every class needs an image.

    Raises `StoreError` where the run kept none, or the classes are not as many as its columns.
    """
    q, labels = run.array("test/probabilities").astype(np.float64), run.array("test/labels")  # (N, C), (N,)
    if q.shape[1] != len(classes):
        raise StoreError(f"run {run.id} predicts {q.shape[1]} classes, but the study names {len(classes)}")
    truth = np.eye(len(classes))[labels]  # (N, C)
    counts = truth.sum(0)
    if not counts.all():
        missing = ", ".join(name for name, count in zip(classes, counts, strict=True) if not count)
        raise StoreError(f"run {run.id} tested no image of: {missing}")
    each = divergence(truth, q)  # (N,), equal to the cross-entropy because H(truth) = 0
    return Predictions(
        run.id,
        tuple(classes),
        truth.T @ q / counts[:, None],
        truth.T @ each / counts,
        counts.astype(np.int64),
        float(each.mean()),
        float((q.argmax(1) == labels).mean()),
    )
