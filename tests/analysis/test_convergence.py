"""Whether a loss converged, how fast, to what value, and whether it settled: on curves of which that is known."""

import math
from pathlib import Path

import numpy as np
import pytest
from invented import invented

from passo.analysis.convergence import converged, convergences, run_convergence
from passo.errors import StoreError

EPOCHS = np.arange(1.0, 31.0)


def noisy(curve: np.ndarray, sd: float, seed: int = 0) -> np.ndarray:
    return curve + sd * np.random.default_rng(seed).standard_normal(len(curve))


FALL = 2.0 * np.exp(-(EPOCHS - 1) / 3) + 0.5


@pytest.mark.parametrize(
    ("values", "state"),
    [
        (FALL, "settled"),
        (noisy(FALL, 0.01), "settled"),
        (noisy(FALL, 0.08), "restless"),
        (2.5 - 0.05 * EPOCHS, "still falling"),
        (noisy(2.5 - 0.05 * EPOCHS, 0.02), "still falling"),
        (np.where(EPOCHS < 15, FALL, FALL + 0.1 * (EPOCHS - 15)), "rising"),
        (noisy(np.full(30, 2.3), 0.01), "did not fall"),
        (np.linspace(1.0, 1.001, 30), "did not fall"),
        (np.where(EPOCHS > 20, np.nan, FALL), "diverged"),
        (noisy(2.5 - 0.015 * EPOCHS, 0.09, 3), "unclear"),
    ],
)
def test_a_curve_of_each_kind_is_called_by_its_name(values: np.ndarray, state: str) -> None:
    found = converged(EPOCHS, values)
    assert found.state == state
    assert found.sentence().endswith(".") and "nan" not in found.sentence()


def test_of_an_exponential_the_numbers_are_those_of_the_formula() -> None:
    found = converged(EPOCHS, FALL)
    assert found.value == pytest.approx(0.5, abs=0.003)
    assert found.fall == pytest.approx(2.0, abs=0.003)
    assert found.half == 1 + math.ceil(3 * math.log(2))  # the first whole epoch after the half-life
    assert found.fast == 1 + math.ceil(3 * math.log(1 / 0.05))
    assert "converged to 0.50" in found.sentence() or "converged to 0.5" in found.sentence()
    assert f"from epoch {found.fast:g} on" in found.sentence()


def test_fast_is_for_good_an_early_visit_does_not_count() -> None:
    values = FALL.copy()
    values[14] = 1.5  # epoch 15 falls back
    assert converged(EPOCHS, values).fast == 16


def test_the_drift_of_a_straight_fall_is_its_slope_times_the_last_third() -> None:
    found = converged(EPOCHS, 2.5 - 0.05 * EPOCHS)
    assert found.drift == pytest.approx(-0.05 * 9)  # from record 21 to record 30
    assert "has not converged" in found.sentence() and "goes lower" in found.sentence()


def test_units_of_the_loss_do_not_matter() -> None:
    for seed in range(20):
        values = noisy(FALL, 0.05, seed)
        assert converged(EPOCHS, values).state == converged(EPOCHS, 1000 * values).state


def test_level_noise_is_seldom_called_a_trend() -> None:
    wrong = sum(converged(EPOCHS, noisy(FALL, 0.05, seed)).state in ("still falling", "rising") for seed in range(400))
    assert wrong / 400 <= 0.08


def test_few_records_are_said_to_be_too_few() -> None:
    found = converged(EPOCHS[:5], FALL[:5])
    assert found.state == "too short"
    assert "train for 6 epochs or more" in found.sentence()


def test_a_study_is_told_run_by_run_with_those_that_diverged(tmp_path: Path) -> None:
    curves = {"a": [FALL, noisy(FALL, 0.01)], "b": [2.5 - 0.05 * EPOCHS, FALL[:8]]}
    runs = {name: [{"epoch/train_loss": list(c)} for c in each] for name, each in curves.items()}
    study = invented(tmp_path / "s", runs, diverged=["b-s1"])
    found = convergences(study)
    assert [each.words for each in found.each] == ["settled", "1 still falling, 1 diverged"]
    assert found.sentence() == ("The training loss converged in 2 of 4 runs (still falling: b; diverged: b).")
    assert found.each[0].value.n == 2 and found.each[1].value.n == 1
    assert run_convergence(study.run("b-s1")).sentence() == "The training loss of b-s1 diverged after 8 epochs."


def test_a_run_that_diverged_before_its_first_epoch_ended_is_told(tmp_path: Path) -> None:
    runs = {"a": [{"epoch/train_loss": list(FALL)}], "gone": [{"train/loss": [math.nan]}]}
    study = invented(tmp_path / "s", runs, diverged=["gone-s0"])
    assert convergences(study).sentence() == "The training loss converged in 1 of 2 runs (diverged: gone)."
    assert "diverged in its first epoch" in run_convergence(study.run("gone-s0")).sentence()
    with pytest.raises(StoreError, match="no run in .* has 'test/f1'"):
        convergences(study, "test/f1")
