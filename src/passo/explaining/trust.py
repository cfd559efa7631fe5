"""Whether a map can be trusted: does it mark the pixels that the prediction rests on, and does it know the weights?

Two checks, each against random maps of the same grain. Deletion and insertion (`removing`): the probability of the
predicted class must fall faster, and rise faster, in the map's order than in a random one. Random weights
(`randomised`): a map that stays as it is while the model forgets all that it learned explains the image, not the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from passo.errors import UsageError
from passo.explaining.attribution import HeatMaps, Method, attribution
from passo.explaining.randomised import cascade
from passo.explaining.removing import blurred, curve, order, random_maps
from passo.explaining.similarity import rank_correlation
from passo.seeding import derive, generator

STEPS = 14  # pixels are replaced in so many equal parts
BLUR = 1 / 8  # of the image's shorter side: σ of the blur from which insertion begins


@dataclass(frozen=True)
class Trust:
    """The maps of K images' predicted classes, checked; S shares of the pixels, R random maps for each image, L layers.

    places (K,): which of the images that were given; labels, predicted (K,). shares (S,), from 0 to 1. deletion,
    insertion (K, S): the probability of the predicted class, in the map's order; random_deletion, random_insertion
    (R, K, S): in the order of random maps. similarity (R, L, K): the rank correlation of a map with that of the model
    whose weights are random from the output down to each of `layers`, drawn R times; random_similarity (R, K): with a
    random map. empty: how many of the K maps are 0 everywhere.
    """

    name: str
    method: str
    layer: str
    layers: tuple[str, ...]
    places: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    shares: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray
    random_deletion: np.ndarray
    random_insertion: np.ndarray
    similarity: np.ndarray
    random_similarity: np.ndarray
    empty: int

    def arrays(self) -> dict[str, np.ndarray]:
        """What a run keeps as `trust/<key>`."""
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    def facts(self) -> dict[str, Any]:
        """What a run keeps as plain facts."""
        told = {"name": self.name, "method": self.method, "layer": self.layer}
        return {**told, "layers": list(self.layers), "empty": self.empty}


def trust(
    model: nn.Module,
    images: Tensor,
    labels: np.ndarray | Tensor,
    *,
    seed: int = 0,
    images_n: int = 100,
    draws: int = 3,
    layer: str | None = None,
    method: Method = "auto",
    name: str = "the model",
) -> Trust:
    """Check the maps of `images_n` images, drawn by the seed from images (N, C, H, W), scaled as the model reads them.

    What is deleted becomes the mean of all the images given, channel by channel (0 where they are standardised);
    insertion begins with each image blurred. `draws` random maps for each image, and as many draws of random weights.
    layer, method: as of `attribution`, whose errors are raised too; `UsageError` for less than one image or draw.
    name: what the model is called in sentences.
    """
    if min(len(images), images_n, draws) < 1 or len(images) != len(labels):
        told = f"{len(images):,} images, {len(labels):,} labels, images_n={images_n}, draws={draws}"
        raise UsageError(f"trust needs images with a label each, and at least one image and one draw: got {told}")
    chance = generator(seed, "trust")
    places = torch.randperm(len(images), generator=chance)[:images_n].sort().values
    shown = images[places]
    found = attribution(model, shown, layer=layer, method=method)
    size = (int(shown.shape[2]), int(shown.shape[3]))
    noise = np.stack([random_maps(len(shown), found.grain, size, chance) for _ in range(draws)])
    shares, deletion, insertion = _replaced(model, shown, images.mean((0, 2, 3)), found, noise)
    layers, similarity = _forgotten(model, shown, found, seed, draws)
    return Trust(
        name=name,
        method=found.method,
        layer=found.layer,
        layers=layers,
        places=places.numpy(),
        labels=np.asarray(labels)[places.numpy()].astype(np.int64),
        predicted=found.target,
        shares=shares,
        deletion=deletion[0],
        insertion=insertion[0],
        random_deletion=deletion[1:],
        random_insertion=insertion[1:],
        similarity=similarity,
        random_similarity=np.stack([rank_correlation(found.values, one) for one in noise]).astype(np.float32),
        empty=int((found.values.reshape(len(shown), -1).max(1) == 0).sum()),
    )


def _replaced(
    model: nn.Module, images: Tensor, mean: Tensor, found: HeatMaps, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares (S,); the curves of deletion and of insertion, in the map's order and in those of noise: (1+R, K, S)."""
    shares, target = np.linspace(0, 1, STEPS + 1), torch.as_tensor(found.target, device=images.device)
    orders = [order(found.values, noise[0]), *(order(one, one) for one in noise)]
    orders = [turns.to(images.device) for turns in orders]
    nothing = mean[None, :, None, None].expand_as(images)
    blur = blurred(images, BLUR * min(images.shape[2:]))
    deletion, insertion = (
        np.stack([curve(model, start, end, turns, target, shares) for turns in orders])
        for start, end in ((images, nothing), (blur, images))
    )
    return shares, deletion, insertion


def _forgotten(
    model: nn.Module, images: Tensor, found: HeatMaps, seed: int, draws: int
) -> tuple[tuple[str, ...], np.ndarray]:
    """The layers from the output down; how like the trained model's maps are those of each forgetful one: (R, L, K)."""
    where: dict[str, Any] = {"layer": found.layer, "method": found.method}
    names: tuple[str, ...] = ()
    similarity = []
    for draw in range(draws):
        steps = [
            (name, rank_correlation(found.values, attribution(forgetful, images, found.target, **where).values))
            for name, forgetful in cascade(model, images, derive(seed, draw))
        ]
        names = tuple(name or "the rest" for name, _ in steps)
        similarity.append(np.stack([one for _, one in steps]))
    return names, np.stack(similarity).astype(np.float32)
