"""Losses that refuse an output of another shape: torch would stretch it, or fail in words of its own."""

from __future__ import annotations

from torch import Tensor, nn

from passo.errors import ConfigError, TrainingError


class SquaredError(nn.MSELoss):
    """Mean of (output − y)² over all values.

    >>> import torch
    >>> SquaredError()(torch.tensor([[1.0], [3.0]]), torch.tensor([[1.0], [1.0]])).item()
    2.0
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return super().forward(*alike(input, target))


class AbsoluteError(nn.L1Loss):
    """Mean of |output − y| over all values: an error counts by its size, so that few large ones decide less."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return super().forward(*alike(input, target))


class Smoothed(nn.CrossEntropyLoss):
    """Cross-entropy that trains on smoothed labels, and is judged without: `judge` is what an evaluation computes."""

    @property
    def judge(self) -> nn.Module:
        """The same loss of the labels as they are, so that losses compare whatever was smoothed."""
        return nn.CrossEntropyLoss(weight=self.weight) if self.label_smoothing else self


class ClassError(Smoothed):
    """Cross-entropy of logits (B, C) and class numbers (B,), of which there are `classes`."""

    def __init__(self, classes: int, weight: Tensor | None = None, label_smoothing: float = 0.0) -> None:
        super().__init__(weight=weight, label_smoothing=label_smoothing)
        self.classes = classes

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise TrainingError(f"the model gives a {type(input).__name__} where a tensor of logits is wanted")
        if input.ndim != 2 or len(input) != len(target) or input.shape[1] < self.classes:
            told = f"the model gives {tuple(input.shape)} where {(len(target), self.classes)} is wanted"
            raise TrainingError(f"{told}: one row for each sample, one logit for each class")
        return super().forward(input, target)


LOSSES: dict[str, type[nn.Module]] = {"mse": SquaredError, "mae": AbsoluteError}


def loss_named(name: str) -> nn.Module:
    """One of `LOSSES`; raises `ConfigError` for another name."""
    if name not in LOSSES:
        raise ConfigError(f"task.loss must be {' or '.join(LOSSES)}, got {name!r}")
    return LOSSES[name]()


def alike(output: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Both as they are; raises `TrainingError` where their shapes differ."""
    if output.shape != y.shape:
        told = f"the model gives {tuple(output.shape)} where {tuple(y.shape)} is wanted"
        raise TrainingError(f"{told}: its output must have the target's shape")
    return output, y
