"""What two models of one size cost, layer by layer: parameters, multiply-adds and memory, side by side.

Read from what a study tells of its pair (`models.costs.Cost.facts`); of one image, in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from passo.analysis.pair import pair
from passo.analysis.tables import Table
from passo.analysis.words import joined, significant
from passo.language import numeral, t
from passo.store import StoredStudy

ALIKE = 1.05  # a ratio below which two amounts are told as the same


@dataclass(frozen=True)
class Layer:
    """One layer: its name and class, its output's shape, trainable parameters, multiply-adds, and bytes of memory."""

    layer: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    macs: int
    memory: int

    @property
    def free(self) -> bool:
        """Whether it costs nothing: a view, or a layer that does nothing when the model is used."""
        return not (self.parameters or self.macs or self.memory)


@dataclass(frozen=True)
class Costed:
    """One of the two models: its label, name and options, what it costs, and its layers in the order of their calls."""

    label: str
    name: str
    options: Mapping[str, Any]
    parameters: int
    macs: int
    memory: int
    layers: tuple[Layer, ...]

    @property
    def told(self) -> str:
        """Its sums, as a heading says them."""
        return t(
            "{parameters:,} parameters, {macs:,} multiply-adds, {memory}",
            parameters=self.parameters,
            macs=self.macs,
            memory=in_bytes(self.memory),
        )


@dataclass(frozen=True)
class Matched:
    """Both models; `within` is how far apart their parameters were allowed to be, as a share."""

    first: Costed
    second: Costed
    within: float

    @property
    def apart(self) -> float:
        """|n₁ − n₂| / max(n₁, n₂) of the trainable parameters."""
        counts = self.first.parameters, self.second.parameters
        return abs(counts[0] - counts[1]) / max(counts)

    def sentence(self) -> str:
        """How near the parameters are, and how far apart the work and the memory."""
        one, other = self.first, self.second
        fields = {"first": one.label, "second": other.label, "one": one.parameters, "other": other.parameters}
        if self.apart:
            counts = t(
                "The {first} has {one:,} trainable parameters and the {second} {other:,}, {share} % apart",
                share=significant(100 * self.apart, 2),
                **fields,
            )
        else:
            counts = t(
                "The {first} has {one:,} trainable parameters and the {second} {other:,}, the same number", **fields
            )
        work, room = (_Needs.of(one, other, key) for key in ("macs", "memory"))
        if work.most == room.most:
            return f"{counts}; {work.told(joined([work.multiply_adds(), room.of_memory()]))}."
        return f"{counts}; {work.told(work.multiply_adds())}; {room.told(room.of_memory())}."

    def table(self) -> Table:
        """Every layer that costs something, both models side by side, and their sums."""
        costs = (t("output"), t("parameters"), t("multiply-adds"), t("memory"))
        columns = (self.first.label, *costs, self.second.label, *costs)
        kept = [[_cells(one) for one in model.layers if not one.free] for model in (self.first, self.second)]
        rows = [(*left, *right) for left, right in zip_longest(*kept, fillvalue=("",) * 5)]
        sums = [(t("all"), "", *_costs(model)) for model in (self.first, self.second)]
        note = t("Of one image in float32; memory is that of weights and of every layer's output.")
        return Table(columns, (*rows, (*sums[0], *sums[1])), note)


def matched_models(study: StoredStudy) -> Matched:
    """The two models of a study, as they were matched; raises `StoreError` where it compares none."""
    found = pair(study)
    first, second = (_costed(label, told) for label, told in zip(found.labels, found.matched, strict=True))
    return Matched(first, second, found.within)


def in_bytes(memory: float) -> str:
    """Memory in bytes, in thousands or in millions of them.

    >>> in_bytes(408_144), in_bytes(64), in_bytes(12_345_678)
    ('408 kB', '64 B', '12.3 MB')
    """
    if memory < 1e3:
        return f"{memory:,.0f} B"
    return f"{significant(memory / 1e6)} MB" if memory >= 1e6 else f"{significant(memory / 1e3)} kB"


def _costed(label: str, told: Mapping[str, Any]) -> Costed:
    layers = tuple(Layer(**{**one, "output": tuple(one["output"])}) for one in told["layers"])
    sums = {key: told[key] for key in ("name", "options", "parameters", "macs", "memory")}
    return Costed(label=label, layers=layers, **sums)


def _cells(one: Layer) -> tuple[str, ...]:
    return one.layer, " × ".join(map(str, one.output)) or "–", *_costs(one)


def _costs(one: Layer | Costed) -> tuple[str, ...]:
    return numeral(f"{one.parameters:,}"), numeral(f"{one.macs:,}"), in_bytes(one.memory)


@dataclass(frozen=True)
class _Needs:
    """Which of two models needs how many times as much of something: `most`, None where they need about as much.

    one, other: how much, of the one that needs most first; of the first model first where they are alike.
    """

    most: str | None
    times: str
    one: int
    other: int

    @classmethod
    def of(cls, first: Costed, second: Costed, key: str) -> _Needs:
        least, most = sorted((first, second), key=lambda one: getattr(one, key))
        low, high = getattr(least, key), getattr(most, key)
        if not low or high < ALIKE * low:
            return cls(None, "", getattr(first, key), getattr(second, key))
        return cls(most.label, significant(high / low, 2), high, low)

    def told(self, what: str) -> str:
        """Who needs it."""
        if self.most is None:
            return t("both need {what}", what=what)
        return t("the {model} needs {what}", model=self.most, what=what)

    def multiply_adds(self) -> str:
        if self.most is None:
            return t("about as many multiply-adds for an image ({one:,} and {other:,})", one=self.one, other=self.other)
        return t(
            "{times} times as many multiply-adds for an image ({one:,} against {other:,})",
            times=self.times,
            one=self.one,
            other=self.other,
        )

    def of_memory(self) -> str:
        one, other = in_bytes(self.one), in_bytes(self.other)
        if self.most is None:
            return t("about as much memory ({one} and {other})", one=one, other=other)
        return t("{times} times as much memory ({one} against {other})", times=self.times, one=one, other=other)
