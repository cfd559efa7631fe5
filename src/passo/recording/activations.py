"""Activations: what every layer sends forward, and what comes back to it as gradient, step by step.

Hooks on the layers read each output during training. Per layer and step they keep four numbers: mean and standard
deviation of the output, the share of dead units, and the root mean square of the loss's gradient with respect to the
output. Nothing is changed, and nothing waits for the device: a run ends bit for bit as it would without them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from passo.recording.layers import Guard, LastingHook, Layer, compiled_parts, first_tensor, layers_of
from passo.recording.passes import Seen, Step, values

QUANTITIES = ("mean", "std", "dead", "grad_rms")
BLOCK = 256  # rows that are joined into one tensor, so that a long run is not a long list

Arrays = dict[str, tuple[np.ndarray, dict[str, Any]]]


class Activations:
    """An instrument on the layers of a model; `due()` says which optimiser step a forward pass belongs to.

    `due()` answers the number of the step (from 1) when that step is to be recorded, else None. `layers` names the
    modules to look at; without it, all that have no modules of their own, except those that only hand on (`Flatten`,
    `Identity`). `scale()` answers the factor by which the loss is multiplied before backward (a GradScaler's), as a
    tensor, or None. `guard` is put around every hook.

    Of a layer's output x, n values with the mean x̄, and the loss L:

        mean = Σ x / n,  std = √(Σ (x − x̄)² / n),  dead = units with max x ≤ 0 / units,  grad_rms = √(Σ (∂L/∂x)² / n)

    - A forward pass counts while gradients are enabled: evaluation under `no_grad` does not, a model trained in eval
      mode does.
    - All passes of a step count as one batch. Gradient accumulation tells what the whole batch would; a module that is
      used in several places, or at every time step, is one layer; a discriminator run on true and false, one batch.
    - A unit is a channel (second axis) after a convolution and a feature (last axis) after a linear or recurrent layer;
      before either, a channel of images and a feature of all else. `dead` is NaN where the smallest value is not
      exactly 0: such a layer is no rectifier, so that a unit below 0 is not dead. A ReLU always has a number.
    - Of an output that is a tuple, a mapping or a packed sequence, the first floating-point tensor counts.
    - `grad_rms` is NaN where no gradient came: before the first trainable weight, or without a backward pass.
    - Layers inside a graph of `torch.compile` are not seen, since a hook would break the graph; `compiled` names them.

    Raises `UnknownName` for a layer that is not there.

    >>> model, step = nn.Sequential(nn.Linear(2, 3), nn.ReLU()), 1
    >>> seen = Activations(model, due=lambda: step)
    >>> model(torch.ones(4, 2)).sum().backward()
    >>> step = 2  # the optimiser has stepped
    >>> array, meta = seen.arrays()["activations"]
    >>> array.shape, meta["kinds"], float(array[0, 1, 3])
    ((1, 2, 4), ['Linear', 'ReLU'], 1.0)
    """

    def __init__(
        self,
        model: nn.Module,
        due: Callable[[], int | None],
        layers: Sequence[str] | None = None,
        *,
        scale: Callable[[], Tensor | None] | None = None,
        guard: Guard = lambda hook: hook,
    ) -> None:
        self._due, self._scale, self._guard = due, scale, guard
        self._layers = layers_of(model, layers)
        self._compiled = compiled_parts(model)
        self._now: Step | None = None
        self._order: list[int] | None = None  # forward order, fixed by the first recorded step
        self._channels: bool | None = None  # whether the latest layer to decide it put its units on the second axis
        self._forget()
        self._handles: list[Any] = []
        self.open()

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers in the order of the first recorded step; those that it did not reach stand last."""
        return tuple(layer.name for layer in self._ordered())

    @property
    def compiled(self) -> tuple[str, ...]:
        """The layers that lie inside a graph of `torch.compile`, and so cannot be seen."""
        return tuple(layer.name for layer in self._layers if layer.name in self._compiled)

    def arrays(self) -> Arrays:
        """`activations/steps` (T′,) and `activations` (T′, L, 4), with their meaning; a step under way is left out."""
        steps, rows = self._gathered()
        meta: dict[str, Any] = {"layers": list(self.layers), "kinds": [layer.kind for layer in self._ordered()]}
        meta["quantities"] = list(QUANTITIES)
        if self.compiled:
            meta["compiled"] = list(self.compiled)
        return {"activations/steps": (np.array(steps, np.int64), {}), "activations": (self._values(rows), meta)}

    def drain(self) -> Arrays | None:
        """Hand over what was gathered since the last time, and forget it; None when there is nothing new."""
        gathered = self.arrays()
        if not self._steps:
            return None
        self._forget()
        return gathered

    def state_dict(self) -> dict[str, Any]:
        """What was gathered and not handed over, and the order of the layers; between two steps."""
        steps, rows = self._gathered()
        return {
            "layers": [layer.name for layer in self._layers],
            "order": self._order,
            "channels": self._channels,
            "steps": steps,
            "sizes": np.array(self._sizes, np.float64),
            "rows": rows,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`; raises `ValueError` where other layers are looked at."""
        if (now := [layer.name for layer in self._layers]) != state["layers"]:
            raise ValueError(f"other layers are looked at: {', '.join(now)}, and not {', '.join(state['layers'])}")
        self._order, self._channels = state["order"], state["channels"]
        self._forget()
        self._steps, self._sizes = list(state["steps"]), [tuple(row) for row in state["sizes"].tolist()]
        self._blocks = [] if state["rows"] is None else [torch.from_numpy(state["rows"])]

    def open(self) -> None:
        """Put the hooks on, again where they were taken off."""
        self._handles = [
            layer.module.register_forward_hook(LastingHook(self._guard(self._hook(n))))
            for n, layer in enumerate(self._layers)
        ]

    def close(self) -> None:
        """Take the hooks off; what was gathered stays readable."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    # ── during the passes ──

    def _hook(self, number: int) -> Callable[..., None]:
        layer = self._layers[number]
        channels, rectifies, signed = layer.channels, layer.rectifies, layer.signed

        @torch.compiler.assume_constant_result
        def traced() -> bool:  # runs once, while the compiler looks through the model
            self._compiled.add(layer.name)
            return True

        def look(_module: nn.Module, _arguments: Any, output: Any) -> None:
            if torch.compiler.is_compiling():
                traced()
                return
            if not torch.is_grad_enabled() or (due := self._due()) is None:
                return
            if channels is not None:
                self._channels = channels
            x = first_tensor(output)
            if x is None or not x.numel():
                return
            step = self._step(due)
            seen = step.seen.setdefault(number, Seen())
            seen.forward(x)
            if not signed:
                seen.units(x, self._channels, rectifies)
            if x.grad_fn is not None:  # on a leaf a hook would stay from step to step
                x.register_hook(self._guard(partial(self._returned, step, seen)))

        return look

    def _returned(self, step: Step, seen: Seen, grad: Tensor) -> None:
        if step.scale is None and self._scale is not None and (scale := self._scale()) is not None:
            step.scale = scale.detach().clone()  # now: the scaler changes it after the step
        seen.backward(grad)

    # ── from step to step ──

    def _step(self, number: int) -> Step:
        """The record of the step under way; a new number ends the one before."""
        if self._now is None or self._now.number != number:
            if self._now is not None:
                self._seal(self._now)
            self._now = Step(number)
        return self._now

    def _seal(self, step: Step) -> None:
        """Put what a finished step has shown into one row."""
        self._now = None
        count = len(self._layers)
        if self._order is None:
            self._order = [*step.seen, *(n for n in range(count) if n not in step.seen)]
        row, sizes = step.row(count)
        if self._sizes and self._sizes[-1] == sizes:
            sizes = self._sizes[-1]  # most steps are alike: one copy of what is the same
        self._steps.append(step.number)
        self._sizes.append(sizes)
        self._rows.append(row)
        if len(self._rows) == BLOCK:
            self._blocks.append(torch.stack(self._rows))
            self._rows = []

    def _forget(self) -> None:
        self._steps: list[int] = []
        self._sizes: list[tuple[float, ...]] = []
        self._rows: list[Tensor] = []
        self._blocks: list[Tensor] = []

    def _ordered(self) -> list[Layer]:
        return [self._layers[n] for n in self._order or range(len(self._layers))]

    def _gathered(self) -> tuple[list[int], np.ndarray | None]:
        """The steps, and their rows (T′, L · RAW + 1); a step under way is left out, one that is over is not."""
        if self._now is not None and self._due() != self._now.number:
            self._seal(self._now)
        parts = [*self._blocks, *([torch.stack(self._rows)] if self._rows else [])]
        return list(self._steps), np.concatenate([part.cpu().numpy() for part in parts]) if parts else None

    def _values(self, rows: np.ndarray | None) -> np.ndarray:
        """(T′, L, 4)."""
        if rows is None:
            return np.zeros((0, len(self._layers), len(QUANTITIES)), np.float32)
        return values(rows, np.array(self._sizes))[:, self._order]
