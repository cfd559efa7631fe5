"""Learning-rate range tests of one configuration, over seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from passo.analysis.curves import runs_of
from passo.analysis.words import joined, significant
from passo.store import StoredStudy


@dataclass(frozen=True)
class RangeCurve:
    """One seed's test: lr, loss, smoothed (T,); the rate suggested, and the one at which it diverged, or None."""

    seed: int | None
    lr: np.ndarray
    loss: np.ndarray
    smoothed: np.ndarray
    suggestion: float
    diverged_at: float | None


@dataclass(frozen=True)
class RangeSummary:
    """The tests of one configuration, by seed."""

    name: str
    curves: tuple[RangeCurve, ...]

    @property
    def suggestion(self) -> float:
        """The geometric mean of the seeds' suggestions: rates are compared on a log axis."""
        return float(np.exp(np.mean([np.log(curve.suggestion) for curve in self.curves])))

    @property
    def lowest(self) -> float:
        return min(curve.suggestion for curve in self.curves)

    @property
    def highest(self) -> float:
        return max(curve.suggestion for curve in self.curves)

    @property
    def diverged(self) -> int:
        """How many of the tests ended because the loss had grown far above its best."""
        return sum(curve.diverged_at is not None for curve in self.curves)

    def sentence(self) -> str:
        """Where the loss falls most steeply, and how well the seeds agree."""
        rate = significant(self.suggestion)
        if len(self.curves) == 1:
            return f"For {self.name} the smoothed loss falls most steeply at a learning rate of {rate} (one seed)."
        return (
            f"For {self.name} the smoothed loss falls most steeply at a learning rate of {rate} (geometric mean of "
            f"{len(self.curves)} seeds, which suggest {joined([significant(c.suggestion) for c in self.curves])})."
        )


def lr_ranges(study: StoredStudy, name: str) -> RangeSummary:
    """All range tests of one name."""
    curves = [
        RangeCurve(
            run.seed,
            run.array("lr"),
            run.array("loss"),
            run.array("smoothed"),
            float(run.info["suggestion"]),
            run.info.get("diverged_at"),
        )
        for run in runs_of(study, name, "lr_range")
    ]
    return RangeSummary(name, tuple(curves))
