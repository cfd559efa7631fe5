"""Choice by validation alone, budgets by brute force, the learning rate's band."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from invented import adam, invented, sgd

from passo.analysis.budgets import budgets, chances
from passo.analysis.sensitivity import sensitivity
from passo.analysis.tuning import best_of
from passo.errors import StoreError, UnknownName, UsageError
from passo.store import Store, StoredStudy, open_study

BY, REPORT = "validation/loss", "test/accuracy"
LOSSES = {  # (validation loss, test accuracy) of each seed
    "adam-1": [(0.5, 0.80), (0.6, 0.81)],
    "adam-2": [(0.4, 0.70), (0.5, 0.72)],  # the best validation, not the best test
    "adam-3": [(0.9, 0.60), (0.8, 0.61)],
    "sgd-1": [(0.7, 0.65), (0.8, 0.66)],
    "sgd-2": [(0.3, 0.75), (0.3, 0.99)],  # lost a seed
}
CONFIGS = {"adam-1": adam(0.1), "adam-2": adam(0.01), "adam-3": adam(0.001), "sgd-1": sgd(0.1), "sgd-2": sgd(0.01)}


@pytest.fixture
def study(tmp_path: Path) -> StoredStudy:
    runs = {name: [{BY: [v], REPORT: [t]} for v, t in each] for name, each in LOSSES.items()}
    typed = [{"name": name, "optimizer": config["optimizer"]} for name, config in CONFIGS.items()]
    typed[2] = {"name": "adam-3", "optimizer": {"name": "adam"}}  # as typed: its defaults
    return invented(tmp_path / "t", runs, CONFIGS, study={"base": {}, "runs": typed}, diverged=["sgd-2-s1"])


def test_validation_chooses_and_the_test_only_reports(study: StoredStudy) -> None:
    found = best_of(study)
    assert {each.group: each.name for each in found.groups} == {"adam": "adam-2", "sgd": "sgd-1"}
    adams = next(each for each in found.groups if each.group == "adam")
    assert adams.test.mean == pytest.approx(0.71)
    assert adams.validation.mean == pytest.approx(0.45)
    assert adams.tried == 3
    assert set(found.fair.comparison.names) == {"adam-2", "sgd-1"}


def test_a_configuration_that_lost_a_seed_is_not_chosen_and_unequal_budgets_are_said(study: StoredStudy) -> None:
    found = best_of(study)
    assert "sgd-2" not in str(found.table())
    assert "The budgets differ: 1 to 3 configurations." in found.sentence()


def test_weights_that_early_stopping_put_back_are_judged_by_their_own_validation(tmp_path: Path) -> None:
    stopping = {"early_stopping": {"patience": 1, "restore_best": True}}
    with Store.create(tmp_path / "s", name="s", config={}) as store:
        for name, losses, best in (("a", [0.5, 0.2, 0.9], 2), ("b", [0.5, 0.4, 0.3], 3)):
            run = store.add_run(name, config=adam(0.1 * best, **stopping), seed=0)
            for epoch, loss in enumerate(losses, 1):
                run.scalars(10 * epoch, float(epoch), {BY: loss})
            run.scalars(30, 3.0, {REPORT: 0.5 + 0.1 * best})
            run.info(best={"monitor": BY, "value": min(losses), "epoch": best, "step": 10 * best})
            run.finish()
    (group,) = best_of(open_study(tmp_path / "s")).groups
    assert (group.name, group.validation.mean) == ("a", 0.2)
    assert budgets(open_study(tmp_path / "s")).groups[0].at(2).mean == pytest.approx(0.7)


def test_defaults_stand_beside_tuned_where_the_study_has_them(study: StoredStudy) -> None:
    of = {each.group: each.defaults for each in best_of(study).groups}
    assert of["sgd"] is None
    assert of["adam"] is not None and of["adam"].mean == pytest.approx(0.605)


def test_to_choose_by_the_test_is_refused(study: StoredStudy) -> None:
    for call in (best_of, budgets):
        with pytest.raises(UsageError, match="would use the test to tune"):
            call(study, by="test/accuracy")
    with pytest.raises(UnknownName, match="Did you mean 'optimizer.lr'"):
        best_of(study, group="optimizer.lrr")


@pytest.mark.parametrize("replacement", [True, False])
def test_chances_are_those_of_all_draws_counted_one_by_one(replacement: bool) -> None:
    n = 5
    for k in range(1, n + 1):
        draws = list(itertools.product(range(n), repeat=k) if replacement else itertools.combinations(range(n), k))
        counted = np.bincount([max(draw) for draw in draws], minlength=n) / len(draws)
        np.testing.assert_allclose(chances(n, k, replacement), counted, atol=1e-12)


def test_a_budget_is_the_mean_over_all_draws_of_the_test_that_validation_chooses(study: StoredStudy) -> None:
    adams = next(group for group in budgets(study).groups if group.group == "adam")
    names = ["adam-1", "adam-2", "adam-3"]
    for k in (1, 2, 3):
        of_seed = [
            np.mean([min(LOSSES[name][s] for name in draw)[1] for draw in itertools.combinations(names, k)])
            for s in (0, 1)
        ]
        assert adams.at(k).mean == pytest.approx(np.mean(of_seed))
    assert adams.at(3).mean == pytest.approx(0.71)  # all tried: what best_of reports
    assert adams.at(1).n == 2 and adams.at(1).known


def rates(folder: Path, means: list[float], diverged: list[str] | None = None) -> StoredStudy:
    """One run each at 0.001, 0.01, 0.1, 1."""
    names = [f"lr{i}" for i in range(len(means))]
    runs = {name: [{"validation/accuracy": [mean]}] for name, mean in zip(names, means, strict=True)}
    configs = {name: adam(10.0 ** (i - 3)) for i, name in enumerate(names)}
    return invented(folder, runs, configs, diverged=diverged or [])


def test_the_band_ends_where_the_line_in_the_logarithm_crosses_one_point(tmp_path: Path) -> None:
    (group,) = sensitivity(rates(tmp_path / "r", [0.78, 0.80, 0.80, 0.76])).groups
    assert math.log10(group.low) == pytest.approx(-2.5)
    assert math.log10(group.high) == pytest.approx(-0.75)
    assert group.decades == pytest.approx(1.75)
    assert not group.open_low and not group.open_high


def test_a_band_that_ends_at_the_last_rate_tried_is_a_bound(tmp_path: Path) -> None:
    found = sensitivity(rates(tmp_path / "r", [0.2, 0.5, 0.8, 0.795]))
    assert found.groups[0].high == 1 and found.groups[0].open_high
    assert "at least" in found.sentence()


def test_a_rate_at_which_a_seed_diverged_is_no_part_of_the_band(tmp_path: Path) -> None:
    (group,) = sensitivity(rates(tmp_path / "r", [0.79, 0.80, 0.80, 0.99], ["lr3-s0"])).groups
    assert group.at[group.best] == pytest.approx(0.01)
    assert group.high == pytest.approx(0.1) and not group.open_high
    assert group.low == pytest.approx(0.001)


def test_groups_are_what_else_varies_and_what_is_no_number_has_no_band(study: StoredStudy) -> None:
    found = sensitivity(study, BY)
    assert {group.name: len(group.at) for group in found.groups} == {"adam": 3, "sgd": 2}
    assert found.groups[0].name == "adam"  # sgd's better one lost a seed
    with pytest.raises(UsageError, match="no positive numbers"):
        sensitivity(study, BY, key="optimizer.name")
    with pytest.raises(StoreError, match="have 'test/f1'"):
        sensitivity(study, "test/f1")
