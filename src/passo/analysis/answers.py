"""What a run answered on the test images: a probability for each class, beside the class that was true."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from passo.analysis.predictions import cross_entropy
from passo.analysis.recorded import Recorded
from passo.errors import StoreError

LEAST = float(np.finfo(np.float32).tiny)
"""A probability below float32's least normal number counts as that, so no image costs more than 87.3 nats."""


@dataclass(frozen=True)
class Answers:
    """N test images and C classes: probabilities (N, C) float64, labels (N,) int64; images stand in the test's order.

    >>> seen = Answers("demo", ("cat", "dog"), np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]))
    >>> seen.predicted.tolist(), seen.losses.round(3).tolist()
    ([0, 0], [0.105, 1.609])
    """

    run: str
    classes: tuple[str, ...]
    probabilities: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def truth(self) -> np.ndarray:
        """Each label as a distribution, with all its weight on one class: (N, C)."""
        return np.eye(len(self.classes))[self.labels]

    @cached_property
    def predicted(self) -> np.ndarray:
        """The likeliest class of each image, the first of those that tie: (N,)."""
        return self.probabilities.argmax(1)

    @cached_property
    def right(self) -> np.ndarray:
        """Whether the likeliest class is the true one: (N,) bool."""
        return self.predicted == self.labels

    @cached_property
    def confidence(self) -> np.ndarray:
        """The probability of the likeliest class: (N,), from 1/C to 1."""
        return self.probabilities.max(1)

    @cached_property
    def losses(self) -> np.ndarray:
        """−log q(true class) of each image, in nats: (N,)."""
        return cross_entropy(self.truth, self.probabilities)

    @property
    def vanished(self) -> int:
        """How many images gave their true class a probability below `LEAST`, so that their loss is cut."""
        return int((self.probabilities[np.arange(len(self)), self.labels] < LEAST).sum())


def answers(run: Recorded) -> Answers:
    """The test's predictions of a run, with the names of the classes; numbers where the run names none.

    Raises `StoreError` where the run kept no predictions, or these are no distributions over its classes.
    """
    if not {"test/probabilities", "test/labels"} <= set(run.arrays()):
        raise StoreError(f"run {run.id} kept no predictions: train it again with record.predictions=true")
    q, labels = run.array("test/probabilities").astype(np.float64), run.array("test/labels").astype(np.int64)
    if q.ndim != 2 or q.shape[0] != len(labels) or not len(labels):
        raise StoreError(f"run {run.id} keeps predictions of shape {q.shape} for {len(labels)} labels: they do not fit")
    if not np.isfinite(q).all():
        raise StoreError(f"run {run.id} predicts NaN for {int((~np.isfinite(q)).any(1).sum()):,} of {len(q):,} images")
    if q.min() < 0 or np.abs(q.sum(1) - 1).max() > 1e-3:
        raise StoreError(f"run {run.id} keeps predictions that do not sum to 1: they are no probabilities")
    if labels.min() < 0 or labels.max() >= q.shape[1]:
        raise StoreError(f"run {run.id} has labels outside its {q.shape[1]} classes")
    named = tuple(map(str, run.info.get("data", {}).get("classes", ())))
    fit = len(named) == q.shape[1] == len(set(named))
    return Answers(run.id, named if fit else tuple(map(str, range(q.shape[1]))), q, labels)
