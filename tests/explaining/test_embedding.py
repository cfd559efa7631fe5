"""Maps of test images: what t-SNE keeps together, what goes into the last layer, and numbers found again naively."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import passo
from passo.analysis.embedded import Embedded
from passo.errors import StoreError, UsageError
from passo.explaining import embedding
from passo.explaining.embedding import last_hidden, tsne


def blobs(each: int = 40, width: int = 20, apart: float = 12.0) -> tuple[np.ndarray, np.ndarray]:
    """Three clusters of points in `width` dimensions, far apart, and which cluster each point is of."""
    rng = np.random.default_rng(0)
    centres = apart * np.eye(3, width)
    labels = np.repeat(np.arange(3), each)
    return centres[labels] + rng.standard_normal((3 * each, width)), labels


def nearest(points: np.ndarray, k: int) -> list[list[int]]:
    """The k nearest others of each point, one pair after the other."""
    found = []
    for i, here in enumerate(points):
        away = [(float(((here - there) ** 2).sum()), j) for j, there in enumerate(points) if j != i]
        found.append([j for _, j in sorted(away)[:k]])
    return found


@pytest.fixture(scope="module")
def data() -> passo.data.Data:
    return passo.load("fashion-mnist-sample", per_class=10)


def test_three_clusters_that_are_apart_stay_apart_on_the_map() -> None:
    points, labels = blobs()
    found = tsne(points, labels)
    for i, others in enumerate(nearest(found.xy.astype(np.float64), 10)):
        assert all(labels[j] == labels[i] for j in others)
    assert found.own == found.own_on_map == 1.0


def test_what_a_map_keeps_is_as_counting_says() -> None:
    points, labels = blobs(each=15, apart=2.0)
    found = tsne(points, labels)
    before = nearest(points.astype(np.float32).astype(np.float64), 10)
    after = nearest(found.xy.astype(np.float64), 10)
    own = np.mean([labels[j] == labels[i] for i, others in enumerate(before) for j in others])
    own_on_map = np.mean([labels[j] == labels[i] for i, others in enumerate(after) for j in others])
    kept = np.mean([j in there for there, others in zip(after, before, strict=True) for j in others])
    assert (found.own, found.own_on_map, found.kept) == pytest.approx((own, own_on_map, kept))
    assert 0 < found.kept < 1 and 0.5 < found.trustworthiness < 1
    assert found.perplexity == pytest.approx(44 / 3)


def test_a_seed_gives_one_map_whatever_the_number_of_threads() -> None:
    limits = pytest.importorskip("threadpoolctl").threadpool_limits
    rng = np.random.default_rng(1)
    points, labels = rng.standard_normal((80, 120)), np.arange(80) % 4
    with limits(1):
        one = tsne(points, labels, seed=3)
    with limits(2):
        two = tsne(points, labels, seed=3)
    other = tsne(points, labels, seed=4)
    assert np.array_equal(one.xy, two.xy) and one.facts() == two.facts()
    assert not np.array_equal(one.xy, other.xy)


def test_the_last_hidden_layer_of_an_mlp_is_as_numpy_says() -> None:
    model = passo.build("mlp", (1, 4, 4), 3, hidden=[5, 6], seed=0)
    x = torch.rand(7, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    values = x.numpy().reshape(7, 16)
    for layer in linear[:-1]:
        values = np.maximum(values @ layer.weight.detach().numpy().T + layer.bias.detach().numpy(), 0)
    found = last_hidden(model, x)
    assert found.values == pytest.approx(values, abs=1e-6)
    scores = values @ linear[-1].weight.detach().numpy().T + linear[-1].bias.detach().numpy()
    assert found.answer == pytest.approx(scores, abs=1e-6)
    assert model.get_submodule(found.layer) is linear[-1]


def test_the_last_hidden_layer_of_a_cnn_is_what_its_children_give_one_after_the_other() -> None:
    model = passo.build("cnn", (3, 8, 8), 4, filters=[4], units=[6], dropout=0.5, norm="batch", seed=0)
    model.train()
    x = torch.rand(600, 3, 8, 8, generator=torch.Generator().manual_seed(0))  # more than one batch
    found = last_hidden(model, x)
    assert model.training, "the model's own mode is put back"
    model.eval()
    value = x
    with torch.no_grad():
        for name, child in model.named_children():
            if name == "out":
                break
            value = child(value)
    assert found.layer == "out" and found.values == pytest.approx(value.numpy(), abs=1e-6)


def test_a_model_that_does_not_end_in_a_linear_layer_is_refused() -> None:
    whole = nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(UsageError, match=r"last layer with weights of Sequential is 0 \(Conv2d\)"):
        last_hidden(whole, torch.zeros(2, 1, 5, 5))
    with pytest.raises(UsageError, match="calls no layer with weights"):
        last_hidden(nn.Sequential(nn.Flatten()), torch.zeros(2, 1, 5, 5))


@pytest.mark.parametrize(
    ("values", "why"),
    [(np.zeros((30, 4)), "all 30 vectors are the same"), (np.full((30, 4), np.nan), "not finite"),
     (np.eye(9), "10 vectors or more, got 9")],
)  # fmt: skip
def test_what_cannot_be_mapped_is_said(values: np.ndarray, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        tsne(values, np.zeros(len(values)))


@pytest.fixture(scope="module")
def found(data: passo.data.Data) -> passo.explaining.Embedding:
    return embedding(passo.build("mlp", hidden=[12], seed=0), data, images=57, name="net")


def test_each_class_has_its_share_of_the_images_and_they_are_those_of_the_test_part(found, data) -> None:
    assert len(found.labels) == 57 and set(np.bincount(found.labels).tolist()) == {5, 6}
    assert np.array_equal(found.thumbnails, data.test.raw[found.positions])
    assert np.array_equal(found.labels, data.test.targets[found.positions])
    model = passo.build("mlp", hidden=[12], seed=0).eval()
    with torch.no_grad():
        expected = model(data.test.images[torch.from_numpy(found.positions)]).argmax(1)
    assert np.array_equal(found.predicted, expected.numpy())


def test_another_model_is_mapped_on_the_same_images(found, data) -> None:
    other = embedding(passo.build("mlp", hidden=[9], seed=1), data, name="other", like=found)
    assert np.array_equal(other.positions, found.positions) and other.inputs is found.inputs
    assert other.hidden.width == 9 and not np.array_equal(other.hidden.xy, found.hidden.xy)


def test_what_is_kept_is_read_back_without_torch(found) -> None:
    facts = json.loads(json.dumps(found.facts()))
    read = Embedded.of(found.arrays(), facts)
    assert read.hidden.xy is found.hidden.xy and read.hidden.kept == found.hidden.kept
    assert (read.name, read.layer, read.count, read.classes) == ("net", found.layer, 1000, found.classes)
    arrays = found.arrays()
    del arrays["hidden"]
    with pytest.raises(StoreError, match="hidden"):
        Embedded.of(arrays, facts)
    with pytest.raises(StoreError, match="other numbers of positions"):
        Embedded.of({**found.arrays(), "positions": found.positions[1:]}, facts)


def test_errors_that_lie_among_the_class_they_are_taken_for_are_counted(found) -> None:
    read = Embedded.of(found.arrays(), found.facts())
    count = 0
    near = nearest(read.hidden.xy.astype(np.float64), read.hidden.nearest)
    assert read.hidden.nearest == 4, (
        "of 57 images of ten classes, an image has four or five others of its own to be near"
    )
    for i, others in enumerate(near):
        taken = sum(read.labels[j] == read.predicted[i] for j in others)
        own = sum(read.labels[j] == read.labels[i] for j in others)
        count += int(read.predicted[i] != read.labels[i] and taken > own)
    assert read.strayed == count and 0 < count < read.wrong.sum()
    assert f"{count} of these lie{'s' * (count == 1)}, on its map, among that other class" in read.sentence()
    right = replace(read, predicted=read.labels)
    assert right.strayed == 0 and "It takes none of them for another class." in right.sentence()


def test_a_large_image_becomes_a_thumbnail_by_means_over_its_pixels() -> None:
    small = importlib.import_module("passo.explaining.embedding")._thumbnails
    raw = np.random.default_rng(0).integers(0, 256, (3, 3, 56, 28), np.uint8)
    expected = raw.reshape(3, 3, 28, 2, 14, 2).mean((3, 5)).transpose(0, 2, 3, 1)  # (N, 28, 14, 3)
    assert np.abs(small(raw).astype(float) - expected).max() <= 0.5
    assert small(np.zeros((2, 5), np.float64)).shape == (2, 0, 0)
