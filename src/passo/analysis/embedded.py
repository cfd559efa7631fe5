"""Maps of test images, by their pixels and by a model's last hidden layer, read: what they keep, and where errors lie.

What is measured in all dimensions (the share of an image's nearest that are of its own class) is a fact about the
model; what is seen on a map is a fact about the map as well. Both are told beside each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from passo.analysis.classified import percent
from passo.analysis.seen import both_seen, kept, whole
from passo.analysis.tables import Table
from passo.analysis.words import joined, significant
from passo.errors import StoreError
from passo.language import later, numeral, t, tn
from passo.store import StoredStudy

TOPIC = "embedding"
ARRAYS = ("inputs", "hidden", "labels", "predicted", "positions", "thumbnails")


@dataclass(frozen=True)
class Mapped:
    """One t-SNE: `xy` (N, 2) of vectors of `width` numbers; the fields of `explaining.embedding.Map`."""

    xy: np.ndarray
    width: int
    perplexity: float
    nearest: int
    kl_divergence: float
    trustworthiness: float
    kept: float
    own: float
    own_on_map: float


@dataclass(frozen=True)
class Embedded:
    """Test images on two maps; the fields of `explaining.embedding.Embedding`, and what can be read from them."""

    name: str
    classes: tuple[str, ...]
    inputs: Mapped
    hidden: Mapped
    labels: np.ndarray
    predicted: np.ndarray
    positions: np.ndarray
    thumbnails: np.ndarray
    layer: str
    count: int
    seed: int

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Embedded:
        """From what `explaining.embedding.embedding` gave, or a study kept; raises `StoreError` for a part of it."""
        whole(arrays, ARRAYS, TOPIC)
        count = len(arrays["labels"])
        if odd := [name for name in ARRAYS if len(arrays[name]) != count]:
            raise StoreError(f"an embedding holds {count:,} labels, but other numbers of {joined(odd)}")
        maps = {name: Mapped(xy=arrays[name], **facts[name]) for name in ("inputs", "hidden")}
        told: dict[str, Any] = {name: facts[name] for name in ("name", "layer", "count", "seed")}
        others: dict[str, Any] = {name: arrays[name] for name in ARRAYS[2:]}
        return cls(**maps, **told, **others, classes=tuple(facts["classes"]))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def pictured(self) -> bool:
        """Whether its inputs are images."""
        return bool(self.thumbnails[0].size)

    @property
    def what(self) -> str:
        """What the inputs are made of."""
        return t("pixels") if self.pictured else t("columns")

    @property
    def by_what(self) -> str:
        """By what two inputs are near."""
        return t("by their pixels") if self.pictured else t("by their columns")

    @property
    def item(self) -> str:
        """One of its inputs."""
        return t("an image") if self.pictured else t("a row")

    @property
    def which(self) -> str:
        """What is mapped, counted."""
        every, some = (
            (later("{n:,} test images"), later("{n:,} of {count:,} test images"))
            if self.pictured
            else (later("{n:,} test rows"), later("{n:,} of {count:,} test rows"))
        )
        return t(every if len(self) == self.count else some, n=len(self), count=self.count)

    @cached_property
    def wrong(self) -> np.ndarray:
        """Which images are taken for another class: (N,) bool."""
        return self.predicted != self.labels

    @cached_property
    def strayed(self) -> int:
        """How many errors lie, on the map of the hidden layer, among the class that they were taken for.

        Of their nearest on the map, more are of that class than of their own.
        """
        errors = np.flatnonzero(self.wrong)
        xy = self.hidden.xy.astype(np.float64)
        away = np.linalg.norm(xy[errors, None] - xy, axis=2)  # (E, N)
        away[np.arange(len(errors)), errors] = np.inf
        near = self.labels[np.argsort(away, axis=1, kind="stable")[:, : self.hidden.nearest]]  # (E, k)
        taken = (near == self.predicted[errors, None]).sum(1)
        return int((taken > (near == self.labels[errors, None]).sum(1)).sum())

    def sentence(self) -> str:
        """How well near images are of one class before and after the model, where errors lie, what the maps keep."""
        before, after = self.inputs, self.hidden
        near = t(
            "Among {which}, {before} of {item}'s {nearest} nearest are of its own class {by_what}, and {after} by the "
            "{width:,} values that {name} computes before its last layer, {layer}.",
            which=self.which,
            before=percent(before.own),
            item=self.item,
            nearest=after.nearest,
            by_what=self.by_what,
            after=percent(after.own),
            width=after.width,
            name=self.name,
            layer=self.layer,
        )
        maps = t(
            "The maps keep {before} and {after} of the nearest: they show neighbourhoods, not distances.",
            before=percent(before.kept),
            after=percent(after.kept),
        )
        return f"{near} {self._errors()} {maps}"

    def _errors(self) -> str:
        """How many are taken for another class, and where these lie."""
        errors = int(self.wrong.sum())
        if not errors:
            return t("It takes none of them for another class.")
        if not self.strayed:
            return t(
                "It takes {errors:,} for another class; none of these lies, on its map, among that other class.",
                errors=errors,
            )
        return tn(
            "It takes {errors:,} for another class; {n:,} of these lies, on its map, among that other class.",
            "It takes {errors:,} for another class; {n:,} of these lie, on its map, among that other class.",
            self.strayed,
            errors=errors,
        )

    def table(self) -> Table:
        """A row for each map."""
        names = (self.what, t("before {layer}", layer=self.layer))
        rows = tuple(
            (
                name,
                numeral(f"{one.width:,}"),
                percent(one.own),
                percent(one.own_on_map),
                percent(one.kept),
                significant(one.trustworthiness),
                significant(one.kl_divergence),
            )
            for name, one in zip(names, (self.inputs, self.hidden), strict=True)
        )
        note = t(
            "own class: the share of the {nearest} nearest that are of {item}'s own class, by all numbers and on the "
            "map; nearest kept: the share of them that are nearest on the map too. Trustworthiness is 1 where no "
            "stranger comes near; KL: what t-SNE makes small. Perplexity {perplexity}, seed {seed}.",
            nearest=self.hidden.nearest,
            item=self.item,
            perplexity=significant(self.hidden.perplexity),
            seed=self.seed,
        )
        named = (t("map"), t("numbers"), t("own class"), t("on the map"), t("nearest kept"), t("trustworthiness"))
        return Table((*named, "KL"), rows, note)


def embedded_pair(study: StoredStudy) -> tuple[Embedded, Embedded]:
    """What a study's two models make of the same images; raises `StoreError` where one was not looked into."""
    first, second = (Embedded.of(*kept(run, TOPIC)) for run in both_seen(study, TOPIC))
    if not np.array_equal(first.positions, second.positions):
        raise StoreError(f"{study.folder} maps other images of {first.name} than of {second.name}: run it again")
    return first, second
