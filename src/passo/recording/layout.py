"""Where each watched parameter lies in the flat buffers, and how a buffer is seen in a parameter's shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from passo.errors import UnknownName, UsageError
from passo.registry import unknown


@dataclass(frozen=True)
class Slot:
    """One watched parameter: its name, its parameter group and its place [start, stop) in the flat buffers."""

    name: str
    parameter: Tensor
    group: int
    start: int
    stop: int

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.parameter.shape)


def slots(optimizer: torch.optim.Optimizer, model: nn.Module | None, wanted: Sequence[str] | None) -> tuple[Slot, ...]:
    """The watched parameters in the optimiser's order; all of them where none are named."""
    names = {id(p): n for n, p in model.named_parameters()} if model is not None else {}
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if model is not None and not held & names.keys():
        raise UsageError("none of the optimizer's parameters are the model's: was it built on another model?")
    found: list[Slot] = []
    position, number = 0, 0
    everything: list[str] = []
    for index, group in enumerate(optimizer.param_groups):
        for parameter in group["params"]:
            name = names.get(id(parameter), f"parameter{number}")
            number += 1
            everything.append(name)
            if wanted is not None and name not in wanted:
                continue
            found.append(Slot(name, parameter, index, position, position + parameter.numel()))
            position += parameter.numel()
    for name in wanted or ():
        if name not in everything:
            raise UnknownName(str(unknown("parameter", name, everything)))
    if not found:
        raise UsageError("the optimizer has no parameters to watch")
    kinds = {(slot.parameter.dtype, slot.parameter.device) for slot in found}
    if len(kinds) > 1:
        raise UsageError(f"watched parameters must share one dtype and device, got {sorted(map(str, kinds))}")
    return tuple(found)


def views(slot: Slot, rows: Tensor) -> list[Tensor]:
    """A slot's place in each row of `rows` (R, P), seen in the parameter's own shape and memory format.

    Values lie in the order of the parameter's memory, so that copying a dense tensor is one plain copy.
    """
    place = rows[:, slot.start : slot.stop]
    if not _dense(slot.parameter):
        return [row.view(slot.shape) for row in place]
    strides = slot.parameter.stride()
    return [row.as_strided(slot.shape, strides, row.storage_offset()) for row in place]


def position(slot: Slot, index: Sequence[int]) -> int:
    """Where the coordinate `index` of a parameter lies in a flat row."""
    strides = slot.parameter.stride() if _dense(slot.parameter) else slot.parameter.contiguous().stride()
    return slot.start + sum(i * step for i, step in zip(index, strides, strict=True))


def _dense(tensor: Tensor) -> bool:
    """Whether a tensor fills its memory without gaps, in whatever order (contiguous, channels-last, …)."""
    pairs = sorted((step, size) for step, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1)
    expected = 1
    for step, size in pairs:
        if step != expected:
            return False
        expected *= size
    return True


def spread(slot: Slot, count: int) -> list[list[int]]:
    """`count` coordinates of a parameter, spread evenly over it and away from its edges."""
    size = slot.stop - slot.start
    flat = sorted({int((i + 0.5) * size / count) for i in range(min(count, size))})
    return [[int(k) for k in np.unravel_index(i, slot.shape)] for i in flat]
