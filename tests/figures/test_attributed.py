"""Heat maps, their checks, filters and feature maps as pictures: what is drawn is what was measured."""

from __future__ import annotations

import base64
import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from passo.analysis.attributed import Attributed
from passo.analysis.mapped import Mapped
from passo.analysis.trusted import Trusted
from passo.errors import StoreError
from passo.figures import PAIR_FIGURES, Figure, draw
from passo.figures.attributed import INFERNO, draw_attributed, heated
from passo.figures.mapped import EDGE, draw_mapped
from passo.figures.trusted import draw_trusted
from passo.store import Store, StoredStudy, open_study

NAMES = ("gradcam", "trust", "filters-pair", "feature-maps-pair")
SIDE = 8


def tables(figure: Figure) -> list[dict[str, list[Any]]]:
    """The columns of every layer's data, as they stand in the specification."""
    found = []
    for source in figure.spec()["datasets"].values():
        first, *rows = csv.reader(io.StringIO(source))
        found.append(dict(zip(first, map(list, zip(*rows, strict=True)), strict=True)))
    return found


def pictures(figure: Figure) -> list[np.ndarray]:
    """Every picture of a figure, decoded."""
    addresses = [address for table in tables(figure) for address in table.get("picture", [])]
    return [np.array(Image.open(io.BytesIO(base64.b64decode(one.partition(",")[2])))) for one in addresses]


def words(figure: Figure) -> list[str]:
    return [word for table in tables(figure) for word in table.get("word", [])]


def seen(name: str, convolutions: int, colour: bool = False) -> dict[str, tuple[dict[str, np.ndarray], dict[str, Any]]]:
    """What a stage of seeing keeps of a model of two classes, with the shapes that `explaining` gives."""
    random = np.random.default_rng(len(name))
    layers = [f"conv{i}" for i in range(convolutions)] or ["input"]
    n, pixels = 6, (SIDE, SIDE, 3) if colour else (SIDE, SIDE)
    labels = np.array([0, 1, 0, 1, 0, 1])
    predicted = np.array([0, 1, 0, 0, 1, 0])
    method = "grad-cam" if convolutions else "input-gradient"
    images = random.integers(0, 255, (n, *pixels)).astype(np.uint8)
    attribution = {"places": np.arange(n) + 40, "labels": labels, "predicted": predicted, "other": 1 - predicted}
    attribution |= {"probabilities": np.tile([[0.75, 0.25]], (n, 1)), "pixels": images}
    attribution |= {"maps": random.random((len(layers), n, 2, SIDE, SIDE)), "agreement": np.zeros((len(layers), n))}
    known = {"name": name, "method": method}
    facts = known | {
        "layers": layers,
        "classes": ["left", "right"],
        "convolutions": convolutions,
        "count": 90,
        "right": 60,
    }
    shares, level = np.linspace(0, 1, 5), random.random((3, 20, 5))
    trust = {"places": np.arange(20), "shares": shares, "random_deletion": level, "random_insertion": level}
    trust |= {
        "deletion": level[0] / 2,
        "insertion": level[0],
        "similarity": random.random((3, len(layers) + 1, 20)) / 9,
    }
    trust |= {"random_similarity": random.random((3, 20)) / 9}
    kernels = random.standard_normal((5, 3 if colour else 1, 3, 3))
    maps = {"kernels": kernels, "numbers": np.array([0, 2, 3, 5, 8]), "pixels": images[0]}
    maps |= {"output/0": random.standard_normal((12, 4, 4)), "output/1": np.maximum(0, random.standard_normal(60))}
    told = {"name": name, "layer": "first", "count": 9, "names": ["first", "act"], "kinds": ["Conv2d", "ReLU"]}
    return {
        "attribution": (attribution, facts),
        "trust": (trust, known | {"layer": layers[-1], "layers": ["out", *layers[::-1]], "empty": 0}),
        "maps": (maps, told | {"place": 4, "label": "left", "predicted": "right"}),
    }


def written(
    folder: Path, topics: tuple[str, ...] = ("attribution", "trust", "maps"), colour: bool = False
) -> StoredStudy:
    """A study that looked into two models, of which the first has no convolution."""
    with Store.create(folder, name="made-up", config={}) as store:
        store.facts(pair={"labels": ["dense", "seeing"], "within": 0.02, "difference": 0.0, "matched": [{}, {}]})
        for label, count in (("dense", 0), ("seeing", 2)):
            run = store.add_run(f"seeing-base-{label}", config={"model": label}, seed=0, kind="seeing")
            found = seen(label, count, colour)
            for topic in topics:
                for key, values in found[topic][0].items():
                    run.array(f"{topic}/{key}", values)
                run.info(**{topic: found[topic][1]})
            run.finish()
    return open_study(folder)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    return written(tmp_path_factory.mktemp("seen") / "study")


@pytest.mark.parametrize("name", NAMES)
def test_each_figure_of_two_models_is_drawn_under_its_name_with_both_models_in_it(
    name: str, study: StoredStudy
) -> None:
    figure = draw(name, study)
    assert figure.name == name and name in PAIR_FIGURES and figure.caption.endswith(".")
    assert all(label in figure.sentence for label in ("dense", "seeing"))


