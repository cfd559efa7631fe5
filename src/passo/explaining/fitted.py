"""A regression with one input: what it predicts at every point, and the line (or curve) between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from passo.data import Data
from passo.errors import UsageError
from passo.explaining.layers import array
from passo.training.evaluate import evaluating

GRID = 200


@dataclass(frozen=True)
class Fitted:
    """Points and a model of them, all in the data's own units: x, y, predicted (N,); the curve at grid_x, grid_y (G,).

    part: "training" or "test", or what else these points are. x_name, y_name: what the axes are.
    """

    part: str
    x: np.ndarray
    y: np.ndarray
    predicted: np.ndarray
    grid_x: np.ndarray
    grid_y: np.ndarray
    x_name: str
    y_name: str

    @property
    def residuals(self) -> np.ndarray:
        """y − ŷ, the signed distance of each point from the line along y: (N,)."""
        return self.y - self.predicted

    @property
    def mse(self) -> float:
        return float((self.residuals**2).mean())

    @property
    def mae(self) -> float:
        return float(np.abs(self.residuals).mean())

    @property
    def r2(self) -> float:
        """1 − Σ(y − ŷ)² / Σ(y − ȳ)²: 0 is as good as the mean of these y, 1 is all; NaN where y never varies."""
        spread = float(((self.y - self.y.mean()) ** 2).sum())
        return 1 - float((self.residuals**2).sum()) / spread if spread else float("nan")


def fitted(model: nn.Module, data: Data, part: str = "test") -> Fitted:
    """A model of one input on the test, validation or training part of a table.

    Raises `UsageError` for a part that is not there, data with more inputs than one, and classes.
    """
    parts = {"training": data.train, "validation": data.validation, "test": data.test}
    split = parts.get(part)
    if split is None:
        raise UsageError(f"there is no {part} part: choose {', '.join(n for n, p in parts.items() if p is not None)}")
    if data.task != "regress" or tuple(data.in_shape) != (1,):
        told = f"{data.name} predicts {'classes' if data.classes else 'values'} from inputs of {tuple(data.in_shape)}"
        raise UsageError(f"a line is drawn through a regression with one input, and {told}")
    x, how = np.asarray(split.raw, np.float64)[:, 0], data.scaling
    grid = np.linspace(x.min(), x.max(), GRID) if x.max() > x.min() else x[:1]
    with evaluating(model):
        predicted, curve = (array(model(values))[:, 0] for values in (split.images, how.apply(grid[:, None])))
    names = (*data.info.columns, "the input")[0], data.info.target or "the value to predict"
    return Fitted(part, x, split.targets.astype(np.float64), predicted, grid, curve, *names)


def fitted_line(b: float, w: float, x: np.ndarray, y: np.ndarray, x_name: str = "x", y_name: str = "y") -> Fitted:
    """The line ŷ = b + w·x through points x, y (N,): where a descent of the model `line` ended, for one.

    >>> fitted_line(0.0, 2.0, np.array([1.0, 2.0]), np.array([2.0, 5.0])).residuals.tolist()
    [0.0, 1.0]
    """
    x, y = np.ravel(x).astype(np.float64), np.ravel(y).astype(np.float64)
    grid = np.array([x.min(), x.max()])
    return Fitted("training", x, y, b + w * x, grid, b + w * grid, x_name, y_name)
