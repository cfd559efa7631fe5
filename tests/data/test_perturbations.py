"""Perturbations: each does what its table says, nothing at strength 0, and the same to an image wherever it stands."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from passo.data import counters
from passo.data.augment import Augmentation
from passo.data.perturbations import PERTURBATIONS, check_perturbations, perturb
from passo.data.scaling import Scaling
from passo.errors import ConfigError, UnknownName

STRONG = {
    "scale": -0.4,
    "rotation": 30,
    "shift": 2,
    "occlusion": 0.4,
    "gaussian-noise": 0.2,
    "salt-and-pepper": 0.3,
}


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(12, 3, 9, 7, generator=torch.Generator().manual_seed(0))


def splitmix(key: int, position: int, j: int) -> int:
    """Number j of a position, in Python's whole numbers."""
    gamma, mask = 0x9E3779B97F4A7C15, 2**64 - 1

    def mix(z: int) -> int:
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
        return z ^ (z >> 31)

    return mix((mix((key + (position + 1) * gamma) & mask) + (j + 1) * gamma) & mask)


# ── Random numbers by position ────────────────────────────────────────────────────────────────────────────


def test_the_numbers_are_splitmix_of_key_position_and_place() -> None:
    found = counters.numbers(2**62 + 5, torch.tensor([0, 3, 59_999]), 3)
    naive = [[splitmix(2**62 + 5, position, j) for j in range(3)] for position in (0, 3, 59_999)]
    assert [[int(value) % 2**64 for value in row] for row in found] == naive


def test_splitmix_starts_as_javas_does() -> None:
    # SplittableRandom seeded with 0: its first numbers are mix(γ), mix(2γ); published with the generator
    state = counters._mix(torch.tensor([1, 2]) * counters._signed(0x9E3779B97F4A7C15))
    assert [int(value) % 2**64 for value in state] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]


def test_uniform_numbers_are_uniform_and_normal_ones_normal() -> None:
    u = counters.uniform(1, torch.arange(500), 400).double()
    z = counters.normal(2, torch.arange(500), 400).double()
    assert u.min() >= 0 and u.max() < 1
    assert abs(u.mean() - 0.5) < 0.003 and abs(u.var() - 1 / 12) < 0.001
    assert abs(z.mean()) < 0.01 and abs(z.std() - 1) < 0.01 and abs(z.pow(4).mean() - 3) < 0.06
    assert abs(torch.corrcoef(torch.stack([u[:-1].flatten(), u[1:].flatten()]))[0, 1]) < 0.01  # neighbours in position
    assert abs(torch.corrcoef(torch.stack([u[:, :-1].flatten(), u[:, 1:].flatten()]))[0, 1]) < 0.01


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_draws_the_same_bits() -> None:
    positions = torch.arange(1000, 1064)
    for draw in (counters.numbers, counters.uniform, counters.normal):
        assert torch.equal(draw(2**62 + 5, positions.cuda(), 784).cpu(), draw(2**62 + 5, positions, 784))
    images = torch.rand(64, 3, 28, 28)
    for name, strength in STRONG.items():
        there = perturb(images.cuda(), {name: strength}, seed=0).cpu()
        assert torch.allclose(there, perturb(images, {name: strength}, seed=0), atol=1e-5), name


# ── What each does ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_strength_0_is_the_identity_bit_for_bit(images: torch.Tensor, name: str) -> None:
    assert torch.equal(perturb(images, {name: 0}, seed=3), images)
    nothing = torch.zeros(len(images))
    way = PERTURBATIONS[name]
    assert torch.equal(way.change(images, nothing, 11, torch.arange(len(images))), images)


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_what_an_image_becomes_depends_on_its_position_and_the_seed_alone(images: torch.Tensor, name: str) -> None:
    positions, strength = torch.arange(100, 112), {name: STRONG[name]}
    whole = perturb(images, strength, seed=0, positions=positions)
    order = torch.tensor([7, 2, 11])
    assert torch.equal(perturb(images[order], strength, seed=0, positions=positions[order]), whole[order])
    for n in range(12):
        assert torch.equal(perturb(images[n : n + 1], strength, seed=0, positions=positions[n : n + 1])[0], whole[n])
    assert not torch.equal(whole, images)
    if name != "scale":  # nothing is drawn for it
        assert not torch.equal(perturb(images, strength, seed=1, positions=positions), whole)


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_images_stay_between_black_and_white_and_are_not_written_into(images: torch.Tensor, name: str) -> None:
    before = images.clone()
    changed = perturb(images, {name: STRONG[name]}, seed=0)
    assert changed.min() >= 0 and changed.max() <= 1 and changed.shape == images.shape and changed.dtype == images.dtype
    assert torch.equal(images, before)


