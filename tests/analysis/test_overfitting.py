"""Since when the gap grows: on curves whose answer is known, on noise alone, and on stored runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from answered import stored

from passo.analysis import overfitting
from passo.analysis.overfitting import FEWEST, growth
from passo.errors import StoreError

LEVEL_THEN_UP = np.r_[np.zeros(20), np.linspace(0.1, 2, 20)]


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.1])
def test_growth_after_a_level_is_dated_to_its_knee(noise: float) -> None:
    for seed in range(20):
        gaps = LEVEL_THEN_UP + noise * np.random.default_rng(seed).standard_normal(40)
        found = growth(gaps)
        assert found.since is not None and abs(found.since - 19) <= (4 if noise else 0)


def test_growth_from_the_first_epoch_is_dated_to_the_first_epoch() -> None:
    assert growth(np.linspace(0, 1, 12)).since == 0
    assert growth(np.linspace(-3, -1, 12)).since == 0, "it is the change that counts, not the sign"


def test_a_gap_that_rose_and_fell_grows_since_its_last_rise_only() -> None:
    gaps = np.r_[np.linspace(0, 1, 10), np.linspace(0.9, 0.2, 8), np.linspace(0.3, 2, 18)]
    assert growth(gaps).since in (17, 18)
    assert growth(gaps[:18]).since is None, "at the end of its fall it does not grow"


@pytest.mark.parametrize("gaps", [np.zeros(10), np.full(10, 0.3), np.linspace(1, 0, 10), 1e9 + np.zeros(10)])
def test_a_level_or_falling_gap_does_not_grow(gaps: np.ndarray) -> None:
    assert growth(gaps).since is None


def test_the_unit_of_the_loss_changes_nothing() -> None:
    gaps = LEVEL_THEN_UP + 0.05 * np.random.default_rng(1).standard_normal(40)
    assert growth(gaps).since == growth(1000 * gaps + 7).since
    assert growth(1000 * gaps).noise == pytest.approx(1000 * growth(gaps).noise)


@pytest.mark.parametrize(("n", "most"), [(5, 0.12), (10, 0.08), (50, 0.03)])
def test_noise_alone_is_seldom_taken_for_growth(n: int, most: float) -> None:
    random = np.random.default_rng(0)
    wrong = sum(growth(random.standard_normal(n)).since is not None for _ in range(1000))
    assert wrong / 1000 <= most


def test_the_noise_is_that_of_the_second_differences() -> None:
    random = np.random.default_rng(0)
    gaps = 0.3 * random.standard_normal(4000) + np.linspace(0, 50, 4000)
    assert growth(gaps).noise == pytest.approx(2 * 0.3 * np.sqrt(2 * np.log(4000)), rel=0.06)


def test_a_spike_at_the_best_epoch_does_not_hide_the_growth() -> None:
    gaps = LEVEL_THEN_UP + 0.02 * np.random.default_rng(2).standard_normal(40)
    gaps[5] -= 1.0
    found = growth(gaps).since
    assert found is not None and abs(found - 19) <= 4


def test_few_epochs_claim_nothing(tmp_path: Path) -> None:
    assert growth(np.arange(FEWEST - 1.0)).since is None
    run = stored(tmp_path / "few", metrics={"epoch/train_loss": [3, 2, 1], "validation/loss": [3, 3, 4]})
    said = overfitting(run).sentence()
    assert "3 epochs are too few to tell its growth from noise (6 at least)" in said and "over-fits" not in said
    one = stored(tmp_path / "one", metrics={"epoch/train_loss": [3], "validation/loss": [3]})
    assert "One epoch of it shows no gap over time" in overfitting(one).sentence()


def test_both_losses_are_brought_to_the_same_time(tmp_path: Path) -> None:
    """A loss of exp(−t/3) on both sides has no gap, though an epoch's mean is above its end."""
    fine = np.exp(-np.arange(0, 8 + 1e-9, 1e-3) / 3)
    means = [float(fine[1000 * e : 1000 * (e + 1)].mean()) for e in range(8)]
    ends = [float(fine[1000 * (e + 1)]) for e in range(8)]
    found = overfitting(stored(tmp_path / "run", metrics={"epoch/train_loss": means, "validation/loss": ends}))
    assert np.abs(found.gaps).max() < 0.01 < max(np.abs(np.subtract(ends, means))), "the plain difference is not 0"
    assert found.gaps == pytest.approx([(a + b) / 2 - m for a, b, m in zip(ends, ends[1:], means[1:], strict=False)])


