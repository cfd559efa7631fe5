"""Surfaces: the minima are minima, the slopes are the gradients, and a wrong name gets an answer."""

import itertools
import math

import numpy as np
import pytest
import torch

from passo.errors import ConfigError, UnknownName
from passo.models.surfaces import SURFACES, line, surface
from passo.models.terrain import Surface

DATA = {"x": np.array([0.1, 0.4, 0.5, 0.9, 0.3]), "y": np.array([0.2, 0.1, 0.7, 0.6, 0.5])}


def built(name: str) -> Surface:
    return surface(name, **(DATA if name == "line" else {}))


ALL = [built(name) for name in SURFACES]
ALL += [surface("ravine", kappa=7, angle=25), surface("ravine", kappa=300)]
IDS = [s.told for s in ALL]


def test_the_nine_surfaces_are_there() -> None:
    asked = {"bowl", "ravine", "beale", "rosenbrock", "himmelblau", "rastrigin", "saddle", "plateau", "line"}
    assert set(SURFACES) == asked


@pytest.mark.parametrize("s", ALL, ids=IDS)
def test_a_minimum_is_flat_has_its_loss_and_higher_ground_all_around(s: Surface) -> None:
    for minimum in s.minima:
        at = torch.tensor(minimum.at, dtype=torch.float64)
        curved = torch.linalg.matrix_norm(torch.autograd.functional.hessian(s.loss, at), 2)
        assert float(s.gradient(at).norm()) <= 1e-13 * float(curved) * max(1.0, float(at.norm()))
        assert float(s.loss(at)) == pytest.approx(minimum.loss, abs=1e-12)
        angles = torch.linspace(0, 2 * math.pi, 64, dtype=torch.float64)
        for radius in (1e-3, 1e-2):
            around = at + radius * torch.stack([angles.cos(), angles.sin()], -1)
            assert float((s.loss(around)).min()) > minimum.loss


@pytest.mark.parametrize("s", ALL, ids=IDS)
def test_no_minimum_in_the_picture_is_missing(s: Surface) -> None:
    """Every grid point that none of its eight neighbours is below has a known minimum within two cells of it."""
    x, y, z = s.grid(301)
    inner = z[1:-1, 1:-1]
    shifts = [(i, j) for i, j in itertools.product((-1, 0, 1), repeat=2) if (i, j) != (0, 0)]
    lower = np.all([inner <= z[1 + i : 300 + i, 1 + j : 300 + j] for i, j in shifts], axis=0)
    near = 2 * math.hypot(x[1] - x[0], y[1] - y[0])
    bottoms = [(float(x[j + 1]), float(y[i + 1])) for i, j in np.argwhere(lower)]
    if s.name not in ("rosenbrock", "beale"):  # a valley thinner than the cells is a chain of small pits
        assert bottoms
        for at in bottoms:
            assert min(math.dist(at, minimum.at) for minimum in s.minima) <= near
    assert z.min() >= s.lowest - 1e-12


@pytest.mark.parametrize("s", ALL, ids=IDS)
def test_the_slope_is_autograds_gradient_and_that_of_finite_differences(s: Surface) -> None:
    random = np.random.default_rng(0)
    points = random.uniform((s.x[0], s.y[0]), (s.x[1], s.y[1]), (60, 2))
    gradients = s.gradient(torch.from_numpy(points)).numpy()
    h = 1e-5
    for (x, y), gradient in zip(points.tolist(), gradients, strict=True):
        assert s.slope_at(x, y) == pytest.approx(gradient.tolist(), rel=1e-10, abs=1e-11)
        probes = torch.tensor([[x + h, y], [x - h, y], [x, y + h], [x, y - h]], dtype=torch.float64)
        right, left, up, down = s.loss(probes).tolist()
        differences = [(right - left) / (2 * h), (up - down) / (2 * h)]
        scale = max(1.0, float(np.abs(gradient).max()), abs(right))
        assert differences == pytest.approx(gradient.tolist(), rel=1e-5, abs=1e-5 * scale)


