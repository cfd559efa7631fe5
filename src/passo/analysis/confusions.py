"""What the runs of one configuration took for what: a confusion matrix for each seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from passo.analysis.answers import answers
from passo.analysis.classified import classified, shares
from passo.analysis.curves import runs_of
from passo.analysis.intervals import Interval
from passo.analysis.paired_shares import share_interval
from passo.errors import StoreError
from passo.store import StoredStudy


@dataclass(frozen=True)
class Confusions:
    """counts: (S, C, C) int, by seed; row the true class, column the likeliest one."""

    name: str
    classes: tuple[str, ...]
    seeds: tuple[int | None, ...]
    counts: np.ndarray

    @property
    def images(self) -> np.ndarray:
        """Test images of each class, the same for every seed: (C,)."""
        return self.counts[0].sum(1)

    @cached_property
    def rates(self) -> np.ndarray:
        """The share of each class's images that got each answer: (S, C, C), NaN for a class without images."""
        return shares(self.counts, self.images[:, None])

    @cached_property
    def recall(self) -> np.ndarray:
        """The share of each class's images that were given it: (S, C)."""
        return self.rates.diagonal(axis1=1, axis2=2)

    @property
    def balanced(self) -> np.ndarray:
        """The mean recall over classes, so that each counts alike: (S,)."""
        return np.nanmean(self.recall, 1)

    @property
    def accuracy(self) -> np.ndarray:
        """The share of all images that is named rightly: (S,)."""
        return self.counts.diagonal(axis1=1, axis2=2).sum(1) / self.counts[0].sum()

    def mean_recall(self, classes: Sequence[int]) -> np.ndarray:
        """The mean recall of some classes: (S,)."""
        return np.nanmean(self.recall[:, list(classes)], 1)

    def recalls(self) -> tuple[Interval, ...]:
        """Each class's recall, with its interval over seeds."""
        return tuple(share_interval(column) for column in self.recall.T)

    def only(self, seeds: Sequence[int | None]) -> Confusions:
        """The same for some of its seeds, in their order."""
        return replace(self, seeds=tuple(seeds), counts=self.counts[[self.seeds.index(seed) for seed in seeds]])


def confusions(study: StoredStudy, name: str) -> Confusions:
    """Count what every finished run of a configuration answered on the test images.

    Raises `UnknownName` for a configuration that the study lacks, `StoreError` where a run kept no predictions or was
    tested on other images than the first.
    """
    runs = runs_of(study, name)
    found = [classified(answers(run)) for run in runs]
    for run, one in zip(runs, found, strict=True):
        if one.classes != found[0].classes or not np.array_equal(one.images, found[0].images):
            raise StoreError(f"run {run.id} was tested on other images than {runs[0].id}: they cannot be put together")
    return Confusions(
        name, found[0].classes, tuple(run.seed for run in runs), np.stack([one.confusion for one in found])
    )


def sharing(first: Confusions, second: Confusions) -> tuple[Confusions, Confusions]:
    """Both, for the seeds that they share, so that differences are paired; raises `StoreError` where there is none."""
    shared = [seed for seed in first.seeds if seed in second.seeds]
    if not shared:
        raise StoreError(f"{first.name} and {second.name} share no seed, so their differences cannot be paired")
    return first.only(shared), second.only(shared)
