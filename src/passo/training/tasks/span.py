"""Where black and white lie in the numbers that a model reads: errors and noise have one unit for every scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from passo.data import Data


@dataclass(frozen=True)
class Span:
    """Inputs run from `low` to `high`: black and white of each channel (C, 1, 1), or the ends of each column (F,).

    >>> Span(torch.tensor(-1.0), torch.tensor(1.0)).unit(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """

    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, data: Data | None) -> Span:
        """Images: black to white, as they are scaled. A table: the training part's least and greatest of each column.

        The caller's own batches (None): 0 to 1.
        """
        if data is None:
            return cls(torch.zeros(()), torch.ones(()))
        if len(data.in_shape) == 3:
            ends = torch.zeros(1, data.in_shape[0], 1, 1)
            return cls(data.scaling.from_unit(ends)[0], data.scaling.from_unit(ends + 1)[0])
        rows = data.train.images
        low, high = rows.amin(0), rows.amax(0)
        return cls(low, torch.where(high > low, high, low + 1))

    def unit(self, x: Tensor) -> Tensor:
        """What lies at `low` becomes 0, at `high` 1: the shape of x, float32."""
        low, high = self.low.to(x.device), self.high.to(x.device)
        return (x.float() - low) / (high - low)

    def width(self, x: Tensor) -> Tensor:
        """high − low, where x is and of its dtype."""
        return (self.high - self.low).to(x.device, x.dtype)

    def ends(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """low and high, where x is and of its dtype."""
        return self.low.to(x.device, x.dtype), self.high.to(x.device, x.dtype)
