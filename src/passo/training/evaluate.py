"""Loss and accuracy over a set of batches, in one pass and without touching the model."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from passo.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Evaluation:
    """Mean loss over samples, accuracy in [0, 1] (None for a regression), and how many samples.

    `outputs` (N, …) and `targets` (N, …) are kept only where they were asked for.
    """

    loss: float
    accuracy: float | None
    count: int
    outputs: Tensor | None = None
    targets: Tensor | None = None


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients inside; each module's own mode again afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def evaluate(
    model: nn.Module,
    loss_fn: Any,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    device: Any = None,
    keep: bool = False,
) -> Evaluation:
    """Evaluate a model over batches of (x, y): any iterable, a DataLoader too.

    The loss is averaged over samples, so that a smaller last batch counts for what it is. Accuracy is computed
    where y holds class numbers and the output has one column per class.
    """
    total = torch.zeros(())
    right, count, classes = torch.zeros((), dtype=torch.int64), 0, True
    outputs: list[Tensor] = []
    targets: list[Tensor] = []
    with evaluating(model):
        for x, y in batches:
            if device is not None:
                x, y = x.to(device), y.to(device)
            output = model(x)
            if not count:  # in float64 wherever the device has it
                total = total.to(y.device, torch.float32 if y.device.type == "mps" else torch.float64)
            total += loss_fn(output, y) * len(y)
            classes = classes and not y.is_floating_point() and output.dim() == 2 and y.dim() == 1
            if classes:
                right = right.to(y.device) + (output.argmax(1) == y).sum()
            count += len(y)
            if keep:
                outputs.append(output)
                targets.append(y)
    if not count:
        raise TrainingError("cannot evaluate: there are no batches")
    kept = (torch.cat(outputs), torch.cat(targets)) if keep else (None, None)
    return Evaluation(float(total) / count, float(right) / count if classes else None, count, *kept)
