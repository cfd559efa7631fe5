"""Images that a model predicts rightly and wrongly, with maps of the predicted class and of another beside each other.

For a page, a note and a study: what is shown is chosen by a rule, never by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from passo.errors import UsageError
from passo.explaining.attribution import INPUT, attribution, convolutions, probabilities
from passo.explaining.similarity import rank_correlation


@dataclass(frozen=True)
class Attribution:
    """n images of a test part, with maps of two classes each, at each of L layers.

    places (n,): in the part, from 0; labels, predicted (n,); `other` (n,) is the true class of a wrong prediction, and
    of a right one the second likeliest. probabilities (n, C). pixels (n, H, W) or (n, H, W, 3), uint8. maps
    (L, n, 2, H, W): for `predicted` and for `other`. agreement (L, n): the rank correlation of those two.
    method, layers: as of `HeatMaps`; convolutions: how many the model calls. Of all `count` images, `right` were
    predicted rightly.
    """

    name: str
    method: str
    layers: tuple[str, ...]
    places: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    other: np.ndarray
    probabilities: np.ndarray
    pixels: np.ndarray
    maps: np.ndarray
    agreement: np.ndarray
    classes: tuple[str, ...]
    convolutions: int
    count: int
    right: int

    def arrays(self) -> dict[str, np.ndarray]:
        """What a run keeps as `attribution/<key>`."""
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    def facts(self) -> dict[str, Any]:
        """What a run keeps as plain facts."""
        told = {"name": self.name, "method": self.method, "layers": list(self.layers), "classes": list(self.classes)}
        return {**told, "convolutions": self.convolutions, "count": self.count, "right": self.right}


def chosen_places(given: np.ndarray, labels: np.ndarray, each: int = 5) -> np.ndarray:
    """Which images are shown: up to `each` right predictions and then up to `each` wrong ones, the surest of all.

    given: probabilities (N, C). A true class has its second image only when every class that there is has its first;
    of equally sure ones the first comes first. The same answers always choose the same images.

    >>> given = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6]])
    >>> chosen_places(given, np.array([0, 0, 1, 1]), each=2).tolist()
    [0, 3, 2]
    """
    predicted, sure = given.argmax(1), given.max(1)
    found = []
    for part in (predicted == labels, predicted != labels):
        order = np.flatnonzero(part)[np.argsort(-sure[part], kind="stable")]
        turn = np.zeros(len(order), np.int64)
        for label in np.unique(labels[order]):
            own = labels[order] == label
            turn[own] = np.arange(own.sum())
        found.append(order[np.argsort(turn, kind="stable")][:each])
    return np.concatenate(found)


def attributed(
    model: nn.Module,
    images: Tensor,
    raw: np.ndarray,
    labels: np.ndarray | Tensor,
    *,
    classes: Sequence[str] = (),
    each: int = 5,
    places: Sequence[int] | np.ndarray | None = None,
    layer: str | None = None,
    name: str = "the model",
) -> Attribution:
    """Maps for some right and some wrong predictions, of the predicted class and another, at every convolution.

    Args:
        images: a test part (N, C, H, W), scaled as the model reads it; raw: the same as pixels, uint8, (N, H, W) or
            (N, 3, H, W); labels: (N,).
        classes: their names; numbers by default.
        each: how many right predictions, and how many wrong ones: see `chosen_places`.
        places: these images and no others, so that two models can be shown on the same.
        layer: at this one alone, "input" for the input's gradient; by default at every convolution that is called, and
            the input's gradient where there is none.
        name: what the model is called in sentences.

    Raises `UsageError` where these do not belong together, and as `attribution`.
    """
    labels = np.asarray(labels).astype(np.int64)
    if not len(images) == len(raw) == len(labels) or not len(images):
        counts = f"{len(images):,}, {len(raw):,} and {len(labels):,}"
        raise UsageError(f"as many images as pixels and labels are needed, and one at least: got {counts}")
    given = probabilities(model, images)
    at = chosen_places(given, labels, each) if places is None else np.asarray(places, np.int64)
    if not len(at) or at.min() < 0 or at.max() >= len(images):
        raise UsageError(f"choose images from 0 to {len(images) - 1}, one at least: got {at.tolist()}")
    shown, predicted = images[torch.from_numpy(at)], given[at].argmax(1)
    second = np.argsort(-given[at], axis=1, kind="stable")[:, 1]
    other = np.where(predicted == labels[at], second, labels[at])
    called = convolutions(model, shown)
    layers = called or (INPUT,) if layer is None else (layer,)
    found = [[attribution(model, shown, y, layer=place) for y in (predicted, other)] for place in layers]
    return Attribution(
        name=name,
        method=found[0][0].method,
        layers=layers,
        places=at,
        labels=labels[at],
        predicted=predicted,
        other=other,
        probabilities=given[at].astype(np.float32),
        pixels=_as_picture(np.asarray(raw[at])),
        maps=np.stack([np.stack([one.values for one in pair], 1) for pair in found]),
        agreement=np.stack([rank_correlation(*(one.values for one in pair)) for pair in found]),
        classes=tuple(classes) or tuple(map(str, range(given.shape[1]))),
        convolutions=len(called),
        count=len(labels),
        right=int((given.argmax(1) == labels).sum()),
    )


def _as_picture(pixels: np.ndarray) -> np.ndarray:
    """(n, H, W), or (n, 3, H, W) with its channels last: (n, H, W, 3)."""
    return np.moveaxis(pixels, 1, -1) if pixels.ndim == 4 else pixels
