"""Several optimizers in the place of one, where parts of a model are trained apart; their schedules likewise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer

from passo.optim.stepping import Schedule


class Halves:
    """Optimizers by the name of the part that each trains; `task.step` says when which of them steps.

    What is common to optimizers and is asked of a run's own: groups (the first part's first), `zero_grad`, the state.
    """

    def __init__(self, parts: Mapping[str, Optimizer]) -> None:
        self.parts = dict(parts)

    def __getitem__(self, name: str) -> Optimizer:
        return self.parts[name]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return [group for one in self.parts.values() for group in one.param_groups]

    def zero_grad(self) -> None:
        for one in self.parts.values():
            one.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        return {name: one.state_dict() for name, one in self.parts.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name, one in self.parts.items():
            one.load_state_dict(state[name])


class HalvesSchedule(Schedule):
    """One schedule for each of several optimizers, all stepped at the same moments."""

    def __init__(self, optimizer: Halves, parts: Mapping[str, Schedule]) -> None:
        first = next(iter(parts.values()))
        super().__init__(first.scheduler, first.when, name=first.name)
        self._halves, self.parts = optimizer, dict(parts)

    @property
    def optimizer(self) -> Any:
        return self._halves

    def after_step(self) -> None:
        for one in self.parts.values():
            one.after_step()

    def after_epoch(self, validation_loss: float | None = None) -> None:
        for one in self.parts.values():
            one.after_epoch(validation_loss)

    def state_dict(self) -> dict[str, Any]:
        return {name: one.state_dict() for name, one in self.parts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, one in self.parts.items():
            one.load_state_dict(state[name])
