"""A model's first filters, and what each of its layers makes of one image, read from what `explaining.mapped` gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from passo.analysis.classified import percent
from passo.analysis.seen import both_seen, kept, whole
from passo.analysis.tables import Table
from passo.analysis.words import significant
from passo.errors import StoreError
from passo.language import t
from passo.store import StoredStudy

TOPIC = "maps"


@dataclass(frozen=True)
class Mapped:
    """The fields of `explaining.mapped.Mapped`: kernels (F, C, h, w); an output is maps (F, h, w) or units (U,)."""

    name: str
    layer: str
    kernels: np.ndarray
    numbers: np.ndarray
    count: int
    pixels: np.ndarray
    place: int
    label: str
    predicted: str
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    outputs: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Mapped:
        """From what `explaining.mapped` gave, or a study kept of it; raises `StoreError` for a part of it."""
        plain = ("name", "layer", "count", "place", "label", "predicted")
        whole(facts, (*plain, "names", "kinds"), TOPIC)
        outputs = tuple(f"output/{number}" for number in range(len(facts["names"])))
        whole(arrays, ("kernels", "numbers", "pixels", *outputs), TOPIC)
        told = {name: facts[name] for name in plain}
        return cls(
            **told,
            kernels=arrays["kernels"],
            numbers=arrays["numbers"],
            pixels=arrays["pixels"],
            names=tuple(facts["names"]),
            kinds=tuple(facts["kinds"]),
            outputs=tuple(arrays[name] for name in outputs),
        )

    @property
    def image(self) -> str:
        """Which image it is, in words."""
        if self.label == self.predicted:
            return t("test image {place} ({label})", place=self.place, label=self.label)
        return t(
            "test image {place} ({label}, taken for {predicted})",
            place=self.place,
            label=self.label,
            predicted=self.predicted,
        )

    def silent(self) -> tuple[float, ...]:
        """Of each layer, the share of its values that are 0: cut off by a ReLU, for one."""
        return tuple(float((values == 0).mean()) for values in self.outputs)

    def sentence(self) -> str:
        """What stands first, what the image becomes in the end, and where most of it is cut off."""
        _, channels, high, wide = self.kernels.shape
        quiet, most = int(np.argmax(self.silent())), max(self.silent())
        zeros = (
            t(
                "{share} of the values of {layer} are 0, more than elsewhere",
                share=percent(most),
                layer=self.names[quiet],
            )
            if most
            else t("none is 0")
        )
        return t(
            "{name} begins with {count} filters of {channels} × {high} × {wide} in {layer}; of {image} it makes "
            "{first} first and {last} in the end; {zeros}.",
            name=self.name,
            count=self.count,
            channels=channels,
            high=high,
            wide=wide,
            layer=self.layer,
            image=self.image,
            first=_size(self.outputs[0]),
            last=_size(self.outputs[-1]),
            zeros=zeros,
        )

    def table(self) -> Table:
        """A row for each layer."""
        rows = tuple(
            (
                name,
                kind,
                _size(values),
                percent(quiet),
                significant(float(values.min())),
                significant(float(values.max())),
            )
            for name, kind, values, quiet in zip(self.names, self.kinds, self.outputs, self.silent(), strict=True)
        )
        note = t("{name}, {image}: what each layer gives.", name=self.name, image=self.image)
        return Table((t("layer"), t("kind"), t("gives"), t("are 0"), t("least"), t("greatest")), rows, note)


def _size(values: np.ndarray) -> str:
    if values.ndim == 1:
        return t("{n:,} values", n=len(values))
    return t("{n:,} maps of {high} × {wide}", n=len(values), high=values.shape[1], wide=values.shape[2])


def mapped_pair(study: StoredStudy) -> tuple[Mapped, Mapped]:
    """Filters and maps of a study's two models, of one image; raises `StoreError` where it kept none, or others."""
    first, second = (Mapped.of(*kept(run, TOPIC)) for run in both_seen(study, TOPIC))
    if first.place != second.place:
        raise StoreError(
            f"{study.folder} looked at other images of {first.name} than of {second.name}: run [seeing] again"
        )
    return first, second
