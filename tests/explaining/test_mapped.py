"""A model's layers at once: its first filters, and what each layer that changes something gives for one image."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from cornered import SIDE, cornered, network

from passo.analysis.mapped import Mapped
from passo.errors import UsageError
from passo.explaining import mapped
from passo.explaining.mapped import MOST

SHOWN, LABELS = cornered(6, 1)
RAW = (SHOWN[:, 0] * 40 + 128).clamp(0, 255).byte().numpy()


def test_every_layer_that_changes_something_is_there_with_what_it_gives() -> None:
    model = network(0, filters=[4, 3], units=[5], dropout=0.5, norm="batch")
    found = mapped(model, SHOWN, RAW, LABELS, place=2, name="mine")
    assert found.names == ("conv1", "norm1", "pool1", "conv2", "norm2", "pool2", "fc1", "norm3", "act3", "out")
    x = SHOWN[2:3]
    with torch.no_grad():
        for name, module in model.named_children():
            x = module(x)
            if name in found.names:
                np.testing.assert_array_equal(found.outputs[found.names.index(name)], x[0].numpy())
    assert found.predicted == str(int(x.argmax())) and found.label == str(int(LABELS[2]))
    assert np.array_equal(found.pixels, RAW[2])


def test_of_many_filters_those_with_the_largest_norm_are_kept_under_their_numbers() -> None:
    model = network(0, "mlp", hidden=[MOST + 8])
    found = mapped(model, SHOWN, RAW, LABELS)
    weights = model.get_parameter("fc1.weight").detach().numpy()
    dropped = sorted(set(range(MOST + 8)) - set(found.numbers))
    assert len(dropped) == 8 and found.count == MOST + 8 and found.kernels.shape == (MOST, 1, SIDE, SIDE)
    norms = np.linalg.norm(weights, axis=1)
    assert norms[dropped].max() <= norms[found.numbers].min()
    np.testing.assert_array_equal(found.kernels.reshape(MOST, -1), weights[found.numbers])


def test_what_is_read_back_is_what_was_measured() -> None:
    found = mapped(network(0), SHOWN, RAW, LABELS, place=1, classes=("up", "flat"), name="mine")
    read = Mapped.of(found.arrays(), json.loads(json.dumps(found.facts())))
    assert read.names == found.names and read.image.startswith("test image 1 (")
    assert all(np.array_equal(a, b) for a, b in zip(read.outputs, found.outputs, strict=True))
    cut = dict(zip(read.names, read.silent(), strict=True))
    assert cut["pool1"] == pytest.approx(float((found.outputs[1] == 0).mean())) and cut["conv1"] == 0
    assert "mine begins with 8 filters of 1 × 3 × 3 in conv1" in read.sentence()
    assert read.table().rows[0][:3] == ("conv1", "Conv2d", "8 maps of 16 × 16")


def test_an_image_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="numbered 0 to 5, got 6"):
        mapped(network(0), SHOWN, RAW, LABELS, place=6)
