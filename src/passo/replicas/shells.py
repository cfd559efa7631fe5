"""A replica's own model and optimizer, made to stand around a step as if they had made it.

What was hooked to them, a microscope or a recorder of the weights' path, then sees what it would see in the plain loop.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from passo.replicas.network import Fused
from passo.replicas.updates import Updates

Views = Mapping[str, Tensor]  # parameter → (R, *shape)
Due = Callable[[], bool]


class Shells:
    """The shells of an engine, by row. A step goes through `opened`, `before` and `after`."""

    def __init__(self) -> None:
        self._there: dict[int, Shell] = {}

    def put(self, row: int, shell: Shell) -> None:
        self._there[row] = shell

    def drop(self, row: int) -> None:
        """Its replica has ended."""
        self._there.pop(row, None)

    def keep(self, rows: Sequence[int]) -> None:
        """These rows alone, by their new numbers."""
        self._there = {number: self._there[row] for number, row in enumerate(rows) if row in self._there}

    def opened(self, network: Fused) -> set[int]:
        """Show weights, and gradients of loss and penalty, where a step is to be shown; the replicas of which it is."""
        if not self._there:
            return set()
        weights, gradients = network.views(), network.gradients()
        return {row for row, shell in self._there.items() if shell.opens(row, weights, gradients)}

    def before(self, opened: Collection[int], network: Fused, updates: Updates, *, clipped: bool) -> None:
        """Before the update. Where gradients are `clipped`, they are others by now."""
        gradients = network.gradients() if clipped and opened else {}
        for row in opened:
            states, numbers = updates.kept(row)
            named: dict[str, Views] = {}
            for sheet, state in zip(network.sheets, states, strict=True):
                for key, values in state.items():
                    own = {name: part[0] for name, part in sheet.views(values[None]).items()}
                    named[key] = {**named.get(key, {}), **own}
            self._there[row].before(row, gradients, named, numbers)

    def after(self, opened: Collection[int], network: Fused, moved: Mapping[str, np.ndarray]) -> None:
        """After the update. `moved` is what schedules said for this step: option → (R,)."""
        weights = network.views() if opened else {}
        for row, shell in self._there.items():
            shell.after(row, row in opened, weights, network.buffers, moved)


class Shell:
    """Shows the steps of one replica to the hooks on its model and optimizer, wherever `due()` says so.

    On other steps the hooks are called too, so that they count them, but nothing is copied for them.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer, due: Due) -> None:
        self._parameters, self._buffers = dict(model.named_parameters()), dict(model.named_buffers())
        self._optimizer, self._due = optimizer, due
        self._after: Callable[[], None] = lambda: None
        self._hooked = Optimizer.profile_hook_step(lambda _: self._after())  # torch's own way of calling the hooks

    def opens(self, row: int, weights: Views, gradients: Views) -> bool:
        """Whether the step is to be shown; where it is, weights and gradients are."""
        if not self._due():
            return False
        for name, parameter in self._parameters.items():
            parameter.copy_(weights[name][row])
            if name not in gradients:
                continue
            self._grade(name, gradients[name][row])
            for hook in (parameter._post_accumulate_grad_hooks or {}).values():  # type: ignore[attr-defined]
                hook(parameter)
        return True

    def before(self, row: int, gradients: Views, states: Mapping[str, Views], numbers: Mapping[str, float]) -> None:
        """Before the update: other gradients, where it reads others, and each parameter's state as torch keeps it."""
        for name in gradients:
            self._grade(name, gradients[name][row])
        if not numbers["step"]:  # torch, too, begins its state with the first step
            return
        told = {key: torch.tensor(one) for key, one in numbers.items()}
        for name, parameter in self._parameters.items():
            if parameter.grad is not None:
                self._optimizer.state[parameter] = {**{key: values[name] for key, values in states.items()}, **told}

    def after(self, row: int, opened: bool, weights: Views, buffers: Views, moved: Mapping[str, np.ndarray]) -> None:
        """After the update: the hooks are called, with the weights that it has left in between."""

        def put() -> None:
            for name, parameter in self._parameters.items():
                parameter.copy_(weights[name][row])
            for name, buffer in self._buffers.items():
                buffer.copy_(buffers[name][row])

        groups = self._optimizer.param_groups
        before = [dict(group) for group in groups]
        self._after = put if opened else lambda: None
        for group in groups if opened else ():
            group |= _moved(group, {name: float(values[row]) for name, values in moved.items()})
        try:
            self._hooked(self._optimizer)
        finally:
            for group, kept in zip(groups, before, strict=True):
                group |= kept

    def _grade(self, name: str, gradient: Tensor) -> None:
        parameter = self._parameters[name]
        if parameter.grad is None:
            parameter.grad = torch.empty_like(parameter)
        parameter.grad.copy_(gradient)


def _moved(group: Mapping[str, Any], now: Mapping[str, float]) -> dict[str, Any]:
    """The options of a parameter group that schedules move, as they are at this step."""
    found: dict[str, Any] = {"lr": now["lr"]}
    if "momentum" in group:
        found["momentum"] = now["momentum"]
    if "betas" in group:
        found["betas"] = (now["beta1"], *group["betas"][1:])
    return found
