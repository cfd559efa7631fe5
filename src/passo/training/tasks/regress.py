"""`regress`: which value is it? Mean squared error; MSE, MAE and R²."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from passo.training.tasks.losses import SquaredError
from passo.training.tasks.task import Measure, Task

if TYPE_CHECKING:
    from passo.data import Data


class Errors(Measure):
    """Mean squared error, mean absolute error, and R², over all values of all samples.

        R² = 1 − Σ (y − ŷ)² / Σ (y − ȳ)²

    with the sums taken for each output about its own mean. 1 is perfect, 0 as good as the mean; there is none where the
    targets are all the same (scikit-learn's `r2_score` with `multioutput="variance_weighted"`).
    """

    def __init__(self) -> None:
        self._outputs: list[Tensor] = []
        self._targets: list[Tensor] = []

    def add(self, x: Tensor, output: Tensor, y: Tensor) -> None:
        self._outputs.append(output.flatten(1).double().cpu())
        self._targets.append(y.flatten(1).double().cpu())

    def values(self) -> dict[str, float]:
        output, y = torch.cat(self._outputs), torch.cat(self._targets)  # (N, K)
        squared, spread = (y - output).square(), (y - y.mean(0)).square().sum()
        found = {"mse": float(squared.mean()), "mae": float((y - output).abs().mean())}
        return found | ({"r2": float(1 - squared.sum() / spread)} if spread > 0 else {})


class Regress(Task):
    """Outputs (B, K) against values (B, K)."""

    name = "regress"
    metrics = ("mse", "mae", "r2")
    higher = ("r2",)
    figures = ("residuals", "overfitting")

    def loss_fn(self, data: Data | None) -> nn.Module:
        self.without_classes("this training predicts values")
        return SquaredError()

    def measure(self) -> Measure:
        return Errors()
