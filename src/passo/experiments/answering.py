"""Many trained models that answer the same images at once: those of one architecture are one network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from passo.data.scaling import Scaling
from passo.replicas.layers import NotFused
from passo.replicas.network import Fused, architecture

_VALUES = 2**18  # pixels times models in one forward pass: of four times as many, it takes twice as long (the cache)
_LEAST = 4  # images in one forward pass, however large they are
Key = tuple[str, int]  # a configuration, and which of its models


class Ready(NamedTuple):
    """A trained model, and how pixels become the numbers that it reads."""

    model: nn.Module
    scaling: Scaling


class Group(NamedTuple):
    """Models that answer together: `members`, R of them in order; the first R/S read images by the first scaling, …"""

    members: list[Key]
    scalings: list[Scaling]
    network: Callable[[Tensor], Tensor]  # scaled images (S, B, C, H, W) → (R, B, classes)

    @torch.no_grad()
    def answer(self, pixels: Tensor) -> Tensor:
        """What each model gives for pixels (B, H, W) or (B, C, H, W) uint8: probabilities (R, B, classes)."""
        size = max(_LEAST, _VALUES // (len(self.members) * pixels[0].numel()))
        return torch.cat([self._some(part) for part in pixels.split(size)], 1).float().softmax(2)

    def _some(self, pixels: Tensor) -> Tensor:
        return self.network(torch.stack([scaling.scaled(pixels) for scaling in self.scalings]))


def groups(models: Mapping[Key, Ready]) -> list[Group]:
    """One group for each architecture; several where not each scaling has as many models, or a model is not fused."""
    alike: dict[Any, dict[Scaling, list[Key]]] = {}
    for key, one in models.items():
        alike.setdefault(architecture(one.model), {}).setdefault(one.scaling, []).append(key)
    found = []
    for by_scaling in alike.values():
        even = len({len(keys) for keys in by_scaling.values()}) == 1
        rows = [by_scaling] if even else [{scaling: keys} for scaling, keys in by_scaling.items()]
        for row in rows:
            found += _grouped(models, row)
    return found


def _grouped(models: Mapping[Key, Ready], keys: Mapping[Scaling, list[Key]]) -> list[Group]:
    members = [key for several in keys.values() for key in several]
    try:
        fused = Fused([models[key].model for key in members], range(len(keys)))
    except NotFused:
        return [Group([key], [models[key].scaling], _alone(models[key].model)) for key in members]
    return [Group(members, list(keys), lambda x: fused(x, training=False))]


def _alone(network: nn.Module) -> Callable[[Tensor], Tensor]:
    own = copy.deepcopy(network).eval()  # several threads may ask it at once, and nobody turns it back to training
    return lambda x: own(x[0])[None]


@contextmanager
def side_by_side() -> Iterator[Executor]:
    """As many threads as torch has here, each of which computes alone.

    Small networks leave a second core half idle; two pieces of the images side by side do not.
    """
    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(threads)
