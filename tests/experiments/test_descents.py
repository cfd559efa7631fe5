"""Descents: the surface is the loss, and the paths are the real optimizers'."""

import numpy as np
import pytest
import torch

from passo.data import load
from passo.experiments.descent import brightness, descend, surface


def test_the_surfaces_minimum_is_the_least_squares_solution() -> None:
    problem = brightness(load("fashion-mnist-sample"))
    b, w = problem.minimum
    grid = surface(problem, (b - 0.1, b + 0.1), (w - 0.1, w + 0.1), 41)
    i, j = np.unravel_index(grid.loss.argmin(), grid.loss.shape)
    assert (grid.b[i], grid.w[j]) == pytest.approx((b, w), abs=1e-9)
    assert grid.loss.min() == pytest.approx(problem.loss_minimum)
    assert problem.loss_minimum < float(problem.y.var(correction=0))


def test_a_full_batch_path_is_gradient_descent_by_hand() -> None:
    problem = brightness(load("fashion-mnist-sample"))
    path = descend(problem, {"name": "sgd", "lr": 0.1}, start=(0.5, -0.5), epochs=20, batch_size=len(problem.x))
    theta = np.array([0.5, -0.5])
    x, y = problem.x.numpy().ravel().astype(float), problem.y.numpy().ravel().astype(float)
    for point, loss in zip(path.points, path.loss, strict=True):
        assert point == pytest.approx(theta, abs=1e-5)
        error = theta[0] + theta[1] * x - y
        assert loss == pytest.approx((error**2).mean(), abs=1e-5)
        theta = theta - 0.1 * 2 * np.array([error.mean(), (error * x).mean()])


def test_the_same_seed_walks_the_same_path_and_schedules_change_it() -> None:
    problem = brightness(load("fashion-mnist-sample"))
    momentum = {"name": "sgd", "lr": 0.1, "momentum": 0.9}
    first, again = (descend(problem, momentum, epochs=2) for _ in range(2))
    assert (first.points == again.points).all()
    stepped = descend(problem, momentum, {"name": "StepLR", "step_size": 1, "gamma": 0.1}, epochs=2)
    assert stepped.lr[0] == 0.1
    assert stepped.lr[-1] == pytest.approx(0.01)
    assert torch.tensor(stepped.points[-1] != first.points[-1]).any()
