"""The best weights of a training, and when to stop waiting for better ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor, nn

from passo.errors import ConfigError, TrainingError

if TYPE_CHECKING:
    from passo.training.config import StoppingConfig
    from passo.training.step import EpochEnd
    from passo.training.tasks import Task

WATCHED = "validation/loss"


def epoch_values(end: EpochEnd) -> dict[str, float]:
    """What the end of an epoch knows, by the names under which a run keeps it."""
    seen = {} if end.validation is None else {f"validation/{k}": v for k, v in end.validation.values.items()}
    return {"epoch/train_loss": end.train_loss, **seen}


class Best:
    """Keeps the weights of the best epoch so far, by one metric; `waited` counts epochs without a gain.

    A gain is more than `min_delta`; any epoch that is better at all still gives the best weights, so that these are the
    best whatever `min_delta` is. A metric that is not finite is no gain.

    Raises `ConfigError` where the end of an epoch will not know such a metric.
    """

    def __init__(self, task: Task, wanted: StoppingConfig | None = None) -> None:
        self.monitor = f"validation/{task.watched}" if wanted is None else wanted.monitor
        name = self.monitor.removeprefix("validation/")
        known = ["epoch/train_loss", WATCHED, *(f"validation/{metric}" for metric in task.metrics)]
        if self.monitor not in known:
            raise ConfigError(f"early_stopping.monitor must be one of {', '.join(known)}, got {self.monitor!r}")
        mode = "auto" if wanted is None else wanted.mode
        self.mode: Literal["min", "max"] = ("max" if name in task.higher else "min") if mode == "auto" else mode
        self.patience = None if wanted is None else wanted.patience
        self._min_delta = 0.0 if wanted is None else wanted.min_delta
        self._first = 0 if wanted is None else wanted.start_from_epoch
        self.value: float | None = None
        self.epoch = self.step = self.waited = 0
        self.weights: dict[str, Tensor] = {}
        self._gained: float | None = None  # the value that the next gain is measured from

    @property
    def stop(self) -> bool:
        """Whether the patience is at its end."""
        return self.patience is not None and self.waited >= self.patience

    def look(self, end: EpochEnd, model: nn.Module, *, step: int, epoch: int) -> None:
        """At the end of an epoch: keep its weights where they are the best, and count."""
        try:
            value = epoch_values(end)[self.monitor]
        except KeyError:
            raise TrainingError(
                f"{self.monitor} is watched, and epoch {epoch} has none: it has {', '.join(epoch_values(end))}"
            ) from None
        if epoch > self._first:
            gain = math.isfinite(value) and (self._gained is None or self._above(value, self._gained) > self._min_delta)
            self.waited = 0 if gain else self.waited + 1
            self._gained = value if gain else self._gained
        if math.isfinite(value) and (self.value is None or self._above(value, self.value) > 0):
            self.value, self.epoch, self.step = value, epoch, step
            self.weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    def _above(self, value: float, other: float) -> float:
        """By how much one value is better than another; below 0 where it is worse, NaN where it is none."""
        return value - other if self.mode == "max" else other - value

    def facts(self) -> dict[str, Any]:
        """What a run keeps of it."""
        return {"monitor": self.monitor, "mode": self.mode, "value": self.value, "epoch": self.epoch, "step": self.step}

    def state_dict(self) -> dict[str, Any]:
        """All of it, as a checkpoint keeps it."""
        return {name: getattr(self, name) for name in _KEPT}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        for name in _KEPT:
            setattr(self, name, state[name])


_KEPT = ("value", "epoch", "step", "waited", "weights", "_gained")
