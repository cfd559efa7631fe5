"""Heat maps: Grad-CAM's equations by hand, where evidence lies that was put there, and what a model cannot have."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch
from cornered import SIDE, cornered, network, taught
from torch import Tensor, nn

from passo.errors import UnknownName, UsageError
from passo.explaining import attributed, attribution, chosen_places, convolutions
from passo.explaining.activated import activated

IMAGES = torch.rand(5, 3, 9, 8, generator=torch.Generator().manual_seed(1)) - 0.5
SHOWN, LABELS = cornered(120, 1)


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    return taught(network(2))


def weighed(maps: np.ndarray) -> float:
    """The share of the maps' weight in the upper left quarter, where the evidence is: 1/4 where nothing is known.

    0 for maps without weight.
    """
    half = SIDE // 2
    return float(maps[:, :half, :half].sum() / max(maps.sum(), 1e-9))


def by_hand(before: nn.Module, after: nn.Module, images: Tensor, target: int) -> np.ndarray:
    """Selvaraju et al. 2017, eq. 1 and 2, image by image and map by map; `before` gives A, `after` reads it."""
    found = []
    for image in images:
        maps = before(image[None]).detach().requires_grad_()
        (slopes,) = torch.autograd.grad(after(maps)[0, target], maps)
        total = torch.zeros(maps.shape[2:])
        for k in range(maps.shape[1]):
            alpha = sum(float(slope) for slope in slopes[0, k].flatten()) / slopes[0, k].numel()
            total += alpha * maps[0, k].detach()
        found.append(total.clamp(min=0).numpy())
    return np.stack(found)


@pytest.mark.parametrize("inplace", [False, True])
def test_grad_cam_is_the_equation_worked_out_by_hand(inplace: bool) -> None:
    torch.manual_seed(0)
    first, last = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4 * 9 * 8, 3)
    model = nn.Sequential(first, nn.ReLU(inplace=inplace), nn.Flatten(), last)
    plain = nn.Sequential(first, nn.ReLU())
    for target in range(3):
        found = attribution(model, IMAGES, target)
        assert (found.method, found.layer, found.place, found.grain) == ("grad-cam", "0", "1", (9, 8))
        expected = by_hand(plain, nn.Sequential(nn.Flatten(), last), IMAGES, target)
        np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-7)
        assert expected.any()


def test_a_named_layer_that_is_no_convolution_is_taken_as_it_is() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(288, 2))
    nn.init.uniform_(model.eval().get_parameter("2.weight"), -1, 1)
    found = attribution(model, IMAGES, 1, layer="2")
    np.testing.assert_allclose(found.values, by_hand(model[:3], model[3:], IMAGES, 1), rtol=1e-4, atol=1e-7)
    assert found.place == "2" and attribution(model, IMAGES, 1).place == "1"


def test_a_coarse_map_is_interpolated_between_the_middles_of_its_cells() -> None:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 9, 2))
    found = attribution(model, IMAGES, 0)
    coarse = by_hand(model[:2], model[2:], IMAGES, 0)  # (N, 3, 3)
    assert found.grain == (3, 3) and coarse.any()
    rows, columns = ((np.arange(side) + 0.5) * 3 / side - 0.5 for side in (9, 8))
    for image in range(len(IMAGES)):
        across = np.stack([np.interp(columns, np.arange(3), line) for line in coarse[image]])
        expected = np.stack([np.interp(rows, np.arange(3), line) for line in across.T]).T
        np.testing.assert_allclose(found.values[image], expected, rtol=1e-4, atol=1e-6)


def test_the_input_s_gradient_is_the_largest_slope_over_channels() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 72, 8), nn.Tanh(), nn.Linear(8, 3))
    found = attribution(model, IMAGES, [0, 1, 2, 1, 0])
    assert (found.method, found.layer, found.grain) == ("input-gradient", "input", (9, 8))
    for image, target, values in zip(IMAGES, (0, 1, 2, 1, 0), found.values, strict=True):
        x = image[None].clone().requires_grad_()
        model(x)[0, target].backward()
        assert x.grad is not None
        np.testing.assert_allclose(values, x.grad[0].abs().amax(0).numpy(), rtol=1e-5)


def test_the_map_lies_on_the_corner_that_the_model_learned_from(trained: nn.Module) -> None:
    with torch.no_grad():
        assert (trained(SHOWN).argmax(1) == LABELS).float().mean() > 0.97
    for layer in convolutions(trained, SHOWN):
        learned = weighed(attribution(trained, SHOWN, layer=layer).values)
        random = [weighed(attribution(network(seed), SHOWN, layer=layer).values) for seed in (50, 51, 52)]
        assert learned > 0.35 > max(random), (layer, learned, random)
    gradient = weighed(attribution(trained, SHOWN, method="input-gradient").values)
    assert gradient > 0.4 > weighed(attribution(network(50), SHOWN, method="input-gradient").values)


def test_after_the_activation_more_of_the_map_lies_on_the_truth_than_before_it() -> None:
    after, before = [], []
    for seed in range(3):
        model = cast("nn.Sequential", taught(network(seed, filters=[8], units=[])))
        after.append(weighed(attribution(model, SHOWN).values))
        whole = nn.Sequential(model[:2], model[2:])  # the convolution's own output, as a layer of its own
        before.append(weighed(attribution(whole, SHOWN, layer="0").values))
    assert min(after) > max(before)


def test_another_class_has_another_map(trained: nn.Module) -> None:
    zero, one = (attribution(trained, SHOWN, target).values for target in (0, 1))
    assert not np.allclose(zero, one)
    with torch.no_grad():
        predicted = trained(SHOWN).argmax(1)
    expected = np.where((predicted == 1).numpy()[:, None, None], one, zero)
    np.testing.assert_array_equal(attribution(trained, SHOWN).values, expected)


def test_activations_are_found_where_a_model_has_them_as_modules_of_their_own() -> None:
    class Block(nn.Module):
        """A residual block: one ReLU for two places, the second after a sum."""

        def __init__(self) -> None:
            super().__init__()
            self.late = nn.Conv2d(3, 3, 3, padding=1)
            self.early, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
            self.relu, self.out = nn.ReLU(), nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.relu(x + self.late(self.relu(self.norm(self.early(x)))))
            return self.out(torch.relu(x).mean((2, 3)))

    block = Block().eval()
    assert activated(block, IMAGES) == {"early": "early", "late": "late"}
    assert attribution(block, IMAGES, 0).layer == "late" and convolutions(block) == ("late", "early")
    options = {"activation": "gelu", "norm": "batch", "dropout2d": 0.2}
    assert activated(network(0, filters=[4, 4], **options), SHOWN) == {"conv1": "pool1.0", "conv2": "pool2.0"}
    assert activated(network(0), SHOWN) == {"conv1": "pool1", "conv2": "pool2"}


def test_looking_leaves_the_model_as_it_was(trained: nn.Module) -> None:
    model = network(4, filters=[4], norm="batch", dropout=0.5).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    attribution(model, SHOWN[:4], 0)
    attribution(model, SHOWN[:4], 0, method="input-gradient")
    assert all(module.training for module in model.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_frozen_weights_have_maps_too(trained: nn.Module) -> None:
    expected = attribution(trained, SHOWN[:4], 1).values
    for parameter in trained.parameters():
        parameter.requires_grad_(False)
    try:
        np.testing.assert_array_equal(attribution(trained, SHOWN[:4], 1).values, expected)
    finally:
        for parameter in trained.parameters():
            parameter.requires_grad_(True)


def test_a_model_without_convolutions_is_told_what_it_can_have() -> None:
    model = network(0, "mlp")
    with pytest.raises(UsageError, match="take the gradient of the input, method input-gradient"):
        attribution(model, SHOWN, method="grad-cam")
    with pytest.raises(UsageError, match="'fc1' has no feature maps: no layer of it has any"):
        attribution(model, SHOWN, layer="fc1")
    assert attribution(model, SHOWN).method == "input-gradient"


def test_what_cannot_be_mapped_is_refused_in_a_sentence(trained: nn.Module) -> None:
    with pytest.raises(UsageError, match="outputs 0 to 1, got 2"):
        attribution(trained, SHOWN, 2)
    with pytest.raises(UsageError, match="120 images have one class, or one each, got"):
        attribution(trained, SHOWN, [0, 1])
    with pytest.raises(UnknownName, match="conv1"):
        attribution(trained, SHOWN, layer="conv11")
    with pytest.raises(UsageError, match="method is auto, grad-cam or input-gradient, got 'cam'"):
        attribution(trained, SHOWN, method="cam")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no layer, got 'conv1'"):
        attribution(trained, SHOWN, layer="conv1", method="input-gradient")
    with pytest.raises(UsageError, match="at least one: got"):
        attribution(trained, SHOWN[:0])
    with pytest.raises(UsageError, match="no score for each"):
        attribution(nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, 1)), SHOWN)


def test_images_are_the_surest_right_and_wrong_ones_class_by_class() -> None:
    random = np.random.default_rng(0)
    given = random.dirichlet([1, 1, 1], 200)
    labels = random.integers(0, 3, 200)
    chosen = chosen_places(given, labels, each=4)
    right = given.argmax(1) == labels
    assert right[chosen[:4]].all() and not right[chosen[4:]].any() and len(chosen) == 8
    for half in (chosen[:4], chosen[4:]):
        assert set(labels[half[:3]]) == {0, 1, 2}  # each class once before one comes twice
        for place in half[:3]:
            others = (labels == labels[place]) & (right == right[place])
            assert given[place].max() == given[others].max(1).max()


def test_an_attribution_shows_the_predicted_class_beside_another_at_every_convolution(trained: nn.Module) -> None:
    raw = (SHOWN[:, 0] * 40 + 128).clamp(0, 255).byte().numpy()
    labels = LABELS.numpy().copy()
    labels[:6] = 1 - labels[:6]  # so that some predictions are wrong
    found = attributed(trained, SHOWN, raw, labels, classes=("up", "flat"), each=3, name="mine")
    assert found.layers == ("conv1", "conv2") and found.maps.shape == (2, 6, 2, SIDE, SIDE)
    assert (found.predicted == found.labels).tolist() == [True] * 3 + [False] * 3
    assert (found.other == 1 - found.predicted).all() and np.array_equal(found.pixels, raw[found.places])
    for layer, maps in zip(found.layers, found.maps, strict=True):
        for which, target in enumerate((found.predicted, found.other)):
            expected = attribution(trained, SHOWN[found.places], target, layer=layer).values
            np.testing.assert_array_equal(maps[:, which], expected)
    same = attributed(trained, SHOWN, raw, labels, places=[7, 3])
    assert same.places.tolist() == [7, 3] and same.count == 120 and same.classes == ("0", "1")
    alone = [attributed(trained, SHOWN, raw, labels, layer=layer) for layer in ("conv1", "input")]
    assert [(one.layers, one.method) for one in alone] == [(("conv1",), "grad-cam"), (("input",), "input-gradient")]
    with pytest.raises(UnknownName, match="conv9"):
        attributed(trained, SHOWN, raw, labels, layer="conv9")
    with pytest.raises(UsageError, match="choose images from 0 to 119"):
        attributed(trained, SHOWN, raw, labels, places=[120])
    with pytest.raises(UsageError, match="got 120, 120 and 7"):
        attributed(trained, SHOWN, raw, labels[:7])


def test_of_several_classes_the_other_is_the_true_one_or_the_second_and_colour_has_its_channels_last() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 42, 3)).eval()
    raw = ((IMAGES + 0.5) * 255).byte().numpy()
    labels = np.array([0, 1, 2, 0, 1])
    found = attributed(model, IMAGES, raw, labels)
    for place, predicted, other in zip(found.places, found.predicted, found.other, strict=True):
        with torch.no_grad():
            *_, second, first = model(IMAGES[place][None])[0].argsort().tolist()
        assert (predicted, other) == (first, second if first == labels[place] else labels[place])
    assert found.pixels.shape == (5, 9, 8, 3) and np.array_equal(found.pixels[0, :, :, 2], raw[found.places[0], 2])
