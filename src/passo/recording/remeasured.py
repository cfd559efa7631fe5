"""The loss of one batch just before and just after a step: what the step really brought, beside what g·Δθ predicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from passo import seeding


class Remeasured:
    """Calls the user's loss function twice around a step, with the same random numbers, and leaves no trace.

    Global random states, the model's buffers (BatchNorm's running statistics) and its dropouts' counters are put back.
    passo's own dropout draws the masks of the step's last forward pass again; `nn.Dropout` draws others, the same
    before and after, so that there g·Δθ was predicted for other masks than the loss is measured with.
    """

    def __init__(self, loss: Callable[[], Any], model: nn.Module | None) -> None:
        self._loss, self._model = loss, model
        self._random: dict[str, Any] = {}
        self._first = float("nan")

    def before(self) -> None:
        self._random = seeding.capture()
        self._first = self._measure()

    def after(self) -> tuple[float, float]:
        now = seeding.capture()
        seeding.restore(self._random)
        try:
            return self._first, self._measure()
        finally:
            seeding.restore(now)

    @torch.no_grad()
    def _measure(self) -> float:
        buffers = [] if self._model is None else list(self._model.buffers())
        kept = [buffer.clone() for buffer in buffers]
        modules: list[Any] = [] if self._model is None else list(self._model.modules())
        drawn = [module for module in modules if hasattr(module, "micro_batch")]
        counts = [module.micro_batch for module in drawn]
        try:
            for module, count in zip(drawn, counts, strict=True):
                module.micro_batch = max(0, count - 1)
            return float(torch.as_tensor(self._loss()))
        finally:
            for buffer, old in zip(buffers, kept, strict=True):
                buffer.copy_(old)
            for module, count in zip(drawn, counts, strict=True):
                module.micro_batch = count
            seeding.restore(self._random)


class LastBatch:
    """Remembers the last batch that went through a model and its loss, so that its loss can be computed again."""

    def __init__(self, model: nn.Module, loss_fn: nn.Module) -> None:
        self._model, self._loss_fn = model, loss_fn
        self._x: tuple[Any, ...] = ()
        self._y: Tensor | None = None
        self._again = False
        self._handles = [
            model.register_forward_pre_hook(self._input),
            loss_fn.register_forward_pre_hook(self._target),
        ]

    def __call__(self) -> Tensor:
        self._again = True
        try:
            return self._loss_fn(self._model(*self._x), self._y)
        finally:
            self._again = False

    def latest(self) -> tuple[tuple[Any, ...], Tensor | None]:
        """The inputs and the targets; None before there was a loss."""
        return self._x, self._y

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()

    def _input(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        if not self._again and torch.is_grad_enabled():
            self._x = args

    def _target(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        if not self._again and torch.is_grad_enabled():
            self._y = args[1]
