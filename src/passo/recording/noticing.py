"""What is noticed beside the numbers, in words: a forgotten `zero_grad`, a scheduler stepped before its optimiser, a
training in eval mode, steps that a GradScaler skipped.

One parameter stands for all: its hook fires in every backward pass, and costs about a microsecond.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

CERTAIN = 3  # steps in a row before a habit is named

Note = Callable[..., None]


class Noticing:
    """Looks at a training's manners; each finding is noted once, with the step at which it was certain."""

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        model: nn.Module | None,
        sentinel: Tensor | None,
        scaler: Any,
        note: Note,
    ) -> None:
        self.optimizer, self.model, self.sentinel, self.scaler = optimizer, model, sentinel, scaler
        self.skipped: list[int] = []
        self._note, self._said = note, set[str]()
        self._lr = self._rates()
        self._scheduled = self._has_schedule()  # at birth: else nothing can be said about a first step
        self._backward_lr: tuple[float, ...] | None = None
        # The sentinel's gradient (identity, version) as long as it is the one of the last step with more added to it.
        self._uncleared: tuple[int, int] | None = None
        self._in_a_row = 0
        self._stepped = False
        self._handle = None if sentinel is None else sentinel.register_post_accumulate_grad_hook(self._seen)

    @property
    def curious(self) -> bool:
        return self._handle is not None

    def rest(self) -> None:
        """Look at gradients no more; whether the model is in eval mode stays in view."""
        if self._handle is not None:
            self._handle.remove()
        self._handle, self._uncleared, self._backward_lr = None, None, None

    # ── during backward ──

    def _seen(self, parameter: Tensor) -> None:
        self._backward_lr = self._rates()
        if self._uncleared is not None and parameter.grad is not None:
            # Adding changes a tensor in place, once; clearing is one more change in place, or another tensor.
            now = (id(parameter.grad), parameter.grad._version)
            self._uncleared = now if self._uncleared == (now[0], now[1] - 1) else None

    # ── around the step ──

    def before(self, step: int) -> None:
        """Called before step number `step`."""
        rates = self._rates()
        if self.model is not None and not self.model.training:
            self._say(
                "eval-mode",
                step,
                "the model is trained in eval mode: dropout does nothing and BatchNorm uses and keeps its old "
                "statistics; call model.train() before training",
            )
        if self._has_schedule():
            early = not self._stepped and self._scheduled and rates != self._lr
            between = self._backward_lr is not None and rates != self._backward_lr
            if early or between:
                where = "between backward and optimizer.step()" if between else "before the first optimizer.step()"
                self._say(
                    "scheduler-first",
                    step,
                    f"the learning rate changed {where}: a scheduler was stepped before its optimizer, so the first "
                    "value of its schedule is never used; call scheduler.step() after optimizer.step()",
                )
        self._in_a_row = self._in_a_row + 1 if self._uncleared is not None and self._backward_lr is not None else 0
        if self._in_a_row >= CERTAIN:
            self._say(
                "zero-grad",
                step,
                f"gradients were not cleared between the last {CERTAIN + 1} steps, so each step sees the sum of all "
                "before: call optimizer.zero_grad() once per step (gradients added up on purpose are cleared after "
                "the step that uses them)",
            )

    def after(self) -> None:
        """Called after the step."""
        self._stepped = True
        grad = None if self.sentinel is None else self.sentinel.grad
        self._uncleared = None if grad is None else (id(grad), grad._version)
        self._backward_lr = None  # no backward yet

    def skip(self, step: int) -> None:
        """A step that the GradScaler skipped: it counts and moved nothing."""
        self.skipped.append(step)
        self._stepped, self._backward_lr = True, None  # a schedule may go on
        message = f"step {step} was skipped: the scaled gradients were not finite, and the GradScaler backs off"
        self._note("skipped", message, step)

    @property
    def scale(self) -> float:
        """The factor that gradients carry."""
        return float(self.scaler.get_scale()) if self.scaler is not None else 1.0

    def _rates(self) -> tuple[float, ...]:
        return tuple(float(group["lr"]) for group in self.optimizer.param_groups)

    def _has_schedule(self) -> bool:
        return "initial_lr" in self.optimizer.param_groups[0]

    def _say(self, what: str, step: int, message: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self._note(what, message, step)
