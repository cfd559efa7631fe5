"""What trained models answered along perturbations of the test images, read from a study; a strength in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from passo.analysis.intervals import Interval, intervals
from passo.analysis.once import once
from passo.analysis.words import ranged, significant
from passo.errors import StoreError
from passo.language import later, t
from passo.registry import unknown
from passo.store import StoredRun, StoredStudy

KIND = "robustness"
CLEAN = ""  # trained on nothing but unchanged images


@dataclass(frozen=True)
class Along:
    """Answers of one configuration along one perturbation: S seeds, K strengths (0 first, then by size), N images.

    model: its label. trained: the perturbation that it was trained on, "" for unchanged images. strengths: (K,), in
    `unit`. labels, positions: (N,), classes and places in the test file. predicted: (S, K, N). flip: (S, N), the index
    of the smallest strength that makes an image wrong, −1 where none does, −2 where it is wrong unchanged; flipped:
    (N,), the same for more than half of the seeds. pictured: (M, 4) and pictures: (M, 2, …), the first that flip.
    """

    configuration: str
    model: str
    trained: str
    perturbation: str
    unit: str
    strengths: np.ndarray
    labels: np.ndarray
    positions: np.ndarray
    predicted: np.ndarray
    flip: np.ndarray
    flipped: np.ndarray
    pictured: np.ndarray
    pictures: np.ndarray
    classes: tuple[str, ...]
    seeds: tuple[int | None, ...]

    @cached_property
    def right(self) -> np.ndarray:
        """Whether each answer is the true class: (S, K, N) bool."""
        return self.predicted == self.labels

    @cached_property
    def accuracy(self) -> np.ndarray:
        """(S, K)."""
        return self.right.mean(2)

    @cached_property
    def by_class(self) -> np.ndarray:
        """The share of each class's images that is right: (S, C, K); NaN for a class without images."""
        n = len(self.classes)
        of = np.eye(n)[self.labels]  # (N, C)
        with np.errstate(invalid="ignore"):
            return np.einsum("skn,nc->sck", self.right.astype(np.float64), of) / of.sum(0)[:, None]

    @cached_property
    def band(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean accuracy and the ends of its 95 % interval over seeds: three of (K,); NaN ends for one seed."""
        return intervals(self.accuracy)

    @property
    def chance(self) -> float:
        """What always naming the most frequent class would get."""
        return float(np.bincount(self.labels).max() / len(self.labels))

    @cached_property
    def sides(self) -> tuple[Side, ...]:
        """Strengths from 0 outwards: one side, or two where strengths go below 0 and above."""
        places = np.arange(len(self.strengths))
        found = (Side(sign, places[(sign * self.strengths > 0) | (places == 0)]) for sign in (-1, 1))
        return tuple(side for side in found if len(side.places) > 1)

    def shared(self, other: Along) -> tuple[list[int], list[int]]:
        """Where in both are the seeds that both have."""
        common = [seed for seed in self.seeds if seed in other.seeds]
        return [self.seeds.index(seed) for seed in common], [other.seeds.index(seed) for seed in common]


class Side(NamedTuple):
    """Strengths of one sign, from 0 outwards: places among all strengths."""

    sign: int
    places: np.ndarray


class _Words(NamedTuple):
    """Messages: the name, a strength, its axis. The number is (plus + strength) · factor, as on an axis.

    `one` takes the place of `told` where the number is 1, `below` where the strength is below 0, `either` where only
    its size is meant, and `axis_either` that of `axis`.
    """

    name: str
    told: str
    axis: str
    factor: float = 1.0
    plus: float = 0.0
    one: str = ""
    below: str = ""
    either: str = ""
    axis_either: str = ""


_WORDS = {
    "scale": _Words(
        later("scale"),
        later("an enlargement to {number} %"),
        later("size, %"),
        100.0,
        plus=1.0,
        below=later("a shrinking to {number} %"),
        either=later("a change of size by {number} %"),
        axis_either=later("change of size, %"),
    ),
    "shift": _Words(
        later("shift"), later("a shift of {number} pixels"), later("pixels"), one=later("a shift of {number} pixel")
    ),
    "rotation": _Words(later("rotation"), later("a turn of {number}°"), later("degrees")),
    "salt-and-pepper": _Words(
        later("salt and pepper"), later("salt and pepper on {number} % of the pixels"), later("% of the pixels"), 100.0
    ),
    "gaussian-noise": _Words(
        later("Gaussian noise"),
        later("Gaussian noise of a standard deviation of {number}"),
        later("standard deviation, white = 1"),
    ),
    "occlusion": _Words(
        later("occlusion"), later("a black square of {number} % of the side"), later("side of the square, %"), 100.0
    ),
}
_UNKNOWN = _Words("", later("{way} of {number}"), later("strength"))
"""In the order in which they are told."""


def told(perturbation: str, strength: float | Interval, *, either: bool = False) -> str:
    """A strength as one says it, with its interval where it has one; `either`: of any sign, so that its size is told.

    >>> told("shift", 2.0), told("scale", -0.3), told("occlusion", 0.35)
    ('a shift of 2 pixels', 'a shrinking to 70 %', 'a black square of 35 % of the side')
    """
    words = _words(perturbation)
    size = strength.mean if isinstance(strength, Interval) else strength
    if either and words.either:
        return t(words.either, number=significant(abs(size) * words.factor))
    number = amount(perturbation, strength)
    message = words.below if size < 0 and words.below else words.one if number == "1" and words.one else words.told
    return t(message, way=perturbation, number=number)


def amount(perturbation: str, strength: float | Interval) -> str:
    """The number of `told` alone."""
    if not isinstance(strength, Interval):
        return significant(scaled(perturbation, strength))
    mean, low, high = (scaled(perturbation, end) for end in (strength.mean, strength.low, strength.high))
    return ranged(Interval(mean, low, high, strength.n))


def scaled(perturbation: str, strength: float) -> float:
    """A strength in the unit in which it is told and drawn.

    >>> round(scaled("scale", -0.3), 6), scaled("shift", 2.0)
    (70.0, 2.0)
    """
    words = _words(perturbation)
    return (words.plus + strength) * words.factor


def axis_title(perturbation: str, *, either: bool = False) -> str:
    """What an axis of such strengths is called; `either`: of their sizes."""
    words = _words(perturbation)
    return t(words.axis_either if either and words.axis_either else words.axis)


def _words(perturbation: str) -> _Words:
    return _WORDS.get(perturbation, _UNKNOWN)


def spoken(perturbation: str) -> str:
    """A perturbation's name in a sentence or over a panel."""
    return t(_words(perturbation).name or perturbation.replace("-", " ").replace("gaussian", "Gaussian"))


def sided(perturbation: str, sides: int, sign: int) -> str:
    """The same with the side of 0 that is meant, where it has two."""
    if sides == 1:
        return spoken(perturbation)
    smaller, larger = later("{way} (smaller)"), later("{way} (larger)")
    return t(smaller if sign < 0 else larger, way=spoken(perturbation))


def labels_of(study: StoredStudy) -> tuple[str, ...]:
    """The models that a study measured, those of its pair in their order.

    Raises `StoreError` where nothing was measured, or more than two models were.
    """
    there = list(dict.fromkeys(_model(run) for run in _runs(study)))
    pair = [label for label in study.facts.get("pair", {}).get("labels", []) if label in there]
    found = tuple(pair or there)
    if len(found) > 2:
        raise StoreError(f"{study.folder} measured {len(found)} models on perturbed images: two are compared at a time")
    return found


@once
def alongs(study: StoredStudy, only: str | None = None) -> tuple[Along, ...]:
    """Everything measured, or along `only` one: by perturbation, those trained on unchanged images first, by model.

    Of several configurations of one model that were trained alike, the first counts. Raises `StoreError` where the
    study has no run of the kind robustness.
    """
    labels = labels_of(study)
    found: dict[tuple[str, str, str], Along] = {}
    for run in _runs(study):
        for way in _ways(run) if _model(run) in labels else ():
            key = (way, _trained(run), _model(run))
            if only in (None, way) and key not in found:
                found[key] = _along(run, way)
    ranks = list(_WORDS)
    order = {way: ranks.index(way) if way in ranks else len(ranks) for way, _, _ in found}
    return tuple(
        sorted(found.values(), key=lambda one: (order[one.perturbation], one.trained != CLEAN, labels.index(one.model)))
    )


def along(study: StoredStudy, perturbation: str) -> tuple[Along, ...]:
    """What was measured along one perturbation; raises `UnknownName` with those that were."""
    if not (found := alongs(study, perturbation)):
        there = {way for run in _runs(study) for way in _ways(run)}
        raise unknown(f"perturbation in {study.folder}", perturbation, there)
    return found


def ways(found: Sequence[Along]) -> tuple[str, ...]:
    """The perturbations, each once, in order."""
    return tuple(dict.fromkeys(one.perturbation for one in found))


def chosen(found: Sequence[Along], perturbation: str, model: str, trained: str = CLEAN) -> Along | None:
    """One of them, or None where that was not measured."""
    wanted = (perturbation, model, trained)
    return next((one for one in found if (one.perturbation, one.model, one.trained) == wanted), None)


def _runs(study: StoredStudy) -> tuple[StoredRun, ...]:
    if not (found := study.select(kind=KIND)):
        raise StoreError(f"{study.folder} has no run that measured perturbed images: run its part on robustness")
    return found


def _model(run: StoredRun) -> str:
    return str(run.config.get("model") or run.info.get("of") or run.name)


def _ways(run: StoredRun) -> list[str]:
    """The perturbations that a run was measured along."""
    return [name.removeprefix("strengths/") for name in run.arrays() if name.startswith("strengths/")]


def _trained(run: StoredRun) -> str:
    return " and ".join(run.info.get("augment", {}))


def _along(run: StoredRun, way: str) -> Along:
    return Along(
        configuration=str(run.info.get("of") or run.config.get("of") or run.name),
        model=_model(run),
        trained=_trained(run),
        perturbation=way,
        unit=str(run.meta(f"strengths/{way}").get("unit", "")),
        strengths=run.array(f"strengths/{way}").astype(np.float64),
        labels=run.array("labels").astype(np.int64),
        positions=run.array("positions"),
        predicted=run.array(f"predicted/{way}"),
        flip=run.array(f"flip/{way}"),
        flipped=run.array(f"flipped/{way}"),
        pictured=run.array(f"pictured/{way}"),
        pictures=run.array(f"pictures/{way}"),
        classes=tuple(map(str, run.info["classes"])),
        seeds=tuple(run.info["seeds"]),
    )
