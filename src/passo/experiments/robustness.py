"""How trained models bear perturbed images: each perturbed image is made once and shown to all models together.

Models of one architecture are one network (`answering`), whatever they were trained on; a model that cannot be fused is
asked alone. What they are shown is whole pixels again, the very images that
`passo data export NAME perturb.shift=2` writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from passo.data import Data
from passo.data.perturbations import PERTURBATIONS, perturb_pixels
from passo.data.sampling import stratified_split
from passo.errors import ConfigError, PassoError
from passo.experiments.answering import Group, Ready, groups, side_by_side
from passo.registry import unknown
from passo.seeding import derive

IMAGES = 2000
SIDE = 28  # of the images that the usual shifts are for
STRENGTHS: dict[str, tuple[float, ...]] = {
    "scale": (-0.6, -0.45, -0.3, -0.15, 0.15, 0.3, 0.6, 1.0),
    "shift": (1, 2, 3, 4, 5, 6, 8, 10),
    "rotation": (10, 20, 30, 45, 60, 90, 135, 180),
    "salt-and-pepper": (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.6),
    "gaussian-noise": (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8),
    "occlusion": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
}
"""Six perturbations and eight strengths of each, in the units of `PERTURBATIONS`, for images of 28 × 28 pixels."""

_BLOCK = 500  # images that are perturbed at a time
NEVER, ALREADY = -1, -2


@dataclass(frozen=True)
class Shown:
    """The test images that all models are shown: N of them, their classes, and their positions in the test file.

    pixels: (N, H, W) or (N, C, H, W) uint8. classes: how many there are. seed: what is drawn for each image.
    """

    pixels: np.ndarray
    labels: np.ndarray
    positions: np.ndarray
    classes: int
    seed: int

    def __len__(self) -> int:
        return len(self.labels)

    def changed(self, name: str, strength: float, at: Any = slice(None)) -> np.ndarray:
        """Images changed by one perturbation, in whole pixels: those at `at`, or all."""
        seed = derive(self.seed, "perturb", "test")  # as `load(perturb=…)` draws for the test part
        return perturb_pixels(self.pixels[at], {name: strength}, seed=seed, positions=self.positions[at])


@dataclass(frozen=True)
class Along:
    """What S models of one configuration answer along one perturbation, at K strengths (0 first), for N images.

    strengths: (K,). predicted: (S, K, N), class numbers. probability: (S, K, N) float16, of the true class.
    """

    strengths: np.ndarray
    predicted: np.ndarray
    probability: np.ndarray

    def flips(self, labels: np.ndarray) -> np.ndarray:
        """Which is the smallest strength that makes each image wrong: (S, N) int16, an index into `strengths`.

        −1 (`NEVER`) where none does, −2 (`ALREADY`) where the unchanged image is wrong.
        """
        wrong = self.predicted != labels
        first = np.where(wrong.any(1), wrong.argmax(1), NEVER)
        return np.where(wrong[:, 0], ALREADY, first).astype(np.int16)


def usual_strengths(shape: Sequence[int]) -> dict[str, tuple[float, ...]]:
    """`STRENGTHS` for images of this shape (…, H, W): shifts are as large a part of the shorter side, in whole pixels.

    >>> usual_strengths((1, 28, 28)) == STRENGTHS, usual_strengths((3, 8, 8))["shift"]
    (True, (1, 2, 3))
    """
    share = min(shape[-2:]) / SIDE
    shifts = sorted({round(pixels * share) for pixels in STRENGTHS["shift"]} - {0})
    return {**STRENGTHS, "shift": tuple(shifts or (1,))}


def check_strengths(wanted: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, ...]]:
    """Perturbations with their strengths by size, each once and without 0, which is always shown.

    Raises `UnknownName`, and `ConfigError` for a strength that a perturbation does not take, or for none.

    >>> check_strengths({"scale": [0.5, 0, -0.5, 0.1]})
    {'scale': (0.1, -0.5, 0.5)}
    """
    found = {}
    for name, strengths in wanted.items():
        if name not in PERTURBATIONS:
            raise unknown("perturbation", name, PERTURBATIONS)
        if isinstance(strengths, str) or not isinstance(strengths, Sequence):
            raise ConfigError(f"strengths of {name} are a list of numbers, got {strengths!r}")
        checked = {PERTURBATIONS[name].check(strength) for strength in strengths} - {0.0}
        found[name] = tuple(sorted(checked, key=lambda strength: (abs(strength), strength)))
        if not found[name]:
            raise ConfigError(f"{name} needs a strength that is not 0: name some, or leave it out")
    if not found:
        raise ConfigError("no perturbation was named: name one, with its strengths, or leave strengths out")
    return found


def shown_images(data: Data, images: int = IMAGES, seed: int = 0) -> Shown:
    """`images` of the test part, each class in its share, chosen by `seed`; all where there are fewer.

    Raises `ConfigError` for data that are no images of classes.
    """
    if data.task != "classify" or len(data.in_shape) != 3:
        raise ConfigError(f"perturbations are shown on images that have classes, and {data.name} has none")
    if isinstance(images, bool) or not isinstance(images, int) or images < 1:
        raise ConfigError(f"images must be a whole number ≥ 1, got {images!r}")
    places = np.arange(len(data.test))
    if images < len(places):
        places = stratified_split(data.test.targets, images, derive(seed, "robustness"))[1]
    labels = data.test.targets[places].astype(np.int64)
    return Shown(_pixels(data, places), labels, data.test.index[places].astype(np.int64), len(data.classes), seed)


def _pixels(data: Data, places: np.ndarray) -> np.ndarray:
    if data.test.in_memory:
        return data.test.raw[places]
    found = data.test.files()[torch.from_numpy(places)]
    if isinstance(found, PassoError):
        raise found
    return found.numpy()


def measure(
    models: Mapping[str, Sequence[Ready]], shown: Shown, along: Mapping[str, Mapping[str, Sequence[float]]]
) -> Iterator[float | tuple[str, dict[str, Along]]]:
    """Show all models the same perturbed images; yields how much is done (0 to 1), then each configuration's answers.

    `models`: the trained models of each configuration, one a seed. `along`: the perturbations and strengths that each
    configuration is measured along; unchanged images are shown to all. Raises what `check_strengths` raises.
    """
    strengths = {name: check_strengths(wanted) for name, wanted in along.items()}
    found = {name: {way: _empty(len(models[name]), own[way], shown) for way in own} for name, own in strengths.items()}
    shows = list(_shows(strengths))
    every, done = sum(len(models[name]) for _, _, names in shows for name in names), 0
    together: list[Group] = []
    asked: list[str] = []
    with side_by_side() as pool:
        for way, strength, names in shows:
            if names != asked:
                asked, each = names, {(name, at): one for name in names for at, one in enumerate(models[name])}
                together = groups(each)
            slots = {name: _slots(found[name], strengths[name], way, strength) for name in names}
            work = partial(_show, together, shown, way, strength, slots)
            list(pool.map(work, _blocks(len(shown), torch.get_num_threads())))  # raises what a block raised
            done += sum(len(models[name]) for name in names)
            yield done / every
    yield from found.items()


def _shows(strengths: Mapping[str, Mapping[str, Sequence[float]]]) -> Iterator[tuple[str, float, list[str]]]:
    """(perturbation, strength, configurations) in turn; "" and 0 are the unchanged images."""
    yield "", 0.0, list(strengths)
    for way in PERTURBATIONS:
        wanted = {name: own[way] for name, own in strengths.items() if way in own}
        for strength in sorted({one for own in wanted.values() for one in own}):
            yield way, strength, [name for name, own in wanted.items() if strength in own]


def _empty(seeds: int, strengths: Sequence[float], shown: Shown) -> Along:
    shape = (seeds, 1 + len(strengths), len(shown))
    kind = np.uint8 if shown.classes <= 256 else np.uint16
    return Along(np.array([0.0, *strengths]), np.zeros(shape, kind), np.zeros(shape, np.float16))


def _slots(
    found: Mapping[str, Along], strengths: Mapping[str, Sequence[float]], way: str, strength: float
) -> list[tuple[Along, int]]:
    """Where a configuration's answers go; those to unchanged images are the start of all that it is measured along."""
    return [(found[way], 1 + strengths[way].index(strength))] if way else [(one, 0) for one in found.values()]


def _blocks(images: int, threads: int) -> list[slice]:
    """The images in pieces: as many as there are threads, and more where they are large."""
    size = min(_BLOCK, -(-images // threads))
    return [slice(start, min(start + size, images)) for start in range(0, images, size)]


def _show(
    together: Sequence[Group],
    shown: Shown,
    way: str,
    strength: float,
    slots: Mapping[str, list[tuple[Along, int]]],
    block: slice,
) -> None:
    """Show a block of images under one condition to all groups, and write down what they answer."""
    pixels = torch.from_numpy(shown.changed(way, strength, block) if way else np.array(shown.pixels[block]))
    labels = torch.from_numpy(shown.labels[block])
    for group in together:
        q = group.answer(pixels)
        predicted, true = q.argmax(2).numpy(), q[:, torch.arange(len(labels)), labels].half().numpy()
        for row, (name, at) in enumerate(group.members):
            for place, k in slots[name]:
                place.predicted[at, k, block] = predicted[row]
                place.probability[at, k, block] = true[row]
