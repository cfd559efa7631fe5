"""Rare classes: what is lost when some have few images, what a remedy brings back, and which model loses more.

Every class counts alike in the balanced accuracy, the mean recall over classes, so that a network that names the
frequent ones alone gains nothing by it. The rarest and the most frequent are a third of the classes each, at least one.
Each kind of difference (a loss, a remedy, the models' losses, another choice of rare classes) is paired by seed and
corrected for all of its kind (Holm).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from passo.analysis.compare import HIGHER, LOWER, in_points
from passo.analysis.once import once
from passo.analysis.pair import configured, pair
from passo.analysis.paired import APART, Paired, gap
from passo.analysis.paired_shares import SHARE, BySeed, Versus, differing, standing, unsure
from passo.analysis.tables import Table
from passo.analysis.treated import NONE, Case, Treated, treated
from passo.analysis.varied import listed
from passo.analysis.words import joined, ranged, seeds, significant
from passo.errors import StoreError
from passo.language import later, t
from passo.store import StoredStudy


@dataclass(frozen=True)
class Imbalance:
    """Everything that was trained, and the differences in balanced accuracy.

    lost: at 1:1 less at a ratio, without remedy. helped: with a remedy less without. parted: what the first model lost
    less what the second did, by ratio. chosen: with one choice of rare classes less with another of as many.
    """

    labels: tuple[str, str]
    classes: tuple[str, ...]
    each: Mapping[Case, Treated]
    lost: Mapping[Case, Paired]
    helped: Mapping[Case, Paired]
    parted: Mapping[float, Paired]
    chosen: Mapping[tuple[Case, Case], Paired]

    @property
    def ratios(self) -> tuple[float, ...]:
        """From 1, where it was trained, to the largest."""
        return tuple(sorted({case.ratio for case in self.each}))

    @property
    def remedies(self) -> tuple[str, ...]:
        """None first, the others in the order of the study."""
        return tuple(sorted(dict.fromkeys(case.remedy for case in self.each), key=lambda name: name != NONE))

    @cached_property
    def largest(self) -> Treated:
        """One without remedy at the largest ratio: its order of the classes is that of sentences and figures."""
        plain = [one for case, one in self.each.items() if case.remedy == NONE]
        return max(plain, key=lambda one: (one.case.ratio, not one.case.rare))

    @property
    def n(self) -> int:
        """Seeds."""
        return len(self.largest.found.seeds)

    def sentence(self) -> str:
        """What was rare, what it cost both models, what brought it back, and whether it matters which classes."""
        told = (self._told_counts(), self._told_lost(), self._told_parted(), self._told_helped(), self._told_chosen())
        return " ".join(filter(None, told))

    def _told_counts(self) -> str:
        first, last = self.largest.order[0], self.largest.order[-1]
        images = self.largest.images
        return t(
            "At 1:{ratio}, classes go from {most:,} training images ({frequent}) to {least:,} ({rarest}), {all:,} in "
            "all.",
            ratio=significant(self.largest.case.ratio),
            most=images[first],
            frequent=self.classes[first],
            least=images[last],
            rarest=self.classes[last],
            all=images.sum(),
        )

    def _told_lost(self) -> str:
        there = [self.each.get(self.largest.case._replace(model=label)) for label in self.labels]
        names = listed([self.classes[c] for c in self.largest.rarest])
        return t(
            "Without a remedy {found}. The rarest: {names}; {seeds}.",
            found="; ".join(self._told_found(one) for one in there if one),
            names=names,
            seeds=seeds(self.n),
        )

    def _told_found(self, one: Treated) -> str:
        """How much of the rarest and of the most frequent classes a model finds, and what the imbalance cost it."""
        told = t(
            "the {label} finds {rare} of the images of the rarest and {frequent} of the most frequent classes",
            label=one.case.model,
            rare=ranged(one.recall_of(self.largest.rarest), SHARE),
            frequent=ranged(one.recall_of(self.largest.frequent), SHARE),
        )
        lost = self.lost.get(one.case)
        if not lost:
            return told
        cost = t("balanced accuracy against 1:1: {gap}", gap=gap(minus(lost), SHARE))
        return f"{told} ({cost}{unsure(lost)})"

    def _told_parted(self) -> str:
        if not any(found.known for found in self.parted.values()):
            return ""
        parts = []
        for label, verdict in zip(self.labels, (HIGHER, LOWER), strict=True):
            ratios = [
                t(
                    "1:{ratio} (by {points})",
                    ratio=significant(ratio),
                    points=in_points(ranged(found if verdict == HIGHER else minus(found), SHARE, difference=True)),
                )
                for ratio, found in self.parted.items()
                if found.verdict == verdict
            ]
            parts += [t("the {label} loses more at {ratios}", label=label, ratios=joined(ratios))] if ratios else []
        if not parts:
            return t("Which model loses more is not distinguishable at any ratio.")
        return t("Of the two, {told}.", told=joined(parts))

    def _told_helped(self) -> str:
        if not any(found.known for found in self.helped.values()):
            return ""
        parts = []
        for label in self.labels:
            mine = {case: found for case, found in self.helped.items() if case.model == label}
            apart = {case: found for case, found in mine.items() if found.verdict != APART}
            told = [_at_ratios(remedy, apart) for remedy in self.remedies if any(c.remedy == remedy for c in apart)]
            if told:
                parts.append(t("for the {label} {remedies}", label=label, remedies=joined(told)))
            elif mine:
                parts.append(t("for the {label} there is none", label=label))
        return t("Remedies that are distinguishable from none: {told}.", told="; ".join(parts)) if parts else ""

    def _told_chosen(self) -> str:
        """What chosen classes lose when they alone are rare, and whether others lose as much."""
        told = []
        for rare, ratio in dict.fromkeys((case.rare, case.ratio) for case in self.each if case.rare):
            cases = [case for case in self.each if (case.rare, case.ratio) == (rare, ratio)]
            told.append(
                t(
                    "With {rare} alone rare (1:{ratio}), their recall is {recalls}.",
                    rare=listed(rare),
                    ratio=significant(ratio),
                    recalls=joined([self._told_fall(case) for case in cases]),
                )
            )
        for rare, other in dict.fromkeys((case.rare, other.rare) for case, other in self.chosen):
            gaps = [
                f"{t('{gap} for the {label}', gap=gap(found, SHARE), label=case.model)}{unsure(found)}"
                for (case, another), found in self.chosen.items()
                if (case.rare, another.rare) == (rare, other)
            ]
            told.append(
                t(
                    "With {rare} rare and not {other}, balanced accuracy differs by {gaps}.",
                    rare=listed(rare),
                    other=listed(other),
                    gaps=joined(gaps),
                )
            )
        return " ".join(told)

    def _told_fall(self, case: Case) -> str:
        """The recall of the classes that are rare here, and what it was with as many images as the others have."""
        one, even = self.each[case], self.each.get(Case(case.model, 1.0))
        recall = ranged(one.recall_of(one.rarest), SHARE)
        if not even:
            return t("{recall} for the {label}", recall=recall, label=case.model)
        at_even = ranged(even.recall_of(one.rarest), SHARE)
        return t("{recall} ({even} at 1:1) for the {label}", recall=recall, even=at_even, label=case.model)

    def table(self) -> Table:
        """A row for each training: recall of the rarest and the most frequent, balanced accuracy, and its change."""
        rows = tuple(self._row(case, one) for case, one in self.each.items())
        note = t(
            "{seeds}. Rarest and most frequent: a third of the classes each; where some alone are rare, those. "
            "Difference: of balanced accuracy, with a remedy from none at the same ratio, without one from 1:1; "
            "paired by seed.",
            seeds=seeds(self.n).capitalize(),
        )
        named = (t("model"), t("ratio"), t("remedy"), t("rarest"), t("most frequent"), t("balanced accuracy"))
        return Table((*named, t("difference"), t("told apart")), rows, note)

    def _row(self, case: Case, one: Treated) -> tuple[str, ...]:
        rarest, frequent = (one if case.rare else self.largest).rarest, self.largest.frequent
        recalls = [ranged(found, SHARE) for found in (one.recall_of(rarest), one.recall_of(frequent), one.balanced)]
        fall = self.lost.get(case)
        found = self.helped.get(case) or (minus(fall) if fall else None)
        last = (gap(found, SHARE), standing(found)) if found else ("", "")
        remedy = t(case.remedy)
        if case.rare:
            remedy = t("{remedy} ({classes} rare)", remedy=remedy, classes=listed(case.rare))
        return (case.model, f"1:{significant(case.ratio)}", remedy, *recalls, *last)


def minus(found: Paired) -> Paired:
    """The same difference the other way round.

    >>> round(minus(differing([Versus("a", "b", {0: 0.5, 1: 0.6}, {0: 0.4, 1: 0.4}, 100)])[0]).mean, 3)
    -0.15
    """
    wide = (-found.wide[1], -found.wide[0])
    ends = {"mean": -found.mean, "low": -found.high, "high": -found.low, "wide": wide}
    return replace(found, first=found.second, second=found.first, **ends)


def _at_ratios(remedy: str, apart: Mapping[Case, Paired]) -> str:
    """A remedy, at which ratios it makes a difference, and how large that is at the last."""
    there = {case.ratio: found for case, found in apart.items() if case.remedy == remedy}
    one, several = later("{remedy} at {ratios} ({gap})"), later("{remedy} at {ratios} (there {gap})")
    return t(
        several if len(there) > 1 else one,
        remedy=t(remedy),
        ratios=joined([f"1:{significant(ratio)}" for ratio in sorted(there)]),
        gap=gap(there[max(there)], SHARE),
    )


@once
def imbalance(study: StoredStudy) -> Imbalance:
    """Read the part `imbalance` of a study of two models.

    Raises `StoreError` where the study compares no two models, or has no finished run of that part that is unbalanced.
    """
    labels = pair(study).labels
    found = [treated(study, one) for one in configured(study, part="imbalance")]
    each = {one.case: one for one in sorted(found, key=lambda one: labels.index(one.case.model))}
    if not any(case.ratio > 1 and case.remedy == NONE and not case.rare for case in each):
        raise StoreError(f"{study.folder} has no finished run with fewer and fewer images from class to class")
    plain = {case: case._replace(remedy=NONE) for case in each if case.remedy != NONE}
    even = {case: Case(case.model, 1.0) for case in each if case.ratio > 1 and case.remedy == NONE}
    against_even = _held_against(each, list(even.items()))
    return Imbalance(
        labels,
        found[0].found.classes,
        each,
        lost={case: minus(one) for (case, _), one in against_even.items()},
        helped={case: one for (case, _), one in _held_against(each, list(plain.items())).items()},
        parted=_parted(each, labels),
        chosen=_held_against(each, _choices(each)),
    )


def _choices(each: Mapping[Case, Treated]) -> list[tuple[Case, Case]]:
    """Each choice of rare classes beside each other one of as many, of the same model at the same ratio."""
    rare = [case for case in each if case.rare]
    alike = [(case._replace(rare=()), len(case.rare)) for case in rare]
    pairs = [(i, j) for i in range(len(rare)) for j in range(i + 1, len(rare)) if alike[i] == alike[j]]
    return [(rare[i], rare[j]) for i, j in pairs]


def _held_against(each: Mapping[Case, Treated], pairs: Sequence[tuple[Case, Case]]) -> dict[tuple[Case, Case], Paired]:
    """The balanced accuracy of each case less that of the other, where both were trained."""
    there = [(case, other) for case, other in pairs if other in each]
    versus = [
        Versus(one.found.name, two.found.name, one.by_seed, two.by_seed, int(one.found.images.sum()))
        for one, two in ((each[case], each[other]) for case, other in there)
    ]
    return {both: found for both, found in zip(there, differing(versus), strict=True) if found.n}


def _parted(each: Mapping[Case, Treated], labels: tuple[str, str]) -> dict[float, Paired]:
    """What the first model loses from 1:1 to each ratio, less what the second does."""
    pairs = {}
    for ratio in sorted({case.ratio for case in each if case.ratio > 1}):
        cases = [(Case(label, 1.0), Case(label, ratio)) for label in labels]
        if all(case in each for both in cases for case in both):
            first, second = (_loss(each[even].by_seed, each[rare].by_seed) for even, rare in cases)
            pairs[ratio] = Versus(labels[0], labels[1], first, second, int(each[cases[0][0]].found.images.sum()))
    return {ratio: found for ratio, found in zip(pairs, differing(list(pairs.values())), strict=True) if found.n}


def _loss(even: BySeed, rare: BySeed) -> BySeed:
    return {seed: value - rare[seed] for seed, value in even.items() if seed in rare}
