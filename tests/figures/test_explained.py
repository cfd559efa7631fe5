"""Pictures of what is inside a model: every number that is drawn is one that was computed, at its own place."""

from __future__ import annotations

import base64
import csv
import io
from typing import Any

import numpy as np
import pytest
import torch
import vl_convert
from PIL import Image

import passo
from passo.data.sequences import CLASSES, squares
from passo.errors import UsageError
from passo.explaining import (
    LatentCodes,
    convolution_at,
    feature_maps,
    filters,
    first_epochs,
    fitted_line,
    hidden_states,
    scaled,
)
from passo.figures import Figure
from passo.figures.convolved import draw_convolution
from passo.figures.epochs import draw_epochs
from passo.figures.filters import draw_feature_maps, draw_filters
from passo.figures.fitted import draw_fitted
from passo.figures.latent import draw_latent
from passo.figures.pictures import diverging, grey, mosaic
from passo.figures.scaled import draw_scaled
from passo.figures.states import draw_states
from passo.training import train_config


def drawn(figure: Figure) -> list[dict[str, str]]:
    """All rows that the picture holds; and Vega itself draws it."""
    spec = figure.spec()
    assert vl_convert.vegalite_to_svg(spec, vl_version="6.4").startswith("<svg")
    assert spec["description"] == figure.sentence and figure.sentence.endswith(".") and figure.caption.endswith(".")
    return [row for text in spec["datasets"].values() for row in csv.DictReader(io.StringIO(text))]


def with_(rows: list[dict[str, str]], *columns: str) -> list[dict[str, str]]:
    return [row for row in rows if set(columns) <= set(row)]


def pixels(row: dict[str, str]) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(row["picture"].partition(",")[2]))))


def words(rows: list[dict[str, str]]) -> set[str]:
    return {row["word"] for row in with_(rows, "word")}


@pytest.fixture(scope="module")
def lenet() -> Any:
    return passo.build("lenet", seed=0)


IMAGE = torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(0))


def test_colours_are_white_at_nothing_and_equally_strong_on_both_sides() -> None:
    ends = [[255] * 3, [0, 114, 178], [213, 94, 0], [0, 114, 178]]
    assert diverging(np.array([0.0, 2.0, -2.0, 5.0]), 2.0).tolist() == ends
    assert diverging(np.zeros(2), 0.0).tolist() == [[255] * 3] * 2
    assert grey(np.array([[2.0, 4.0, 3.0]])).tolist() == [[0, 255, 128]]


def test_a_mosaic_holds_every_tile_at_its_place_with_gaps_between() -> None:
    tiles = np.arange(2 * 3 * 2 * 2).reshape(2, 3, 2, 2, 1).repeat(3, -1).astype(np.uint8)
    whole = mosaic(tiles, cell=4, gap=5)
    assert whole.shape == (2 * 8 + 5, 3 * 8 + 2 * 5, 3)
    for row in range(2):
        for column in range(3):
            part = whole[row * 13 : row * 13 + 8, column * 13 : column * 13 + 8]
            assert np.array_equal(part[::4, ::4], tiles[row, column])
    assert (whole[8:13] == 255).all() and (whole[:, 8:13] == 255).all()


def test_every_filter_is_drawn_with_its_number(lenet: Any) -> None:
    found = filters(lenet, "conv1")
    rows = drawn(draw_filters(found))
    tiles = [pixels(row) for row in with_(rows, "picture")][:6]
    most = np.abs(found.kernels).max()
    for number, tile in enumerate(tiles):
        larger = tile.shape[0] // 5
        assert np.array_equal(tile[::larger, ::larger], diverging(found.kernels[number, 0], most))
    assert {str(number) for number in range(6)} <= words(rows)


def test_filters_of_several_channels_stand_in_rows_and_columns(lenet: Any) -> None:
    found = filters(lenet, "conv2")
    figure = draw_filters(found)
    whole = pixels(with_(drawn(figure), "picture")[0])
    gap = 8
    cell = (whole.shape[1] + gap) // 6
    size = (cell - gap) // 5
    most = np.abs(found.kernels).max()
    for f, c in ((0, 0), (7, 2), (15, 5)):
        part = whole[f * cell : f * cell + 5 * size : size, c * cell : c * cell + 5 * size : size]
        assert np.array_equal(part, diverging(found.kernels[f, c], most))
    one = draw_filters(found, channel=4)
    assert "for input channel 4" in one.caption
    with pytest.raises(UsageError, match="input channels 0 to 5, got 6"):
        draw_filters(found, channel=6)


