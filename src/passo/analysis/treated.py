"""What came of a training with rare classes: what it was trained on, and how often it finds each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from passo.analysis.confusions import Confusions, confusions
from passo.analysis.curves import runs_of
from passo.analysis.intervals import Interval
from passo.analysis.pair import Configured
from passo.analysis.paired_shares import BySeed, share_interval
from passo.analysis.rarity import class_counts, class_shares
from passo.errors import StoreError
from passo.language import later
from passo.store import StoredStudy

NONE, RESAMPLING, WEIGHTS = later("none"), later("resampling"), later("class weights")
REMEDIES = {"base": NONE, "unbalanced": NONE, "resampled": RESAMPLING, "weighted": WEIGHTS}
"""By the entry of the study file; entries `rare-…` have none, and any other is a remedy by its own name."""


class Case(NamedTuple):
    """What was trained: a model on classes from 1 to 1/ratio of the largest, with a remedy or none.

    rare: the classes that were chosen to be rare, while the others are all as frequent; () where they fall off evenly.
    """

    model: str
    ratio: float
    remedy: str = NONE
    rare: tuple[str, ...] = ()


@dataclass(frozen=True)
class Treated:
    """What came of it. shares: of the largest class; images: trained on, of each class; both (C,)."""

    case: Case
    shares: np.ndarray
    images: np.ndarray
    found: Confusions

    @property
    def order(self) -> list[int]:
        """The classes, the most frequent first; in their own order where they are as frequent."""
        return [int(c) for c in np.argsort(-self.shares, kind="stable")]

    @property
    def rarest(self) -> list[int]:
        """The classes that were chosen to be rare; else the rarest third, the rarest last."""
        if self.case.rare:
            return [self.found.classes.index(name) for name in self.case.rare]
        return self.order[-max(1, len(self.order) // 3) :]

    @property
    def frequent(self) -> list[int]:
        """The most frequent third, the most frequent first."""
        return self.order[: max(1, len(self.order) // 3)]

    @cached_property
    def balanced(self) -> Interval:
        """The mean recall over all classes."""
        return share_interval(self.found.balanced)

    @cached_property
    def by_seed(self) -> BySeed:
        """The balanced accuracy of every seed."""
        return dict(zip(self.found.seeds, map(float, self.found.balanced), strict=True))

    def recall_of(self, classes: Sequence[int]) -> Interval:
        """The mean recall of some classes."""
        return share_interval(self.found.mean_recall(classes))


def treated(study: StoredStudy, one: Configured) -> Treated:
    """What one configuration was trained on, and what came of it.

    Raises `StoreError` where a run does not tell its classes, its images or its predictions.
    """
    run, found = runs_of(study, one.name)[0], confusions(study, one.name)
    shares = class_shares(run)
    rare = run.config.get("dataset", {}).get("rare") or ()
    named = tuple(name if isinstance(name, str) else found.classes[name] for name in rare)
    total = int(run.info.get("data", {}).get("counts", {}).get("train", 0))
    if total < 1:
        raise StoreError(f"run {run.id} does not tell how many images it was trained on")
    ratio = float(np.round(1 / shares.min(), 6))
    remedy = REMEDIES.get(one.entry, NONE if one.entry.startswith("rare-") else one.entry)
    case = Case(one.model, ratio, remedy, named if ratio > 1 else ())
    return Treated(case, shares, class_counts(shares, total), found)
