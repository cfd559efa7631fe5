"""What an explanation can hold: for each part what it is called, and what measures, reads and draws it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from passo.analysis.attributed import Attributed
from passo.analysis.calibration import calibration
from passo.analysis.classified import classified
from passo.analysis.embedded import Embedded
from passo.analysis.hardest import hardest
from passo.analysis.trusted import Trusted
from passo.explaining import attributed, embedding, feature_maps, filters, trust
from passo.explaining.attribution import convolutions
from passo.figures import Figure, draw_run
from passo.figures.attributed import draw_attributed
from passo.figures.embedded import draw_embedding
from passo.figures.filters import draw_feature_maps, draw_filters
from passo.figures.trusted import draw_trusted
from passo.language import later, t
from passo.looking.subject import Subject

Given = tuple[Any, Sequence[Figure]]  # the analysis, and its figures
HARDEST, LAYERS = 20, 4  # images; convolutions whose maps are drawn


class Kind(NamedTuple):
    """A part's title, and what makes it of a run; `doing` is said while it does.

    `tabled`: whether the page has its table, which says more than the figure.
    """

    title: str
    doing: str
    made: Callable[[Subject], Given]
    tabled: bool = True


def _confusion(subject: Subject) -> Given:
    return classified(subject.answers), [draw_run("confusion", subject.answered)]


def _calibration(subject: Subject) -> Given:
    return calibration(subject.answers), [draw_run("calibration", subject.answered)]


def _hardest(subject: Subject) -> Given:
    figure = draw_run("hardest", subject.answered, images=subject.pixels, most=HARDEST)
    return hardest(subject.answers, HARDEST), [figure]


def _embedding(subject: Subject) -> Given:
    made = embedding(subject.model, subject.data, images=subject.images, seed=subject.seed, name=subject.name)
    found = Embedded.of(made.arrays(), made.facts())
    return found, [draw_embedding(found)]


def _filters(subject: Subject) -> Given:
    shape = tuple(subject.run.info.get("data", {}).get("in_shape", ())) or None
    found = filters(subject.model, subject.layer, in_shape=shape)
    return found, [draw_filters(found, subject.name)]


def _feature_maps(subject: Subject) -> Given:
    place = subject.example
    image = subject.data.test.images[place]
    named = subject.answers.classes[int(subject.data.test.targets[place])]
    layers = [subject.layer] if subject.layer else _spread(convolutions(subject.model, image[None])) or [None]
    found = [feature_maps(subject.model, image, layer) for layer in layers]
    drawn = [draw_feature_maps(one, subject.name, f"{t('test image {place}', place=place)} ({named})") for one in found]
    if len(drawn) > 1:  # a page and a folder know a figure by its name
        drawn = [replace(one, name=f"{one.name}-{maps.layer}") for one, maps in zip(drawn, found, strict=True)]
    return tuple(found), drawn


def _attribution(subject: Subject) -> Given:
    test = subject.data.test
    named: dict[str, Any] = {"classes": subject.data.classes, "name": subject.name, "layer": subject.layer}
    made = attributed(subject.model, test.images, subject.pixels, test.targets, **named)
    found = Attributed.of(made.arrays(), made.facts())
    return found, [draw_attributed(found)]


def _trust(subject: Subject) -> Given:
    test = subject.data.test
    asked: dict[str, Any] = {"seed": subject.seed, "layer": subject.layer, "name": subject.name}
    made = trust(subject.model, test.images, test.targets, **asked)
    found = Trusted.of(made.arrays(), made.facts())
    return found, [draw_trusted(found)]


def _spread(layers: Sequence[str]) -> list[str]:
    """All layers, or a few of them from the first to the last."""
    if len(layers) <= LAYERS:
        return list(layers)
    return [layers[round(turn * (len(layers) - 1) / (LAYERS - 1))] for turn in range(LAYERS)]


PARTS: dict[str, Kind] = {
    "confusion": Kind(later("Confusion"), later("counting what is taken for what"), _confusion),
    "calibration": Kind(later("Calibration"), later("comparing confidence with accuracy"), _calibration),
    "hardest": Kind(later("Hardest images"), later("looking for the hardest images"), _hardest, tabled=False),
    "embedding": Kind(later("Embedding"), later("mapping test images (t-SNE)"), _embedding),
    "filters": Kind(later("Filters"), later("drawing filters"), _filters),
    "feature-maps": Kind(later("Feature maps"), later("drawing feature maps"), _feature_maps),
    "gradcam": Kind(later("Where it looks"), later("mapping where it looks"), _attribution),
    "trust": Kind(later("Whether these maps can be trusted"), later("checking the maps against random ones"), _trust),
}
"""By name, in the order of the page."""
