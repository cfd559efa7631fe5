"""In what two models differ: every number of every part of a study, held to its seeds, and all corrected together.

Each part of the study that is there gives its contrasts (`contrasts`): one number for each seed, by how much the second
model is ahead. Holm's correction runs over all of them at once, so that the chance that any sentence is told wrongly
stays below 5 %, however many were tried. Those that are told are ranked by how sure they are, |mean| over its standard
error; the others are listed apart. What a model costs is no estimate, and told beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from passo.analysis.calibrated import calibrated
from passo.analysis.contrasting import classes_contrasts, imbalance_contrasts, robustness_contrasts
from passo.analysis.contrasts import Contrast, Contrasted, contrasted
from passo.analysis.divergences import divergences
from passo.analysis.matched import matched_models
from passo.analysis.pair import pair
from passo.analysis.paired import ALONE
from passo.analysis.sizes import sizes
from passo.analysis.small import small
from passo.analysis.tables import Table
from passo.analysis.validated import validated
from passo.analysis.varied import listed, lost, told_lost
from passo.analysis.words import joined
from passo.errors import StoreError
from passo.store import StoredStudy

PARTS: dict[str, Callable[[StoredStudy], tuple[Contrast, ...]]] = {
    "sizes": lambda study: sizes(study).contrasts,
    "small": lambda study: small(study).contrasts,
    "validated": lambda study: validated(study).contrasts,
    "robustness": robustness_contrasts,
    "imbalance": imbalance_contrasts,
    "classes": classes_contrasts,
    "calibration": lambda study: calibrated(study).contrasts,
    "cross-entropy": lambda study: divergences(study).contrasts,
}
"""What gives the contrasts of each part."""
MOST = 3  # that a sentence names


@dataclass(frozen=True)
class Differences:
    """Everything that was compared.

    cost: of both models, in a sentence. lacking: why, by part that gave nothing. lost: the runs without a result, in a
    sentence; "" where there are none.
    """

    labels: tuple[str, str]
    cost: str
    each: tuple[Contrasted, ...]
    lacking: dict[str, str]
    lost: str

    @cached_property
    def told(self) -> tuple[Contrasted, ...]:
        """Those that are told apart, the surest first."""
        return tuple(sorted((one for one in self.each if one.told), key=lambda one: -one.surety))

    @property
    def level(self) -> tuple[Contrasted, ...]:
        """Those that are not, in the order of the parts."""
        return tuple(one for one in self.each if not one.told)

    @property
    def alone(self) -> tuple[Contrasted, ...]:
        """Those that would be told, were each the only one that was looked at."""
        return tuple(one for one in self.each if one.alone)

    @property
    def seeds(self) -> tuple[int, int]:
        """The fewest and the most of any number."""
        return min(one.n for one in self.each), max(one.n for one in self.each)

    def _over(self) -> str:
        """How many seeds, in words."""
        least, most = self.seeds
        return f"{most} seeds" if least == most else f"{least} to {most} seeds"

    def sentences(self) -> tuple[str, ...]:
        """Each difference that is told apart, the surest first."""
        return tuple(one.sentence() for one in self.told)

    def undecided(self) -> str:
        """In what the two are not distinguishable, in one sentence; "" where there is nothing.

        A part's own sentence is corrected for that part's numbers alone, and may tell some of these apart.
        """
        names = [one.name for one in self.level if one.known]
        first, second = self.labels
        if not names:
            return ""
        told = f"the {first} and the {second} are not distinguishable in {listed(names, 8)}."
        return f"Corrected for all {len(self.each)} numbers at once, {told}"

    def sentence(self) -> str:
        """How many differences there are, and the surest."""
        count, both = len(self.each), joined([f"the {label}" for label in self.labels])
        if self.seeds[1] < 2:
            return f"One seed tells nothing apart: {count} numbers were compared. {self.cost}"
        looked = f"Of {count} numbers that were compared"
        alone = f"; {len(self.alone)} {'more ' if self.told else ''}would, looked at alone" if self.alone else ""
        if not self.told:
            return f"{looked}, none tells {both} apart ({self._over()}, corrected for {count}){alone}. {self.cost}"
        verb = "tells" if len(self.told) == 1 else "tell"
        head = f"{looked}, {len(self.told)} {verb} {both} apart ({self._over()}, corrected for {count}){alone}."
        best = self._each_its_own()
        return " ".join([head, *(["The surest:"] if len(best) < len(self.told) else []), *best])

    def _each_its_own(self) -> list[str]:
        """The surest of each part, until there are enough."""
        found: dict[str, str] = {}
        for one in self.told:
            found.setdefault(one.contrast.part, one.sentence())
        return list(found.values())[:MOST]

    def table(self) -> Table:
        """A row for each number: those that are told apart first, the surest on top."""
        rows = tuple(
            (
                one.name,
                one.contrast.part,
                one.amount(),
                "—" if one.adjusted != one.adjusted else "< 0.001" if one.adjusted < 0.001 else f"{one.adjusted:.3f}",
                one.ahead if one.told else ALONE if one.alone else "—",
            )
            for one in (*self.told, *self.level)
        )
        head = ("difference", "part", f"{self.labels[1]} ahead by", "p (corrected)", "ahead")
        lacking = "".join(f" Nothing of {part}: {why}." for part, why in self.lacking.items())
        note = (
            f"Paired by seed, {self._over()}; each interval is at 95 % by itself, p is Holm's over all "
            f"{len(self.each)} rows ({ALONE}: told without that correction); below 0 (of times, below 1) "
            f"{self.labels[0]} is ahead.{lacking} {self.lost}".rstrip()
        )
        return Table(head, rows, note)


def differences(study: StoredStudy) -> Differences:
    """Compare the two models of a study in everything that it has.

    Raises `StoreError` where it compares no two models, or has not one part of which both models' runs are done.
    """
    labels, found, lacking = pair(study).labels, [], {}
    for part, contrasts_of in PARTS.items():
        try:
            found += contrasts_of(study)
        except StoreError as error:
            lacking[part] = str(error)
    if not found:
        raise StoreError(f"{study.folder} has nothing in which its two models could be compared: {_first(lacking)}")
    return Differences(
        labels, matched_models(study).sentence(), contrasted(found, labels), lacking, told_lost(lost(study))
    )


def _first(lacking: dict[str, str]) -> str:
    return next(iter(lacking.values()), "no part is done")
