"""Whether heat maps can be trusted, from what `explaining.trust` measured: three checks, each against random maps.

Areas lie under the curve of the predicted class's probability over the share of replaced pixels, from 0 to 1. A map's
gain is what its area is better than that of random maps of the same images: smaller for deletion, larger for insertion.
Means and 95 % intervals are over images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from passo.analysis.attributed import map_said
from passo.analysis.intervals import Interval, interval
from passo.analysis.seen import both_seen, kept, whole
from passo.analysis.tables import Table
from passo.analysis.words import bracketed, joined
from passo.language import later, numeral, t, tn
from passo.store import StoredStudy

TOPIC = "trust"
LEFT = 0.5
"""A map whose rank correlation with that of random weights reaches this is not destroyed by them."""
_ARRAYS = ("places", "shares", "deletion", "insertion", "random_deletion", "random_insertion", "similarity",
           "random_similarity")  # fmt: skip


@dataclass(frozen=True)
class Removal:
    """Deletion or insertion at shares (S,): own (K, S) in the map's order, random (R, K, S) in that of random maps."""

    what: str
    shares: np.ndarray
    own: np.ndarray
    random: np.ndarray

    def areas(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each image, in the map's order and, averaged over random maps, in theirs: (K,), (K,)."""
        return _area(self.own, self.shares), _area(self.random, self.shares).mean(0)

    @property
    def gain(self) -> Interval:
        """How much better the map is than random ones of the same image: above 0 where it is."""
        own, random = self.areas()
        return interval(random - own if self.what == "deletion" else own - random)

    @property
    def holds(self) -> bool:
        return self.gain.known and self.gain.low > 0

    def clause(self) -> str:
        """What was seen, as a part of a sentence."""
        own, random = (float(area.mean()) for area in self.areas())
        deleting, inserting = (
            later(
                "deleting pixels in its order lowers the probability {how} than in a random map's (area {own:.3f} "
                "against {random:.3f}, better by {gain})"
            ),
            later(
                "inserting them raises the probability {how} than in a random map's (area {own:.3f} against "
                "{random:.3f}, better by {gain})"
            ),
        )
        slower = self.gain.known and self.gain.high < 0
        return t(
            deleting if self.what == "deletion" else inserting,
            how=t("faster") if self.holds else t("slower") if slower else t("no faster"),
            own=own,
            random=random,
            gain=_told(self.gain, 3),
        )


@dataclass(frozen=True)
class Forgetting:
    """Random weights from the output down to each of L layers: the likeness of their maps, and a random map's."""

    layers: tuple[str, ...]
    likeness: tuple[Interval, ...]
    random: Interval

    @property
    def last(self) -> Interval:
        """With all weights random."""
        return self.likeness[-1]

    @property
    def holds(self) -> bool:
        return self.last.known and max(abs(self.last.low), abs(self.last.high)) < LEFT

    def clause(self) -> str:
        """What was seen, as a part of a sentence."""
        little, much = (
            later("with random weights little of it is left (rank correlation {own}, a random map's {random})"),
            later("with random weights much of it stays (rank correlation {own}, a random map's {random})"),
        )
        return t(little if self.holds else much, own=_told(self.last, 2), random=_told(self.random, 2))


@dataclass(frozen=True)
class Trusted:
    """The three checks of one model's maps over `count` images, `draws` random maps each; `empty` maps are 0."""

    name: str
    method: str
    layer: str
    count: int
    draws: int
    empty: int
    deletion: Removal
    insertion: Removal
    forgetting: Forgetting

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Trusted:
        """From what `explaining.trust` gave, or a study kept of it; raises `StoreError` for a part of it."""
        whole(arrays, _ARRAYS, TOPIC)
        whole(facts, ("name", "method", "layer", "layers", "empty"), TOPIC)
        draws, count = arrays["random_deletion"].shape[:2]
        likeness = tuple(interval(one) for one in arrays["similarity"].mean(0))  # (R, L, K) → L intervals over images
        random = interval(arrays["random_similarity"].mean(0))
        return cls(
            name=facts["name"],
            method=facts["method"],
            layer=facts["layer"],
            count=count,
            draws=draws,
            empty=facts["empty"],
            deletion=_removal("deletion", arrays),
            insertion=_removal("insertion", arrays),
            forgetting=Forgetting(tuple(facts["layers"]), likeness, random),
        )

    @property
    def checks(self) -> tuple[Removal | Forgetting, ...]:
        return self.deletion, self.insertion, self.forgetting

    @property
    def holds(self) -> bool:
        """Whether all three checks hold."""
        return all(check.holds for check in self.checks)

    @property
    def where(self) -> str:
        """The map in words: which method, at which layer, of which model."""
        return map_said(self.method, self.layer, self.name)

    def sentence(self) -> str:
        """Whether the maps can be trusted here, and what says so; else which check fails."""
        if self.count < 2:
            return t("{map} was checked on one image: that says nothing of how far it can be trusted.", map=self.where)
        failed = [check.clause() for check in self.checks if not check.holds]
        held = [check.clause() for check in self.checks if check.holds]
        over = t("over {count} test images", count=self.count)
        if self.empty:
            over += f" ({tn('{n} map is 0 everywhere', '{n} maps are 0 everywhere', self.empty)})"
        if not failed:
            return t("{map} can be trusted here, {over}: {held}.", map=self.where, over=over, held=joined(held))
        verdict = t("{map} cannot be trusted here, {over}: {failed}.", map=self.where, over=over, failed=joined(failed))
        return f"{verdict} {t('What holds: {held}.', held=joined(held))}" if held else verdict

    def table(self) -> Table:
        """A row for each check, and one for each layer that random weights reach."""
        rows = []
        named = (t("area under deletion"), t("area under insertion"))
        for name, check in zip(named, (self.deletion, self.insertion), strict=True):
            areas = (_told(interval(one), 3) for one in check.areas())
            rows.append((name, *areas, _told(check.gain, 3), _yes(check.holds)))
        for layer, likeness in zip(self.forgetting.layers, self.forgetting.likeness, strict=True):
            holds = _yes(self.forgetting.holds) if layer == self.forgetting.layers[-1] else ""
            name = t("likeness, random down to {layer}", layer=layer)
            rows.append((name, _told(likeness, 2), _told(self.forgetting.random, 2), "", holds))
        note = t(
            "{map}: means and 95 % intervals over {count} test images, of whose maps {empty} are 0 everywhere; {draws} "
            "random maps and {draws} draws of random weights each. Likeness is the rank correlation with the trained "
            "model's map; the last must stay between −{left:g} and {left:g}.",
            map=self.where,
            count=self.count,
            empty=self.empty,
            draws=self.draws,
            left=LEFT,
        )
        return Table((t("check"), t("this map"), t("a random map"), t("better by"), t("holds")), tuple(rows), note)


def _removal(what: str, arrays: Mapping[str, np.ndarray]) -> Removal:
    return Removal(what, arrays["shares"], arrays[what], arrays[f"random_{what}"])


def _area(curves: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The trapezoid rule over the last axis: (…, S) → (…)."""
    values = curves.astype(np.float64)
    return ((values[..., 1:] + values[..., :-1]) / 2 * np.diff(shares)).sum(-1)


def _yes(holds: bool) -> str:
    return t("yes") if holds else t("no")


def _told(found: Interval, places: int) -> str:
    """A mean with its interval, with so many decimals."""
    ends = (round(end, places) + 0.0 for end in (found.mean, found.low, found.high))  # + 0.0: no "−0.00"
    mean, low, high = (numeral(f"{end:.{places}f}".replace("-", "−")) for end in ends)
    return f"{mean} {bracketed(low, high)}" if found.known else mean


def trusted_pair(study: StoredStudy) -> tuple[Trusted, Trusted]:
    """The checks of a study's two models; raises `StoreError` where it kept none of one."""
    first, second = (Trusted.of(*kept(run, TOPIC)) for run in both_seen(study, TOPIC))
    return first, second
