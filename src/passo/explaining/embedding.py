"""t-SNE of test images by their pixels and by a model's last hidden layer; and how far both maps may be trusted.

A map of two dimensions cannot keep all distances of many: t-SNE keeps near neighbours near, and what is far apart on
the map need not be far apart in truth. So each map comes with what it kept: trustworthiness, the share of each image's
ten nearest that are still its nearest, and how many of the nearest are of its own class, before and after.

What is wider than 50 numbers is first reduced to its 50 principal components, as is usual: it takes noise away and
makes the search for neighbours quick. What is told of a map is measured against all numbers, not against these 50.

Sources: L. van der Maaten, G. Hinton, "Visualizing Data using t-SNE", JMLR 9 (2008); L. van der Maaten, "Accelerating
t-SNE using Tree-Based Algorithms", JMLR 15 (2014); J. Venna, S. Kaski, "Neighborhood preservation in nonlinear
projection methods", ICANN 2001 (trustworthiness). The work is done by scikit-learn.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from passo.data import Data, Split
from passo.data.sampling import stratified_split
from passo.errors import UsageError, require
from passo.explaining.layers import array
from passo.seeding import derive
from passo.training.evaluate import evaluating

MOST, LEAST = 2000, 10  # images in a map
COMPONENTS, PERPLEXITY, NEAREST, SIDE, BATCH = 50, 30.0, 10, 28, 500


@dataclass(frozen=True)
class Map:
    """One t-SNE of N vectors of `width` numbers: `xy` (N, 2), and what it kept.

    nearest: of how many nearest others this tells: ten, or fewer where a class has fewer others to be near, on average.
    kl_divergence: what t-SNE made as small as it could. trustworthiness: 1 where no stranger comes among an image's
    nearest, about 0.5 by chance. kept: share of the nearest in all dimensions that are among the nearest on the map.
    own, own_on_map: share of the nearest that are of the image's own class, in all dimensions and on the map.
    """

    xy: np.ndarray
    width: int
    perplexity: float
    nearest: int
    kl_divergence: float
    trustworthiness: float
    kept: float
    own: float
    own_on_map: float

    def facts(self) -> dict[str, Any]:
        """All but the points, JSON-able."""
        return {key: value for key, value in asdict(self).items() if key != "xy"}


@dataclass(frozen=True)
class Embedding:
    """Test images mapped by what they are and by what a model makes of them.

    inputs, hidden: the maps. labels, predicted: (N,) class numbers. positions: (N,) places in the test part, from 0.
    thumbnails: (N, h, w) or (N, h, w, 3) uint8, at most 28 wide; (N, 0, 0) for rows of a table. layer: the linear layer
    whose input is `hidden`. count: how many the test part holds.
    """

    name: str
    inputs: Map
    hidden: Map
    labels: np.ndarray
    predicted: np.ndarray
    positions: np.ndarray
    thumbnails: np.ndarray
    classes: tuple[str, ...]
    layer: str
    count: int
    seed: int

    def arrays(self) -> dict[str, np.ndarray]:
        """inputs, hidden: (N, 2) float32; labels, predicted, positions: (N,); thumbnails."""
        maps = {"inputs": self.inputs.xy, "hidden": self.hidden.xy}
        others = ("labels", "predicted", "positions", "thumbnails")
        return maps | {name: getattr(self, name) for name in others}

    def facts(self) -> dict[str, Any]:
        """Everything else, JSON-able."""
        told = {name: getattr(self, name) for name in ("name", "layer", "count", "seed")}
        return told | {
            "classes": list(self.classes),
            "inputs": self.inputs.facts(),
            "hidden": self.hidden.facts(),
        }


def embedding(
    model: nn.Module,
    data: Data,
    *,
    images: int = MOST,
    seed: int = 0,
    name: str = "this model",
    like: Embedding | None = None,
) -> Embedding:
    """Map test images, at most so many with each class's share, by their pixels and by the model's last hidden layer.

    `like` is another model's, of the same data: the same images are taken, and the map of their pixels with them. Takes
    about 7 s for each map of 2,000 images, in one thread, whatever the machine is set to, so that a seed gives one map.

    Raises `UsageError` for a model whose last weighted layer is not linear, for data without classes or with fewer than
    10 test images, and where the layer's values are not finite or all the same.
    """
    test = data.test
    if not data.classes:
        raise UsageError(f"an embedding is coloured by classes, and {data.name} has none: choose a run that classifies")
    positions = _chosen(test, images, seed) if like is None else like.positions
    if len(positions) < LEAST:
        raise UsageError(f"an embedding needs {LEAST} test images or more, and {data.name} has {len(positions)}")
    x, labels = test.images[torch.from_numpy(positions)], test.targets[positions].astype(np.int64)
    seen = last_hidden(model, x)
    if seen.answer.ndim != 2 or seen.answer.shape[1] != len(data.classes):
        raise UsageError(f"{name} answers {seen.answer.shape} for {len(x)} images of {len(data.classes)} classes")
    return Embedding(
        name,
        tsne(array(x.flatten(1)), labels, seed=seed) if like is None else like.inputs,
        tsne(seen.values, labels, seed=seed),
        labels,
        seen.answer.argmax(1),
        positions,
        _thumbnails(test.raw[positions]),
        data.classes,
        seen.layer,
        len(test),
        seed,
    )


class Hidden(NamedTuple):
    """What goes into a model's last linear layer: `values` (N, U); and what comes out in the end: `answer` (N, …)."""

    layer: str
    values: np.ndarray
    answer: np.ndarray


