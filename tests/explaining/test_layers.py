"""Filters, feature maps and a convolution worked out: every number is found again by naive loops over the image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from passo.errors import UnknownName, UsageError
from passo.explaining import convolution_at, feature_maps, filters
from passo.models import build

IMAGE = torch.rand(3, 9, 8, generator=torch.Generator().manual_seed(1)) - 0.5


def naive(conv: nn.Conv2d, image: np.ndarray, f: int, y: int, x: int) -> tuple[float, list[float]]:
    """One output and what each input channel adds, with Python's own floats; padding is 0."""
    kernel = conv.weight.detach().double().numpy()
    group = f // (conv.out_channels // conv.groups)
    share = conv.in_channels // conv.groups
    sums = []
    for c in range(share):
        total = 0.0
        for u in range(conv.kernel_size[0]):
            for v in range(conv.kernel_size[1]):
                row = y * conv.stride[0] + u * conv.dilation[0] - int(conv.padding[0])
                column = x * conv.stride[1] + v * conv.dilation[1] - int(conv.padding[1])
                if 0 <= row < image.shape[1] and 0 <= column < image.shape[2]:
                    total += float(image[group * share + c, row, column]) * float(kernel[f, c, u, v])
        sums.append(total)
    bias = 0.0 if conv.bias is None else float(conv.bias.detach()[f])
    return sum(sums) + bias, sums


CONVOLUTIONS = {
    "plain": {"kernel_size": 3},
    "padded": {"kernel_size": (3, 5), "padding": (1, 2)},
    "strided": {"kernel_size": 3, "stride": (2, 1), "padding": 1},
    "dilated": {"kernel_size": 2, "dilation": (2, 3), "padding": 2},
    "without bias": {"kernel_size": 3, "bias": False},
    "in groups": {"kernel_size": 3, "groups": 3, "padding": 1},
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_every_place_of_every_filter_is_the_sum_that_loops_find(name: str) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 6, **CONVOLUTIONS[name])
    model = nn.Sequential(conv)
    truth = model(IMAGE[None]).detach()[0].numpy()
    for f in (0, 3, 5):
        for y in range(0, truth.shape[1], 2):
            for x in range(truth.shape[2]):
                found = convolution_at(model, IMAGE, channel=f, place=(y, x))
                value, sums = naive(conv, IMAGE.double().numpy(), f, y, x)
                assert found.total == pytest.approx(value, abs=1e-12)
                assert found.sums == pytest.approx(np.array(sums), abs=1e-12)
                assert found.output == truth[f, y, x] == pytest.approx(value, abs=1e-6)


def test_a_patch_is_what_stands_under_the_kernel_and_padding_is_told_apart() -> None:
    model = nn.Sequential(nn.Conv2d(3, 1, 3, padding=1))
    found = convolution_at(model, IMAGE, place=(0, 4))
    assert found.corner == (-1, 3)
    assert found.inside.tolist() == [[False] * 3, [True] * 3, [True] * 3]
    assert np.array_equal(found.patch[:, 1:], IMAGE.double().numpy()[:, 0:2, 3:6])
    assert not found.patch[:, 0].any()


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_padding_of_another_mode_is_that_mode_s(mode: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1, padding_mode=mode))
    found = convolution_at(model, IMAGE, channel=1, place=(8, 0))
    assert found.total == pytest.approx(found.output, abs=1e-6) and found.patch.all()
    assert not found.inside[2].any() and not found.inside[:, 0].any()


def test_the_default_place_is_the_patch_that_varies_most() -> None:
    image = torch.zeros(1, 12, 12)
    image[0, 7, 3] = image[0, 8, 4] = 1.0
    found = convolution_at(nn.Sequential(nn.Conv2d(1, 1, 2)), image)
    assert found.place == (7, 3)


def test_a_layer_after_others_reads_what_they_give() -> None:
    model = build("lenet", (1, 28, 28), 10, seed=3)
    image = torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(0))
    before = model.pool1(model.conv1(image[None])).detach()[0]
    found = convolution_at(model, image, "conv2", channel=5, place=(2, 6))
    assert np.array_equal(found.image, before.numpy())
    assert found.total == pytest.approx(naive(model.conv2, before.double().numpy(), 5, 2, 6)[0], abs=1e-10)
    assert found.kernel.shape == (6, 5, 5) and found.channels.tolist() == list(range(6))


def test_feature_maps_are_the_layer_s_output_before_the_next_one_writes_into_it() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 4, 3)
    model = nn.Sequential(conv, nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4 * 7 * 6, 2))
    found = feature_maps(model, IMAGE)
    assert np.array_equal(found.maps, conv(IMAGE[None]).detach()[0].numpy()) and (found.maps < 0).any()
    assert (found.layer, found.kind, found.outputs.shape) == ("0", "Conv2d", (2,))
    assert np.array_equal(feature_maps(model, IMAGE, "1").maps, np.maximum(found.maps, 0))


def test_looking_changes_nothing_in_the_model() -> None:
    model = build("cnn", (1, 28, 28), 10, seed=0, norm="batch", dropout=0.5).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    feature_maps(model, torch.rand(1, 28, 28))
    convolution_at(model, torch.rand(1, 28, 28), "conv2")
    assert all(module.training for module in model.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_filters_are_the_weights_and_those_of_a_layer_on_images_are_images() -> None:
    model = build("lenet", (1, 28, 28), 10, seed=0)
    found = filters(model, "conv2")
    assert np.array_equal(found.kernels, model.conv2.weight.detach().numpy())
    assert found.bias is not None and np.array_equal(found.bias, model.conv2.bias.detach().numpy())
    dense = build("mlp", (3, 4, 5), 10, seed=0, hidden=[7])
    units = filters(dense, in_shape=(3, 4, 5))
    assert units.kernels.shape == (7, 3, 4, 5)
    x = torch.rand(1, 3, 4, 5)
    by_hand = (units.kernels * x.numpy()).sum((1, 2, 3)) + units.bias
    assert by_hand == pytest.approx(dense.get_submodule(units.layer)(x.flatten(1)).detach().numpy()[0], abs=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda m: filters(m, "cnv2"), UnknownName, "Did you mean 'conv2'"),
        (lambda m: filters(m, "fc1"), UsageError, "layer 'fc1' has no filters: choose one of: conv1, conv2"),
        (lambda m: feature_maps(m, torch.rand(1, 28, 28), "fc2"), UsageError, "has no feature maps"),
        (lambda m: feature_maps(m, torch.rand(2, 1, 28, 28)), UsageError, "a batch of 2"),
        (lambda m: convolution_at(m, torch.rand(1, 28, 28), channel=6), UsageError, "filters 0 to 5, got 6"),
        (lambda m: convolution_at(m, torch.rand(1, 28, 28), place=(28, 0)), UsageError, "to 27,27"),
        (lambda m: convolution_at(m, torch.rand(1, 28, 28), place=(1,)), UsageError, "row, column"),
        (lambda m: convolution_at(m, torch.rand(1, 28, 28), "pool1"), UsageError, "no convolution"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(call, error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        call(build("lenet", (1, 28, 28), 10, seed=0))
