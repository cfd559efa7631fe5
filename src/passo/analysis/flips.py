"""Which test images a perturbation flips, at which strength, and which it flips for one model and not for the other.

An image is *flipped* at the smallest strength (by size, whatever its sign) at which the model is wrong, of those that
it names rightly unchanged. Over seeds, an image is flipped where more than half of the seeds have it wrong: with an odd
number of seeds, at the median of their strengths.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from passo.analysis.intervals import intervals
from passo.analysis.perturbed import CLEAN, Along, along, spoken, told
from passo.analysis.tables import Table
from passo.analysis.words import joined
from passo.language import numeral, t
from passo.store import StoredStudy

NEVER, ALREADY = -1, -2


@dataclass(frozen=True)
class Flipped:
    """One model along one perturbation: K sizes of strengths, without 0; S seeds, C classes.

    sizes: (K,). share: (S, K), of the images that a seed has right unchanged, how many are flipped up to each size.
    by_class: (C, K), the same for each true class, for most seeds; NaN for a class of which nothing was right.
    """

    along: Along
    sizes: np.ndarray
    share: np.ndarray
    by_class: np.ndarray

    @property
    def model(self) -> str:
        return self.along.model

    @cached_property
    def band(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean share and the ends of its 95 % interval over seeds: three of (K,)."""
        return intervals(self.share)

    @cached_property
    def half(self) -> float | None:
        """The smallest size up to which half of the images are flipped, on the mean over seeds; None where never."""
        there = np.flatnonzero(self.band[0] >= 0.5)
        return float(self.sizes[there[0]]) if len(there) else None

    def half_of(self, label: int) -> float | None:
        """The smallest size by which half of a class's images are flipped, for most seeds; None where none does."""
        there = np.flatnonzero(self.by_class[label] >= 0.5)  # NaN is not
        return float(self.sizes[there[0]]) if len(there) else None

    @cached_property
    def never(self) -> int:
        """Images that no strength flips, for most seeds."""
        return int((self.along.flipped == NEVER).sum())


@dataclass(frozen=True)
class Flips:
    """One perturbation and one or two models, trained on unchanged images.

    both, only, neither: of the images that both name rightly unchanged, how many are flipped for both, for one of them
    alone (in the order of the models), for neither, at some strength. first: for each model, the positions of the
    images that it alone loses, those that are lost at the smallest strength first.
    """

    perturbation: str
    models: tuple[Flipped, ...]
    both: int
    only: tuple[int, int]
    neither: int
    first: tuple[np.ndarray, ...]

    def sentence(self) -> str:
        """By which strength half of the images are flipped, and how many are for one model and not for the other."""
        text = self._halves()
        if len(self.models) < 2:
            return text
        alone = [
            t("{n:,} for the {label} alone", n=n, label=one.model)
            for n, one in zip(self.only, self.models, strict=True)
        ]
        compared = t(
            "Of {count:,} images that both name rightly unchanged, {both:,} are flipped for both at some strength, "
            "{alone}, {neither:,} for neither.",
            count=self.both + sum(self.only) + self.neither,
            both=self.both,
            alone=joined(alone),
            neither=self.neither,
        )
        return f"{text} {compared}"

    def _halves(self) -> str:
        have = [(one.model, one.half) for one in self.models if one.half is not None]
        without = joined([t("the {label}", label=one.model) for one in self.models if one.half is None] or [""])
        if not have:
            return t(
                "No strength of {way} flips half of the images that are named rightly unchanged for {models}.",
                way=spoken(self.perturbation),
                models=without,
            )
        by = {half: [t("the {label}", label=model) for model, each in have if each == half] for _, half in have}
        parts = [
            t(
                "by {strength} for {models}",
                strength=told(self.perturbation, half, either=True),
                models=joined(models),
            )
            for half, models in by.items()
        ]
        text = t("Half of the images that are named rightly unchanged are flipped {told}", told=joined(parts))
        return text + (f"; {t('no strength flips as many for {models}', models=without)}." if without else ".")

    def table(self) -> Table:
        """A row for each size of the strength: the share that is flipped, for each model."""
        head = (t("up to"), *(t("{model} flipped", model=one.model) for one in self.models))
        rows = []
        for k, size in enumerate(self.models[0].sizes):
            shares = (numeral(f"{100 * one.band[0][k]:.1f} %") for one in self.models)
            rows.append((told(self.perturbation, float(size), either=True), *shares))
        note = t("Of the images that a seed names rightly unchanged; mean over seeds.")
        return Table(head, tuple(rows), note)

    def by_class(self) -> Table:
        """A row for each class: the strength that flips half of its images, for each model; the first to fall first."""
        names = self.models[0].along.classes
        halves = {label: [one.half_of(label) for one in self.models] for label in range(len(names))}
        order = sorted(halves, key=lambda label: [math.inf if half is None else half for half in halves[label]])
        rows = tuple((names[label], *map(self._said, halves[label])) for label in order)
        head = (t("class"), *(t("half are flipped for the {model} by", model=one.model) for one in self.models))
        return Table(head, rows, t("Of the images that most seeds name rightly unchanged; —: by no strength."))

    def _said(self, half: float | None) -> str:
        return "—" if half is None else told(self.perturbation, half, either=True)


def flips(study: StoredStudy, perturbation: str) -> Flips:
    """Which images a perturbation flips, for the models that were trained on unchanged images.

    Raises `UnknownName` for a perturbation that was not measured, `StoreError` where none was.
    """
    clean = [one for one in along(study, perturbation) if one.trained == CLEAN]
    return of(perturbation, clean or list(along(study, perturbation))[:1])


def of(perturbation: str, found: Sequence[Along]) -> Flips:
    """The flips of one model or two that were shown the same images."""
    models = tuple(flipped(one) for one in found)
    if len(found) < 2:
        return Flips(perturbation, models, 0, (0, 0), 0, ())
    one, two = (each.flipped for each in found)
    right = (one != ALREADY) & (two != ALREADY)
    lost = [right & (each > 0) for each in (one, two)]
    alone = [lost[0] & ~lost[1], lost[1] & ~lost[0]]
    first = tuple(
        each.positions[there][np.argsort(each.flipped[there], kind="stable")]
        for each, there in zip(found, alone, strict=True)
    )
    both, neither = int((lost[0] & lost[1]).sum()), int((right & ~lost[0] & ~lost[1]).sum())
    return Flips(perturbation, models, both, (int(alone[0].sum()), int(alone[1].sum())), neither, first)


def flipped(one: Along) -> Flipped:
    """How many images are flipped up to each size of the strength."""
    by_size = np.abs(one.strengths)
    sizes = np.unique(by_size[1:])
    last = np.array([np.flatnonzero(by_size <= size)[-1] for size in sizes])  # strengths stand by size
    counted = (one.flip[:, None] > 0) & (one.flip[:, None] <= last[:, None])  # (S, K, N)
    right = (one.flip != ALREADY).sum(1)[:, None]
    of_most = (one.flipped > 0) & (one.flipped <= last[:, None])  # (K, N)
    by_class = np.full((len(one.classes), len(sizes)), np.nan)
    for label in range(len(one.classes)):
        if (there := (one.labels == label) & (one.flipped != ALREADY)).any():
            by_class[label] = of_most[:, there].mean(1)
    share = np.where(right > 0, counted.sum(2) / np.maximum(right, 1), np.nan)
    return Flipped(one, sizes, share, by_class)
