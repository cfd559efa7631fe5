"""How long an optimiser's averages remember: β as a half-life and as a mean age, in steps."""

from __future__ import annotations

import math
from dataclasses import dataclass

from passo.analysis.recorded import Recorded, hyper
from passo.analysis.words import amount

_NAMES = {"momentum": "μ", "alpha": "α", "rho": "ρ"}


def half_life(beta: float) -> float:
    """ln ½ / ln β: after so many steps a gradient's weight in the average is half of what it was.

    >>> round(half_life(0.9), 2), half_life(0.0)
    (6.58, 0.0)
    """
    return math.log(0.5) / math.log(beta) if 0 < beta < 1 else math.inf if beta >= 1 else 0.0


def mean_age(beta: float) -> float:
    """β / (1 − β): how many steps old what the average holds is on average; today's gradient has age 0.

    `Smoothing.average_age` is one more: there, as with a moving average of one value, today's has age 1.

    >>> round(mean_age(0.9), 9)
    9.0
    """
    return beta / (1 - beta) if beta < 1 else math.inf


@dataclass(frozen=True)
class Memory:
    """One average of an optimiser: its symbol, its β, and how long it remembers, in steps."""

    symbol: str
    beta: float

    @property
    def half_life(self) -> float:
        return half_life(self.beta)

    @property
    def mean_age(self) -> float:
        return mean_age(self.beta)

    def __str__(self) -> str:
        return (
            f"{self.symbol} = {self.beta:g} halves a gradient's weight in {amount(self.half_life)} steps "
            f"(mean age {amount(self.mean_age)})"
        )


def memories(run: Recorded) -> tuple[Memory, ...]:
    """The averages of a run's first parameter group, from its β₁ and β₂, momentum, α or ρ; those of 0 are left out."""
    options = hyper(run)
    found = [Memory(f"β{'₁₂₃'[i]}", float(beta)) for i, beta in enumerate(options.get("betas") or ())]
    found += [Memory(symbol, float(options[name])) for name, symbol in _NAMES.items() if options.get(name)]
    return tuple(memory for memory in found if 0 < memory.beta < 1)
