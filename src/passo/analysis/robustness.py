"""How well models bear perturbations: where accuracy falls below a level, and how much of it is kept on the whole.

Where it falls below is `limits`, where two models part `parting`. What a model *keeps* is the area under its accuracy
over strength, relative to its accuracy on unchanged images:

    kept = ∫ a(s) ds / [(s_max − s_min) · a(0)]            by trapezoids over the measured strengths

1 is a model that a perturbation does nothing to; a model at chance throughout has 1 as well, so that kept is read
beside the accuracy on unchanged images. Differences between two models are paired by seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from passo.analysis.intervals import Interval, interval
from passo.analysis.limits import Limit, fallen, limit, usual_level
from passo.analysis.needed import LEVEL as SURE
from passo.analysis.once import once
from passo.analysis.pair import begun
from passo.analysis.paired import holm
from passo.analysis.parting import Parting, parting
from passo.analysis.perturbed import CLEAN, Along, alongs, chosen, labels_of, spoken, ways
from passo.analysis.resampled import mean_test
from passo.analysis.tables import Table
from passo.analysis.words import joined, ranged, seeds
from passo.language import t
from passo.registry import unknown
from passo.store import StoredStudy


@dataclass(frozen=True)
class Gap(Interval):
    """How much more is kept by the second model than by the first: paired, with its p and Holm's."""

    p: float
    adjusted: float

    @property
    def apart(self) -> bool:
        """Whether it is told from 0, after the correction for all perturbations."""
        return self.adjusted <= SURE


@dataclass(frozen=True)
class Borne:
    """One perturbation: every configuration that was measured along it, those trained on unchanged images first."""

    perturbation: str
    models: tuple[str, ...]
    level: float
    alongs: tuple[Along, ...]
    gap: Gap | None

    @property
    def clean(self) -> tuple[Along, ...]:
        """Those that were trained on unchanged images, in the order of the models."""
        return tuple(one for one in self.alongs if one.trained == CLEAN)

    @property
    def exposed(self) -> tuple[Along, ...]:
        """Those that were trained on this perturbation."""
        return tuple(one for one in self.alongs if one.trained == self.perturbation)

    @cached_property
    def limits(self) -> tuple[tuple[Limit, ...], ...]:
        """For each side of 0, the limit of each of `alongs`."""
        sides = range(len(self.alongs[0].sides))
        return tuple(tuple(limit(one, self.level, side) for one in self.alongs) for side in sides)

    @cached_property
    def partings(self) -> tuple[Parting, ...]:
        """Where the two models that were trained on unchanged images part, for each side of 0; empty for one model."""
        return parting(*self.clean) if len(self.clean) == 2 else ()

    def kept(self, one: Along) -> Interval:
        """How much of its accuracy a configuration keeps, over seeds."""
        return interval(kept(one))

    def sentence(self) -> str:
        """Where each model falls below the level, where the two part, and how far training on such images brings it."""
        parts = (self.limit_sentence(), *(one.sentence() for one in self.partings), self.exposed_sentence())
        return " ".join(part for part in parts if part)

    def limit_sentence(self) -> str:
        """Where each model that was trained on unchanged images falls below the level; "" where none was."""
        return self._limits(CLEAN)

    def exposed_sentence(self) -> str:
        """The same for those that were trained on this perturbation."""
        text = self._limits(self.perturbation)
        return t("Trained on such images: {told}", told=f"{text[0].lower()}{text[1:]}") if text else ""

    def _limits(self, trained: str) -> str:
        sides = ([one for one in side if one.trained == trained] for side in self.limits)
        return " ".join(fallen(side, self.level) for side in sides if side)


