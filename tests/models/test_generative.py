"""Autoencoders and GANs: shapes that come back, mirrors, and what two short plain loops learn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import passo
from passo.data.sequences import squares
from passo.models import Autoencoder, Gan, build, count_parameters, dropouts
from passo.models.autoencoders import enlarging

KINDS = ["dense", "convolutional"]
SIZES = [((7, 7), (14, 14)), ((4, 7), (7, 14)), ((3, 3), (7, 6)), ((1, 1), (1, 3))]  # small, large


@pytest.fixture(scope="module")
def sample() -> Any:
    return passo.load("fashion-mnist-sample", per_class=60, scale="symmetric")


def an_autoencoder(shape: tuple[int, ...] = (1, 28, 28), **options: Any) -> Autoencoder:
    model = build("autoencoder", shape, seed=0, **options)
    assert isinstance(model, Autoencoder)
    return model


def a_gan(shape: tuple[int, ...] = (1, 28, 28), **options: Any) -> Gan:
    model = build("gan", shape, seed=0, **options)
    assert isinstance(model, Gan)
    return model


# ── autoencoder ──


@pytest.mark.parametrize("norm", ["none", "batch", "layer", "group"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (2, 7, 13), (1, 1, 5)])
@pytest.mark.parametrize("kind", KINDS)
def test_an_autoencoder_gives_back_its_inputs_shape_through_the_bottleneck(
    kind: str, shape: tuple[int, ...], norm: str
) -> None:
    model = an_autoencoder(shape, kind=kind, bottleneck=3, filters=[4, 8, 8], norm=norm)
    x = torch.randn(6, *shape)
    code = model.encoder(x)
    assert code.shape == (6, 3)
    assert model(x).shape == x.shape
    assert torch.equal(model.eval()(x), model.decoder(model.encoder(x)))
    nn.functional.mse_loss(model.train()(x), x).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


def test_a_dense_autoencoder_takes_sequences_and_counts_by_hand() -> None:
    model = an_autoencoder((4, 2), hidden=[6], bottleneck=2)
    assert model(squares(5).points).shape == (5, 4, 2)
    assert count_parameters(model).trainable == (9 * 6 + 7 * 2) + (3 * 6 + 7 * 8)


def test_a_convolutional_autoencoder_counts_by_hand() -> None:
    model = an_autoencoder(kind="convolutional", filters=[4, 8], bottleneck=5)
    encoder = (9 + 1) * 4 + (9 * 4 + 1) * 8 + (8 * 49 + 1) * 5
    decoder = (5 + 1) * 8 * 49 + (16 * 8 * 4 + 4) + (16 * 4 + 1)
    assert count_parameters(model).trainable == encoder + decoder


@pytest.mark.parametrize(("output", "low", "high"), [("sigmoid", 0.0, 1.0), ("tanh", -1.0, 1.0)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_output_stays_in_the_range_that_was_asked_for(kind: str, output: str, low: float, high: float) -> None:
    x = 1e4 * torch.randn(8, 1, 28, 28)
    y = an_autoencoder(kind=kind, output=output)(x).detach()
    assert (float(y.min()), float(y.max())) == (low, high)
    assert float(an_autoencoder(kind=kind)(x).detach().abs().max()) > 1


@pytest.mark.parametrize(("small", "large"), SIZES)
def test_an_enlarging_convolution_gives_exactly_the_size_it_is_told(small: Any, large: Any) -> None:
    assert enlarging(2, 3, small, large)(torch.zeros(1, 2, *small)).shape == (1, 3, *large)


def test_a_linear_autoencoder_comes_down_to_the_error_of_the_principal_components() -> None:
    x = squares(600, noise=0.4, seed=3).points
    centred = (x - x.mean(0)).flatten(1)
    variances = torch.linalg.svdvals(centred.double()) ** 2 / centred.numel()
    best = float(variances[3:].sum())  # what three components leave, per number
    model = an_autoencoder((4, 2), hidden=[], bottleneck=3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(1500):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), x)
        loss.backward()
        optimizer.step()
    assert best * 0.999 < loss.item() < best * 1.02


@pytest.mark.parametrize("kind", KINDS)
def test_a_trained_autoencoder_beats_the_mean_image_on_unseen_images(kind: str, sample: Any) -> None:
    train, test = sample.train.images, sample.test.images
    mean = float(((test - train.mean(0)) ** 2).mean())
    model = an_autoencoder(kind=kind, bottleneck=16)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(8):
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(epoch))
        for index in order.split(32):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(train[index]), train[index]).backward()
            optimizer.step()
    with torch.no_grad():
        error = float(nn.functional.mse_loss(model(test), test))
    assert error < 0.5 * mean


# ── gan ──


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (2, 9, 13)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_generator_makes_images_in_range_and_a_discriminator_gives_one_logit(kind: str, shape: Any) -> None:
    model = a_gan(shape, kind=kind, latent=10)
    images = model(model.noise(6))
    assert images.shape == (6, *shape)
    assert float(images.detach().abs().max()) <= 1
    assert model.discriminator(images).shape == (6, 1)


def test_noise_is_standard_normal_and_a_generator_decides_it() -> None:
    model = a_gan(latent=50)
    a, b = (model.noise(2000, torch.Generator().manual_seed(1)) for _ in range(2))
    assert a.shape == (2000, 50)
    assert torch.equal(a, b)
    assert abs(float(a.mean())) < 0.02
    assert float(a.std()) == pytest.approx(1, abs=0.02)


def test_gans_count_by_hand() -> None:
    dense = a_gan(latent=4, hidden=[5, 6])
    assert count_parameters(dense.generator).trainable == 5 * 5 + 6 * 6 + 7 * 784
    assert count_parameters(dense.discriminator).trainable == 785 * 6 + 7 * 5 + 6
    dcgan = a_gan(kind="convolutional", latent=4, filters=[3, 8])
    generator = 5 * 8 * 49 + 16 + (16 * 8 * 3 + 3) + 6 + (16 * 3 + 1)
    assert count_parameters(dcgan.generator).trainable == generator
    assert count_parameters(dcgan.discriminator).trainable == (16 + 1) * 3 + (16 * 3 * 8 + 8) + 16 + 49 * 8 + 1


def test_dcgan_keeps_its_own_rules() -> None:
    model = a_gan(kind="convolutional", filters=[64, 128], dropout=0.2)
    judge, maker = dict(model.discriminator.named_children()), dict(model.generator.named_children())
    assert "norm1" not in judge
    assert isinstance(judge["norm2"], nn.BatchNorm2d)
    assert {type(m) for n, m in maker.items() if n.startswith("act")} == {nn.ReLU}
    assert {(type(m), m.negative_slope) for n, m in judge.items() if n.startswith("act")} == {(nn.LeakyReLU, 0.2)}
    assert not any(isinstance(m, nn.MaxPool2d | nn.AvgPool2d) for m in model.modules())
    assert model.generator.get_parameter("conv1.weight").std().item() == pytest.approx(0.02, rel=0.02)
    assert model.discriminator.get_parameter("conv2.weight").std().item() == pytest.approx(0.02, rel=0.02)
    assert [d.layer for d in dropouts(model.generator)] == []
    assert [d.layer for d in dropouts(model.discriminator)] == [1, 2]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "epochs"), [("dense", 40), ("convolutional", 10)])
def test_a_trained_generators_images_are_nearer_to_real_ones_than_its_first_images(
    kind: str, epochs: int, sample: Any
) -> None:
    real, model = sample.train.images, a_gan(kind=kind)
    z = model.noise(500, torch.Generator().manual_seed(9))
    before = moments_apart(model, z, real)
    train_gan(model, real, epochs)
    assert moments_apart(model, z, real) < 0.5 * before


def moments_apart(model: Gan, z: Tensor, real: Tensor) -> float:
    """‖μ − μ̂‖² + ‖σ − σ̂‖² over pixels: how far the generated images are from the real ones, pixel by pixel."""
    with torch.no_grad():
        fake = model(z)
    return float(((fake.mean(0) - real.mean(0)) ** 2 + (fake.std(0) - real.std(0)) ** 2).sum())


def train_gan(model: Gan, real: Tensor, epochs: int) -> None:
    """The plain loop: the discriminator on real and false, then the generator, with the non-saturating loss."""
    bce, draws = nn.functional.binary_cross_entropy_with_logits, torch.Generator().manual_seed(0)
    first = torch.optim.Adam(model.discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    second = torch.optim.Adam(model.generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    for _ in range(epochs):
        for index in torch.randperm(len(real), generator=draws).split(32):
            ones, zeros = torch.ones(len(index), 1), torch.zeros(len(index), 1)
            fake = model(model.noise(len(index), draws))
            first.zero_grad()
            loss = bce(model.discriminator(real[index]), ones) + bce(model.discriminator(fake.detach()), zeros)
            loss.backward()
            first.step()
            second.zero_grad()
            bce(model.discriminator(fake), ones).backward()
            second.step()