def test_a_run_that_over_fits_is_told_with_its_epochs(tmp_path: Path) -> None:
    epochs = np.arange(1, 31)
    training = 2.0 - 0.05 * epochs
    validation = np.where(epochs <= 10, training + 0.5, 2.0 + 0.04 * (epochs - 10))
    found = overfitting(stored(tmp_path / "run", metrics={"epoch/train_loss": training, "validation/loss": validation}))
    assert found.epochs[found.best] == 10 and found.risen == pytest.approx(0.8)
    assert found.since is not None and abs(found.since - 10) <= 1
    said = found.sentence()
    assert f"has been growing since epoch {found.since:g}, from 0.5" in said
    assert "least after epoch 10 (2) and is 0.8 higher at the end: the run over-fits." in said
    assert len(found.table().rows) == 12 and found.table().rows[0][-1] == "–"


def test_a_gap_that_grows_while_validation_still_falls_is_not_called_over_fitting(tmp_path: Path) -> None:
    epochs = np.arange(1, 21)
    metrics = {"epoch/train_loss": 3 - 0.1 * epochs, "validation/loss": 3 - 0.05 * epochs}
    said = overfitting(stored(tmp_path / "run", metrics=metrics)).sentence()
    assert "growing since epoch 2" in said and "over-fits" not in said
    assert "least after epoch 20 (2), the last: longer training may still help" in said


def test_a_last_wobble_of_the_validation_loss_is_noise(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    epochs = np.arange(1, 41)
    validation = 1 + 0.05 * random.standard_normal(40)
    validation[-1] = validation.min() + 0.05
    metrics = {"epoch/train_loss": 1 - 0.02 * epochs, "validation/loss": validation}
    said = overfitting(stored(tmp_path / "run", metrics=metrics)).sentence()
    assert "growing since" in said and "no more than noise explains" in said and "over-fits" not in said


def test_accuracies_are_told_and_their_gap_where_training_has_one(tmp_path: Path) -> None:
    losses = {"epoch/train_loss": [1.0] * 6, "validation/loss": [1.0] * 6}
    validation = {"validation/accuracy": [0.5, 0.6, 0.7, 0.8, 0.9, 0.8]}
    only = overfitting(stored(tmp_path / "only", metrics=losses | validation))
    assert only.accuracy_gaps is None
    assert only.sentence().endswith("Validation accuracy ends at 80.0 % (best 90.0 %).")
    both = overfitting(stored(tmp_path / "both", metrics=losses | validation | {"epoch/train_accuracy": [0.9] * 6}))
    assert both.accuracy_gaps == pytest.approx([0.35, 0.25, 0.15, 0.05, 0.05])
    assert both.sentence().endswith("5.0 points behind training.")


def test_epochs_without_both_losses_are_left_out_and_a_run_without_any_says_so(tmp_path: Path) -> None:
    metrics = {"epoch/train_loss": [3, 2, np.nan, 1], "validation/loss": [3, 2, 2, 2, 9]}
    assert overfitting(stored(tmp_path / "gappy", metrics=metrics)).epochs.tolist() == [1, 2, 4]
    with pytest.raises(StoreError, match=r"train it with dataset\.validation=0\.1"):
        overfitting(stored(tmp_path / "no", metrics={"epoch/train_loss": [1, 2]}))
    with pytest.raises(StoreError, match="both finite"):
        overfitting(stored(tmp_path / "nan", metrics={"epoch/train_loss": [np.nan], "validation/loss": [1.0]}))