def test_a_shift_copies_each_image_that_many_pixels_in_one_of_four_directions(images: torch.Tensor) -> None:
    many = images.repeat(4, 1, 1, 1)
    changed = perturb(many, {"shift": 2}, seed=0)
    seen = set()
    for before, after in zip(many, changed, strict=True):
        ways = {}
        for name, (down, right) in {"up": (-2, 0), "down": (2, 0), "left": (0, -2), "right": (0, 2)}.items():
            naive = torch.zeros_like(before)
            for y in range(9):
                for x in range(7):
                    if 0 <= y - down < 9 and 0 <= x - right < 7:
                        naive[:, y, x] = before[:, y - down, x - right]
            ways[name] = torch.equal(naive, after)
        assert sum(ways.values()) == 1
        seen |= {name for name, true in ways.items() if true}
    assert seen == {"up", "down", "left", "right"}


def test_a_quarter_turn_is_numpys_one_way_or_the_other() -> None:
    images = torch.rand(16, 2, 8, 8)
    changed = perturb(images, {"rotation": 90}, seed=0)
    turns = []
    for before, after in zip(images, changed, strict=True):
        ways = [torch.rot90(before, k, (1, 2)) for k in (1, -1)]
        fits = [torch.allclose(after, way, atol=1e-5) for way in ways]
        assert sum(fits) == 1
        turns.append(fits[0])
    assert 0 < sum(turns) < 16


def test_half_the_size_is_the_mean_of_two_by_two_pixels_in_a_black_frame() -> None:
    # pixel centres of the small image fall in the middle of four pixels, whose mean is the bilinear value
    images = torch.rand(1, 1, 8, 8)
    changed = perturb(images, {"scale": -0.5}, seed=0)
    naive = torch.zeros(1, 1, 8, 8)
    naive[..., 2:6, 2:6] = torch.nn.functional.avg_pool2d(images, 2)
    assert torch.allclose(changed, naive, atol=1e-6)


def test_a_scale_of_one_more_shows_the_middle_twice_as_large() -> None:
    image = torch.zeros(1, 1, 8, 8)
    image[..., 3:5, 3:5] = 1
    wide = perturb(image, {"scale": 1.0}, seed=0)
    assert wide[..., 2:6, 2:6].mean() > 0.7 and wide.sum().item() == pytest.approx(4 * 4, rel=0.01)


def test_occlusion_blackens_one_square_of_that_side_wholly_inside() -> None:
    changed = perturb(torch.ones(200, 1, 10, 14), {"occlusion": 0.3}, seed=0)
    corners = set()
    for image in changed[:, 0]:
        ys, xs = np.nonzero(image.numpy() == 0)
        assert len(ys) == 9 and np.ptp(ys) == 2 and np.ptp(xs) == 2
        corners.add((ys.min(), xs.min()))
    assert {y for y, _ in corners} == set(range(8)) and {x for _, x in corners} == set(range(12))


def test_salt_and_pepper_take_that_share_of_the_pixels_half_white_in_all_channels_alike() -> None:
    changed = perturb(torch.full((100, 3, 20, 20), 0.5), {"salt-and-pepper": 0.2}, seed=0)
    assert torch.equal(changed[:, 0], changed[:, 1]) and torch.equal(changed[:, 0], changed[:, 2])
    one = changed[:, 0]
    assert (one == 1).float().mean().item() == pytest.approx(0.1, abs=0.01)
    assert (one == 0).float().mean().item() == pytest.approx(0.1, abs=0.01)
    assert ((one == 1) | (one == 0) | (one == 0.5)).all()
    every = perturb(torch.full((1, 1, 20, 20), 0.5), {"salt-and-pepper": 1}, seed=0)
    assert torch.isin(every, torch.tensor([0, 1])).all()


