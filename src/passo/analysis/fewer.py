"""Fewer classes: how much easier it gets with 2, 3 or 5 of them, the first ones or the most confused ones.

Whoever guesses among k classes is right in 1/k of the cases, so that accuracies of different k are held against that.
Two kinds of difference are paired by seed, each corrected for all of its kind (Holm): the first model less the second,
and the most confused classes less as many first ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from passo.analysis.confusions import Confusions, confusions
from passo.analysis.intervals import Interval
from passo.analysis.pair import Configured, configured, pair
from passo.analysis.paired import Paired, gap
from passo.analysis.paired_shares import SHARE, BySeed, Versus, differing, share_interval, standing, unsure
from passo.analysis.tables import Table
from passo.analysis.varied import listed
from passo.analysis.words import amount, joined, ranged, seeds
from passo.errors import StoreError
from passo.language import later, t
from passo.store import StoredStudy

FIRST, CONFUSED = later("the first ones"), later("the most confused ones")


class Taken(NamedTuple):
    """Which classes a model was trained on: how many, and how they were chosen; all of them are the first ones."""

    model: str
    number: int
    kind: str = FIRST


@dataclass(frozen=True)
class Fewer:
    """What was trained on which classes, and the differences in test accuracy.

    models: the first less the second, by number and kind. kinds: the most confused less as many first ones.
    """

    labels: tuple[str, str]
    each: Mapping[Taken, Confusions]
    models: Mapping[tuple[int, str], Paired]
    kinds: Mapping[Taken, Paired]

    @property
    def counts(self) -> tuple[int, ...]:
        """Numbers of classes, ascending."""
        return tuple(sorted({taken.number for taken in self.each}))

    @cached_property
    def accuracy(self) -> dict[Taken, Interval]:
        return {taken: share_interval(found.accuracy) for taken, found in self.each.items()}

    @property
    def n(self) -> int:
        """Seeds, the fewest of any."""
        return min(len(found.seeds) for found in self.each.values())

    def classes(self, number: int, kind: str) -> tuple[str, ...]:
        """Which classes were taken; () where none of that number and kind were."""
        for taken, found in self.each.items():
            if (taken.number, taken.kind) == (number, kind):
                return found.classes
        return ()

    def sentence(self) -> str:
        """From the fewest classes to all, for both models; and what the most confused ones make of it."""
        first, confused = ([one for one in self.counts if self.classes(one, kind)] for kind in (FIRST, CONFUSED))
        told = [self._told(number, FIRST) for number in dict.fromkeys((first[0], first[-1]))]
        told += [f"{self._told(confused[0], CONFUSED)}{self._against_first(confused[0])}"] if confused else []
        return f"{'. '.join(told)} ({seeds(self.n)})."

    def _told(self, number: int, kind: str) -> str:
        """Both models with as many classes, and chance."""
        there = [(label, self.accuracy.get(Taken(label, number, kind))) for label in self.labels]
        reached = joined(
            [
                t("the {label} reaches {accuracy}", label=label, accuracy=ranged(one, SHARE))
                for label, one in there
                if one is not None
            ]
        )
        apart = self.models.get((number, kind))
        fields = {
            "number": number,
            "reached": reached + (unsure(apart) if apart else ""),
            "chance": amount(1 / number, SHARE),
        }
        if number == max(self.counts):
            return t("With all {number} classes, {reached}, where chance is {chance}", **fields)
        return t(
            "With {number} classes, {kind} ({names}), {reached}, where chance is {chance}",
            kind=t(kind),
            names=listed(self.classes(number, kind)),
            **fields,
        )

    def _against_first(self, number: int) -> str:
        """How far that is from as many first classes."""
        parts = [
            f"{t('{gap} for the {label}', gap=gap(found, SHARE), label=taken.model)}{unsure(found)}"
            for taken, found in self.kinds.items()
            if taken.number == number
        ]
        return f"; {t('against as many first ones {gaps}', gaps=joined(parts))}" if parts else ""

    def table(self) -> Table:
        """A row for each choice of classes."""
        first, second = self.labels
        choices = sorted({(taken.number, taken.kind != FIRST, taken.kind) for taken in self.each})
        rows = tuple(self._row(number, kind) for number, _, kind in choices)
        is_ = t("{model} is", model=first)
        head = (t("classes"), t("number"), t("chance"), first, second, f"{first} − {second}", is_)
        note = t(
            "Test accuracy, {seeds}; differences paired by seed, after Holm's correction for all rows.",
            seeds=seeds(self.n),
        )
        return Table(head, rows, note)

    def _row(self, number: int, kind: str) -> tuple[str, ...]:
        found = [self.accuracy.get(Taken(label, number, kind)) for label in self.labels]
        words = ["—" if one is None else ranged(one, SHARE) for one in found]
        gaps = self.models.get((number, kind))
        told = (gap(gaps, SHARE), standing(gaps)) if gaps else ("", "")
        names = t("all") if number == max(self.counts) else listed(self.classes(number, kind))
        return (names, str(number), amount(1 / number, SHARE), *words, *told)


def fewer(study: StoredStudy) -> Fewer:
    """Read the part `classes` of a study of two models.

    Raises `StoreError` where the study compares no two models, or nothing was trained on fewer classes than all.
    """
    labels = pair(study).labels
    each = dict(
        sorted((_taken(study, one) for one in configured(study, part="classes")), key=lambda one: one[0].number)
    )
    if len({taken.number for taken in each}) < 2:
        raise StoreError(f"{study.folder} has no finished runs with different numbers of classes to compare")
    both = [
        key for key in dict.fromkeys((t.number, t.kind) for t in each) if all(Taken(n, *key) in each for n in labels)
    ]
    models = [_versus(each, Taken(labels[0], *key), Taken(labels[1], *key)) for key in both]
    confused = [taken for taken in each if taken.kind == CONFUSED and taken._replace(kind=FIRST) in each]
    kinds = [_versus(each, taken, taken._replace(kind=FIRST)) for taken in confused]
    return Fewer(
        labels,
        each,
        {key: found for key, found in zip(both, differing(models), strict=True) if found.n},
        {taken: found for taken, found in zip(confused, differing(kinds), strict=True) if found.n},
    )


def _taken(study: StoredStudy, one: Configured) -> tuple[Taken, Confusions]:
    found = confusions(study, one.name)
    chosen = one.entry.startswith("confused") or "most confused" in str(one.varied.get("dataset.classes"))
    return Taken(one.model, len(found.classes), CONFUSED if chosen else FIRST), found


def _versus(each: Mapping[Taken, Confusions], first: Taken, second: Taken) -> Versus:
    one, two = each[first], each[second]
    return Versus(one.name, two.name, _by_seed(one), _by_seed(two), int(min(one.images.sum(), two.images.sum())))


def _by_seed(found: Confusions) -> BySeed:
    return dict(zip(found.seeds, map(float, found.accuracy), strict=True))
