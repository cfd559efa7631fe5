"""Little data: when both models' losses converge, where each over-fits, what stopping saves; against the truth."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from invented import invented
from pair_study import END, KNEE, LASTING, PATIENCE, TAU, make

from passo.analysis.contrasts import BySeed
from passo.analysis.small import small
from passo.analysis.validated import validated
from passo.errors import StoreError
from passo.store import StoredStudy


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    return make(tmp_path_factory.mktemp("small") / "study", parts=("small",))


def first_epoch_below(m: int, share: float) -> int:
    """By the law of the study: the first epoch whose mean loss is within a share of the fall above the value."""
    means = [END[m] + 2 * TAU[m] * (math.exp(-(e - 1) / TAU[m]) - math.exp(-e / TAU[m])) for e in range(1, 31)]
    return next(e for e, mean in enumerate(means, 1) if mean <= END[m] + share * (means[0] - END[m]))


def test_the_speed_and_the_value_are_those_of_the_law(study: StoredStudy) -> None:
    for m, pace in enumerate(small(study).each):
        assert pace.words == "settled"
        assert pace.over_seeds("half").mean == first_epoch_below(m, 0.5)
        assert pace.over_seeds("fast").mean == pytest.approx(first_epoch_below(m, 0.05), abs=1)
        assert pace.over_seeds("value").mean == pytest.approx(END[m], abs=0.01)


def test_the_faster_and_lower_model_is_told_by_its_own_name(study: StoredStudy, tmp_path: Path) -> None:
    found = small(study)
    assert [one.ahead for one in found.contrasted if one.told] == ["cnn"] * 3
    assert "The cnn has done half of the fall of its training loss 1.0 epochs sooner than the mlp" in found.sentence()
    renamed = small(make(tmp_path / "renamed", parts=("small",), labels=("flat", "folded")))
    assert "folded ends with a training loss 0.2" in renamed.sentence() and "cnn" not in renamed.sentence()


def test_models_that_are_alike_are_not_distinguishable(tmp_path: Path) -> None:
    study = make(tmp_path / "alike", parts=("small",), alike=True)
    for found in (small(study), validated(study)):
        assert not any(one.told for one in found.contrasted)
        assert "The mlp and the cnn are not distinguishable in" in found.sentence()


def test_differences_are_of_the_same_seed(study: StoredStudy) -> None:
    found = small(study)
    first, second = (
        np.array([np.median(run.metric("epoch/train_loss").values[-10:]) for run in study.select(f"small-{label}")])
        for label in found.labels
    )
    (value,) = (one for one in found.contrasted if one.name.startswith("final training loss"))
    assert value.mean == pytest.approx((first - second).mean())


def test_seeds_that_agree_to_the_epoch_are_not_certain(study: StoredStudy) -> None:
    """All seeds halve their loss one epoch apart: rounding to whole epochs leaves an interval all the same."""
    (half,) = (one for one in small(study).contrasted if one.name.startswith("epochs to half"))
    assert set(half.contrast.values.values()) == {1.0}
    assert half.low < 1 < half.high and math.isfinite(half.surety)


def test_the_gap_grows_since_the_knee_and_stopping_comes_a_patience_after_the_best(study: StoredStudy) -> None:
    for m, one in enumerate(validated(study).each):
        assert mean(one.since) == pytest.approx(KNEE[m] + 1, abs=1)  # the first whole epoch of it
        # least where the curve falls as fast as the gap grows: 2/τ·exp(−t/τ) = 0.04
        assert mean(one.best) == pytest.approx(TAU[m] * math.log(50 / TAU[m]), abs=1)
        assert all(one.ended[seed] - one.best[seed] == PATIENCE for seed in one.best)
        assert len(one.early) == 5 and one.asked == LASTING["validated"]


def test_what_is_said_of_stopping_is_what_happened(study: StoredStudy) -> None:
    told = validated(study).each[0].sentence()
    assert "Early stopping ended it after epoch 15 of 40: its validation was best in epoch 10" in told
    assert "25 epochs were saved" in told


def test_the_later_onset_is_told_as_later(study: StoredStudy) -> None:
    (onset,) = (one for one in validated(study).contrasted if one.name == "onset of over-fitting")
    assert onset.ahead == "mlp" and onset.sentence().startswith("The mlp begins to over-fit")


def test_a_training_that_was_never_stopped_and_a_gap_that_does_not_grow_are_called_so(tmp_path: Path) -> None:
    flat = {"epoch/train_loss": [1.0, 0.8, 0.7, 0.65, 0.62, 0.61, 0.6, 0.6], "validation/loss": [0.9, 0.76, 0.69, 0.66]}
    flat["validation/loss"] += [0.64, 0.63, 0.62, 0.62]
    runs = {f"validated-{label}": [flat] * 3 for label in "ab"}
    study = paired_up(invented(tmp_path / "flat", runs), "validated")
    told = validated(study).sentence()
    assert "is not growing" in told and "Early stopping never came" in told and "saved" not in told


def test_a_loss_that_is_still_falling_has_not_converged(tmp_path: Path) -> None:
    falling = {"epoch/train_loss": [3.0 - 0.1 * e for e in range(20)]}
    still = {"epoch/train_loss": [0.5 + 2 * math.exp(-e) for e in range(20)]}
    study = paired_up(invented(tmp_path / "falling", {"small-a": [falling] * 3, "small-b": [still] * 3}), "small")
    found = small(study)
    assert "loss of the a has not converged (still falling)" in found.sentence()
    assert "loss of the b converged to 0.500" in found.sentence() and "and settled" in found.sentence()
    assert [one.name for one in found.contrasted] == ["final training loss"]  # no fall to take 95 % of


def test_a_seed_that_diverged_is_counted_and_not_left_out_in_silence(tmp_path: Path) -> None:
    fine = {"epoch/train_loss": [0.5 + 2 * math.exp(-e) for e in range(20)]}
    runs = {f"small-{label}": [fine] * 3 for label in "ab"}
    study = paired_up(invented(tmp_path / "lost", runs, diverged=["small-a-s1"]), "small")
    told = small(study).sentence()
    assert "loss of the a converged in 2 of 3 seeds (2 settled, 1 diverged)" in told
    assert "2 settled" not in told.partition("of the b")[2]


def test_one_seed_gives_no_interval_and_tells_nothing_apart(tmp_path: Path) -> None:
    study = make(tmp_path / "one", parts=("small",), seeds=1)
    told = small(study).sentence()
    assert "one seed, so no interval" in told and "[" not in told and "sooner" not in told
    assert "sooner" not in validated(study).sentence()


def test_an_entry_that_one_model_lacks_is_refused(tmp_path: Path) -> None:
    study = invented(tmp_path / "lacking", {"small-a": [{"epoch/train_loss": [1.0] * 8}]})
    with pytest.raises(StoreError, match="no run of the entry 'small' with b that is done"):
        small(paired_up(study, "small"))


def mean(values: BySeed) -> float:
    return float(np.mean(list(values.values())))


def paired_up(study: StoredStudy, entry: str) -> StoredStudy:
    """The study again, with the facts of a pair of models a and b."""
    told = {
        f"{entry}-{label}": {"entry": entry, "model": label, "parts": ["small"], "choice": "", "varied": {}}
        for label in "ab"
    }
    pair = {"labels": ["a", "b"], "within": 0.02, "difference": 0.0, "matched": [{}, {}]}
    study.facts.update(configurations=told, pair=pair)
    return study
