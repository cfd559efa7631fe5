"""Hooks that gather: outputs of layers as they are computed, gradients as they arrive, weights after each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from passo.recording.layers import first_tensor
from passo.registry import unknown

Layers = dict[str, nn.Module]
Series = dict[str, dict[str, list[Tensor]]]  # layer → parameter → one tensor for each time


def chosen(model: nn.Module, wanted: str | Sequence[str]) -> Layers:
    """Modules by their names ("" is the model itself); raises `UnknownName` with the nearest for any other."""
    known = dict(model.named_modules())
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in names:
        if name not in known:
            raise unknown("layer", name, filter(None, known))
    return {name: known[name] for name in names}


def gather_outputs(
    layers: Layers, into: dict[str, np.ndarray | None], instead: Callable[..., Any] | None
) -> dict[str, Any]:
    """Join the outputs (N, …) of all forward passes `into` arrays, or call `instead`; the handles by layer."""

    def hook_for(name: str) -> Callable[..., Any]:
        def hook(module: nn.Module, inputs: Any, outputs: Any) -> Any:
            if instead is not None:
                return instead(module, inputs, outputs)
            if (out := first_tensor(outputs)) is not None:
                values, before = out.detach().to("cpu", copy=True).numpy(), into.get(name)
                into[name] = values if before is None else np.concatenate([before, values])
            return None

        return hook

    return {name: layer.register_forward_hook(hook_for(name)) for name, layer in layers.items()}


def gather_gradients(layers: Layers) -> tuple[Series, dict[str, Any]]:
    """Every gradient of the layers' trained parameters from now on; the handles by `layer.parameter.grad`."""
    found: Series = {name: {} for name in layers}
    handles: dict[str, Any] = {}
    for name, layer in layers.items():
        for key, parameter in layer.named_parameters():
            if parameter.requires_grad:
                seen = found[name][key] = []
                handles[f"{name}.{key}.grad"] = parameter.register_hook(_appending(seen))
    return found, handles


def gather_parameters(layers: Layers) -> tuple[Series, Callable[..., None]]:
    """The layers' parameters each time that the function is called: as a post-step hook, after every step."""
    found: Series = {name: {key: [] for key, _ in layer.named_parameters()} for name, layer in layers.items()}

    def hook(*_: Any) -> None:
        for name, layer in layers.items():
            for key, parameter in layer.named_parameters():
                found[name][key].append(_copied(parameter))

    return found, hook


def _appending(seen: list[Tensor]) -> Callable[[Tensor], None]:
    return lambda gradient: seen.append(_copied(gradient))


def _copied(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True)
