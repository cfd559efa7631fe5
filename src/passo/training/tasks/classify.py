"""`classify`: which class is it? Cross-entropy; accuracy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from passo.errors import ConfigError
from passo.training.tasks.losses import ClassError, Smoothed
from passo.training.tasks.task import Kept, Task

if TYPE_CHECKING:
    from passo.data import Data


class Classify(Task):
    """Logits (B, C) against class numbers (B,). `evaluate` itself counts the right ones: `accuracy`, in [0, 1]."""

    name = "classify"
    metrics = ("accuracy",)
    higher = ("accuracy",)
    figures = ("confusion", "classes", "calibration", "cross-entropy", "hardest", "overfitting")

    def begin(self, data: Data | None, model: nn.Module) -> None:
        if data is not None and not data.classes:
            told = f"task classify learns classes, and {data.name} has values"
            raise ConfigError(
                f"{told}: take task=regress, or dataset.task=classify where whole numbers are its classes"
            )

    def loss_fn(self, data: Data | None) -> nn.Module:
        """Cross-entropy, weighted by 1 / (images of the class) where `class_weights` are asked for, and smoothed."""
        smoothing = self.config.label_smoothing
        if data is not None:
            weights = torch.tensor(data.class_weights) if self.config.class_weights else None
            return ClassError(data.outputs, weights, smoothing)
        if self.config.class_weights:
            raise ConfigError("class_weights are counted in passo's own data: give your own loss its weights")
        return Smoothed(label_smoothing=smoothing)

    def kept(self, outputs: Tensor, targets: Tensor) -> Iterator[Kept]:
        yield "test/probabilities", outputs.float().softmax(1).cpu().numpy(), {"axes": ["image", "class"]}
        yield "test/labels", targets.cpu().numpy(), {}
