"""What two models of one size cost, layer by layer: parameters, multiply-adds and memory, side by side.

Read from what a study tells of its pair (`models.costs.Cost.facts`); of one image, in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from passo.analysis.pair import pair
from passo.analysis.tables import Table
from passo.analysis.words import significant
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
        return f"{self.parameters:,} parameters, {self.macs:,} multiply-adds, {in_bytes(self.memory)}"


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
        head = f"The {one.label} has {one.parameters:,} trainable parameters and the {other.label} {other.parameters:,}"
        near = "the same number" if not self.apart else f"{significant(100 * self.apart, 2)} % apart"
        work = _times(one, other, "macs", "many multiply-adds for an image", "{:,}".format)
        room = _times(one, other, "memory", "much memory", in_bytes)
        link = " and" if work[0] == room[0] else f"; {room[0]}"
        return f"{head}, {near}; {work[0]} {work[1]}{link} {room[1]}."

    def table(self) -> Table:
        """Every layer that costs something, both models side by side, and their sums."""
        costs = ("output", "parameters", "multiply-adds", "memory")
        columns = (self.first.label, *costs, self.second.label, *costs)
        kept = [[_cells(one) for one in model.layers if not one.free] for model in (self.first, self.second)]
        rows = [(*left, *right) for left, right in zip_longest(*kept, fillvalue=("",) * 5)]
        sums = [
            ("all", "", f"{model.parameters:,}", f"{model.macs:,}", in_bytes(model.memory))
            for model in (self.first, self.second)
        ]
        note = "Of one image in float32; memory is that of weights and of every layer's output."
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
    shape = " × ".join(map(str, one.output)) or "–"
    return one.layer, shape, f"{one.parameters:,}", f"{one.macs:,}", in_bytes(one.memory)


def _times(first: Costed, second: Costed, key: str, what: str, told: Callable[[float], str]) -> tuple[str, str]:
    """Which of two needs how many times as much: who, and what."""
    least, most = sorted((first, second), key=lambda one: getattr(one, key))
    low, high = getattr(least, key), getattr(most, key)
    if not low or high < ALIKE * low:
        return "both need", f"about as {what} ({told(getattr(first, key))} and {told(getattr(second, key))})"
    return f"the {most.label} needs", f"{significant(high / low, 2)} times as {what} ({told(high)} against {told(low)})"
