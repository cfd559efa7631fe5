"""Averages recomputed from recorded gradients: the optimiser's own under its own β, and plain loops under others."""

import math

import numpy as np
import pytest
from watched_run import train

from passo.analysis.recomputed import recompute, series
from passo.errors import ConfigError, StoreError

ADAM = train("Adam", weight_decay=0.05)


def plain(gradients: np.ndarray, beta1: float, beta2: float, eps: float) -> dict[str, list[float]]:
    """Kingma & Ba, algorithm 1, a number at a time."""
    m = v = 0.0
    found: dict[str, list[float]] = {
        "exp_avg": [],
        "exp_avg_sq": [],
        "exp_avg_hat": [],
        "exp_avg_sq_hat": [],
        "adapted": [],
    }
    for t, g in enumerate(gradients.tolist(), start=1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        for name, value in zip(found, (m, v, m_hat, v_hat, m_hat / (math.sqrt(v_hat) + eps)), strict=True):
            found[name].append(value)
    return found


@pytest.mark.parametrize(("parameter", "index"), [("fc1.weight", (1, 2)), ("spare.weight", (1,))])
def test_under_the_runs_own_values_the_averages_are_the_optimisers_own(parameter: str, index: tuple[int, ...]) -> None:
    found = series(ADAM.run(), parameter, index)
    again = found.recompute()
    steps = [step for step in ADAM.whole if parameter in ADAM.whole[step]]
    assert found.steps.tolist() == steps  # a step without a gradient is none of Adam's either
    for stage in ("exp_avg", "exp_avg_sq", "exp_avg_hat", "exp_avg_sq_hat", "adapted"):
        own = [ADAM.whole[step][parameter][stage][index] for step in steps]
        np.testing.assert_allclose(getattr(again, stage), own, rtol=1e-9, atol=1e-18)
        assert found.measured is not None
        np.testing.assert_array_equal(found.measured[stage], own)


@pytest.mark.parametrize(("beta1", "beta2", "eps"), [(0.0, 0.999, 1e-8), (0.9, 0.0, 1e-3), (0.99, 0.5, 1.0)])
def test_under_other_values_they_are_those_of_a_plain_loop(beta1: float, beta2: float, eps: float) -> None:
    found = series(ADAM.run(), "fc1.weight", (1, 2))
    again = found.recompute((beta1, beta2), eps)
    for stage, values in plain(found.grad, beta1, beta2, eps).items():
        np.testing.assert_allclose(getattr(again, stage), values, rtol=1e-9, atol=1e-15)


def test_what_changed_is_said_with_both_numbers() -> None:
    gradients = np.array([1.0, -1.0] * 20)
    steady, nervous = recompute(gradients), recompute(gradients, (0.0, 0.999))
    assert nervous.turns == 1 and nervous.size == pytest.approx(1)
    said = nervous.differs(steady)
    assert said.startswith("With β₁ = 0 instead of 0.9, on the same 40 gradients")
    assert "at 100 % of the steps instead of" in said and said.endswith("recomputed, not measured.")
    assert steady.differs(steady) == "Nothing was changed."
    assert "ε = 0.1 instead of 10⁻⁸" in recompute(gradients, eps=0.1).differs(steady).replace("1 × 10", "10")


def test_another_optimisers_gradients_start_at_adams_usual_values() -> None:
    found = series(train("SGD").run(), "fc1.weight", (1, 2))
    assert found.measured is None and found.betas == (0.9, 0.999) and found.eps == 1e-8


def test_an_optimiser_that_only_shares_adams_names_is_not_taken_for_it() -> None:
    run = ADAM.run()
    values, meta = run.held["trace"]
    values[:, meta["stages"].index("adapted")] *= 1.1  # as NAdam's look-ahead would
    assert series(run, "fc1.weight", (1, 2)).measured is None


def test_steps_that_are_missing_are_refused() -> None:
    with pytest.raises(
        StoreError, match=r"every step from the first is needed; run little recorded 20 steps, with every=2"
    ):
        series(ADAM.run(every=2))


def test_a_gradient_that_is_no_number_is_refused() -> None:
    run = ADAM.run()
    values, meta = run.held["trace"]
    values[7, meta["stages"].index("decayed"), 0] = math.inf
    with pytest.raises(StoreError, match=r"the gradient of fc1.weight\[1, 2\] is not finite at step 8"):
        series(run, "fc1.weight", (1, 2))


@pytest.mark.parametrize(
    ("gradients", "options", "said"),
    [
        ([1.0, math.nan], {}, "one series of finite numbers"),
        ([[1.0], [2.0]], {}, "one series of finite numbers"),
        ([1.0], {"betas": (0.9,)}, "betas must be two numbers"),
        ([1.0], {"betas": (1.0, 0.9)}, "beta must be ≥ 0 and < 1"),
        ([1.0], {"eps": -1.0}, "eps must be ≥ 0"),
    ],
)
def test_nonsense_is_refused(gradients: list[float], options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        recompute(gradients, **options)  # type: ignore[arg-type]


def test_a_gradient_that_was_always_zero_gives_no_direction() -> None:
    assert recompute([0.0, 0.0], eps=0.0).adapted.tolist() == [0.0, 0.0]
