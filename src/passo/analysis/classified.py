"""Which classes a run tells apart: the confusion matrix, and precision, recall and F1 of every class.

With TP images of a class found, FP of others taken for it and FN of its own taken for others:

    precision = TP / (TP + FP)      recall = TP / (TP + FN)      F1 = 2 TP / (2 TP + FP + FN)

A share 0/0 has no value and is told as "0/0": a class that no image was given has no precision, which is not 0.
Source: M. Sokolova, G. Lapalme, "A systematic analysis of performance measures for classification tasks",
Information Processing & Management 45 (2009), table 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from passo.analysis.answers import Answers
from passo.analysis.tables import Table
from passo.analysis.words import joined
from passo.language import numeral, t


def shares(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where whole is 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def percent(share: float) -> str:
    """A share in percent; a NaN is what it came from.

    >>> percent(0.8472), percent(float("nan"))
    ('84.7 %', '0/0')
    """
    return "0/0" if np.isnan(share) else numeral(f"{100 * share:.1f} %")


@dataclass(frozen=True)
class Pair:
    """Two classes that are taken for one another: `there` images of `first` for `second`, `back` the other way."""

    first: str
    second: str
    there: int
    back: int
    firsts: int
    seconds: int

    def sentence(self) -> str:
        told = {"first": self.first, "second": self.second, "there": _of(self.there, self.firsts)}
        if not self.seconds:
            return t("{first} is taken for {second} {there}, no image was of {second}.", **told)
        back = _of(self.back, self.seconds)
        return t("{first} is taken for {second} {there}, {second} for {first} {back}.", back=back, **told)


def _of(part: int, whole: int) -> str:
    return t("{part:,} of {whole:,} times ({share})", part=part, whole=whole, share=percent(part / whole))


@dataclass(frozen=True)
class Classified:
    """Counts of answers by class. confusion: (C, C) int, row the true class, column the likeliest one."""

    run: str
    classes: tuple[str, ...]
    confusion: np.ndarray

    @property
    def count(self) -> int:
        return int(self.confusion.sum())

    @cached_property
    def images(self) -> np.ndarray:
        """Images of each class: (C,)."""
        return self.confusion.sum(1)

    @cached_property
    def found(self) -> np.ndarray:
        """Images of each class that were given it (TP): (C,)."""
        return self.confusion.diagonal()

    @cached_property
    def given(self) -> np.ndarray:
        """Images that were given each class, rightly or not: (C,)."""
        return self.confusion.sum(0)

    @property
    def rows(self) -> np.ndarray:
        """The confusion matrix as shares of each row, of all images of a class: (C, C), NaN without images."""
        return shares(self.confusion, self.images[:, None])

    @property
    def precision(self) -> np.ndarray:
        """(C,), NaN where no image was given the class."""
        return shares(self.found, self.given)

    @property
    def recall(self) -> np.ndarray:
        """(C,), NaN where no image is of the class."""
        return shares(self.found, self.images)

    @property
    def f1(self) -> np.ndarray:
        """(C,), the harmonic mean of precision and recall; NaN where the class neither was there nor was given."""
        return shares(2 * self.found, self.images + self.given)

    @property
    def accuracy(self) -> float:
        return float(self.found.sum() / self.count)

    @property
    def balanced_accuracy(self) -> float:
        """The mean recall over the classes that have images: every class counts alike, however rare."""
        return float(np.nanmean(self.recall))

    def pairs(self, most: int = 5) -> tuple[Pair, ...]:
        """The pairs of classes with the most images taken for one another, the most confused first."""
        both = np.triu(self.confusion + self.confusion.T, 1)
        order = np.argsort(-both, axis=None, kind="stable")[:most]
        return tuple(self._pair(*divmod(int(at), len(self.classes))) for at in order if both.flat[at])

    def _pair(self, a: int, b: int) -> Pair:
        if self.confusion[b, a] > self.confusion[a, b]:
            a, b = b, a
        counts = self.confusion[a, b], self.confusion[b, a], self.images[a], self.images[b]
        return Pair(self.classes[a], self.classes[b], *map(int, counts))

    def sentence(self) -> str:
        """What is right over all images, over the classes, and where it goes worst and best."""
        said = t(
            "{run} names {right:,} of {count:,} test images rightly: an accuracy of {accuracy}, and a balanced "
            "accuracy (mean recall over classes) of {balanced}",
            run=self.run,
            right=int(self.found.sum()),
            count=self.count,
            accuracy=percent(self.accuracy),
            balanced=percent(self.balanced_accuracy),
        )
        there = np.isfinite(self.f1)
        if there.sum() > 1 and np.nanmin(self.f1) != np.nanmax(self.f1):
            ends = int(np.nanargmin(self.f1)), int(np.nanargmax(self.f1))
            low, high = (f"{percent(self.f1[end])} ({self.classes[end]})" for end in ends)
            said = "; ".join([said, t("F1 goes from {low} to {high}", low=low, high=high)])
        return " ".join([f"{said}.", *self._without()])

    def _without(self) -> list[str]:
        """Which classes have a 0/0, and why."""
        said = []
        if names := self._where(self.images == 0):
            said.append(t("No test image is of {names}.", names=names))
        if names := self._where(self.given == 0):
            said.append(t("No image was given {names}.", names=names))
        return said

    def _where(self, chosen: np.ndarray) -> str:
        """The names of chosen classes (C,), the first three of many; "" for none."""
        names = [name for name, kept in zip(self.classes, chosen, strict=True) if kept]
        few = names if len(names) <= 4 else [*names[:3], t("{count} more", count=len(names) - 3)]
        return joined(few) if few else ""

    def table(self) -> Table:
        """A row for each class: its images, how many got its name, precision, recall and F1; their means below."""
        scores = (self.precision, self.recall, self.f1)
        rows = [
            (name, _count(self.images[c]), _count(self.given[c]), *(percent(score[c]) for score in scores))
            for c, name in enumerate(self.classes)
        ]
        means = (percent(float(np.nanmean(score))) for score in scores)
        rows.append((t("mean"), "", "", *means))
        note = t(
            "named so: images that were given this class. precision: how many of these are of it; recall: how many of "
            "its images were given it; F1: their harmonic mean."
        )
        if any(np.isnan(score).any() for score in scores):
            note += " " + t("0/0: there was nothing to take a share of, which is not 0; means leave it out.")
        columns = (t("class"), t("images"), t("named so"), t("precision"), t("recall"), "F1")
        return Table(columns, tuple(rows), note)


def _count(images: int) -> str:
    return numeral(f"{images:,}")


def classified(seen: Answers) -> Classified:
    """Count the answers of a run by true class and likeliest class.

    >>> seen = Answers("demo", ("cat", "dog"), np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]))
    >>> classified(seen).confusion.tolist(), classified(seen).precision.tolist()
    ([[1, 0], [1, 0]], [0.5, nan])
    """
    n = len(seen.classes)
    counts = np.bincount(seen.labels * n + seen.predicted, minlength=n * n).reshape(n, n)
    return Classified(seen.run, seen.classes, counts)