def last_hidden(model: nn.Module, x: Tensor) -> Hidden:
    """The input of the last layer with weights that the model calls, in evaluation mode.

    x: (N, …). Raises `UsageError` where that layer is not linear, for then no one vector stands before the answer.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> found = last_hidden(model, torch.ones(5, 1, 2, 2))
    >>> found.layer, found.values.shape, found.answer.shape
    ('3', (5, 3), (5, 2))
    """
    names = {module: name for name, module in model.named_modules()}
    called: list[tuple[nn.Module, Any]] = []
    weighted = [module for module in names if next(module.parameters(recurse=False), None) is not None]
    handles = [one.register_forward_pre_hook(lambda module, given: called.append((module, given))) for one in weighted]
    values, answers = [], []
    try:
        with evaluating(model):
            for part in x.split(BATCH):
                called.clear()
                answers.append(array(model(part)))
                if not called or not isinstance(called[-1][0], nn.Linear):
                    raise _not_linear(model, called[-1][0] if called else None, names)
                values.append(array(called[-1][1][0].flatten(1)))
    finally:
        for handle in handles:
            handle.remove()
    return Hidden(names[called[-1][0]], np.concatenate(values), np.concatenate(answers))


def _not_linear(model: nn.Module, last: nn.Module | None, names: dict[nn.Module, str]) -> UsageError:
    what = type(model).__name__
    if last is None:
        return UsageError(f"{what} calls no layer with weights, so it has no hidden layer to map")
    return UsageError(
        f"the last layer with weights of {what} is {names[last]} ({type(last).__name__}): an embedding is of what goes "
        "into a last linear layer; look at its feature maps instead"
    )


def tsne(vectors: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> Map:
    """Map vectors (N, D) with labels (N,) to two dimensions by Barnes-Hut t-SNE, begun at the principal components.

    The perplexity is 30, or a third of N − 1 where that is less. Raises `UsageError` for values that are not finite, or
    all the same, and for fewer than 10.
    """
    vectors = np.asarray(vectors, np.float32).reshape(len(vectors), -1)
    if len(vectors) < LEAST:
        raise UsageError(f"t-SNE needs {LEAST} vectors or more, got {len(vectors)}")
    if not np.isfinite(vectors).all():
        raise UsageError("what is to be mapped holds values that are not finite: the training diverged")
    if (vectors == vectors[0]).all():
        raise UsageError(f"all {len(vectors):,} vectors are the same, so there is nothing to map: the layer is dead")
    limits = require("threadpoolctl", "explain").threadpool_limits
    with limits(1):  # other numbers of threads add in other orders, and the map becomes another one
        return _mapped(vectors, np.asarray(labels), derive(seed, "embedding") % 2**32)


def _mapped(vectors: np.ndarray, labels: np.ndarray, seed: int) -> Map:
    manifold, parts = require("sklearn.manifold", "explain"), require("sklearn.decomposition", "explain")
    count, width = vectors.shape
    perplexity = min(PERPLEXITY, (count - 1) / 3)
    reduced = vectors
    if min(count, width) > COMPONENTS:
        reduced = parts.PCA(COMPONENTS, svd_solver="randomized", random_state=seed).fit_transform(vectors)
    elif width == 1:  # the start needs two directions
        reduced = np.hstack([vectors, np.zeros_like(vectors)])
    made = manifold.TSNE(perplexity=perplexity, init="pca", method="barnes_hut", random_state=seed, n_jobs=1)
    xy = made.fit_transform(reduced)  # (N, 2)
    k = min(NEAREST, (count - 1) // 2, max(1, count // len(np.unique(labels)) - 1))
    before, after = _nearest(vectors, k), _nearest(xy, k)  # (N, k)
    kept = (before[:, :, None] == after[:, None, :]).any(2).mean()
    own, own_on_map = ((labels[near] == labels[:, None]).mean() for near in (before, after))
    trust = manifold.trustworthiness(vectors, xy, n_neighbors=k)
    shares = (float(one) for one in (made.kl_divergence_, trust, kept, own, own_on_map))
    return Map(xy.astype(np.float32), width, float(perplexity), k, *shares)


def _nearest(vectors: np.ndarray, k: int) -> np.ndarray:
    """The k nearest others of each vector: (N, k) places."""
    search = require("sklearn.neighbors", "explain").NearestNeighbors(n_neighbors=k)
    return search.fit(vectors).kneighbors(return_distance=False)


def _chosen(test: Split, most: int, seed: int) -> np.ndarray:
    """All places of the test part, or `most` of them with each class's share, ascending."""
    if most < LEAST:
        raise UsageError(f"an embedding needs {LEAST} images or more, got images={most}")
    if len(test) <= most:
        return np.arange(len(test))
    return stratified_split(test.targets, most, derive(seed, "embedding"))[1]


def _thumbnails(raw: np.ndarray) -> np.ndarray:
    """Images (N, H, W) or (N, C, H, W) uint8 at most 28 wide and high: (N, h, w) or (N, h, w, 3) uint8."""
    if raw.ndim == 2:
        return np.zeros((len(raw), 0, 0), np.uint8)
    pixels = torch.from_numpy(np.ascontiguousarray(raw[:, None] if raw.ndim == 3 else raw))  # (N, C, H, W)
    high, wide = pixels.shape[-2:]
    if max(high, wide) > SIDE:
        size = [max(1, round(side * SIDE / max(high, wide))) for side in (high, wide)]
        small = [nn.functional.interpolate(part.float(), size, mode="area") for part in pixels.split(BATCH)]
        pixels = torch.cat(small).round().to(torch.uint8)
    found = pixels.permute(0, 2, 3, 1).contiguous().numpy()
    return found[..., 0] if found.shape[-1] == 1 else found
