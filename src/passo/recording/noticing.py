"""What is noticed beside the numbers, in words: a forgotten `zero_grad`, a scheduler stepped before its optimiser, a
training in eval mode, steps that a GradScaler skipped.

One parameter stands for all: its hook fires in every backward pass, and costs about a microsecond.
"""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from passo.errors import TrainingWarning
from passo.telling import told

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
        self.aloud = True
        self.optimizer, self.model, self.sentinel, self.scaler = optimizer, model, sentinel, scaler
        self.skipped: list[int] = []
        self._note, self._said = note, set[str]()
        self._schedules: list[weakref.ref[Any]] = []
        self._first = self._turns()  # how often each schedule had been stepped when the lens was put on
        self._at_backward: dict[int, int] | None = None
        # The sentinel's gradient (identity, version) as long as it is the one of the last step with more added to it.
        self._uncleared: tuple[int, int] | None = None
        self._in_a_row = 0
        self._stepped, self._resting = False, False
        self._loaded = optimizer.register_load_state_dict_post_hook(self._resumed)
        self._handle = None if sentinel is None else sentinel.register_post_accumulate_grad_hook(self._seen)

    @property
    def curious(self) -> bool:
        return self._handle is not None

    def close(self) -> None:
        self.rest()
        self._loaded.remove()

    def rest(self) -> None:
        """Look at gradients no more; whether the model is in eval mode stays in view."""
        if self._handle is not None:
            self._handle.remove()
        self._handle, self._uncleared, self._at_backward, self._resting = None, None, None, True

    def _resumed(self, optimizer: torch.optim.Optimizer) -> None:
        """A training that goes on brings its schedule's place with it: nothing can be said of its first step."""
        self._stepped, self._at_backward = True, None

    def state_dict(self) -> dict[str, Any]:
        """What was said and seen so far, between two steps. Gradients are not kept: the next one is the first."""
        return {
            "skipped": list(self.skipped),
            "said": sorted(self._said),
            "stepped": self._stepped,
            "resting": self._resting,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.skipped, self._said, self._stepped = list(state["skipped"]), set(state["said"]), state["stepped"]
        if state["resting"]:
            self.rest()

    # ── during backward ──

    def _seen(self, parameter: Tensor) -> None:
        self._at_backward = self._turns()
        if self._uncleared is not None and parameter.grad is not None:
            # Adding changes a tensor in place, once; clearing is one more change in place, or another tensor.
            now = (id(parameter.grad), parameter.grad._version)
            self._uncleared = now if self._uncleared == (now[0], now[1] - 1) else None

    # ── around the step ──

    def before(self, step: int) -> None:
        """Called before step number `step`."""
        if self.model is not None and not self.model.training:
            self._say("eval-mode", step, _eval_mode(self.model))
        if self._resting:
            return
        now = self._turns()
        early = not self._stepped and any(now[key] > self._first.get(key, 0) for key in now)
        between = self._at_backward is not None and any(now[k] > self._at_backward.get(k, now[k]) for k in now)
        if early or between:
            where = "between backward and optimizer.step()" if between else "before the first optimizer.step()"
            self._say(
                "scheduler-first",
                step,
                f"scheduler.step() was called {where}: the first value of the schedule is never used; call it after "
                "optimizer.step()",
            )
        self._in_a_row = self._in_a_row + 1 if self._uncleared is not None and self._at_backward is not None else 0
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
        self._at_backward = None  # no backward yet

    def skip(self, step: int) -> None:
        """A step that the GradScaler skipped: it counts and moved nothing."""
        self.skipped.append(step)
        self._stepped, self._at_backward = True, None  # a schedule may go on
        message = f"step {step} was skipped: the scaled gradients were not finite, and the GradScaler backs off"
        self._note("skipped", message, step)

    @property
    def scale(self) -> float:
        """The factor that gradients carry."""
        return float(self.scaler.get_scale()) if self.scaler is not None else 1.0

    def _turns(self) -> dict[int, int]:
        """How often each of the optimizer's schedules has been stepped. Torch leaves a mark where there is one."""
        if "initial_lr" not in self.optimizer.param_groups[0]:
            return {}
        if not self._schedules:
            self._schedules = [weakref.ref(found) for found in _schedules(self.optimizer)]
        alive = [schedule for ref in self._schedules if (schedule := ref()) is not None]
        return {id(schedule): int(schedule.last_epoch) for schedule in alive}

    def _say(self, what: str, step: int, message: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self._note(what, message, step)
            if self.aloud:
                warnings.warn(f"step {step}: {told(message)}", TrainingWarning, stacklevel=2)


def schedules_of(optimizer: torch.optim.Optimizer) -> list[Any]:
    """The schedulers alive that were built on an optimizer, and those on another one that holds a parameter of it."""
    mine = {id(p) for group in optimizer.param_groups for p in group["params"]}

    def related(other: Any) -> bool:
        return any(id(p) in mine for group in getattr(other, "param_groups", ()) for p in group["params"])

    alive = _alive(torch.optim.lr_scheduler.LRScheduler)
    return [one for one in alive if related(getattr(one, "optimizer", None))]


def told_schedule(schedule: Any, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """A scheduler as JSON keeps it: `own` says whether it is the optimizer's, `turns` how often it was stepped.

    `total` is the steps of a cycle that has an end.
    """
    total, own = getattr(schedule, "total_steps", None), getattr(schedule, "optimizer", None) is optimizer
    name, turns = type(schedule).__name__, int(schedule.last_epoch)
    return {"name": name, "own": own, "turns": turns, "total": None if total is None else int(total)}


def held_elsewhere(optimizer: torch.optim.Optimizer) -> set[int]:
    """The `id` of every parameter that another optimizer holds: a GAN has one for each half."""
    others = [one for one in _alive(torch.optim.Optimizer) if one is not optimizer]
    return {id(p) for one in others for group in one.param_groups for p in group["params"]}


def _alive(kind: type) -> list[Any]:
    """Every object of a kind that there is. Takes some 20 ms."""
    return [one for one in gc.get_objects() if issubclass(type(one), kind)]


def _schedules(optimizer: torch.optim.Optimizer) -> list[Any]:
    """The schedulers that were built on an optimizer: they know it, it does not know them."""
    return [
        schedule
        for schedule in _alive(torch.optim.lr_scheduler.LRScheduler)
        if getattr(schedule, "optimizer", None) is optimizer
    ]


def _eval_mode(model: nn.Module) -> str:
    """What training in eval mode does to this model."""
    kinds = {type(module).__name__ for module in model.modules()}
    touched = [word for word in ("Dropout", "BatchNorm", "InstanceNorm") if any(word in kind for kind in kinds)]
    if not touched:
        return "the model is trained in eval mode: no layer of it minds, but call model.train() before training"
    effects = {
        "Dropout": "dropout does nothing",
        "BatchNorm": "BatchNorm uses its old statistics and learns no new ones",
    }
    told = "; ".join(effects.get(word, f"{word} uses its old statistics") for word in touched)
    return f"the model is trained in eval mode: {told}; call model.train() before training"
