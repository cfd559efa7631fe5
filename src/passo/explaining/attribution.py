"""Where in an image a class finds its evidence: Grad-CAM at any convolution, and the input's gradient for any model.

    α_k = 1/Z · Σ_ij ∂y/∂A^k_ij                  Selvaraju et al. 2017, eq. 1
    L   = ReLU(Σ_k α_k · A^k)                     Selvaraju et al. 2017, eq. 2
    M   = max_c |∂y/∂x_c|                         Simonyan et al. 2014, section 3.1

y is one output (a class's score before the softmax), x the image with channels c, and A^k the k-th feature map of a
convolution: its activations, so after the activation that follows it (`activated`), as in the paper. Taken before it,
a map also marks where a feature is far below 0, which the rest of the network never sees: where the truth was known
(`tests/explaining/test_attribution.py`), less of such maps lay on it. The output of any other layer that gives images
serves as well, by its name. Maps are brought to the image's size by bilinear interpolation, as in the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from passo.errors import UsageError, require
from passo.explaining.activated import activated
from passo.explaining.layers import Passed, array, chosen, passed
from passo.training.evaluate import evaluating

Method = Literal["auto", "grad-cam", "input-gradient"]
INPUT = "input"
"""What stands for a layer's name where the map is the input's gradient."""
BATCH = 256


@dataclass(frozen=True)
class HeatMaps:
    """`values` (N, H, W) ≥ 0, float32: where the class `target` (N,) finds its evidence in each image.

    `method` is "grad-cam" or "input-gradient"; `layer` whose maps A^k are, "input" for a gradient; `place` the module
    whose output is taken, the activation after a convolution; `grain` (h, w) the size before interpolation.
    """

    method: str
    layer: str
    place: str
    grain: tuple[int, int]
    target: np.ndarray
    values: np.ndarray


def convolutions(model: nn.Module, images: Tensor | None = None) -> tuple[str, ...]:
    """The names of a model's convolutions; with images (N, C, H, W), those it calls, in the order of its calls.

    >>> convolutions(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3)))
    ('0', '2')
    """
    if images is not None:
        return tuple(activated(model, images))
    return tuple(name for name, module in model.named_modules() if isinstance(module, nn.Conv2d))


def attribution(
    model: nn.Module,
    images: Tensor,
    target: int | Sequence[int] | np.ndarray | Tensor | None = None,
    *,
    layer: str | None = None,
    method: Method = "auto",
) -> HeatMaps:
    """Maps of images (N, C, H, W), scaled as the model reads them, for one class number, or one for each image (N,).

    Args:
        target: any output; by default what the model predicts.
        layer: whose feature maps Grad-CAM takes: those of the last convolution that is called, by default. Of another
            kind of layer that gives images, its own output.
        method: "auto" is Grad-CAM where there is a convolution, or where a layer is named, else "input-gradient".

    Raises `UsageError` for Grad-CAM without convolutions, a model that does not give one score for each class, and a
    class that it lacks; `UnknownName` for a layer that is not there.

    >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(32, 3))
    >>> found = attribution(model, torch.ones(5, 1, 6, 6), 2)
    >>> found.method, found.layer, found.grain, found.values.shape
    ('grad-cam', '0', (4, 4), (5, 6, 6))
    """
    if images.dim() != 4 or not len(images):
        raise UsageError(f"maps are made of images (N, C, H, W), at least one: got {tuple(images.shape)}")
    seen, there = passed(model, images[:1]), activated(model, images)
    targets = _targets(model, images, _scores(seen.answer), target)
    name = _layer(model, seen, list(there), layer, method)
    place = None if name is None else there.get(name, name)
    parts = [
        _heat(model, images[start : start + BATCH], targets[start : start + BATCH], place)
        for start in range(0, len(images), BATCH)
    ]
    high, wide = (images if place is None else seen.outputs[place]).shape[2:]
    how = "input-gradient" if place is None else "grad-cam"
    return HeatMaps(how, name or INPUT, place or INPUT, (high, wide), array(targets), np.concatenate(parts))


def _heat(model: nn.Module, images: Tensor, targets: Tensor, place: str | None) -> np.ndarray:
    """(N, H, W): equation 2 at the module `place`, or the largest absolute gradient over the input's channels."""
    attr: Any = require("captum.attr", "explain")
    x = images.detach().clone().requires_grad_()
    with evaluating(model), torch.enable_grad():
        if place is None:
            return array(attr.Saliency(model).attribute(x, targets, abs=True).amax(1))
        coarse = attr.LayerGradCam(model, model.get_submodule(place)).attribute(x, targets, relu_attributions=True)
        return array(attr.LayerAttribution.interpolate(coarse, tuple(images.shape[2:]), "bilinear")[:, 0])


def _layer(model: nn.Module, seen: Passed, convolved: Sequence[str], layer: str | None, method: str) -> str | None:
    """The layer whose feature maps are taken; None for the input's gradient."""
    if method not in ("auto", "grad-cam", "input-gradient"):
        raise UsageError(f"method is auto, grad-cam or input-gradient, got {method!r}")
    if method == "input-gradient" or (method == "auto" and layer == INPUT):
        if layer not in (None, INPUT):
            raise UsageError(f"the input's gradient has no layer, got {layer!r}: choose method grad-cam for one")
        return None
    if layer is not None:
        return chosen(model, layer, (name for name, made in seen.outputs.items() if made.dim() == 4), "feature maps")
    if not convolved and method == "grad-cam":
        raise UsageError(
            "Grad-CAM needs the feature maps of a convolution, and this model calls none: take the gradient of the "
            "input, method input-gradient, which every model has"
        )
    return convolved[-1] if convolved else None


def _targets(model: nn.Module, images: Tensor, answer: Tensor, target: Any) -> Tensor:
    """A class number for each image: (N,)."""
    if target is None:
        return torch.as_tensor(probabilities(model, images).argmax(1), device=images.device)
    targets = torch.as_tensor(target, device=images.device).long()
    targets = targets.expand(len(images)) if targets.dim() == 0 else targets
    if targets.shape != (len(images),):
        raise UsageError(f"{len(images)} images have one class, or one each, got {tuple(targets.shape)}")
    wrong = targets[(targets < 0) | (targets >= answer.shape[1])]
    if len(wrong):
        raise UsageError(f"the model has outputs 0 to {answer.shape[1] - 1}, got {int(wrong[0])}")
    return targets


def probabilities(model: nn.Module, images: Tensor) -> np.ndarray:
    """The softmax of a model's scores, in float64: images (N, C, H, W) → (N, classes); raises as `attribution`."""
    with evaluating(model):
        parts = [array(_scores(model(part)).double().softmax(1)) for part in images.split(BATCH)]
    return np.concatenate(parts)


def _scores(answer: Tensor) -> Tensor:
    """A model's answer (N, classes), where it is one."""
    if answer.dim() != 2 or answer.shape[1] < 2:
        told = tuple(answer.shape[1:])
        raise UsageError(f"a map belongs to one class, and this model gives {told} for an image: no score for each")
    return answer
