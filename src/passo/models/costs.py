"""What a model costs, layer by layer: trainable parameters, multiply-adds, memory.

    multiply-adds   of one input, half of what torch's own FlopCounterMode counts: products of matrices and convolutions
    memory          of one input in float32: 4 bytes × (parameters and buffers + the values of every layer's output)

An output that needs no memory of its own (a view, or what was done in place) counts nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from passo.errors import ConfigError
from passo.models.catalogue import build

BYTES = 4  # of a float32


@dataclass(frozen=True)
class Layer:
    """One layer: its name and class, its output's shape for one input, trainable parameters, multiply-adds, bytes."""

    layer: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    macs: int
    memory: int


@dataclass(frozen=True)
class Cost:
    """A model, its trainable parameters, its multiply-adds and bytes for one input; and each layer, as it was run."""

    name: str
    options: Mapping[str, Any]
    parameters: int
    macs: int
    memory: int
    layers: tuple[Layer, ...]

    def facts(self) -> dict[str, Any]:
        """The same as JSON."""
        told = asdict(self) | {"options": {key: _plain(value) for key, value in self.options.items()}}
        return told | {"layers": [{**asdict(one), "output": list(one.output)} for one in self.layers]}


def cost(name: str, in_shape: Sequence[int], classes: int, **options: Any) -> Cost:
    """What a model costs for one input of `in_shape`: it is built and run once, in evaluation mode, on zeros.

    A layer is a module that has none inside, or one that does something beside calling those it has. A parameter that
    two layers share is counted for the first. Layers that hold parameters and were not called by themselves come last.

    Raises `ConfigError` where the model cannot be built, or not run on such an input.

    >>> found = cost("mlp", (1, 28, 28), 10, hidden=128)
    >>> found.parameters, found.macs, found.memory
    (101770, 101632, 408144)
    >>> [(one.layer, one.parameters, one.macs) for one in found.layers if one.parameters]
    [('fc1', 100480, 100352), ('out', 1290, 1280)]
    """
    model = build(name, in_shape, classes, seed=0, **options)
    looking = _Looking(model)
    x = torch.zeros(1, *in_shape).requires_grad_().clone()  # with a gradient, so that torch takes no fused shortcut
    try:
        looking.at(x)
    except Exception as error:  # a model may be the user's own, and raise anything
        raise ConfigError(
            f"model {name} cannot be run on one input of shape {tuple(in_shape)}, so that its cost is not known: "
            f"{type(error).__name__}: {error}"
        ) from error
    layers = tuple(looking.layers())
    parameters, macs, memory = (sum(getattr(one, key) for one in layers) for key in ("parameters", "macs", "memory"))
    return Cost(name, dict(options), parameters, macs, memory, layers)


class _Looking:
    """Runs a model once and notes, for every module, what it did itself and not through a module inside it."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model.eval()
        self._counter = FlopCounterMode(display=False)
        self._open: list[list[int]] = []  # of the modules being called: flops before, and those of modules inside
        self._outputs: dict[nn.Module, Tensor | None] = {}
        self._macs: dict[nn.Module, int] = {}
        self._values: dict[nn.Module, int] = {}
        self._kept: list[Tensor] = []  # so that no storage is used twice
        self._storages: set[int] = set()

    def at(self, x: Tensor) -> None:
        self._holds(x)
        with ExitStack() as stack:
            for module in self.model.modules():
                stack.callback(module.register_forward_pre_hook(self._before).remove)
                stack.callback(module.register_forward_hook(self._after).remove)
            stack.enter_context(_countable())
            stack.enter_context(self._counter)
            self.model(x)

    def layers(self) -> Iterator[Layer]:
        names = {module: name or "(model)" for name, module in self.model.named_modules()}
        counted: set[nn.Parameter] = set()
        for module in dict.fromkeys([*self._outputs, *names]):  # in order of their calls, then what was never called
            own = [one for one in module.parameters(recurse=False) if one not in counted]
            counted.update(own)
            macs, values = self._macs.get(module, 0), self._values.get(module, 0)
            leaf = module in self._outputs and not any(module.children())
            if leaf or own or macs or values:
                output = self._outputs.get(module)
                held = values + sum(one.numel() for one in (*own, *module.buffers(recurse=False)))
                yield Layer(
                    names[module],
                    type(module).__name__,
                    () if output is None else tuple(output.shape[1:]),
                    sum(one.numel() for one in own if one.requires_grad),
                    macs,
                    BYTES * held,
                )

    def _before(self, module: nn.Module, args: Any) -> None:
        self._open.append([self._counter.get_total_flops(), 0])

    def _after(self, module: nn.Module, args: Any, output: Any) -> None:
        before, inside = self._open.pop()
        flops = self._counter.get_total_flops() - before
        if self._open:
            self._open[-1][1] += flops
        first = _first(output)
        self._outputs[module] = first
        self._macs[module] = self._macs.get(module, 0) + (flops - inside) // 2
        self._values[module] = self._values.get(module, 0) + self._holds(first)

    def _holds(self, tensor: Tensor | None) -> int:
        """How many values this tensor keeps that no earlier one does."""
        if tensor is None or (storage := tensor.untyped_storage().data_ptr()) in self._storages:
            return 0
        self._storages.add(storage)
        self._kept.append(tensor)
        return tensor.numel()


@contextmanager
def _countable() -> Iterator[None]:
    """Kernels that FlopCounterMode sees into: a fused LSTM or attention on a CPU would count for nothing."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of a setting of oneDNN that it reads and puts back
        with torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH):
            yield


def _first(output: Any) -> Tensor | None:
    """The first tensor of what a module returned."""
    if isinstance(output, Tensor):
        return output
    inside = output.values() if isinstance(output, Mapping) else output if isinstance(output, tuple | list) else ()
    return next((tensor for one in inside if (tensor := _first(one)) is not None), None)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
