"""One weight at one step: all that was recorded of it, and numbers as they stand in its equations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from passo.analysis.words import significant
from passo.language import numeral

NEAR = 2e-4
"""How far, in shares of the largest term, an equation may be from a value that was recorded in float32."""


@dataclass(frozen=True)
class Moment:
    """The value of each stage at a step (from 1), those of the step before where recorded, and the group's options.

    moved: those options that a schedule has made others than they were at first: β₁, β₂ or μ, by symbol.
    """

    step: int
    values: Mapping[str, float]
    before: Mapping[str, float] | None
    lr: float
    options: Mapping[str, Any]
    moved: Mapping[str, float] = field(default_factory=dict)

    def __getitem__(self, name: str) -> float:
        return self.values[name]

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def get(self, name: str) -> float:
        """A stage's value; NaN where there is none, so that no equation holds with it."""
        return self.values.get(name, math.nan)

    def option(self, name: str) -> float:
        """An option of the group that is a number; 0 where it is none (Adafactor's eps are two)."""
        value = self.options.get(name)
        return float(value) if isinstance(value, int | float) else 0.0

    def beta(self, which: int) -> float:
        """β₁ or β₂; NaN where the optimiser has none."""
        betas = self.options.get("betas") or ()
        return float(betas[which]) if which < len(betas) else math.nan

    def previous(self, name: str) -> float:
        """A stage at the step before: 0 before the first step; NaN where it was not recorded."""
        if self.step == 1:
            return 0.0
        return math.nan if self.before is None else self.before.get(name, math.nan)

    @property
    def read(self) -> float:
        """What is averaged: the gradient with its decay, or as it was read."""
        return self["decayed"] if "decayed" in self else self["grad"]


def near(value: float, *terms: float) -> bool:
    """Whether the terms add up to the value, as closely as it was recorded."""
    return math.isfinite(value) and abs(sum(terms) - value) <= NEAR * max(map(abs, terms))


def number(value: float) -> str:
    """Three significant digits; a power of ten without a factor of 1.

    >>> number(-0.00012345), number(1e-8)
    ('−0.000123', '10⁻⁸')
    """
    text = significant(value)
    return text.removeprefix("1 × ")


def factor(value: float) -> str:
    """A number as it stands in a product: negative ones in brackets."""
    return f"({number(value)})" if value < 0 else number(value)


def under_root(value: float) -> str:
    """`√0.25`, and `√(10⁻⁸)`: what is not plain digits stands in brackets."""
    text = number(value)
    return f"√{text}" if set(text) <= set("0123456789.,") else f"√({text})"


def total(*terms: float) -> str:
    """A sum in numbers.

    >>> total(0.5, -0.25)
    '0.5 − 0.25'
    """
    first, *others = terms
    return number(first) + "".join(f" {'−' if term < 0 else '+'} {number(abs(term))}" for term in others)


def exact(value: float, difference: float) -> str:
    """A weight with so many digits that the difference shows in three of them."""
    places = 2 - math.floor(math.log10(abs(difference))) if difference and math.isfinite(difference) else 4
    if places < 0 or not abs(value) < 1e6:
        return significant(value, 4)
    return numeral(f"{value:.{min(places, 12)}f}".replace("-", "−"))
