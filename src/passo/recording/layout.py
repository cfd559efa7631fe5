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
    strides: tuple[int, ...]  # of its values in a flat row: the memory's own order when it was watched

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.parameter.shape)

    @property
    def size(self) -> int:
        return self.stop - self.start


def banks(
    optimizer: torch.optim.Optimizer, model: nn.Module | None, wanted: Sequence[str] | None
) -> list[tuple[Slot, ...]]:
    """The watched parameters in the optimiser's order, all of them where none are named; one tuple for each kind
    of memory (dtype and device), since a buffer has one kind.

    Raises `UsageError` where optimizer and model do not belong together, `UnknownName` for a name that is not there.
    """
    names = _names(model) if model is not None else {}
    held = [(group, p) for group, entry in enumerate(optimizer.param_groups) for p in entry["params"]]
    if model is not None and not names.keys() & {id(p) for _, p in held}:
        raise UsageError("none of the optimizer's parameters are the model's: was it built on another model?")
    named = [(names.get(id(p), f"parameter{number}"), group, p) for number, (group, p) in enumerate(held)]
    for name in wanted or ():
        if name not in [known for known, *_ in named]:
            raise UnknownName(str(unknown("parameter", name, [known for known, *_ in named])))
    kinds: dict[tuple[torch.dtype, torch.device], list[Slot]] = {}
    for name, group, parameter in named:
        if (wanted is None or name in wanted) and parameter.numel():
            if not parameter.is_floating_point():
                raise UsageError(
                    f"{name} is {parameter.dtype}: real parameters are watched; name others by parameters="
                )
            found = kinds.setdefault((parameter.dtype, parameter.device), [])
            start = found[-1].stop if found else 0
            found.append(Slot(name, parameter, group, start, start + parameter.numel(), _strides(parameter)))
    if not kinds:
        raise UsageError("the optimizer has no parameters to watch")
    return [tuple(found) for found in kinds.values()]


def _names(model: nn.Module) -> dict[int, str]:
    """Each parameter's name in its model; what a compiled or a distributed model puts before it is left out."""
    wrapped = type(model).__name__ in ("DataParallel", "DistributedDataParallel")
    named = ((name.replace("_orig_mod.", ""), p) for name, p in model.named_parameters())
    return {id(p): name.removeprefix("module.") if wrapped else name for name, p in named}


def views(slot: Slot, rows: Tensor) -> list[Tensor]:
    """A slot's place in each row of `rows` (R, P), seen in the parameter's own shape and memory format.

    Values lie in the order of the parameter's memory, so that copying a dense tensor is one plain copy.
    """
    place = rows[:, slot.start : slot.stop]
    return [row.as_strided(slot.shape, slot.strides, row.storage_offset()) for row in place]


def position(slot: Slot, index: Sequence[int]) -> int:
    """Where the coordinate `index` of a parameter lies in a flat row."""
    return slot.start + sum(i * step for i, step in zip(index, slot.strides, strict=True))


def indexed(slot: Slot, place: int) -> list[int]:
    """The inverse of `position`: the index of the coordinate that lies at `place` of a flat row."""
    flat, left = [0] * len(slot.shape), place - slot.start
    for axis in sorted(range(len(flat)), key=lambda axis: -slot.strides[axis]):
        if slot.shape[axis] > 1:
            flat[axis], left = divmod(left, slot.strides[axis])
    return flat


def _strides(tensor: Tensor) -> tuple[int, ...]:
    """A tensor's own strides where it fills its memory without gaps, in whatever order; else those of a plain copy."""
    pairs = sorted((step, size) for step, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1)
    expected = 1
    for step, size in pairs:
        if step != expected:
            return tensor.contiguous().stride()
        expected *= size
    return tensor.stride()


def spread(slot: Slot, count: int) -> list[list[int]]:
    """`count` coordinates of a parameter, spread evenly over it and away from its edges."""
    flat = sorted({int((i + 0.5) * slot.size / count) for i in range(min(count, slot.size))})
    return [unravel(slot, i) for i in flat]


def unravel(slot: Slot, flat: int) -> list[int]:
    """The index of a parameter's `flat`-th element in the order of its axes."""
    return [int(k) for k in np.unravel_index(flat, slot.shape)]