def test_all_feature_maps_are_drawn_after_the_image_by_one_scale(lenet: Any) -> None:
    found = feature_maps(lenet, IMAGE, "pool2")
    figure = draw_feature_maps(found, "net", "test image 0")
    first, *tiles = [pixels(row) for row in with_(drawn(figure), "picture")][:17]
    assert np.array_equal(first[:: first.shape[0] // 28, :: first.shape[0] // 28], grey(found.image[0]))
    for number, tile in enumerate(tiles):
        larger = tile.shape[0] // 5
        assert np.array_equal(tile[::larger, ::larger], diverging(found.maps[number], np.abs(found.maps).max()))
    silent = [n for n, one in enumerate(found.maps) if not one.any()]
    assert ("0 everywhere" in figure.sentence) and all(str(n) in figure.sentence for n in silent)


@pytest.mark.parametrize("layer", ["conv1", "conv2"])
def test_a_convolution_s_numbers_are_written_out_and_add_up(layer: str, lenet: Any) -> None:
    found = convolution_at(lenet, IMAGE, layer, channel=2, place=(3, 4))
    figure = draw_convolution(found)
    said = words(drawn(figure))
    numbers = {f"{value:.2f}".replace("-", "−") for value in found.products.ravel() if abs(value) >= 0.005}
    assert numbers <= said
    assert any(word.endswith("from torch") and f"{found.output:.7g}".replace("-", "−") in word for word in said)
    assert "its rounding" in figure.sentence or "exactly" in figure.sentence


def test_of_many_channels_those_that_add_most_are_written_out_and_the_rest_is_told() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(10, 2, 3))
    found = convolution_at(model, torch.randn(10, 5, 5))
    figure = draw_convolution(found)
    said = words(drawn(figure))
    largest = sorted(range(10), key=lambda c: -abs(float(found.sums[c])))[:6]
    assert {w for w in said if w.startswith("input channel ")} == {f"input channel {c}" for c in largest}
    assert any("of the other 4 channels" in word for word in said) and "Of 10 input channels the 6" in figure.caption


def test_kernels_too_large_to_read_are_refused() -> None:
    found = convolution_at(torch.nn.Sequential(torch.nn.Conv2d(1, 1, 9)), IMAGE)
    with pytest.raises(UsageError, match="numbers are drawn up to 7 × 7"):
        draw_convolution(found)


def test_states_over_time_are_drawn_with_what_the_network_would_answer() -> None:
    model = passo.build("lstm", (4, 2), 2, seed=0, hidden=3)
    points, _ = squares(4)
    found = hidden_states(model, points[0])
    rows = drawn(draw_states(found, classes=CLASSES))
    cells = with_(rows, "step", "unit", "value")
    told = [(int(row["step"]), row["unit"], float(row["value"])) for row in cells]
    assert found.cell is not None
    for states in (found.hidden, found.cell):
        for (t, unit), value in np.ndenumerate(states):
            at = [number for step, name, number in told if (step, name) == (t + 1, str(unit))]
            assert len(at) == 2 and any(number == pytest.approx(float(value), rel=1e-4) for number in at)
    answers = {(row["x"], row["label"]): float(row["y"]) for row in with_(rows, "x", "y", "label")}
    assert found.outputs is not None
    shares = torch.from_numpy(found.outputs).softmax(1)
    for t in range(4):
        for c in range(2):
            assert answers[str(t + 1), CLASSES[c]] == pytest.approx(float(shares[t, c]), rel=1e-4)


def codes(bottleneck: int, n: int = 60) -> LatentCodes:
    rng = np.random.default_rng(bottleneck)
    spread, classes = rng.normal(size=(n, bottleneck)), ("a", "b", "c")
    return LatentCodes(f"ae{bottleneck}", spread, rng.random(n), rng.integers(0, 3, n), classes)


def test_latent_maps_stand_in_the_order_of_their_bottlenecks() -> None:
    found = [codes(8), codes(1), codes(2)]
    figure = draw_latent(found)
    spec = figure.chart.to_dict()
    heads = [panel["title"]["text"] for row in spec["vconcat"] for panel in row["hconcat"]]
    assert [head.split()[0] for head in heads] == ["1", "2", "8"] and "% shown" in heads[2]
    points = with_(drawn(figure), "x", "y", "label", "place")
    assert len(points) == 180
    assert {row["label"] for row in points} == {"a", "b", "c"}
    errors = [f"{one.errors.mean():.3g}" for one in (found[1], found[2], found[0])]
    assert [figure.sentence.index(error) for error in errors] == sorted(figure.sentence.index(e) for e in errors)
    with pytest.raises(UsageError, match="1 to 9 autoencoders, got 0"):
        draw_latent([])


def test_data_before_and_after_scaling_are_drawn_with_their_numbers() -> None:
    found = scaled(passo.load("fashion-mnist-sample", scale="normalize"), image=3)
    figure = draw_scaled(found)
    rows = drawn(figure)
    means = [float(row["mean"]) for row in with_(rows, "mean", "low", "high")]
    assert sorted(means)[-1] == pytest.approx(float(found.ways[0].mean[0]), rel=1e-4)
    assert "this run's own is normalised" in figure.caption
    said = words(rows)
    for way in found.ways:
        assert way.crop is not None
        for value in way.crop.ravel():
            text = f"{value:.0f}" if abs(value) >= 9.995 else f"{value:.2f}"
            assert (text if float(text) else "0").replace("-", "−") in said


def test_every_point_has_its_distance_to_the_line() -> None:
    x, y = np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.0, 5.0])
    figure = draw_fitted(fitted_line(0.5, 1.0, x, y))
    points = [(float(r["x"]), float(r["y"]), float(r["fit"]), r["side"]) for r in with_(drawn(figure), "fit")]
    assert points == [(0, 1, 0.5, "above"), (1, 0, 1.5, "below"), (2, 5, 2.5, "above")]
    assert "mean squared error of 2.92" in figure.sentence and "lies 2.5 above the line, at 2" in figure.sentence


def test_the_images_of_the_first_steps_are_those_of_the_data() -> None:
    data = passo.load("fashion-mnist-sample", per_class=9)
    found = first_epochs(train_config({"batch_size": 16, "epochs": 1}), data)
    figure = draw_epochs(found, data.train.raw)
    rows = drawn(figure)
    shown = [pixels(row) for row in with_(rows, "picture")]
    index = np.concatenate([batch.index[:12] for batch in found.batches])
    assert len(shown) == len(index)
    for picture, place in zip(shown, index, strict=True):
        larger = picture.shape[0] // 28
        assert np.array_equal(picture[::larger, ::larger], data.train.raw[place])
    assert {str(place) for place in index} <= words(rows) and "+4" in words(rows)
    assert figure.sentence.endswith("in 1 epoch.")
    with pytest.raises(UsageError, match="no pictures"):
        draw_epochs(found, np.zeros((3, 2)))
