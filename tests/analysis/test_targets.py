"""Ways to a target with runs that never arrive, best against last, and the area under the curve."""

import math
from pathlib import Path

import numpy as np
import pytest
from invented import PER_EPOCH, invented

from passo.analysis.ends import area, endings
from passo.analysis.targets import half_there, reach, seconds_at, targets
from passo.errors import StoreError, UnknownName
from passo.store import Series, Store, StoredStudy, open_study

ACCURACY = "validation/accuracy"


@pytest.fixture
def study(tmp_path: Path) -> StoredStudy:
    curves = {
        "fast": [[0.5, 0.8, 0.9, 0.85], [0.6, 0.7, 0.8, 0.9], [0.4, 0.8, 0.8, 0.8]],
        "slow": [[0.1, 0.2, 0.5, 0.8], [0.1, 0.2, 0.3, 0.4], [0.2, 0.3, 0.7, 0.9]],
        "never": [[0.1, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.1], [0.1, 0.1]],
    }
    runs = {name: [{ACCURACY: curve} for curve in each] for name, each in curves.items()}
    return invented(tmp_path / "ways", runs, diverged=["never-s2"], seconds=2.5)


def test_a_target_is_reached_at_the_first_record_beyond_it(study: StoredStudy) -> None:
    found = reach(study.run("fast-s1"), ACCURACY, 0.7)
    assert (found.there, found.epochs, found.steps, found.seconds) == (True, 2, 2 * PER_EPOCH, 5.0)
    never = reach(study.run("never-s0"), ACCURACY, 0.7)
    assert (never.there, never.epochs, never.seconds) == (False, 4, 10.0)


def test_runs_that_never_arrive_are_longer_than_they_were_given_and_not_dropped(study: StoredStudy) -> None:
    found = targets(study, ACCURACY, 0.75)
    assert [way.name for way in found.ways] == ["fast", "slow", "never"]
    fast, slow, never = found.ways
    assert (fast.median(), fast.reached) == (2, 3)
    assert (slow.median(), slow.reached) == (4, 2)
    assert (never.reached, len(never.runs), never.words()) == (0, 3, "> 4")
    assert "never never does" in found.sentence()
    assert "fast reaches a validation accuracy of 75.0 % after 2 epochs (3 of 3 runs)" in found.sentence()


def test_half_of_all_runs_must_be_there_whatever_the_others_were_given() -> None:
    assert half_there([3, 1, 2], [True] * 3) == 2
    assert half_there([1, 2, 9, 9], [True, True, False, False]) == 2
    assert half_there([1, 9, 9], [True, False, False]) == math.inf
    assert half_there([8, 1, 2], [True, False, False]) == math.inf  # two gave up early: that makes nobody fast
    assert math.isnan(half_there([math.nan, 1], [True, True]))


def test_a_run_that_diverged_before_its_first_record_counts_as_never_there(tmp_path: Path) -> None:
    runs = {"a": [{ACCURACY: [0.5, 0.9]}], "gone": [{"train/loss": [math.nan]}]}
    found = targets(invented(tmp_path / "d", runs, diverged=["gone-s0"]), ACCURACY, 0.8)
    assert [(way.name, way.reached, len(way.runs)) for way in found.ways] == [("a", 1, 1), ("gone", 0, 1)]
    assert found.ways[1].words() == "—"


def test_a_diverged_run_that_was_there_before_counts_as_arrived(tmp_path: Path) -> None:
    study = invented(tmp_path / "d", {"a": [{ACCURACY: [0.5, 0.9, 0.1]}]}, diverged=["a-s0"])
    assert targets(study, ACCURACY, 0.8).ways[0].median() == 2


def test_without_a_target_half_of_the_configurations_end_beyond_it(study: StoredStudy) -> None:
    found = targets(study, ACCURACY)
    lasts = [np.mean([0.85, 0.9, 0.8]), np.mean([0.8, 0.4, 0.9]), 0.1]
    assert found.value == pytest.approx(np.median(lasts))
    assert "the median of the configurations' means" in found.table().note


def test_a_loss_reaches_its_target_from_above(tmp_path: Path) -> None:
    study = invented(tmp_path / "l", {"a": [{"validation/loss": [2.0, 1.0, 0.5]}]})
    assert targets(study, "validation/loss", 1.0).ways[0].median() == 2


def test_seconds_within_an_epoch_are_in_proportion_and_unknown_where_nothing_was_recorded(study: StoredStudy) -> None:
    run = study.run("fast-s0")
    assert [seconds_at(run, epoch) for epoch in (0.5, 1.0, 3.5)] == [1.25, 2.5, 8.75]
    assert math.isnan(seconds_at(run, 5.0))


def test_seconds_of_runs_that_were_trained_as_one_network_are_said_to_be_their_groups(tmp_path: Path) -> None:
    with Store.create(tmp_path / "g", name="g", config={}) as store:
        run = store.add_run("a", config={}, seed=0)
        run.scalars(1, 1.0, {ACCURACY: 0.9, "epoch/seconds": 1.0})
        run.info(engine="replicas", replicas=8)
        run.finish()
    assert "Seconds: of the whole group" in targets(open_study(tmp_path / "g"), ACCURACY, 0.5).table().note


def test_what_is_not_there_is_told(study: StoredStudy) -> None:
    with pytest.raises(UnknownName, match="'fst'. Did you mean 'fast'"):
        targets(study, ACCURACY, 0.5, ["fst"])
    with pytest.raises(StoreError, match="no run in .* has 'test/f1'"):
        targets(study, "test/f1", 0.5)


def test_best_against_last_and_area_equal_a_naive_recomputation(study: StoredStudy) -> None:
    found = endings(study, ACCURACY, ["fast", "slow"])
    fast = next(each for each in found.each if each.name == "fast")
    curves = np.array([[0.5, 0.8, 0.9, 0.85], [0.6, 0.7, 0.8, 0.9], [0.4, 0.8, 0.8, 0.8]])
    assert fast.best.mean == pytest.approx(np.mean([0.9, 0.9, 0.8]))
    assert fast.epoch == 3  # bests in epochs 3, 4 and 2
    assert fast.gap.mean == pytest.approx(np.mean([0.05, 0, 0]))
    assert fast.area.mean == pytest.approx(np.mean([(c[0] / 2 + c[1] + c[2] + c[3] / 2) / 3 for c in curves]))
    assert [each.name for each in found.each] == ["fast", "slow"]


def test_areas_go_over_the_epochs_that_all_have(tmp_path: Path) -> None:
    study = invented(tmp_path / "a", {"a": [{ACCURACY: [0.2, 0.4, 1.0]}], "b": [{ACCURACY: [0.2, 0.4]}]})
    found = endings(study, ACCURACY)
    assert found.span == (1, 2)
    assert {each.name: each.area.mean for each in found.each} == pytest.approx({"a": 0.3, "b": 0.3})


def test_the_area_within_a_span_is_that_of_straight_lines() -> None:
    series = Series("m", np.arange(3), np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 0.0]))
    assert area(series, 0.5, 1.5) == pytest.approx(0.75)
    assert area(series, 0, 2) == pytest.approx(0.5)