@pytest.mark.parametrize("s", ALL, ids=IDS)
def test_start_is_in_the_picture_and_a_grid_has_a_row_for_each_y(s: Surface) -> None:
    assert s.x[0] < s.start[0] < s.x[1]
    assert s.y[0] < s.start[1] < s.y[1]
    x, y, z = s.grid(7)
    assert z[2, 5] == pytest.approx(float(s.loss(torch.tensor([x[5], y[2]], dtype=torch.float64))))
    assert s.formula and s.told.startswith("f(") and s.source


def test_points_of_any_shape_have_losses_of_that_shape() -> None:
    points = torch.rand(4, 3, 2)
    for s in ALL:
        assert s.loss(points).shape == (4, 3)
        assert s.gradient(points).shape == (4, 3, 2)


def test_a_ravine_is_kappa_times_more_curved_across_than_along_at_any_angle() -> None:
    for angle in (0.0, 25.0, 90.0):
        s = surface("ravine", kappa=40, angle=angle)
        curvature = torch.autograd.functional.hessian(s.loss, torch.zeros(2, dtype=torch.float64))
        assert torch.linalg.eigvalsh(curvature).tolist() == pytest.approx([1, 40])
        along = torch.tensor([math.cos(math.radians(angle)), math.sin(math.radians(angle))], dtype=torch.float64)
        assert float(along @ curvature @ along) == pytest.approx(1)


def test_a_surface_without_a_slope_of_its_own_takes_autograds() -> None:
    own = Surface(name="own", title="mine", formula="x^4", told="f(x, y) = x⁴ + y²", value=lambda x, y: x**4 + y**2,
                  x=(-1, 1), y=(-1, 1), start=(0.5, 0.5), minima=(), source="mine")  # fmt: skip
    assert own.slope_at(0.5, -2.0) == pytest.approx((0.5, -4.0))


def test_lines_surface_is_the_mean_squared_error_of_the_model_line() -> None:
    from passo.models import Line

    s = line(**DATA)
    x, y = (torch.tensor(DATA[name])[:, None] for name in "xy")
    for b, w in ((0.0, 0.0), (0.3, -1.2)):
        model = Line(b, w).double()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        assert float(s.loss(torch.tensor([b, w], dtype=torch.float64))) == pytest.approx(loss.item(), rel=1e-6)
        assert s.slope_at(b, w) == pytest.approx((float(model.b.grad), float(model.w.grad)), rel=1e-5, abs=1e-7)


def test_an_epoch_of_mini_batches_sees_every_sample_once() -> None:
    s = line(**DATA, batch_size=2)
    assert s.sampled is not None
    assert s.per_epoch == 3
    slopes = s.sampled(5)
    full = np.array(s.slope_at(0.2, 0.7))
    seen = np.array([next(slopes)(0.2, 0.7) for _ in range(6)])  # two epochs, of batches of 2, 2 and 1
    for epoch in (seen[:3], seen[3:]):
        assert np.average(epoch, axis=0, weights=[2, 2, 1]) == pytest.approx(full)
    assert np.abs(seen[:3] - seen[3:]).max() > 1e-6, "the order was not drawn anew"
    again = s.sampled(5)
    assert [next(again)(0.2, 0.7) for _ in range(6)] == [tuple(row) for row in seen]


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("rosenbrok", {}, "unknown surface 'rosenbrok'. Did you mean 'rosenbrock'"),
        ("ravine", {"kapa": 3}, "Did you mean 'kappa'"),
        ("ravine", {"kappa": 0.5}, "kappa must be ≥ 1"),
        ("ravine", {"angle": "steep"}, "angle must be a number"),
        ("bowl", {"kappa": 3}, "surface bowl has no options"),
        ("line", {}, "surface line needs x and y"),
        ("line", {**DATA, "batch_size": 9}, "batch_size must be from 1 to 5"),
        ("line", {"x": [1.0, 1.0], "y": [0.0, 1.0]}, "two pairs of different x"),
    ],
)
def test_a_wrong_name_or_option_gets_one_sentence(name: str, options: dict, said: str) -> None:
    with pytest.raises((UnknownName, ConfigError), match=said.replace("(", r"\(")) as told:
        surface(name, **options)
    assert "\n" not in str(told.value)
