"""What a run predicted where values are wanted: its errors, and whether these have a pattern left to be learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from passo.analysis.recorded import Recorded
from passo.analysis.tables import Table
from passo.analysis.words import significant
from passo.errors import StoreError
from passo.language import later, t

TARGET = later("the target")


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
        off = float(self.residuals.mean())
        by = significant(abs(off))
        low, high = t("its predictions are too low by {by}", by=by), t("its predictions are too high by {by}", by=by)
        return t(
            "On {n:,} test values of {target} {explained}; {off} on average, errors spread by {spread} and are "
            "{largest} at the most (number {worst}); the rank correlation of their size with the prediction is "
            "{growing}.",
            n=len(self),
            target=self.told_target,
            explained=self._explained(),
            off=low if off > 0 else high,
            spread=significant(float(self.residuals.std())),
            largest=significant(float(self.residuals[self.worst])),
            worst=self.worst,
            growing=significant(self.growing, 2),
        )

    def _explained(self) -> str:
        if not np.isfinite(self.r2):
            return t("{run} has no R², since all true values are the same", run=self.run)
        if self.r2 <= 0:
            return t("{run} predicts no better than the mean would (R² {r2:.3f})", run=self.run, r2=self.r2)
        message = later("{run} explains {share:.1f} % of the variance (R² {r2:.3f})")
        return t(message, run=self.run, share=100 * self.r2, r2=self.r2)

    @property
    def told_target(self) -> str:
        """What is predicted, as a sentence calls it."""
        return t(self.target)

    def table(self) -> Table:
        """MSE and its kin, and what half and nine tenths of the errors stay below."""
        sizes = np.abs(self.residuals)
        rows = (
            ("MSE", significant(self.mse)),
            (t("root of it"), significant(self.mse**0.5)),
            ("MAE", significant(self.mae)),
            ("R²", significant(self.r2) if np.isfinite(self.r2) else "–"),
            (t("half of the errors are below"), significant(float(np.quantile(sizes, 0.5)))),
            (t("nine tenths are below"), significant(float(np.quantile(sizes, 0.9)))),
        )
        note = t("In units of {target}; MSE in their square.", target=self.told_target)
        return Table((t("error"), t("value")), rows, note)


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
    target = str(run.info.get("data", {}).get("target") or TARGET)
    return Regressed(run.id, target, wanted.ravel(), given.ravel())