@pytest.mark.parametrize("name", NAMES)
def test_each_figure_says_what_a_study_did_not_keep(name: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="for dense: give its file"):
        draw(name, written(tmp_path / "empty", topics=()))


@pytest.mark.slow
def test_every_picture_can_be_rendered_in_colour_too(tmp_path: Path) -> None:
    study = written(tmp_path / "colour", colour=True)
    for name in NAMES:
        png, _ = draw(name, study).save(tmp_path)
        assert np.array(Image.open(png)).std() > 10


def test_heat_covers_the_image_only_where_the_map_has_weight() -> None:
    pixels = np.tile(np.array([[0, 255]], np.uint8), (2, 1))
    found = heated(pixels, np.array([[0.0, 0.0], [0.0, 3.0]]))
    assert (found[..., 0] == found[..., 1])[0].all() and found[0, 0, 0] < found[0, 1, 0]  # grey, as the image
    hottest = 0.15 * (25 + 0.6 * 255) + 0.85 * np.array(INFERNO[-1])
    np.testing.assert_allclose(found[1, 1], hottest, atol=1)
    dimmed = (25 + 0.6 * pixels)[..., None].round()
    np.testing.assert_array_equal(heated(pixels, np.zeros((2, 2))), np.broadcast_to(dimmed, (2, 2, 3)))


def test_hotter_is_lighter_all_the_way() -> None:
    shades = heated(np.zeros((1, 101), np.uint8), np.linspace(0, 1, 101)[None])[0].astype(float)
    lightness = shades @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness)[10:] > -0.75).all() and lightness[-1] > 200


def test_a_model_s_figure_has_its_images_and_two_maps_at_each_layer() -> None:
    arrays, facts = seen("net", 2)["attribution"]
    figure = draw_attributed(Attributed.of(arrays, facts))
    drawn = pictures(figure)
    assert len(drawn) == 6 * (1 + 2 * 2)
    scale = drawn[0].shape[0] // SIDE
    shown = {one[::scale, ::scale].tobytes() for one in drawn}
    for row in range(6):
        assert arrays["pixels"][row].tobytes() in shown
        for layer in range(2):
            for which in range(2):
                assert heated(arrays["pixels"][row], arrays["maps"][layer, row, which]).tobytes() in shown
    told = words(figure)
    assert told.count("true class") == told.count("second likeliest") == 2 and "no. 45" in told
    assert told.count("75 %") == told.count("25 %") == 2 * 6


def test_of_many_convolutions_the_first_the_last_and_some_between_are_drawn() -> None:
    figure = draw_attributed(Attributed.of(*seen("net", 9)["attribution"]))
    assert {word for word in words(figure) if word.startswith("conv")} == {"conv0", "conv3", "conv5", "conv8"}
    assert "4 of 9 layers are drawn." in figure.caption


def test_two_models_are_shown_at_their_last_layers_three_images_each(study: StoredStudy) -> None:
    figure = draw("gradcam", study)
    assert len(pictures(figure)) == 2 * 6 * 3
    assert {"input", "conv1", "dense", "seeing"} <= set(words(figure)) and "conv0" not in words(figure)


def test_curves_and_likeness_are_the_means_over_images() -> None:
    arrays, facts = seen("net", 1)["trust"]
    figure = draw_trusted(Trusted.of(arrays, facts))
    curves = [table for table in tables(figure) if "net, its map" in table.get("label", [])]
    for what, table in zip(("deletion", "insertion"), (curves[0], curves[-1]), strict=True):
        own = [float(y) for y, label in zip(table["y"], table["label"], strict=True) if label == "net, its map"]
        assert own == pytest.approx(arrays[what].mean(0), rel=1e-3)
        random = [float(y) for y, label in zip(table["y"], table["label"], strict=True) if label == "net, random maps"]
        assert random == pytest.approx(arrays[f"random_{what}"].mean((0, 1)), rel=1e-3)
    likeness = next(table for table in tables(figure) if "trained" in table.get("layer", []))
    assert likeness["layer"] == ["trained", "out", "+ conv0"]
    assert [float(x) for x in likeness["x"]] == pytest.approx([1, *arrays["similarity"].mean((0, 2))], rel=1e-3)


def test_layers_are_drawn_as_maps_or_as_cells() -> None:
    arrays, facts = seen("net", 1)["maps"]
    figure = draw_mapped(Mapped.of(arrays, facts))
    drawn = pictures(figure)
    assert len(drawn) == 1 + 10 + 1  # the image, ten of twelve maps, one strip of units
    strip = max(drawn, key=lambda one: one.shape[1])
    cells = strip[10::20, 10::20].reshape(-1, 3)[:60]
    silent = arrays["output/1"] == 0
    assert (strip[0] == EDGE).all() and (strip[:22, ::20] == EDGE).all()  # or what is 0 would not be seen
    assert (cells[silent] == 255).all() and not (cells[~silent] == 255).all(1).any()
    assert {"12 × 4 × 4", "60 units", "takes it for right"} <= set(words(figure))
