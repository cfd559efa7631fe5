"""What a layer holds and what it gives: all its filters, and all its feature maps of one image."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, nn

from passo.errors import UsageError
from passo.registry import unknown
from passo.training.evaluate import evaluating


@dataclass(frozen=True)
class Filters:
    """A layer's kernels (F, C, h, w): filter, input channel, row, column; `bias` (F,), or None.

    `kind` is the layer's class. Of a linear layer that reads whole images, a filter is a unit's weights as an image.
    """

    layer: str
    kind: str
    kernels: np.ndarray
    bias: np.ndarray | None


@dataclass(frozen=True)
class FeatureMaps:
    """What a layer makes of one image: `maps` (F, h, w) of `image` (C, H, W), the scaled numbers that the model reads.

    `outputs` is what the model says in the end, as it gives it: (…).
    """

    layer: str
    kind: str
    image: np.ndarray
    maps: np.ndarray
    outputs: np.ndarray


def filters(model: nn.Module, layer: str | None = None, *, in_shape: tuple[int, ...] | None = None) -> Filters:
    """All filters of a convolution (by default the first), or of a linear layer that reads images of `in_shape`.

    Raises `UnknownName` for a layer that is not there, `UsageError` for one that has no filters to look at.
    """
    there = {name: module for name, module in model.named_modules() if _seen_as_image(module, in_shape)}
    name = chosen(model, layer, there, "filters")
    module: Any = there[name]
    kernels = array(module.weight)
    if isinstance(module, nn.Linear):
        assert in_shape is not None
        kernels = kernels.reshape(-1, *in_shape)
    return Filters(name, type(module).__name__, kernels, None if module.bias is None else array(module.bias))


def feature_maps(model: nn.Module, image: Tensor, layer: str | None = None) -> FeatureMaps:
    """The feature maps of one image (C, H, W), or (1, C, H, W), after a layer: by default the first convolution.

    Any layer whose output is images has them: `relu1`, `pool2`, …. Raises `UnknownName` for a layer that is not there,
    `UsageError` for one whose output is no image, or one that the model never calls.

    >>> import torch
    >>> model = nn.Sequential(nn.Conv2d(1, 3, 5), nn.Flatten(), nn.Linear(12, 2))
    >>> feature_maps(model, torch.zeros(1, 6, 6), "0").maps.shape
    (3, 2, 2)
    """
    seen = passed(model, one(image))
    there = {name: module for name, module in model.named_modules() if _gives_images(seen, name)}
    first = [name for name, module in there.items() if isinstance(module, nn.Conv2d)]
    name = chosen(model, layer or next(iter(first), None), there, "feature maps")
    maps = array(seen.outputs[name][0])
    return FeatureMaps(name, type(there[name]).__name__, array(one(image)[0]), maps, array(seen.answer[0]))


class Passed(NamedTuple):
    """One pass: what went into each layer and what came out of it, by name, and the model's answer."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    answer: Tensor


def passed(model: nn.Module, x: Tensor) -> Passed:
    """One pass of a batch in evaluation mode; of each layer's calls the first is copied at once."""
    inputs: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}

    def kept(name: str) -> Any:
        def hook(_: nn.Module, given: tuple[Any, ...], made: Any) -> None:
            made = made[0] if isinstance(made, tuple) else made  # a recurrent layer gives its last states as well
            for place, value in ((inputs, given[0] if given else None), (outputs, made)):
                if isinstance(value, Tensor):
                    place.setdefault(name, value.detach().clone())

        return hook

    handles = [module.register_forward_hook(kept(name)) for name, module in model.named_modules() if name]
    try:
        with evaluating(model):
            return Passed(inputs, outputs, model(x))
    finally:
        for handle in handles:
            handle.remove()


def chosen(model: nn.Module, layer: str | None, there: Iterable[str], what: str) -> str:
    """The layer that was asked for, or the first of those that have `what`."""
    names = list(there)
    if layer is None and names:
        return names[0]
    if layer in names:
        return str(layer)
    known = [name for name, _ in model.named_modules() if name]
    if layer is not None and layer not in known:
        raise unknown("layer", layer, names or known)
    told = f"choose one of: {', '.join(names)}" if names else "no layer of it has any"
    asked = f"layer {layer!r}" if layer is not None else "this model"
    raise UsageError(f"{asked} has no {what}: {told}")


def one(image: Tensor) -> Tensor:
    """One image (C, H, W) or sequence (T, F) as a batch of one; raises `UsageError` for several."""
    batch = image if image.dim() == 4 else image[None]
    if len(batch) != 1:
        raise UsageError(f"one image at a time: got a batch of {len(batch)}")
    return batch


def array(tensor: Tensor) -> np.ndarray:
    """A tensor as NumPy sees it, on the CPU, without its gradient."""
    return tensor.detach().cpu().contiguous().numpy().copy()


def _gives_images(seen: Passed, name: str) -> bool:
    return name in seen.outputs and seen.outputs[name].dim() == 4


def _seen_as_image(module: nn.Module, in_shape: tuple[int, ...] | None) -> bool:
    if isinstance(module, nn.Conv2d):
        return True
    if in_shape is None or len(in_shape) != 3:
        return False
    return isinstance(module, nn.Linear) and module.in_features == math.prod(in_shape)
