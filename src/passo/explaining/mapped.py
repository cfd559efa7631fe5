"""What a model looks for first, and what each of its layers makes of one image: for two models to be seen side by side.

`layers` answers for one layer; here are all of a model's at once, in a form that a study keeps and reads without torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from passo.errors import UsageError
from passo.explaining.layers import Passed, array, filters, one, passed

MOST = 32
"""So many filters are kept: those with the largest norm."""


@dataclass(frozen=True)
class Mapped:
    """The first layer's filters, and what every layer gives for one image.

    layer: whose filters; kernels (F, C, h, w): the F ≤ 32 with the largest norm, of `count`; numbers (F,): which these
    are, rising. pixels (H, W) or (H, W, 3): the image, uint8, its place in the test part, its class and the one that
    was predicted. names, kinds: the layers in the order in which they are called; outputs: what each gives, as maps
    (F, h, w) or units (U,).
    """

    name: str
    layer: str
    kernels: np.ndarray
    numbers: np.ndarray
    count: int
    pixels: np.ndarray
    place: int
    label: str
    predicted: str
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    outputs: tuple[np.ndarray, ...]

    def arrays(self) -> dict[str, np.ndarray]:
        """What a run keeps as `maps/<key>`."""
        given = {f"output/{number}": values for number, values in enumerate(self.outputs)}
        return {"kernels": self.kernels, "numbers": self.numbers, "pixels": self.pixels, **given}

    def facts(self) -> dict[str, Any]:
        """What a run keeps as plain facts."""
        told = {"name": self.name, "layer": self.layer, "count": self.count}
        told |= {"names": list(self.names), "kinds": list(self.kinds)}
        return {**told, "place": self.place, "label": self.label, "predicted": self.predicted}


def mapped(
    model: nn.Module,
    images: Tensor,
    raw: np.ndarray,
    labels: np.ndarray | Tensor,
    *,
    place: int = 0,
    classes: Sequence[str] = (),
    name: str = "the model",
) -> Mapped:
    """All layers of a model for the image at `place` of a test part.

    images (N, C, H, W), scaled as the model reads them; raw: the same as pixels, uint8, (N, H, W) or (N, 3, H, W);
    labels (N,); classes: their names; name: what the model is called in sentences. A layer that hands on what it was
    given (flatten, dropout, another memory format) is left out.

    Raises `UsageError` for an image that is not there, and for a model whose first layer has no filters to look at.
    """
    if not 0 <= place < len(images):
        raise UsageError(f"the images are numbered 0 to {len(images) - 1}, got {place}")
    x = one(images[place])
    found = filters(model, in_shape=tuple(x.shape[1:]))
    sizes = np.sqrt((found.kernels.astype(np.float64) ** 2).sum((1, 2, 3)))
    numbers = np.sort(np.argsort(-sizes, kind="stable")[:MOST])
    seen = passed(model, x)
    named = tuple(classes) or tuple(map(str, range(seen.answer.shape[1])))
    names = _changing(model, seen, x)
    pixels = np.asarray(raw[place])
    return Mapped(
        name=name,
        layer=found.layer,
        kernels=found.kernels[numbers],
        numbers=numbers,
        count=len(sizes),
        pixels=np.moveaxis(pixels, 0, -1) if pixels.ndim == 3 else pixels,
        place=place,
        label=named[int(labels[place])],
        predicted=named[int(seen.answer[0].argmax())],
        names=names,
        kinds=tuple(type(model.get_submodule(layer)).__name__ for layer in names),
        outputs=tuple(array(seen.outputs[layer][0]) for layer in names),
    )


def _changing(model: nn.Module, seen: Passed, x: Tensor) -> tuple[str, ...]:
    """The innermost modules, in the order of their calls, whose maps or units are not those of the one before."""
    inner = {name for name, module in model.named_modules() if not any(True for _ in module.children())}
    names, before = [], array(x).ravel()
    for name, made in seen.outputs.items():
        values = array(made).ravel()
        if name in inner and made.dim() in (2, 4) and not np.array_equal(values, before):
            names.append(name)
            before = values
    return tuple(names)
