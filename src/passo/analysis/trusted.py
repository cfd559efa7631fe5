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

from passo.analysis.attributed import METHODS
from passo.analysis.intervals import Interval, interval
from passo.analysis.seen import both_seen, kept, whole
from passo.analysis.tables import Table
from passo.analysis.words import joined
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
        act = "deleting pixels in its order lowers" if self.what == "deletion" else "inserting them raises"
        how = "faster" if self.holds else "slower" if self.gain.known and self.gain.high < 0 else "no faster"
        return (
            f"{act} the probability {how} than in a random map's (area {own:.3f} against {random:.3f}, better by "
            f"{_told(self.gain, 3)})"
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
        left = "little of it is left" if self.holds else "much of it stays"
        likeness = f"rank correlation {_told(self.last, 2)}, a random map's {_told(self.random, 2)}"
        return f"with random weights {left} ({likeness})"


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
        way = METHODS.get(self.method, self.method)
        at = f" at {self.layer}" if self.method == "grad-cam" else ""
        return f"{way[0].upper()}{way[1:]}{at} of {self.name}"

    def sentence(self) -> str:
        """Whether the maps can be trusted here, and what says so; else which check fails."""
        if self.count < 2:
            return f"{self.where} was checked on one image: that says nothing of how far it can be trusted."
        failed = [check.clause() for check in self.checks if not check.holds]
        held = [check.clause() for check in self.checks if check.holds]
        empty = f" ({self.empty} {'map is' if self.empty == 1 else 'maps are'} 0 everywhere)" if self.empty else ""
        over = f"over {self.count} test images{empty}"
        if not failed:
            return f"{self.where} can be trusted here, {over}: {joined(held)}."
        verdict = f"{self.where} cannot be trusted here, {over}: {joined(failed)}"
        return f"{verdict}. What holds: {joined(held)}." if held else f"{verdict}."

    def table(self) -> Table:
        """A row for each check, and one for each layer that random weights reach."""
        rows = []
        for check in (self.deletion, self.insertion):
            areas = (_told(interval(one), 3) for one in check.areas())
            rows.append((f"area under {check.what}", *areas, _told(check.gain, 3), _yes(check.holds)))
        for layer, likeness in zip(self.forgetting.layers, self.forgetting.likeness, strict=True):
            holds = _yes(self.forgetting.holds) if layer == self.forgetting.layers[-1] else ""
            told = (f"likeness, random down to {layer}", _told(likeness, 2), _told(self.forgetting.random, 2))
            rows.append((*told, "", holds))
        note = (
            f"{self.where}: means and 95 % intervals over {self.count} test images, of whose maps {self.empty} are 0 "
            f"everywhere; {self.draws} random maps and {self.draws} draws of random weights each. Likeness is the rank "
            f"correlation with the trained model's map; the last must stay between −{LEFT:g} and {LEFT:g}."
        )
        return Table(("check", "this map", "a random map", "better by", "holds"), tuple(rows), note)


def _removal(what: str, arrays: Mapping[str, np.ndarray]) -> Removal:
    return Removal(what, arrays["shares"], arrays[what], arrays[f"random_{what}"])


def _area(curves: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The trapezoid rule over the last axis: (…, S) → (…)."""
    values = curves.astype(np.float64)
    return ((values[..., 1:] + values[..., :-1]) / 2 * np.diff(shares)).sum(-1)


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def _told(found: Interval, places: int) -> str:
    """A mean with its interval, with so many decimals."""
    ends = (round(end, places) + 0.0 for end in (found.mean, found.low, found.high))  # + 0.0: no "−0.00"
    mean, low, high = (f"{end:.{places}f}".replace("-", "−") for end in ends)
    return f"{mean} [{low}, {high}]" if found.known else mean


def trusted_pair(study: StoredStudy) -> tuple[Trusted, Trusted]:
    """The checks of a study's two models; raises `StoreError` where it kept none of one."""
    first, second = (Trusted.of(*kept(run, TOPIC)) for run in both_seen(study, TOPIC))
    return first, second
