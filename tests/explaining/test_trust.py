"""Checks of heat maps: curves and correlations found again by loops and by SciPy, verdicts where the truth is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from cornered import SIDE, cornered, network, taught
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr
from torch import Tensor, nn

from passo.analysis.trusted import Trusted
from passo.errors import UsageError
from passo.explaining import attribution, trust
from passo.explaining.randomised import cascade, weighted
from passo.explaining.removing import blurred, curve, order, random_maps
from passo.explaining.similarity import rank_correlation

SHOWN, LABELS = cornered(120, 1)


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    return taught(network(2))


def read(model: nn.Module, **how: object) -> Trusted:
    found = trust(model, SHOWN, LABELS, **how)  # type: ignore[arg-type]
    return Trusted.of(found.arrays(), json.loads(json.dumps(found.facts())))


def test_maps_of_a_model_that_learned_can_be_trusted(trained: nn.Module) -> None:
    found = read(trained)
    assert found.deletion.holds and found.insertion.holds and found.forgetting.holds
    assert found.deletion.gain.mean > 0.1
    assert "Grad-CAM at conv2 of the model can be trusted here, over 100 test images" in found.sentence()


def test_a_model_that_learned_nothing_has_next_to_nothing_to_lose() -> None:
    assert abs(read(network(50)).deletion.gain.mean) < 0.03 < read(taught(network(50))).deletion.gain.low


def test_a_map_of_the_image_alone_is_not_destroyed_by_random_weights() -> None:
    class Bright(nn.Module):
        """Its maps are the image's own brightness, whatever it learned."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.relu = nn.Conv2d(1, 1, 1), nn.ReLU()
            nn.init.ones_(self.conv.weight)
            self.conv.reset_parameters = lambda: None  # type: ignore[method-assign]

        def forward(self, x: Tensor) -> Tensor:
            y = self.relu(self.conv(x)).mean((1, 2, 3))
            return torch.stack([-y, y], 1)

    found = read(Bright().eval(), draws=2)
    assert found.forgetting.last.mean == pytest.approx(1) and not found.forgetting.holds
    assert "with random weights much of it stays (rank correlation 1.00" in found.sentence()


def test_random_weights_take_the_map_away(trained: nn.Module) -> None:
    found = trust(trained, SHOWN, LABELS, images_n=40)
    assert found.layers == ("out", "conv2", "conv1") and found.similarity.shape == (3, 3, 40)
    assert found.similarity.mean((0, 2)).max() < 0.6
    own = attribution(trained, SHOWN[found.places]).values
    assert rank_correlation(own, own) == pytest.approx(np.ones(40))


def test_the_input_s_gradient_is_checked_where_there_is_no_convolution() -> None:
    found = read(taught(network(1, "mlp")), images_n=60)
    assert (found.method, found.layer, found.count) == ("input-gradient", "input", 60)
    assert found.holds and found.sentence().startswith("The input's gradient of the model can be trusted here")


def test_the_same_seed_gives_the_same_numbers_and_another_one_others(trained: nn.Module) -> None:
    first, again, other = (trust(trained, SHOWN, LABELS, seed=seed, images_n=20).arrays() for seed in (3, 3, 4))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["places"], other["places"])
    state = torch.random.get_rng_state()
    trust(trained, SHOWN, LABELS, images_n=5)
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_curve_is_what_a_loop_over_pixels_finds() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(2 * 12, 3))
    images, end = torch.rand(2, 2, 3, 4), torch.full((2, 2, 3, 4), -0.5)
    values = np.random.default_rng(1).random((2, 3, 4))
    shares = np.linspace(0, 1, 13)
    found = curve(model, images, end, order(values, values), torch.tensor([2, 0]), shares)
    for image, target in ((0, 2), (1, 0)):
        picture = images[image].clone()
        falling = sorted(((values[image, y, x], y, x) for y in range(3) for x in range(4)), reverse=True)
        for step in range(13):
            if step:
                _, y, x = falling[step - 1]
                picture[:, y, x] = -0.5
            with torch.no_grad():
                expected = model(picture[None]).softmax(1)[0, target]
            assert found[image, step] == pytest.approx(float(expected), abs=1e-6)


