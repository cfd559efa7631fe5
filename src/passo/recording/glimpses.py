"""A few steps of a training, looked at for a small part of a microscope's price: what a diagnosis reads, and no more.

A lens keeps every stage of a step and proves it, which costs as much as several steps. Here only norms of weights,
gradients and updates are kept, beside what the witness sees and the activations of rectifiers; and between two looks
nothing is left on the model and the optimizer. It only reads: a training ends bit for bit as it would without.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from passo.errors import UsageError
from passo.recording.activations import Activations
from passo.recording.blocks import Arrays, Layout
from passo.recording.held import HeldRun, Later
from passo.recording.layers import compiled_parts, layers_of
from passo.recording.layout import banks
from passo.recording.seeing import hyperparameters, number
from passo.recording.watching import trained_of
from passo.recording.witness import Witness

STAGES = ("theta", "grad_raw", "grad", "update")
COPIES = 6  # of the weights that a GPU is to have room for: the look's own, and an optimizer's first state

NOT_COUNTED = {"evaluation": 0, "evaluation_in_train_mode": 0}  # other instruments' passes would be among them

_norms: Any = torch._foreach_norm  # type: ignore[attr-defined]
_less: Any = torch._foreach_sub_  # type: ignore[attr-defined]


class Glimpses:
    """Looks at single steps: `open(step)` before one, `close()` after it. `run` is what they have shown so far.

    Nothing that fails in here reaches the training: `broken` then says so, and there are no more looks. Raises
    `UsageError` for what cannot be looked at: a compiled model, several optimizers, one of other parameters than the
    model's, other devices than the CPU and CUDA.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, model: nn.Module, scaler: Any = None) -> None:
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise UsageError(f"one optimizer of one model is looked at, got {type(optimizer).__name__}")
        slots = [slot for bank in banks(optimizer, model, None) for slot in bank]
        if compiled_parts(model) or any(slot.parameter.device.type not in ("cpu", "cuda") for slot in slots):
            raise UsageError("hooks come and go here: not on a compiled model, and on CPU and CUDA alone")
        self._optimizer, self._model, self._scaler = optimizer, model, scaler
        self._parameters = [slot.parameter for slot in slots]
        names, sizes, groups = zip(*((slot.name, slot.size, slot.group) for slot in slots), strict=True)
        self._layout = Layout(STAGES, names, sizes, groups)
        self.broken, self.taken = False, 0
        self.step: int | None = None
        self._handles: list[Any] = []
        self._steps: list[int] = []
        self._lrs: list[list[float]] = []
        self._rows: list[Tensor] = []  # (S, P) norms
        due = lambda: self.step  # noqa: E731
        self._witness = Witness(model, due, rows=0, guard=self._guarded)  # too few are seen to be known again
        rectifiers = [layer.name for layer in layers_of(model) if layer.rectifies]
        activations = [Activations(model, due, rectifiers, guard=self._guarded)] if rectifiers else []
        self._others: list[Witness | Activations] = [self._witness, *activations]
        self._rest()

    def open(self, step: int) -> None:
        """Look at the next step, which has this number, where there is memory for it."""
        if not self.broken and self._room():
            self._guarded(partial(self._hook, step))()

    def close(self) -> None:
        """The step has been made, or there will be none: nothing is left on the training, whatever happened."""
        with suppress(Exception):
            self._rest()

    def _hook(self, step: int) -> None:
        self.step, self._witness.paused = step, False
        for one in self._others:
            one.open()
        self._raw: list[Tensor | None] = [None] * len(self._parameters)
        self._seen: list[list[Tensor]] = []
        self._handles.append(self._optimizer.register_step_pre_hook(self._guarded(self._before)))
        self._handles.append(self._optimizer.register_step_post_hook(self._guarded(self._after)))
        for place, parameter in enumerate(self._parameters):
            if parameter.requires_grad:
                look = self._guarded(partial(self._returned, place))
                self._handles.append(parameter.register_post_accumulate_grad_hook(look))

    def _room(self) -> bool:
        """Whether a GPU has room for a copy of the weights while the optimizer may still make its state."""
        device = self._parameters[0].device
        if device.type != "cuda":
            return True
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        needed = sum(parameter.numel() * parameter.element_size() for parameter in self._parameters)
        return torch.cuda.mem_get_info(device)[0] + kept > COPIES * needed

    # ── during the step ──

    def _guarded(self, look: Callable[..., None]) -> Callable[..., None]:
        def looked(*given: Any) -> None:
            try:
                if not self.broken:
                    look(*given)
            except Exception:  # whatever it is: a training is worth more than a look at it
                self.broken, self._theta, self._raw, self._seen = True, [], [], []

        return looked

    def _returned(self, place: int, parameter: Tensor) -> None:
        if parameter.grad is not None:
            self._raw[place] = torch.linalg.vector_norm(parameter.grad.detach(), dtype=_wide(parameter))

    @torch.no_grad()
    def _before(self, *_: Any) -> None:
        self._theta = [parameter.detach().clone() for parameter in self._parameters]
        self._lr = [number(group["lr"]) for group in self._optimizer.param_groups]
        gradients = [parameter.grad for parameter in self._parameters]
        there = iter(self._sizes([one.detach() for one in gradients if one is not None]))
        missing = self._theta[0].new_full((), torch.nan)
        norms = [missing if one is None else next(there) for one in gradients]
        scale = 1.0 if self._scaler is None else self._scaler.get_scale()
        raw = [norm if one is None else one / scale for one, norm in zip(self._raw, norms, strict=True)]
        self._seen = [self._sizes(self._theta), raw, norms]

    @torch.no_grad()
    def _after(self, *_: Any) -> None:
        self._witness.paused = True  # an epoch's evaluation comes before its last record
        if not self._seen:
            return
        _less(self._theta, self._parameters)
        self._seen.append(self._sizes(self._theta))
        home = self._theta[0].device
        self._theta = []
        self._rows.append(torch.stack([torch.stack([one.to(home).float() for one in row]) for row in self._seen]))
        self._steps.append(self.step or 0)
        self._lrs.append(self._lr)

    def _sizes(self, tensors: list[Tensor]) -> list[Tensor]:
        return list(_norms(tensors, 2, dtype=_wide(tensors[0]))) if tensors else []

    def _rest(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles, self._theta = [], []
        self.taken = self.step or self.taken
        self.step = None
        for one in self._others:
            one.close()

    # ── what it saw ──

    def run(self, name: str) -> HeldRun:
        """What the looks have shown, read like a stored run."""
        return HeldRun(name, self._arrays(), Later(lambda: {"watch": self._facts()}))

    def _arrays(self) -> Arrays:
        if not self._rows:
            return {}
        roots = torch.stack(self._rows).cpu().numpy() / np.sqrt(self._layout.sizes, dtype=np.float32)  # (T, S, P)
        both = np.stack([np.full_like(roots, np.nan), roots], -1)  # means are not taken
        lrs = np.array(self._lrs)
        beside = {name: values for one in self._others for name, values in one.arrays().items()}
        return {
            "statistics": (both, self._layout.meaning("statistics", ())),
            "trace/steps": (np.array(self._steps), {}),
            "trace/lrs": (lrs, {}),
            "trace/lr": (lrs[:, 0], {}),
            **beside,
        }

    def _facts(self) -> dict[str, Any]:
        around = {**trained_of(self._optimizer, self._model), "taken": self.taken, "schedules": []}
        return {
            "optimizer": type(self._optimizer).__name__,
            "hyper": hyperparameters(self._optimizer.param_groups),
            "around": {**around, "witness": {**self._witness.facts(), **NOT_COUNTED}},
        }


def _wide(tensor: Tensor) -> torch.dtype:
    """What norms of it are added up in."""
    return torch.float32 if tensor.dtype in (torch.float16, torch.bfloat16) else tensor.dtype
