"""What a run predicted where values are wanted: its errors, and whether these have a pattern left to be learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from passo.analysis.recorded import Recorded
from passo.analysis.tables import Table
from passo.analysis.words import significant
from passo.errors import StoreError


@dataclass(frozen=True)
class Regressed:
    """N values of a test: `true` and `predicted`, each (N,) float64, in the units of `target`."""

    run: str
    target: str
    true: np.ndarray
    predicted: np.ndarray

    def __len__(self) -> int:
        return len(self.true)

    @property
    def residuals(self) -> np.ndarray:
        """true − predicted: (N,). Above 0 where the prediction is too low."""
        return self.true - self.predicted

    @property
    def mse(self) -> float:
        return float(np.square(self.residuals).mean())

    @property
    def mae(self) -> float:
        return float(np.abs(self.residuals).mean())

    @property
    def r2(self) -> float:
        """1 − Σ residual² / Σ (true − mean)²; NaN where all true values are the same."""
        around = np.square(self.true - self.true.mean()).sum()
        return float(1 - np.square(self.residuals).sum() / around) if around > 0 else float("nan")

    @property
    def growing(self) -> float:
        """Rank correlation of |residual| with the prediction: far from 0 where errors depend on what is predicted."""
        return rank_correlation(np.abs(self.residuals), self.predicted)

    @property
    def worst(self) -> int:
        """The place of the largest error in the test part, from 0."""
        return int(np.abs(self.residuals).argmax())

    def sentence(self) -> str:
        share = f"explains {100 * self.r2:.1f} % of the variance (R² {self.r2:.3f})" if np.isfinite(self.r2) else (
            "has no R², since all true values are the same"
        )  # fmt: skip
        if np.isfinite(self.r2) and self.r2 <= 0:
            share = f"predicts no better than the mean would (R² {self.r2:.3f})"
        off = float(self.residuals.mean())
        spread, largest = float(self.residuals.std()), float(self.residuals[self.worst])
        return (
            f"On {len(self):,} test values of {self.target} {self.run} {share}; its predictions are too "
            f"{'low' if off > 0 else 'high'} by {significant(abs(off))} on average, errors spread by "
            f"{significant(spread)} and are {significant(largest)} at the most (number {self.worst}); the rank "
            f"correlation of their size with the prediction is {significant(self.growing, 2)}."
        )

    def table(self) -> Table:
        """MSE and its kin, and what half and nine tenths of the errors stay below."""
        sizes = np.abs(self.residuals)
        rows = (
            ("MSE", significant(self.mse)),
            ("root of it", significant(self.mse**0.5)),
            ("MAE", significant(self.mae)),
            ("R²", significant(self.r2) if np.isfinite(self.r2) else "–"),
            ("half of the errors are below", significant(float(np.quantile(sizes, 0.5)))),
            ("nine tenths are below", significant(float(np.quantile(sizes, 0.9)))),
        )
        return Table(("error", "value"), rows, f"In units of {self.target}; MSE in their square.")


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's: Pearson's correlation of ranks, those that tie sharing theirs; 0 where one does not vary.

    >>> rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([0.1, 0.2, 0.3])).__round__(6)
    1.0
    """
    ranks = []
    for values in (a, b):
        _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
        ends = counts.cumsum()
        ranks.append((ends - (counts - 1) / 2)[place])
    x, y = (one - one.mean() for one in ranks)
    length = float(np.sqrt(np.square(x).sum() * np.square(y).sum()))
    return float((x * y).sum()) / length if length else 0.0


def regressed(run: Recorded) -> Regressed:
    """A run's predictions of values; raises `StoreError` where it kept none, or predicted something else."""
    if not {"test/outputs", "test/targets"} <= set(run.arrays()):
        raise StoreError(f"run {run.id} kept no predicted values: train it with record.predictions=true")
    given, wanted = (run.array(f"test/{name}").astype(np.float64) for name in ("outputs", "targets"))
    if given.shape != wanted.shape or given.ndim > 2:
        raise StoreError(f"run {run.id} keeps outputs of shape {given.shape}, which are no predicted values")
    target = str(run.info.get("data", {}).get("target") or "the target")
    return Regressed(run.id, target, wanted.ravel(), given.ravel())
