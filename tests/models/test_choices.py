"""`mlp` and `cnn` with every choice: what each choice does to a network, worked out apart from the code."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from passo.errors import ConfigError
from passo.models import MODELS, Dropout2d, build, check_model, count_parameters, dropouts, model_options, set_step
from passo.models.choices import ACTIVATIONS, INITS, NORMS

f = nn.functional


def images(n: int = 8, channels: int = 1, side: int = 28) -> Tensor:
    return torch.randn(n, channels, side, side, generator=torch.Generator().manual_seed(0))


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {n: p.detach() for n, p in model.named_parameters() if "norm" not in n}


# ── every choice, on images of other sizes ──


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_every_norm_with_every_activation_trains_every_parameter(name: str, activation: str, norm: str) -> None:
    model = build(name, (3, 17, 22), 5, seed=0, activation=activation, norm=norm, dropout=0.2)
    x = torch.randn(4, 3, 17, 22, generator=torch.Generator().manual_seed(0))
    f.cross_entropy(model(x), torch.arange(4)).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []
    moved = [n for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() > 0]
    assert "out.weight" in moved
    assert next(n for n, _ in model.named_parameters() if n.endswith("weight")) in moved


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_networks_that_differ_in_norm_and_dropout_alone_start_from_the_same_weights(name: str) -> None:
    plain = weights(build(name, seed=3))
    for norm in NORMS:
        other = weights(build(name, seed=3, norm=norm, dropout=0.5))
        left = {n for n in plain if norm == "batch" and n.endswith("bias") and n != "out.bias"}
        if name == "cnn" and norm == "batch":
            assert left == {"conv1.bias", "conv2.bias", "fc1.bias"}
        assert other.keys() == plain.keys() - left
        assert all(torch.equal(plain[n], other[n]) for n in other)


def test_parameter_counts_are_those_by_hand() -> None:
    mlp = build("mlp", hidden=[20, 10], norm="batch")
    assert count_parameters(mlp).trainable == 784 * 20 + 40 + 20 * 10 + 20 + 11 * 10
    cnn = build("cnn", (3, 32, 32), filters=[8, 16], kernel=5, units=[32], norm="group")
    convolutions = (3 * 25 + 1) * 8 + 16 + (8 * 25 + 1) * 16 + 32
    assert count_parameters(cnn).trainable == convolutions + (16 * 8 * 8 + 1) * 32 + 64 + 33 * 10
    flat = build("cnn", filters=4, pool=1, units=[], kernel=2)  # an even kernel takes one pixel of 28
    assert count_parameters(flat).trainable == 4 * 4 + 4 + (4 * 27 * 27 + 1) * 10


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("pool", [1, 2, 3])
def test_cnn_is_convolution_norm_activation_pooling_whatever_order_it_computes_in(activation: str, pool: int) -> None:
    model = build("cnn", seed=0, filters=6, units=[], activation=activation, norm="batch", pool=pool)
    w, x, act = dict(model.named_parameters()), images(), ACTIVATIONS[activation]()
    h = f.conv2d(x, w["conv1.weight"].contiguous(), padding=1)
    mean, var = h.mean((0, 2, 3), keepdim=True), h.var((0, 2, 3), keepdim=True, correction=0)
    h = f.max_pool2d(act((h - mean) / (var + 1e-5).sqrt()), pool).flatten(1)
    assert torch.allclose(model(x), f.linear(h, w["out.weight"], w["out.bias"]), atol=1e-4)


@pytest.mark.parametrize(("norm", "groups"), [("batch", 0), ("layer", 1), ("group", 3)])
@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_each_norm_gives_mean_0_and_variance_1_over_its_own_axes(name: str, norm: str, groups: int) -> None:
    size = {"mlp": {"hidden": 12}, "cnn": {"filters": 12, "units": []}}[name]
    model = build(name, seed=0, norm=norm, groups=groups or 1, **size)
    seen: list[Tensor] = []
    model.get_submodule("norm1").register_forward_hook(lambda _m, _x, y: seen.append(y.detach()))
    model(images())
    y = seen[0].reshape(8, 12, -1).double()
    y = y.transpose(0, 1).flatten(1) if norm == "batch" else y.reshape(8 * groups, -1)
    assert torch.allclose(y.mean(1), torch.zeros(len(y)).double(), atol=1e-4)
    assert torch.allclose(y.var(1, correction=0), torch.ones(len(y)).double(), atol=2e-2)


# ── initialisation ──


def drawn(init: str, **options: Any) -> nn.Module:
    return build("mlp", (1, 20, 20), seed=1, hidden=[900, 300], init=init, **options)


@pytest.mark.parametrize(
    ("init", "activation", "sd", "sd_out"),
    [
        ("kaiming", "relu", math.sqrt(2 / 900), math.sqrt(1 / 300)),
        ("kaiming", "tanh", 5 / 3 / math.sqrt(900), math.sqrt(1 / 300)),
        ("kaiming", "sigmoid", 1 / math.sqrt(900), math.sqrt(1 / 300)),
        ("kaiming-uniform", "relu", math.sqrt(2 / 900), math.sqrt(1 / 300)),
        ("kaiming-uniform", "leaky-relu", math.sqrt(2 / (1 + 0.01**2) / 900), math.sqrt(1 / 300)),
        ("xavier", "relu", math.sqrt(2 / 1200), math.sqrt(2 / 310)),
        ("xavier-normal", "relu", math.sqrt(2 / 1200), math.sqrt(2 / 310)),
        ("pytorch", "relu", 1 / math.sqrt(3 * 900), 1 / math.sqrt(3 * 300)),
    ],
)
def test_weights_have_the_spread_that_the_paper_asks_for(init: str, activation: str, sd: float, sd_out: float) -> None:
    model = drawn(init, activation=activation)
    fc2, out = (model.get_parameter(f"{n}.weight").detach() for n in ("fc2", "out"))  # 270,000 and 3,000 draws
    assert float(fc2.std()) == pytest.approx(sd, rel=0.01)
    assert float(out.std()) == pytest.approx(sd_out, rel=0.06)
    uniform = init in ("kaiming-uniform", "xavier", "pytorch")
    assert (float(fc2.abs().max()) <= math.sqrt(3) * float(fc2.std()) * 1.02) is uniform


def test_orthogonal_weights_are_orthogonal_and_constant_ones_constant() -> None:
    w = drawn("orthogonal").get_parameter("fc2.weight").detach()  # (300, 900)
    assert torch.allclose(w @ w.T, torch.eye(300), atol=1e-4)
    assert torch.equal(drawn("zeros").get_parameter("fc1.weight").detach(), torch.zeros(900, 400))
    assert torch.equal(
        drawn("constant", constant=0.3).get_parameter("fc1.weight").detach(), torch.full((900, 400), 0.3)
    )


@pytest.mark.parametrize("init", INITS)
def test_biases_start_at_0_and_norms_at_1_except_with_pytorchs_own(init: str) -> None:
    model = build("cnn", seed=0, init=init, norm="group")
    biases = [p for n, p in model.named_parameters() if n.endswith("bias") and "norm" not in n]
    assert all(bool((b == 0).all()) == (init != "pytorch") for b in biases)
    assert all(bool((model.get_parameter(f"norm{n}.weight") == 1).all()) for n in (1, 2, 3))


def test_pytorchs_own_initialisation_is_what_the_layers_draw_by_themselves() -> None:
    model = build("mlp", hidden=[7], norm="layer", seed=None)
    torch.manual_seed(5)
    mine = build("mlp", hidden=[7], norm="layer")
    torch.manual_seed(5)
    plain = nn.Sequential(nn.Linear(784, 7), nn.Linear(7, 10))
    assert torch.equal(mine.get_parameter("fc1.weight"), plain[0].weight)
    assert torch.equal(mine.get_parameter("out.bias"), plain[1].bias)
    assert not torch.equal(model.get_parameter("out.bias"), plain[1].bias)


# ── dropout ──


def test_dropout2d_drops_whole_channels_and_scales_the_rest() -> None:
    module = Dropout2d(0.25, layer=3)
    set_step([module], seed=0, step=1)
    y = module(torch.ones(64, 100, 3, 3)).flatten(2)
    assert set(y.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert torch.equal(y.amin(2), y.amax(2))
    assert float((y == 0).float().mean()) == pytest.approx(0.25, abs=0.02)
    module.eval()
    assert torch.equal(module(y), y)


def test_dropout2d_can_draw_a_mask_again_and_draws_another_for_each_micro_batch() -> None:
    module, x = Dropout2d(0.5, layer=1), torch.ones(4, 50, 2, 2)
    set_step([module], seed=7, step=3)
    first, second = module(x), module(x)
    set_step([module], seed=7, step=3)
    assert torch.equal(module(x), first)
    assert not torch.equal(first, second)


def test_every_dropout_of_a_network_has_a_number_of_its_own() -> None:
    model = build("cnn", filters=[4, 8, 16], units=[20, 20], dropout=0.3, dropout2d=0.1)
    assert [(type(d).__name__, d.p, d.layer) for d in dropouts(model)] == [
        *(("Dropout2d", 0.1, n) for n in (1, 2, 3)),
        *(("Dropout", 0.3, n) for n in (4, 5, 6)),
    ]
    assert [n for n, m in model.named_children() if m in dropouts(model)] == [f"drop{n}" for n in range(1, 7)]


# ── what is refused ──


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        (
            "mlp",
            {"hidden": [64, 0]},
            "model mlp: hidden must be whole numbers ≥ 1, one for each layer.*got \\[64, 0\\]",
        ),
        ("mlp", {"hidden": "64"}, "hidden must be whole numbers ≥ 1.*got '64'"),
        ("mlp", {"norm": "batchnorm"}, "unknown normalisation 'batchnorm'. Did you mean 'batch'"),
        ("mlp", {"init": "he"}, "unknown initialisation 'he'.*Known: constant, kaiming"),
        ("mlp", {"constant": math.inf}, "constant must be a finite number, got inf"),
        ("cnn", {"kernel": 0}, "model cnn: kernel must be a whole number ≥ 1, got 0"),
        ("cnn", {"kernel": True}, "kernel must be a whole number ≥ 1, got True"),
        ("cnn", {"dropout2d": 1.0}, "dropout2d must be a number in \\[0, 1\\), got 1.0"),
        ("cnn", {"channels_last": "yes"}, "channels_last must be true or false, got 'yes'"),
        ("cnn2", {"filters": [4]}, "filters must be a whole number ≥ 1, got \\[4\\]"),
        ("lenet", {"activation": "relo"}, "unknown activation 'relo'. Did you mean 'relu'"),
        ("rnn", {"activation": "gelu"}, "unknown activation 'gelu'"),
        ("autoencoder", {"kind": "convolution"}, "unknown kind 'convolution'. Did you mean 'convolutional'"),
    ],
)
def test_a_wrong_value_is_refused_in_one_sentence_before_anything_is_built(
    name: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        check_model(name, options)
    with pytest.raises(ConfigError, match=words):
        build(name, **options)


@pytest.mark.parametrize(
    ("name", "shape", "options", "words"),
    [
        ("cnn", (1, 28, 28), {"filters": [4] * 5}, "nothing is left of the image after convolution 5"),
        ("cnn", (1, 28, 28), {"filters": []}, "filters must name one convolution at least"),
        ("cnn", (1, 28, 28), {"norm": "group", "groups": 5}, "groups=5 does not divide a layer of 16 filters"),
        ("mlp", (1, 28, 28), {"norm": "group", "groups": 3}, "groups=3 does not divide a layer of 128 units"),
        ("cnn", (4, 2), {}, "for inputs of shape \\(4, 2\\): it takes images"),
        ("lenet", (4, 2), {}, "it takes images \\(channels, height, width\\)"),
        ("gru", (7,), {}, "it takes sequences \\(steps, features\\) or images"),
        ("mlp", (1, 28, 28), {"hidden": [10**19]}, "model mlp cannot be built for images of shape"),
        ("gan", (1, 5, 5), {"kind": "convolutional", "filters": [4, 4, 4]}, "after convolution 3 of the discriminator"),
    ],
)
def test_choices_that_do_not_fit_the_data_are_refused_in_one_sentence(
    name: str, shape: tuple[int, ...], options: dict[str, Any], words: str
) -> None:
    check_model(name, options)  # each is possible by itself
    with pytest.raises(ConfigError, match=words):
        build(name, shape, **options)


@pytest.mark.parametrize("name", MODELS)
def test_every_default_is_a_value_that_the_check_allows(name: str) -> None:
    check_model(name, model_options(name))
