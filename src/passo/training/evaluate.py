"""Loss, accuracy and a task's own metrics over a set of batches, in one pass and without touching the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from passo.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from passo.training.tasks import Measure, Task

Precision = Literal["float32", "bf16", "fp16"]
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Evaluation:
    """Mean loss over samples, accuracy in [0, 1] (None for a regression), and how many samples.

    `metrics` are a task's own, by name, and `measure` what it collected. `outputs` (N, …) and `targets` (N, …) are kept
    only where they were asked for.
    """

    loss: float
    accuracy: float | None
    count: int
    outputs: Tensor | None = None
    targets: Tensor | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    measure: Measure | None = field(default=None, compare=False, repr=False)

    @property
    def values(self) -> dict[str, float]:
        """Loss, accuracy where there is one, and the other metrics, by name."""
        accuracy = {} if self.accuracy is None else {"accuracy": self.accuracy}
        return {"loss": self.loss, **accuracy, **self.metrics}


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """What a forward pass stands in: torch's autocast, or nothing."""
    return nullcontext() if precision == "float32" else torch.autocast(device.type, _DTYPES[precision])


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
    task: Task | None = None,
    precision: Precision = "float32",
) -> Evaluation:
    """Evaluate a model over batches of (x, y): any iterable, a DataLoader too.

    The loss is averaged over samples, so that a smaller last batch counts for what it is; where `loss_fn` has a
    `judge`, as one that smooths labels has, it is that one's. Accuracy is computed where y holds class numbers and the
    output has one column per class. A `task` says what the model is shown, and adds its own metrics.
    """
    loss_fn = getattr(loss_fn, "judge", loss_fn)
    measure = None if task is None else task.measure()
    total = torch.zeros(())
    right, count, classes = torch.zeros((), dtype=torch.int64), 0, True
    outputs: list[Tensor] = []
    targets: list[Tensor] = []
    with evaluating(model):
        for number, (x, y) in enumerate(batches):
            if device is not None:
                x, y = x.to(device), y.to(device)
            if task is not None:
                x, y = task.shown(x, y, number)
            with autocast(precision, x.device):
                output = model(x)
                loss = loss_fn(output, y)
            if not count:  # in float64 wherever the device has it
                total = total.to(y.device, torch.float32 if y.device.type == "mps" else torch.float64)
            total += loss * len(y)
            classes = classes and not y.is_floating_point() and output.dim() == 2 and y.dim() == 1
            if classes:
                right = right.to(y.device) + (output.argmax(1) == y).sum()
            count += len(y)
            if measure is not None:
                measure.add(x, output, y)
            if keep:
                outputs.append(output)
                targets.append(y)
    if not count:
        raise TrainingError("cannot evaluate: there are no batches")
    kept = (torch.cat(outputs), torch.cat(targets)) if keep else (None, None)
    metrics = {} if measure is None else measure.values()
    return Evaluation(float(total) / count, float(right) / count if classes else None, count, *kept, metrics, measure)
