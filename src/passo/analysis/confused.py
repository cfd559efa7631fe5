"""What one model takes for something else, and the other does not: two confusion matrices and their difference.

Each cell is a share of its true class's images; the difference of two cells is paired by seed. Only cells into which
both models together put enough images are held against one another, since each more makes the correction (Holm) harder:
of the answers of both, on average, at least `LEAST` of the class's images. That sum says nothing of the difference, so
that choosing by it favours neither model. The diagonal (recall) is compared along with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from passo.analysis.confusions import Confusions, confusions, sharing
from passo.analysis.intervals import Interval
from passo.analysis.pair import begun, configured, pair
from passo.analysis.paired import APART, Paired, gap
from passo.analysis.paired_shares import SHARE, Versus, corrected, differing, share_interval, standing, unsure
from passo.analysis.tables import Table
from passo.analysis.words import amount, joined, ranged, seeds
from passo.errors import StoreError
from passo.language import later, t, tn
from passo.store import StoredStudy

LEAST = 0.01  # of a class's images, on average over both models
TOLD = 3  # cells that a sentence names


@dataclass(frozen=True)
class Cell:
    """One cell of both matrices, images of class number `true` that were given `given`, and their difference."""

    true: int
    given: int
    first: Interval
    second: Interval
    difference: Paired

    @property
    def apart(self) -> bool:
        """Whether the models are told apart here, after the correction."""
        return self.difference.verdict != APART

    @property
    def right(self) -> bool:
        return self.true == self.given


@dataclass(frozen=True)
class ConfusedPair:
    """Both matrices over the seeds that the models share, and the cells that were held against one another."""

    labels: tuple[str, str]
    first: Confusions
    second: Confusions
    cells: tuple[Cell, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        return self.first.classes

    @property
    def n(self) -> int:
        """Seeds."""
        return len(self.first.seeds)

    @cached_property
    def difference(self) -> np.ndarray:
        """Mean share of the first less that of the second: (C, C)."""
        return (self.first.rates - self.second.rates).mean(0)

    @property
    def apart(self) -> tuple[Cell, ...]:
        """The cells in which the models are told apart, the largest difference first."""
        return tuple(cell for cell in self.ranked if cell.apart)

    @cached_property
    def ranked(self) -> tuple[Cell, ...]:
        """The cells by the size of their difference, those that are told apart first."""
        return tuple(sorted(self.cells, key=lambda cell: (not cell.apart, -abs(cell.difference.mean))))

    @property
    def mistakes(self) -> tuple[Cell, ...]:
        """`ranked` without the diagonal."""
        return tuple(cell for cell in self.ranked if not cell.right)

    def sentence(self) -> str:
        """The mistake on which the models differ most, and what else is told apart."""
        if not self.mistakes:
            first, second = self.labels
            return t(
                "Neither {first} nor {second} confuses two classes often enough to be compared.",
                first=first,
                second=second,
            )
        told = begun(f"{self.told(self.mistakes[0])} ({seeds(self.n)}).", self.labels)
        if self.n < 2:
            return told
        if not self.apart:
            none = t(
                "Of {count} cells that were compared, none is told apart after the correction for so many.",
                count=len(self.cells),
            )
            return f"{told} {none}"
        others = [cell for cell in self.mistakes[1:] if cell.apart][:TOLD]
        some = tn(
            "Of {count} cells that were compared, {n} is told apart after the correction{more}.",
            "Of {count} cells that were compared, {n} are told apart after the correction{more}.",
            len(self.apart),
            count=len(self.cells),
            more="".join(f"; {self.told(cell)}" for cell in others),
        )
        return f"{told} {some}"

    def told(self, cell: Cell) -> str:
        """One cell in words: what both do, and the difference."""
        rightly, wrongly = (
            later("the {first} names {true} rightly in {one} of the cases, the {second} in {other} ({gap})"),
            later("the {first} takes {true} for {given} in {one} of the cases, the {second} in {other} ({gap})"),
        )
        return t(
            rightly if cell.right else wrongly,
            first=self.labels[0],
            second=self.labels[1],
            true=self.classes[cell.true],
            given=self.classes[cell.given],
            one=amount(cell.first.mean, SHARE),
            other=amount(cell.second.mean, SHARE),
            gap=f"{gap(cell.difference, SHARE)}{unsure(cell.difference)}",
        )

    def table(self, most: int = 12) -> Table:
        """The cells with the largest differences."""
        first, second = self.labels
        rows = tuple(
            (
                f"{self.classes[cell.true]} → {self.classes[cell.given]}",
                ranged(cell.first, SHARE),
                ranged(cell.second, SHARE),
                gap(cell.difference, SHARE),
                corrected(cell.difference),
                standing(cell.difference),
            )
            for cell in self.ranked[:most]
        )
        note = t(
            "Shares of the true class's images, {seeds}; differences paired by seed, p corrected by Holm for the "
            "{count} cells that hold {least} of a class or more, both models together.",
            seeds=seeds(self.n),
            count=len(self.cells),
            least=amount(LEAST, SHARE),
        )
        is_ = t("{model} is", model=first)
        head = (t("true → given"), first, second, f"{first} − {second}", t("p (corrected)"), is_)
        return Table(head, rows, note)


def confused_pair(study: StoredStudy, entry: str = "base") -> ConfusedPair:
    """Hold the confusion matrices of both models against one another, for one entry of the study file.

    Raises `StoreError` where the study compares no two models, or one of them has no finished run of the entry.
    """
    labels = pair(study).labels
    named = {one.model: one.name for one in configured(study, entry=entry)}
    if missing := [label for label in labels if label not in named]:
        raise StoreError(f"{study.folder} has no finished run of the entry {entry!r} for {joined(missing)}")
    first, second = sharing(*(confusions(study, named[label]) for label in labels))
    if first.classes != second.classes:
        raise StoreError(f"{first.name} and {second.name} know different classes, so their mistakes cannot be compared")
    return ConfusedPair(labels, first, second, compared(first, second))


def compared(first: Confusions, second: Confusions) -> tuple[Cell, ...]:
    """Every cell that both matrices together put enough images into, its differences corrected for all of these."""
    one, two = first.rates, second.rates
    often = np.nan_to_num((one.mean(0) + two.mean(0)) / 2) >= LEAST
    places = [(int(true), int(given)) for true, given in np.argwhere(often)]
    pairs = [
        Versus(
            first.name,
            second.name,
            dict(zip(first.seeds, one[:, true, given], strict=True)),
            dict(zip(second.seeds, two[:, true, given], strict=True)),
            int(first.images[true]),
        )
        for true, given in places
    ]
    return tuple(
        Cell(true, given, share_interval(one[:, true, given]), share_interval(two[:, true, given]), difference)
        for (true, given), difference in zip(places, differing(pairs), strict=True)
    )
