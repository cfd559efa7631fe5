"""In what two models differ: every number of every part of a study, held to its seeds, and all corrected together.

Each part of the study that is there gives its contrasts (`contrasts`): one number for each seed, by how much the second
model is ahead. Holm's correction runs over all of them at once, so that the chance that any sentence is told wrongly
stays below 5 %, however many were tried. Those that are told are ranked by how sure they are, |mean| over its standard
error; the others are listed apart. What a model costs is no estimate, and told beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from passo.analysis.calibrated import calibrated
from passo.analysis.contrasting import classes_contrasts, imbalance_contrasts, robustness_contrasts
from passo.analysis.contrasts import Contrast, Contrasted, contrasted
from passo.analysis.divergences import divergences
from passo.analysis.matched import Matched, matched_models
from passo.analysis.pair import pair
from passo.analysis.paired import ALONE, told_p
from passo.analysis.sizes import sizes
from passo.analysis.small import small
from passo.analysis.tables import Table
from passo.analysis.validated import validated
from passo.analysis.varied import listed, lost, told_lost
from passo.analysis.words import counted_seeds
from passo.errors import StoreError
from passo.language import later, t, tn
from passo.store import StoredStudy
from passo.telling import told

PARTS: dict[str, Callable[[StoredStudy], tuple[Contrast, ...]]] = {
    later("sizes"): lambda study: sizes(study).contrasts,
    later("small"): lambda study: small(study).contrasts,
    later("validated"): lambda study: validated(study).contrasts,
    later("robustness"): robustness_contrasts,
    later("imbalance"): imbalance_contrasts,
    later("classes"): classes_contrasts,
    later("calibration"): lambda study: calibrated(study).contrasts,
    later("cross-entropy"): lambda study: divergences(study).contrasts,
}
"""What gives the contrasts of each part."""
MOST = 3  # that a sentence names


@dataclass(frozen=True)
class Differences:
    """Everything that was compared.

    matched: what both models cost. lacking: why, by part that gave nothing. lost: the runs without a result.
    """

    labels: tuple[str, str]
    matched: Matched
    each: tuple[Contrasted, ...]
    lacking: dict[str, str]
    lost: Mapping[str, tuple[str, ...]]

    @cached_property
    def told(self) -> tuple[Contrasted, ...]:
        """Those that are told apart, the surest first."""
        return tuple(sorted((one for one in self.each if one.told), key=lambda one: -one.surety))

    @property
    def cost(self) -> str:
        """What both models cost, in a sentence."""
        return self.matched.sentence()

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
        return counted_seeds(most) if least == most else t("{least} to {most} seeds", least=least, most=most)

    def sentences(self) -> tuple[str, ...]:
        """Each difference that is told apart, the surest first."""
        return tuple(one.sentence() for one in self.told)

    def undecided(self) -> str:
        """In what the two are not distinguishable, in one sentence; "" where there is nothing.

        A part's own sentence is corrected for that part's numbers alone, and may tell some of these apart.
        """
        names = [one.name for one in self.level if one.known]
        if not names:
            return ""
        return t(
            "Corrected for all {count} numbers at once, the {first} and the {second} are not distinguishable in "
            "{names}.",
            count=len(self.each),
            first=self.labels[0],
            second=self.labels[1],
            names=listed(names, 8),
        )

    def sentence(self) -> str:
        """How many differences there are, and the surest."""
        fields = {"count": len(self.each), "first": self.labels[0], "second": self.labels[1], "over": self._over()}
        if self.seeds[1] < 2:
            looked = t("One seed tells nothing apart: {count} numbers were compared.", **fields)
            return f"{looked} {self.cost}"
        if not self.told:
            looked = t(
                "Of {count} numbers that were compared, none tells the {first} and the {second} apart ({over}, "
                "corrected for {count}){alone}.",
                alone=self._alone(),
                **fields,
            )
            return f"{looked} {self.cost}"
        looked = tn(
            "Of {count} numbers that were compared, {n} tells the {first} and the {second} apart ({over}, corrected "
            "for {count}){alone}.",
            "Of {count} numbers that were compared, {n} tell the {first} and the {second} apart ({over}, corrected for "
            "{count}){alone}.",
            len(self.told),
            alone=self._alone(),
            **fields,
        )
        best = self._each_its_own()
        return " ".join([looked, *([t("The surest:")] if len(best) < len(self.told) else []), *best])

    def _alone(self) -> str:
        """How many would be told but for the correction, as a clause behind a semicolon; "" where none would."""
        n = len(self.alone)
        if not n:
            return ""
        if self.told:
            return f"; {tn('{n} more would, looked at alone', '{n} more would, looked at alone', n)}"
        return f"; {tn('{n} would, looked at alone', '{n} would, looked at alone', n)}"

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
                t(one.contrast.part),
                one.amount(),
                told_p(one.adjusted),
                one.ahead if one.told else t(ALONE) if one.alone else "—",
            )
            for one in (*self.told, *self.level)
        )
        ahead_by = t("{model} ahead by", model=self.labels[1])
        head = (t("difference"), t("part"), ahead_by, t("p (corrected)"), t("ahead"))
        note = t(
            "Paired by seed, {over}; each interval is at 95 % by itself, p is Holm's over all {count} rows ({alone}: "
            "told without that correction); below 0 (of times, below 1) {first} is ahead.",
            over=self._over(),
            count=len(self.each),
            alone=t(ALONE),
            first=self.labels[0],
        )
        lacking = [t("Nothing of {part}: {why}.", part=t(part), why=told(why)) for part, why in self.lacking.items()]
        return Table(head, rows, " ".join(filter(None, [note, *lacking, told_lost(self.lost)])))


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
    return Differences(labels, matched_models(study), contrasted(found, labels), lacking, lost(study))


def _first(lacking: dict[str, str]) -> str:
    return next(iter(lacking.values()), "no part is done")
