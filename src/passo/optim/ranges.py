"""The numbers that options of optimizers and schedules take.

They are checked here before torch checks them: its own words name no range, and some of what is refused here it would
find in the middle of a training, or let pass as a learning rate below zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from passo.errors import ConfigError


@dataclass(frozen=True)
class Range:
    """Numbers from `least` (or from above `above`) to `most` (or to below `below`); NaN lies in none."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None

    @property
    def bounds(self) -> list[str]:
        """As one writes them, the lower one first: "≥ 0", "< 1"."""
        signs = {"≥": self.least, ">": self.above, "≤": self.most, "<": self.below}
        return [f"{sign} {bound:g}" for sign, bound in signs.items() if bound is not None]

    def holds(self, value: float) -> bool:
        """Whether the number lies in it."""
        return (
            value == value
            and (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
        )


Ranges = Mapping[str, Range | tuple[Range, ...]]
LEAST_0, ABOVE_0, SHARE, PART = Range(least=0), Range(above=0), Range(least=0, below=1), Range(least=0, most=1)

OF_OPTIMIZERS: Ranges = {
    "betas": SHARE,
    "eps": LEAST_0,
    "weight_decay": LEAST_0,
    "momentum": LEAST_0,
    "momentum_decay": LEAST_0,
    "lr_decay": LEAST_0,
    "initial_accumulator_value": LEAST_0,
    "rho": PART,
    "etas": (Range(above=0, below=1), Range(above=1)),
    "beta2_decay": Range(most=0),
    "d": Range(least=1),
    "adamw_lr": LEAST_0,
    "ns_eps": LEAST_0,
    "ns_steps": Range(least=0, most=99),
}
"""As torch 2.13 checks them; a tuple holds a range for each of several numbers."""
OF_ONE: Mapping[str, Ranges] = {"rmsprop": {"alpha": LEAST_0}, "sparseadam": {"eps": ABOVE_0}}

OF_SCHEDULES: Mapping[str, Ranges] = {
    "StepLR": {"gamma": LEAST_0},
    "MultiStepLR": {"gamma": LEAST_0},
    "ConstantLR": {"factor": PART},
    "LinearLR": {"start_factor": Range(above=0, most=1), "end_factor": PART},
    "ExponentialLR": {"gamma": LEAST_0},
    "PolynomialLR": {"power": LEAST_0},
    "CosineAnnealingLR": {"eta_min": LEAST_0},
    "CosineAnnealingWarmRestarts": {"T_mult": Range(least=1), "eta_min": LEAST_0},
    "CyclicLR": {"gamma": LEAST_0},
    "OneCycleLR": {"pct_start": SHARE, "div_factor": ABOVE_0, "final_div_factor": ABOVE_0},
    "ReduceLROnPlateau": {"factor": SHARE, "min_lr": LEAST_0, "eps": LEAST_0},
}


def of_optimizer(name: str) -> Ranges:
    """What the options of an optimizer take; those of Keras' check themselves."""
    return {} if name.startswith("keras-") or name == "ftrl" else {**OF_OPTIMIZERS, **OF_ONE.get(name, {})}


def check_ranges(owner: str, options: Mapping[str, Any], ranges: Ranges) -> None:
    """Raise `ConfigError` for the first option out of its range: `adam: betas must be ≥ 0 and < 1, got 1.5`."""
    for option, range_ in ranges.items():
        given, label = options.get(option), f"{owner}: {option}" if owner else option
        several = isinstance(given, list | tuple)
        for place, value in enumerate(given if several else (given,)):
            if value is None or (isinstance(value, Tensor) and value.numel() != 1):
                continue
            own = isinstance(range_, tuple)
            _check(f"{label}[{place}]" if own else label, value, range_[place] if own else range_)


def _check(label: str, value: Any, range_: Range) -> None:
    if range_.holds(float(value)):
        return
    low, *high = range_.bounds
    if high:
        raise ConfigError(f"{label} must be {low} and {high[0]}, got {value}")
    raise ConfigError(f"{label} must be {low}, got {value}")
