"""Heat maps of right and wrong predictions, read: how concentrated they are, and how alike for two classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from passo.analysis.classified import percent
from passo.analysis.seen import both_seen, kept, whole
from passo.analysis.tables import Table
from passo.errors import StoreError
from passo.language import later, numeral, t
from passo.store import StoredStudy

TOPIC = "attribution"
METHODS = {"grad-cam": "Grad-CAM", "input-gradient": later("the input's gradient")}
_ARRAYS = ("places", "labels", "predicted", "other", "probabilities", "pixels", "maps", "agreement")
_FACTS = ("name", "method", "convolutions", "count", "right")


def halved(maps: np.ndarray) -> np.ndarray:
    """The share of the pixels that holds half of a map's weight, at least as many as are needed: (…, H, W) → (…).

    NaN for a map without weight.

    >>> halved(np.array([[[4.0, 1.0], [1.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]]])).tolist()
    [0.25, 0.5]
    """
    flat = -np.sort(-maps.reshape(*maps.shape[:-2], -1).astype(np.float64), -1)
    total = flat.sum(-1, keepdims=True)
    needed = 1 + (np.cumsum(flat, -1) < total / 2 * (1 - 1e-9)).sum(-1)
    return np.where(total[..., 0] > 0, needed / flat.shape[-1], np.nan)


def map_said(method: str, layer: str, name: str) -> str:
    """A heat map in words, to begin a sentence: which method, at which layer, of which model."""
    way = t(METHODS.get(method, method))
    of, at = later("{way} of {name}"), later("{way} at {layer} of {name}")
    return t(at if method == "grad-cam" else of, way=f"{way[0].upper()}{way[1:]}", layer=layer, name=name)


@dataclass(frozen=True)
class Attributed:
    """n images with maps of two classes at L layers: the fields of `explaining.attributed.Attribution`.

    places, labels, predicted, other (n,); probabilities (n, C); pixels (n, H, W) or (n, H, W, 3) uint8; maps
    (L, n, 2, H, W), for `predicted` and for `other`; agreement (L, n), the rank correlation of these two.
    """

    name: str
    method: str
    layers: tuple[str, ...]
    places: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    other: np.ndarray
    probabilities: np.ndarray
    pixels: np.ndarray
    maps: np.ndarray
    agreement: np.ndarray
    classes: tuple[str, ...]
    convolutions: int
    count: int
    right: int

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Attributed:
        """From what `explaining.attributed` gave, or a study kept of it; raises `StoreError` for a part of it."""
        whole(arrays, _ARRAYS, TOPIC)
        whole(facts, (*_FACTS, "layers", "classes"), TOPIC)
        given, n, layers = {name: arrays[name] for name in _ARRAYS}, len(arrays["places"]), len(facts["layers"])
        if given["maps"].shape[:3] != (layers, n, 2) or given["maps"].shape[3:] != given["pixels"].shape[1:3]:
            raise StoreError(f"{n} images at {layers} layers have maps of shape {given['maps'].shape}: they do not fit")
        told = {name: facts[name] for name in _FACTS}
        return cls(**given, **told, layers=tuple(facts["layers"]), classes=tuple(facts["classes"]))

    def __len__(self) -> int:
        return len(self.places)

    @property
    def correct(self) -> np.ndarray:
        """Which of the images are predicted rightly: (n,) bool."""
        return self.predicted == self.labels

    @property
    def way(self) -> str:
        """The method in words."""
        return t(METHODS.get(self.method, self.method))

    @cached_property
    def half(self) -> np.ndarray:
        """The share of the pixels that holds half of each map's weight: (L, n, 2); NaN for an empty map."""
        return halved(self.maps)

    @cached_property
    def alike(self) -> np.ndarray:
        """`agreement` (L, n), NaN where one of the two maps is empty."""
        return np.where(np.isnan(self.half).any(-1), np.nan, self.agreement)

    def sentence(self) -> str:
        """How concentrated the last layer's maps are, and whether another class has its evidence elsewhere."""
        who = map_said(self.method, self.layers[-1], self.name)
        who = who if self.convolutions else t("{map}, which has no convolution,", map=who)
        if np.isnan(self.half[-1, :, 0]).all():
            return t("{map} is 0 everywhere for all {count} images shown.", map=who, count=len(self))
        said = t(
            "{map} puts half of its weight on {share} of the pixels (median of {count} test images)",
            map=who,
            share=_middle(self.half[-1, :, 0]),
            count=len(self),
        )
        return f"{said}; {self._errors()}."

    def _errors(self) -> str:
        """How alike the maps of the predicted and of the true class are where it errs; a clause."""
        wrong = ~self.correct
        if not wrong.any():
            return t("it errs on none of the {count:,}", count=self.count)
        alike = self.alike[-1, wrong]
        alike = alike[np.isfinite(alike)]
        if not len(alike):
            return t("where it errs, the map of the predicted class or that of the true one is 0 everywhere")
        least, most = (numeral(f"{end:.2f}".replace("-", "−")) for end in (alike.min(), alike.max()))
        over = (
            t("median of {count}, {least} to {most}", count=len(alike), least=least, most=most)
            if len(alike) > 1
            else t("one image")
        )
        return t(
            "where it errs, the map of the true class and that of the predicted one have a rank correlation of "
            "{likeness} ({over})",
            likeness=_likeness(alike),
            over=over,
        )

    def table(self) -> Table:
        """A row for each layer."""
        rows = []
        for number, layer in enumerate(self.layers):
            half, alike = self.half[number, :, 0], self.alike[number]
            parts = (self.correct, ~self.correct)
            rows.append(
                (
                    layer,
                    *(_middle(half[part]) for part in parts),
                    *(_likeness(alike[part]) for part in parts),
                    str(int(np.isnan(self.half[number]).sum())),
                )
            )
        right = int(self.correct.sum())
        note = t(
            "{way}, medians over {right} right and {wrong} wrong predictions. Half: the share of the pixels that holds "
            "half of the map's weight. Likeness: the rank correlation of the predicted class's map with that of the "
            "second likeliest class where the prediction is right, of the true class where it is wrong. Empty: maps "
            "that are 0 everywhere.",
            way=self.way[0].upper() + self.way[1:],
            right=right,
            wrong=len(self) - right,
        )
        halves, likeness = (
            (t("half, right"), t("half, wrong")),
            (t("likeness, right"), t("likeness, wrong")),
        )
        return Table((t("layer"), *halves, *likeness, t("empty")), tuple(rows), note)


def _likeness(alike: np.ndarray) -> str:
    """The median of rank correlations that are known."""
    return numeral(f"{np.nanmedian(alike):.2f}".replace("-", "−")) if np.isfinite(alike).any() else "—"


def _middle(half: np.ndarray) -> str:
    """The median of shares that are known, in percent."""
    return percent(float(np.nanmedian(half))) if np.isfinite(half).any() else "—"


def attributed_pair(study: StoredStudy) -> tuple[Attributed, Attributed]:
    """The maps of a study's two models; raises `StoreError` where it kept none of one."""
    first, second = (Attributed.of(*kept(run, TOPIC)) for run in both_seen(study, TOPIC))
    return first, second
