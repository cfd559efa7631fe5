"""The figures of perturbed images say what was measured: numbers, bars and pixels are read back from the drawings."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from robust_study import IMAGES, LABELS, STRENGTHS, make, pixels, wrong

from passo.analysis.flips import flips
from passo.errors import StoreError
from passo.figures import PAIR_FIGURES, draw
from passo.figures.style import BLUE, RED
from passo.store import StoredStudy

NAMES = ("robustness", "robustness-classes", "flips", "flipped-images")


@pytest.fixture(scope="module")
def robust(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    return make(tmp_path_factory.mktemp("robust") / "study")


def rows(spec: Any, *columns: str) -> list[dict[str, str]]:
    """The rows of all tables that have these columns."""
    found = [row for text in spec["datasets"].values() for row in csv.DictReader(io.StringIO(text))]
    return [row for row in found if set(columns) <= set(row)]


@pytest.mark.parametrize("name", NAMES)
def test_each_is_a_figure_of_two_models_and_draws(robust: StoredStudy, name: str, tmp_path: Path) -> None:
    assert name in PAIR_FIGURES
    figure = draw(name, robust)
    png, svg = figure.save(tmp_path)
    assert figure.name == name and png.stat().st_size > 5_000 and svg.stat().st_size > 5_000
    assert figure.caption.endswith(".") and figure.sentence.endswith(".")
    assert all(label in svg.read_text(encoding="utf-8") for label in LABELS)
    with Image.open(png) as drawn:
        assert drawn.width / 2 <= 660  # as wide as other figures


def test_curves_are_the_accuracies_that_were_measured(robust: StoredStudy) -> None:
    drawn = rows(draw("robustness", robust).spec(), "low", "trained")
    for way, scale, plus in (("shift", 1, 0), ("scale", 100, 1)):
        for m, label in enumerate(LABELS):
            for k, strength in enumerate(STRENGTHS[way]):
                mean = np.mean([1 - wrong(way, m, seed, k) / IMAGES for seed in range(5)])
                x = (plus + strength) * scale
                there = [r for r in drawn if r["model"] == label and float(r["x"]) == pytest.approx(x)]
                there = [r for r in there if r["trained"] == "trained on unchanged images"]
                assert float(mean) in [pytest.approx(float(r["y"]), abs=1e-4) for r in there]
    exposed = [r for r in drawn if r["trained"] == "trained on such images"]
    assert {r["x"] for r in exposed} == {"0", "1", "2", "3", "4"}  # along shift alone


def test_bars_mark_where_the_two_part_in_the_colour_of_the_better(robust: StoredStudy) -> None:
    spec = draw("robustness", robust).spec()
    bars = {(float(row["x"]), float(row["x2"]), row["model"]) for row in rows(spec, "x2")}
    assert bars == {(3.0, 4.0, "deep"), (60.0, 60.0, "deep")}
    scales = [found for found in _find(spec, "range") if found in ([BLUE, RED], [RED, BLUE])]
    assert scales and all(found == [BLUE, RED] for found in scales)


def _find(spec: Any, key: str) -> Iterator[Any]:
    inside = spec.values() if isinstance(spec, dict) else spec if isinstance(spec, list) else ()
    if isinstance(spec, dict) and key in spec:
        yield spec[key]
    for value in inside:
        yield from _find(value, key)


def test_maps_are_the_recalls_of_each_class(robust: StoredStudy) -> None:
    drawn = rows(draw("robustness-classes", robust).spec(), "class", "recall")
    assert len(drawn) == 4 * 5 * 2 * 2  # classes, strengths, perturbations, models
    own = [i for i in range(IMAGES) if i % 4 == 1]
    means = [sum(i >= wrong("shift", 0, seed, 3) for i in own) / len(own) for seed in range(5)]
    there = [float(row["recall"]) for row in drawn if (row["class"], row["strength"]) == ("class 1", "3")]
    assert np.mean(means) == pytest.approx(there[0], abs=1e-4)


def test_of_many_classes_those_are_drawn_in_which_the_models_differ(tmp_path: Path) -> None:
    figure = draw("robustness-classes", make(tmp_path / "study", classes=30, seeds=2))
    assert len({row["class"] for row in rows(figure.spec(), "class", "recall")}) == 20
    assert "Of 30 classes, those are drawn in which the models differ most." in figure.caption


def test_shares_of_flipped_images_only_rise(robust: StoredStudy) -> None:
    drawn = rows(draw("flips", robust).spec(), "low", "trained")
    for way in STRENGTHS:
        for one in flips(robust, way).models:
            mean = [0.0, *one.band[0]]
            assert mean == sorted(mean)
            for value in mean:
                assert any(
                    float(row["y"]) == pytest.approx(value, abs=1e-4) for row in drawn if row["model"] == one.model
                )


@pytest.mark.parametrize("colour", [False, True])
def test_pictures_are_the_pixels_before_and_after(tmp_path: Path, colour: bool) -> None:
    figure = draw("flipped-images", make(tmp_path / "study", colour=colour, seeds=3))
    drawn = [_decoded(row["picture"]) for row in rows(figure.spec(), "picture")]
    assert len(drawn) == 2 * 2 * 2 * 2  # perturbations, models, images of each, before and after
    first = [pixels(image, k, colour) for image in (20, 21) for k in (0, 1)]  # flipped at the first strength
    assert {_key(one) for one in drawn} == {_key(np.moveaxis(one, 0, -1) if colour else one) for one in first}


def _decoded(address: str) -> np.ndarray:
    large = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))))
    step = large.shape[0] // 6
    return large[::step, ::step]


def _key(picture: np.ndarray) -> bytes:
    return picture.astype(np.uint8).tobytes()


def test_one_seed_has_no_bands_and_says_so(tmp_path: Path) -> None:
    study = make(tmp_path / "study", seeds=1)
    figure = draw("robustness", study)
    assert "One seed: no intervals." in figure.caption
    assert all(row["low"] == "" for row in rows(figure.spec(), "low", "trained"))
    assert not rows(figure.spec(), "x2")
    for name in NAMES:
        assert draw(name, study).spec()["datasets"]


def test_what_was_only_trained_on_perturbed_images_has_no_flips(robust: StoredStudy) -> None:
    import dataclasses

    only = dataclasses.replace(robust, runs=tuple(run for run in robust.runs if "on-shift" in run.name))
    for name in NAMES[1:]:
        with pytest.raises(StoreError, match="no model that was trained on unchanged images"):
            draw(name, only)
    assert "trained on unchanged images" in draw("robustness", only).sentence
