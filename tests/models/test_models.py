"""Models: their sizes, their seeds, their dropout."""

import pytest
import torch
from torch import nn

from passo.errors import ConfigError, UnknownName
from passo.models import Dropout, build, count_parameters, dropouts, set_step

SIZES = {"mlp": 101_770, "lenet": 61_706, "tiny-cnn": 1_586, "cnn2": 23_040, "line": 2}


@pytest.mark.parametrize("name", SIZES)
def test_parameter_counts_are_those_of_the_layers_by_hand(name: str) -> None:
    assert count_parameters(build(name, seed=0)).trainable == SIZES[name]


@pytest.mark.parametrize("name", ["mlp", "lenet", "tiny-cnn", "cnn2"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_every_model_takes_grey_and_colour_images(name: str, shape: tuple[int, int, int]) -> None:
    model = build(name, shape, 7, seed=0)
    assert model(torch.randn(4, *shape)).shape == (4, 7)


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    a, b, c = build("lenet", seed=5), build("lenet", seed=5), build("lenet", seed=6)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(a.get_parameter("conv1.weight"), c.get_parameter("conv1.weight"))


def test_pooling_before_relu_is_the_same_function_as_after_it() -> None:
    model = build("lenet", seed=0)
    w = dict(model.named_parameters())
    x = torch.randn(16, 1, 28, 28)
    f = nn.functional
    h = f.max_pool2d(f.relu(f.conv2d(x, w["conv1.weight"].contiguous(), w["conv1.bias"], padding=2)), 2)
    h = f.max_pool2d(f.relu(f.conv2d(h, w["conv2.weight"].contiguous(), w["conv2.bias"])), 2).flatten(1)
    h = f.relu(f.linear(h, w["fc1.weight"], w["fc1.bias"]))
    h = f.relu(f.linear(h, w["fc2.weight"], w["fc2.bias"]))
    assert torch.allclose(model(x), f.linear(h, w["out.weight"], w["out.bias"]), atol=1e-5)


def test_a_wrong_model_or_option_is_one_sentence() -> None:
    with pytest.raises(UnknownName, match="unknown model 'lenett'. Did you mean 'lenet'"):
        build("lenett")
    with pytest.raises(ConfigError, match="unknown option of model mlp 'hiden'. Did you mean 'hidden'"):
        build("mlp", hiden=[3])
    with pytest.raises(ConfigError, match=r"model lenet cannot be built for images of shape \(1, 8, 8\)"):
        build("lenet", (1, 8, 8))
    with pytest.raises(ConfigError, match="unknown activation 'relo'"):
        build("mlp", activation="relo")


def test_a_dropout_mask_depends_on_seed_layer_step_and_micro_batch_alone() -> None:
    def mask(seed: int, layer: int, step: int, forwards: int = 1) -> torch.Tensor:
        module = Dropout(0.5, layer)
        set_step([module], seed, step)
        torch.rand(3)  # what others draw does not matter
        for _ in range(forwards):
            out = module(torch.ones(200))
        return out

    assert torch.equal(mask(0, 1, 7), mask(0, 1, 7))
    for other in (mask(1, 1, 7), mask(0, 2, 7), mask(0, 1, 8), mask(0, 1, 7, forwards=2)):
        assert not torch.equal(mask(0, 1, 7), other)


def test_dropout_keeps_the_mean_and_does_nothing_in_evaluation() -> None:
    module = Dropout(0.3)
    x = torch.ones(100_000)
    assert module(x).mean().item() == pytest.approx(1, abs=0.02)
    assert (module(x) == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    module.eval()
    assert torch.equal(module(x), x)
    assert [d.layer for d in dropouts(build("cnn2", seed=0))] == [1, 2]
