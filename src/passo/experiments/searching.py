"""What the searches of a study share: a search proposes configurations, is told what they gave, and proposes again.

A search is a function of what it is told and of its own seed: a study that was interrupted walks through it again with
the results that are there, comes to the same proposals, and trains only what is missing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import field_validator

from passo.errors import ConfigError
from passo.experiments.varying import Keyed
from passo.training.tasks import TASKS


@dataclass(frozen=True)
class Proposal:
    """One configuration that a search asks for: which round or trial it is of, and what it changes."""

    label: str
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What a search came to: its best proposal (None where every one diverged), the mean over seeds there, and why
    it ended. `rounds` tells what each round or rung found; `edges` are keys whose best value lies at an end of what
    was allowed."""

    best: Proposal | None
    value: float
    why: str
    rounds: tuple[Mapping[str, Any], ...] = ()
    edges: tuple[str, ...] = field(default=())


Scores: TypeAlias = Sequence[Sequence[float]]  # of each proposal, the metric for each seed; NaN where it has none
Walk: TypeAlias = Generator[list[Proposal], Scores, Verdict]


class Search(Keyed):
    """A search for the best value of `metric`, by default the validation loss."""

    metric: str = "validation/loss"

    @field_validator("metric")
    @classmethod
    def _not_the_test(cls, metric: str) -> str:
        if metric.startswith("test/"):
            raise ConfigError(
                f"metric = {metric!r} would choose by the test data, which then prove nothing: "
                f"take validation/{metric.removeprefix('test/')}"
            )
        known = {"epoch/train_loss", "train/loss", "validation/loss"}
        known |= {f"validation/{name}" for task in TASKS for name in TASKS[task].metrics}
        if metric not in known:
            raise ConfigError(f"metric must be one of {', '.join(sorted(known))}, got {metric!r}")
        return metric

    @property
    def higher(self) -> bool:
        """Whether the metric is better the higher it is."""
        rising = {name for task in TASKS for name in TASKS[task].higher}
        return self.metric.removeprefix("validation/") in rising

    @property
    def count(self) -> int:
        """How many proposals there are at most."""
        raise NotImplementedError

    def corners(self) -> list[Proposal]:
        """Proposals that between them take every key to its ends, so that a mistake shows before anything runs."""
        raise NotImplementedError

    def walk(self, stream: str) -> Walk:
        """The search itself; `stream` names this walk's own randomness."""
        raise NotImplementedError


def mean(scores: Sequence[float]) -> float:
    """Over seeds; NaN where one of them diverged, so that such a configuration is never chosen."""
    return statistics.fmean(scores) if scores else math.nan


def ranking(scores: Scores, higher: bool) -> list[int]:
    """Places of the proposals, the best first, those without a finite mean left out; of equals, the earlier first."""
    means = [mean(one) for one in scores]
    finite = [place for place, value in enumerate(means) if math.isfinite(value)]
    return sorted(finite, key=lambda place: -means[place] if higher else means[place])


def swept(ends: Mapping[str, Sequence[Any]], label: str) -> list[Proposal]:
    """Every value of every key once, the other keys at their first."""
    first = {key: values[0] for key, values in ends.items()}
    found = [Proposal(label, first)]
    for key, values in ends.items():
        found += [Proposal(label, {**first, key: value}) for value in values[1:]]
    return found