def test_deletion_begins_at_the_image_and_ends_at_the_mean_insertion_at_the_blur_and_the_image(
    trained: nn.Module,
) -> None:
    found = trust(trained, SHOWN, LABELS, images_n=10)
    shown, target = SHOWN[found.places], torch.from_numpy(found.predicted)[:, None]
    nothing = torch.full_like(shown, float(SHOWN.mean()))
    with torch.no_grad():
        ends = [trained(x).softmax(1).gather(1, target)[:, 0].numpy() for x in (shown, nothing, blurred(shown, 2.0))]
    for curves in (found.deletion, *found.random_deletion):
        np.testing.assert_allclose(curves[:, [0, -1]].T, ends[:2], atol=1e-6)
    for curves in (found.insertion, *found.random_insertion):
        np.testing.assert_allclose(curves[:, [0, -1]].T, [ends[2], ends[0]], atol=1e-6)


def test_a_blur_is_scipy_s() -> None:
    images = torch.rand(2, 3, 14, 11, generator=torch.Generator().manual_seed(0))
    expected = gaussian_filter(images.double().numpy(), (0, 0, 2, 2), mode="nearest", truncate=3)
    np.testing.assert_allclose(blurred(images, 2.0).numpy(), expected, atol=1e-5)


def test_rank_correlation_is_spearman_s_with_ties_too() -> None:
    random = np.random.default_rng(2)
    first, second = random.integers(0, 6, (4, 5, 7)).astype(float), random.random((4, 5, 7))
    first[3] = 2.0  # the same everywhere: SciPy says NaN
    found = rank_correlation(first, second)
    expected = [spearmanr(a.ravel(), b.ravel())[0] for a, b in zip(first[:3], second[:3], strict=True)]
    assert found[:3] == pytest.approx(expected) and found[3] == 0


def test_a_random_map_is_as_coarse_as_the_one_it_is_compared_with() -> None:
    coarse, fine = (random_maps(1, grain, (16, 16), torch.Generator().manual_seed(0)) for grain in ((4, 4), (16, 16)))
    rough = [float(np.abs(np.diff(one, axis=2)).mean() / one.std()) for one in (coarse, fine)]
    assert coarse.shape == (1, 16, 16) and rough[0] < rough[1] / 2


def test_weights_are_randomised_from_the_output_down_and_the_model_keeps_its_own(trained: nn.Module) -> None:
    before = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    changed: list[set[str]] = []
    for _, forgetful in cascade(trained, SHOWN, seed=0):
        state = forgetful.state_dict()
        changed.append({name.split(".")[0] for name in before if not torch.equal(before[name], state[name])})
    assert changed == [{"out"}, {"out", "conv2"}, {"out", "conv2", "conv1"}]
    assert all(torch.equal(before[name], tensor) for name, tensor in trained.state_dict().items())


def test_parameters_without_a_method_that_draws_them_are_drawn_with_their_own_spread() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.out = nn.Parameter(3 + 2 * torch.randn(SIDE * SIDE, 40)), nn.Linear(40, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(x.flatten(1) @ self.table)

    torch.manual_seed(0)
    model = Own()
    assert weighted(model, SHOWN) == ("out", "")
    *_, (name, forgetful) = cascade(model, SHOWN, seed=0)
    table = forgetful.get_parameter("table").detach()
    assert name == "" and not torch.equal(table, model.table)
    assert float(table.mean()) == pytest.approx(3, abs=0.1) and float(table.std()) == pytest.approx(2, abs=0.1)


def test_too_little_is_refused(trained: nn.Module) -> None:
    with pytest.raises(UsageError, match="at least one image and one draw"):
        trust(trained, SHOWN, LABELS, images_n=0)
    with pytest.raises(UsageError, match="at least one image and one draw"):
        trust(trained, SHOWN, LABELS, draws=0)
    with pytest.raises(UsageError, match="got 120 images, 3 labels"):
        trust(trained, SHOWN, LABELS[:3])
