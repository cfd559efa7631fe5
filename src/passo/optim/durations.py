"""How long a run is, and durations in words: "1 epoch", "0.5 epochs", "200 steps"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from passo.errors import ConfigError
from passo.optim.arguments import whole

Unit = Literal["epoch", "step"]
WORDS = re.compile(r"\s*([0-9]*\.?[0-9]+(?:e[0-9]+)?)\s*(epoch|step)s?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Run:
    """The length of a training, in epochs and in mini-batches per epoch.

    `assumed` says that the true length is not known yet (a configuration is checked before the data are):
    lengths are then only read, not held against the run.
    """

    epochs: int
    steps_per_epoch: int
    assumed: bool = False

    def __post_init__(self) -> None:
        whole("epochs", self.epochs, least=1)
        whole("steps_per_epoch", self.steps_per_epoch, least=1)

    @property
    def steps(self) -> int:
        return self.epochs * self.steps_per_epoch

    def length(self, unit: Unit) -> int:
        """The whole run, in epochs or in steps."""
        return self.epochs if unit == "epoch" else self.steps

    def epoch_of(self, count: float, unit: Unit) -> float:
        """Where a count of `unit` lies, in epochs."""
        return count if unit == "epoch" else count / self.steps_per_epoch

    def step_of(self, count: float, unit: Unit) -> float:
        """Where a count of `unit` lies, in steps."""
        return count if unit == "step" else count * self.steps_per_epoch


def duration(label: str, value: Any, unit: Unit, run: Run, least: int = 1) -> int:
    """A duration as a whole number of `unit`; a plain number counts that unit already.

    >>> duration("step_size", "0.5 epochs", "step", Run(epochs=3, steps_per_epoch=100))
    50

    A part of an epoch is rounded to whole steps. Steps that are not whole epochs are refused where only
    whole epochs count. Raises ConfigError.
    """
    if not isinstance(value, str):
        return whole(label, value, least)
    match = WORDS.fullmatch(value)
    if match is None:
        raise ConfigError(f"{label} must be a number, or words like '1 epoch' or '200 steps'; got {value!r}")
    amount, named = float(match[1]), match[2].lower()
    if named == unit or unit == "step":
        count = amount if named == unit else amount * run.steps_per_epoch
    else:
        count = amount / run.steps_per_epoch
    rounded = max(round(count), least) if run.assumed else round(count)
    if unit == "epoch" and rounded != count and not run.assumed:
        raise ConfigError(
            f"{label} {value!r} is {count:g} epochs of {run.steps_per_epoch} steps, and this schedule moves "
            'once per epoch: give whole epochs, or when="step" to move it after every mini-batch'
        )
    if rounded < least:
        raise ConfigError(f"{label} must be at least {least} {unit}, got {value!r}")
    return rounded
