"""A racer that is watched goes the same way, and what the microscope says of its steps is what happened."""

import numpy as np
import pytest

from passo.analysis.walked import WalkedRun, point_step
from passo.experiments.race import descend
from passo.experiments.watched import as_json, watched_descent

SPECS = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "nadam", "adamax", "lbfgs", "rprop"]


@pytest.mark.parametrize("spec", SPECS)
def test_a_watched_racer_goes_the_same_way_bit_for_bit(spec: str):
    asked = {"start": (-3.0, 1.0), "steps": 25, "noise": 0.3, "seed": 4}
    racer = descend("ravine", [spec], **asked).racers[0]
    run = watched_descent("ravine", spec, **asked)
    stages = run.meta("trace")["stages"]
    before = run.array("trace")[:, stages.index("theta")]  # (T, 2)
    np.testing.assert_array_equal(before, racer.points[: len(before)])
    moved = before + run.array("trace")[:, stages.index("update")]
    np.testing.assert_allclose(moved, racer.points[1 : len(before) + 1], rtol=0, atol=1e-15)
    np.testing.assert_array_equal(run.array("trace/lr"), racer.lr[: len(before)])


def test_a_schedule_moves_the_rate_of_a_watched_racer():
    asked = {"start": (-3.0, 1.0), "steps": 12}
    racer = descend("bowl", ["sgd lr=0.1"], schedules=["StepLR step_size=4 gamma=0.5"], **asked).racers[0]
    run = watched_descent("bowl", "sgd lr=0.1", "StepLR step_size=4 gamma=0.5", **asked)
    np.testing.assert_array_equal(run.array("trace/lr"), racer.lr)


def test_each_number_of_adam_s_step_follows_from_those_before_it():
    lr, beta1, beta2, eps = 0.1, 0.9, 0.999, 1e-8
    held = watched_descent("ravine", f"adam lr={lr}", start=(-3.0, 1.0), steps=6)
    run = WalkedRun.of(as_json(held), "adam", ("x", "y"))
    m = v = np.zeros(2)
    for step in range(1, 7):
        told = point_step(run, step)
        now = [part.now for part in told.parts]
        g = np.array([one["grad"] for one in now])
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        for stage, expected in (("exp_avg", m), ("exp_avg_sq", v), ("exp_avg_hat", m_hat), ("exp_avg_sq_hat", v_hat),
                                ("update", -lr * m_hat / (np.sqrt(v_hat) + eps))):  # fmt: skip
            np.testing.assert_allclose([one[stage] for one in now], expected, rtol=1e-12)
        assert told.explained and [part.parameter for part in told.parts] == ["x", "y"]