@dataclass(frozen=True)
class Robustness:
    """All perturbations of a study. level: what limits are for. overall: how much each model keeps on the average of
    all perturbations, trained on unchanged images; gap: the second's minus the first's, paired."""

    models: tuple[str, ...]
    level: float
    chance: float
    images: int
    borne: tuple[Borne, ...]
    overall: tuple[Interval, ...]
    gap: Gap | None

    def of(self, perturbation: str) -> Borne:
        """One perturbation; raises `UnknownName`."""
        for one in self.borne:
            if one.perturbation == perturbation:
                return one
        raise unknown("perturbation", perturbation, [one.perturbation for one in self.borne])

    def sentence(self) -> str:
        """How much each model keeps on average, and which perturbations tell the two apart."""
        if not self.overall:
            return t("No model that was trained on unchanged images was measured along every perturbation.")
        kept = [
            t("the {label} keeps {share}", label=name, share=_share(one))
            for name, one in zip(self.models, self.overall, strict=True)
        ]
        text = t(
            "Averaged over {count} perturbations of {images:,} test images, {kept} of the accuracy on unchanged images "
            "({seeds}).",
            count=len(self.borne),
            images=self.images,
            kept=joined(kept),
            seeds=seeds(self.overall[0].n),
        )
        return text if self.gap is None or len(self.models) < 2 else f"{text} {self._who()}"

    def _who(self) -> str:
        first, second = self.models
        gaps = {one.perturbation: one.gap for one in self.borne if one.gap is not None}
        if not any(gap.known for gap in gaps.values()):
            return t("One seed tells nothing apart.")
        parts = []
        for name, sign in ((second, 1), (first, -1)):
            if better := [spoken(way) for way, gap in gaps.items() if gap.apart and sign * gap.mean > 0]:
                parts.append(t("the {label} keeps more of it along {ways}", label=name, ways=joined(better)))
        if level := [spoken(way) for way, gap in gaps.items() if not gap.apart]:
            parts.append(t("along {ways} the two are not told apart", ways=joined(level)))
        text = begun("; ".join(parts), self.models)
        return t(
            "{told} (paired by seed, corrected for {count} perturbations).",
            told=text,
            count=len(gaps),
        )

    def table(self) -> Table:
        """A row for each perturbation, model and training: what is kept, and where accuracy falls below the level."""
        below = t("below {level:.0f} % beyond", level=100 * self.level)
        head = (t("perturbation"), t("model"), t("trained on"), t("unchanged"), t("kept"), below)
        rows = []
        for borne in self.borne:
            for place, one in enumerate(borne.alongs):
                limits = " / ".join(side[place].words() for side in borne.limits)
                clean = ranged(interval(one.accuracy[:, 0]), "accuracy")
                trained = spoken(one.trained) if one.trained else t("unchanged")
                cells = (spoken(borne.perturbation), one.model, trained, clean, _share(borne.kept(one)), limits)
                rows.append(cells)
        note = t(
            "unchanged: accuracy on unchanged images. kept: the area under accuracy over strength, relative to that. "
            "Limits in the units of the perturbation; of a size, when smaller / when larger. Intervals: Student's t "
            "over seeds."
        )
        return Table(head, tuple(rows), note)


@once
def robustness(study: StoredStudy, level: float | None = None) -> Robustness:
    """What a study measured on perturbed images; `level` is `usual_level` where none is given.

    Raises `StoreError` where it measured nothing, `ValueError` for a level that is no share.
    """
    found, models = alongs(study), labels_of(study)
    clean = [one for one in found if one.trained == CLEAN] or list(found)
    chance = clean[0].chance
    if level is None:
        level = usual_level(chance, [float(one.accuracy[:, 0].mean()) for one in clean])
    if not 0 < level < 1:
        raise ValueError(f"level must be a share between 0 and 1, got {level:g}")
    pairs = {way: [chosen(found, way, model) for model in models] for way in ways(found)}
    shares = {way: [kept(one) for one in pair if one is not None] for way, pair in pairs.items()}
    both = {way: _paired(*pair) for way, pair in pairs.items() if len(pair) == 2 and all(pair)}  # type: ignore[arg-type]
    gaps = dict(zip(both, _gaps(list(both.values())), strict=True))
    borne = tuple(
        Borne(way, models, level, tuple(one for one in found if one.perturbation == way), gaps.get(way))
        for way in ways(found)
    )
    whole = [each for each in shares.values() if len(each) == len(models)]
    overall = tuple(interval(np.mean([each[m] for each in whole], 0)) for m in range(len(models))) if whole else ()
    mean = _gaps([np.mean(list(both.values()), 0)])[0] if both else None
    return Robustness(models, level, chance, len(found[0].labels), borne, overall, mean)


def kept(one: Along) -> np.ndarray:
    """The area under accuracy over strength, relative to the accuracy on unchanged images: (S,)."""
    order = np.argsort(one.strengths)
    strengths, values = one.strengths[order], one.accuracy[:, order]
    area = ((values[:, 1:] + values[:, :-1]) / 2 * np.diff(strengths)).sum(1) / (strengths[-1] - strengths[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(one.accuracy[:, 0] > 0, area / one.accuracy[:, 0], np.nan)


def _paired(first: Along, second: Along) -> np.ndarray:
    """How much more the second keeps, over the seeds that both have: (n,)."""
    mine, other = first.shared(second)
    return kept(second)[other] - kept(first)[mine]


def _gaps(differences: Sequence[np.ndarray]) -> list[Gap]:
    """Each with its interval and p, corrected for all of them."""
    tests = [[float(part[0]) for part in mean_test(each[:, None])] for each in differences if len(each)]
    adjusted = holm([p for *_, p in tests])
    both = zip(tests, differences, adjusted, strict=True)
    return [Gap(mean, low, high, len(each), p, float(own)) for (mean, low, high, p), each, own in both]


def _share(found: Interval) -> str:
    return ranged(found, "accuracy")
