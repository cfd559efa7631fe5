"""Learning-rate schedules: the curve that was planned, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from passo.analysis.compare import compare
from passo.analysis.curves import runs_of
from passo.analysis.intervals import Interval
from passo.analysis.words import joined, ranged, seeds, significant
from passo.language import t
from passo.store import StoredStudy


@dataclass(frozen=True)
class Plan:
    """A schedule seen before training: epochs (T,) (fractional), lr (T,); stepped per "epoch", "step" or "plateau"."""

    name: str
    when: str
    epochs: np.ndarray
    lr: np.ndarray


def plans(study: StoredStudy) -> tuple[Plan, ...]:
    """Every previewed schedule, in the study's order."""
    return tuple(
        Plan(run.name, str(run.info["when"]), run.array("epochs"), run.array("lr"))
        for run in study.select(kind="schedule")
    )


@dataclass(frozen=True)
class Effect:
    """What one configuration did with the learning rate, and where it ended.

    first, largest, last: learning rates of the first seed's run. changes: how often its rate changed.
    """

    name: str
    first: float
    largest: float
    last: float
    changes: int
    loss: Interval
    accuracy: Interval


@dataclass(frozen=True)
class ScheduleEffect:
    """Effects beside each other, the configuration without a schedule first."""

    effects: tuple[Effect, ...]

    def sentence(self) -> str:
        """Validation losses in the order given, with where each learning rate went."""
        plain, *others = self.effects
        told = [
            t(
                "{name} {loss} (lr {first} to {last}, at most {largest})",
                name=e.name,
                loss=ranged(e.loss),
                first=significant(e.first),
                last=significant(e.last),
                largest=significant(e.largest),
            )
            for e in others
        ]
        return t(
            "With its learning rate fixed at {rate}, {name} ends at a validation loss of {loss}; {others} ({seeds}).",
            rate=significant(plain.first),
            name=plain.name,
            loss=ranged(plain.loss),
            others=joined(told),
            seeds=seeds(plain.loss.n),
        )


def schedule_effect(study: StoredStudy, names: Sequence[str]) -> ScheduleEffect:
    """Learning rates and final validation results of some configurations; the first is the one to compare with."""
    loss, accuracy = (compare(study, f"validation/{what}", names) for what in ("loss", "accuracy"))
    effects = []
    for name in names:
        lr = runs_of(study, name)[0].metric("lr").values
        changes = int(np.count_nonzero(np.diff(lr)))
        first, largest, last = float(lr[0]), float(lr.max()), float(lr[-1])
        effects.append(Effect(name, first, largest, last, changes, loss.estimate(name), accuracy.estimate(name)))
    return ScheduleEffect(tuple(effects))