def test_the_noise_has_that_standard_deviation_in_each_channel_on_its_own() -> None:
    noise = perturb(torch.full((200, 3, 10, 10), 0.5), {"gaussian-noise": 0.1}, seed=0) - 0.5
    assert noise.std().item() == pytest.approx(0.1, rel=0.02) and abs(noise.mean().item()) < 0.002
    assert not torch.equal(noise[:, 0], noise[:, 1])


def test_several_are_applied_in_the_tables_order_whatever_the_order_they_are_named_in(images: torch.Tensor) -> None:
    one = perturb(images, {"gaussian-noise": 0.1, "shift": 1}, seed=0)
    assert torch.equal(one, perturb(images, {"shift": 1, "gaussian-noise": 0.1}, seed=0))
    assert torch.equal(one, perturb(perturb(images, {"shift": 1}, seed=0), {"gaussian-noise": 0.1}, seed=0))


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"scale": -1}, "scale must be a number from -0.95 to 10 "),
        ({"shift": 1.5}, "shift must be a whole number ≥ 0 .pixels., got 1.5"),
        ({"rotation": -3}, "rotation must be a number from 0 to 180 .degrees., got -3"),
        ({"occlusion": 1.01}, "occlusion"),
        ({"salt-and-pepper": True}, "salt-and-pepper"),
        ({"gaussian-noise": math.nan}, "gaussian-noise"),
        ({"gaussian-noise": "much"}, "got 'much'"),
    ],
)
def test_a_strength_that_cannot_be_is_refused_with_its_unit(wanted: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_perturbations(wanted)


def test_an_unknown_perturbation_gets_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'rotation'"):
        check_perturbations({"rotate": 1})


# ── Augmentation ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_augmentation_depends_on_seed_epoch_and_position_alone(images: torch.Tensor, name: str) -> None:
    jitter, positions = Augmentation({name: STRONG[name]}, Scaling("normalize"), seed=0), torch.arange(50, 62)
    whole = jitter(images, 3, positions)
    back = torch.arange(11, -1, -1)
    assert torch.equal(jitter(images[back], 3, positions[back]), whole[back])
    assert torch.equal(jitter(images[4:5], 3, positions[4:5]), whole[4:5])
    assert not torch.equal(jitter(images, 4, positions), whole)
    other = Augmentation({name: STRONG[name]}, Scaling("normalize"), seed=1)
    assert not torch.equal(other(images, 3, positions), whole)


def test_augmentation_takes_nothing_from_any_generator(images: torch.Tensor) -> None:
    before = torch.get_rng_state()
    Augmentation(STRONG, Scaling("normalize"), seed=0)(images, 0, torch.arange(12))
    assert torch.equal(torch.get_rng_state(), before)


def test_augmenting_with_nothing_returns_the_very_images(images: torch.Tensor) -> None:
    scaled = Scaling("standardize", mean=(0.1, 0.2, 0.3), sd=(0.3, 0.2, 0.1))
    assert Augmentation({"shift": 0}, scaled, seed=0)(images, 0, torch.arange(12)) is images


def test_scaled_images_are_augmented_as_the_pixels_would_be_and_keep_their_memory_format(images: torch.Tensor) -> None:
    positions, way = torch.arange(12), Scaling("standardize", mean=(0.4, 0.5, 0.6), sd=(0.3, 0.2, 0.1))
    plain = Augmentation(STRONG, Scaling("normalize"), seed=0)(images, 1, positions)
    scaled = way.from_unit(images).contiguous(memory_format=torch.channels_last)
    changed = Augmentation(STRONG, way, seed=0)(scaled, 1, positions)
    assert changed.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(way.to_unit(changed), plain, atol=1e-5)


def test_a_shift_as_augmentation_is_uniform_along_each_axis() -> None:
    image = torch.zeros(1, 1, 9, 9)
    image[..., 4, 4] = 1
    jitter = Augmentation({"shift": 1}, Scaling("normalize"), seed=0)
    moved = jitter(image.expand(9000, 1, 9, 9), 0, torch.arange(9000)).mean(dim=0)[0]
    assert moved[3:6, 3:6].sum() == pytest.approx(1, abs=1e-5)
    assert (moved[3:6, 3:6] - 1 / 9).abs().max() < 0.015


def test_augmentation_refuses_a_scale_that_would_leave_no_size() -> None:
    with pytest.raises(ConfigError, match="draws it from −s to s, got 2"):
        Augmentation({"scale": 2}, Scaling("normalize"), seed=0)
