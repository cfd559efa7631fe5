"""Which modules of a model are its layers, what they are called, and where the units of their outputs lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from passo.errors import UsageError
from passo.registry import unknown

RECTIFIERS = (nn.ReLU, nn.ReLU6)
SILENT = (nn.Identity, nn.Flatten, nn.Unflatten, nn.ParameterList, nn.ParameterDict)  # they only hand on, or hold
WHOLE = (nn.MultiheadAttention,)  # their children hold weights and are not called as modules
HIDDEN = "parametrizations"  # what weight_norm and its like hang under a layer makes weights, not activations

Guard = Callable[[Callable[..., None]], Callable[..., None]]  # what stands between a hook and whoever calls it

_inside_func = torch._C._functorch.is_functorch_wrapped_tensor  # type: ignore[attr-defined]
_CHANNELS_SECOND = (nn.modules.conv._ConvNd,)
_FEATURES_LAST = (nn.Linear, nn.Bilinear, nn.Embedding, nn.LayerNorm, nn.RNNBase, nn.RNNCellBase, *WHOLE)


@dataclass(frozen=True)
class Layer:
    """One module whose output is looked at."""

    name: str
    module: nn.Module

    @property
    def kind(self) -> str:
        return type(self.module).__name__

    @property
    def rectifies(self) -> bool:
        return isinstance(self.module, RECTIFIERS)

    @property
    def signed(self) -> bool:
        """Whether it is one of torch's layers with weights: their units do not rest at 0, so that none is dead."""
        ours = type(self.module).__module__.startswith("torch.nn.") and bool(self.module._parameters)
        return ours and getattr(self.module, "nonlinearity", None) != "relu"  # RNN and RNNCell may end in one

    @property
    def channels(self) -> bool | None:
        """Whether it puts its units on the second axis, or on the last; None where it leaves them as they are."""
        if isinstance(self.module, _CHANNELS_SECOND):
            return True
        return False if isinstance(self.module, _FEATURES_LAST) else None


def layers_of(model: nn.Module, wanted: Sequence[str] | None = None) -> tuple[Layer, ...]:
    """The layers of a model, in its own order; with `wanted`, the modules of those names, whatever they are.

    >>> [layer.name for layer in layers_of(nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU(), nn.Flatten())))]
    ['0', '1.0']
    """
    if wanted is None:
        return tuple(_leaves(model))
    known = {_name(path, module): module for path, module in model.named_modules()}
    for name in wanted:
        if name not in known:
            raise unknown("layer", name, known)
    if not wanted:
        raise UsageError("layers names nothing to look at: leave it out to look at every layer")
    return tuple(Layer(name, module) for name, module in known.items() if name in wanted)


def _leaves(model: nn.Module) -> Iterator[Layer]:
    """The modules without modules of their own, and those that are only seen from outside."""
    skipped: set[int] = set()
    for path, module in model.named_modules():
        if id(module) in skipped:
            continue
        inner = dict(module.named_children())
        hidden = [child for name, child in inner.items() if name == HIDDEN or isinstance(module, WHOLE)]
        skipped |= {id(part) for child in hidden for part in child.modules()}
        if len(hidden) == len(inner) and not isinstance(module, SILENT):
            yield Layer(_name(path, module), module)


def compiled_parts(model: nn.Module) -> set[str]:
    """The names of all modules that `torch.compile` has already, or that lie within one of those."""
    return {
        _name(f"{path}.{name}".strip("."), inner)
        for path, module in model.named_modules()
        if path.endswith("_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None
        for name, inner in module.named_modules()
    }


def _name(path: str, module: nn.Module) -> str:
    """A module's path, less what compiled and distributed models put before it; its class where it is the model."""
    plain = ".".join(part for part in path.split(".") if part not in ("_orig_mod", ""))
    return plain.removeprefix("module.") or type(module).__name__


def first_tensor(output: Any) -> Tensor | None:
    """The first dense floating-point tensor in an output, however it is wrapped; None where there is none.

    Inside `torch.func` a tensor stands for many (vmap) or for another level of gradients: there is nothing to read yet.
    """
    if isinstance(output, Tensor):
        plain = output.is_floating_point() and output.layout == torch.strided and not _inside_func(output)
        return output if plain else None
    inside = output.values() if isinstance(output, Mapping) else output if isinstance(output, tuple | list) else ()
    return next((found for part in inside if (found := first_tensor(part)) is not None), None)


class LastingHook:
    """A forward hook that stays with its model: a copy of the model, or a loaded one, has one that does nothing."""

    def __init__(self, look: Callable[..., None]) -> None:
        self._look = look

    def __call__(self, *arguments: Any) -> None:
        self._look(*arguments)

    def __deepcopy__(self, memo: Any) -> LastingHook:
        return LastingHook(_nothing)

    def __reduce__(self) -> tuple[Any, ...]:
        return LastingHook, (_nothing,)


def _nothing(*_: Any) -> None:
    pass
