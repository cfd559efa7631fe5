"""Where each watched parameter lies in the flat buffers, and how tensors are gathered into them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


def gather(tensors: Sequence[Tensor], out: Tensor) -> Tensor:
    """Copy tensors, each flattened in logical order (whatever its memory format), into one flat (P,) buffer."""
    torch.cat([t.detach().reshape(-1) for t in tensors], out=out)
    return out


def spread(slot: Slot, count: int) -> list[int]:
    """`count` flat coordinates of a parameter, spread evenly over it and away from its edges."""
    size = slot.stop - slot.start
    return sorted({int((i + 0.5) * size / count) for i in range(min(count, size))})
