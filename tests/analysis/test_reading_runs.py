"""Traces, predictions, range tests and descents, read back from a study."""

from pathlib import Path

import numpy as np
import pytest
from synthetic_study import CLASSES, LEAST, MINIMUM

from passo.analysis import (
    cross_entropy,
    descent,
    divergence,
    entropy,
    ewma,
    lr_ranges,
    plans,
    predictions,
    residual,
    surface,
    tell_descents,
    traces,
)
from passo.errors import StoreError, UnknownName, UsageError
from passo.store import Store, StoredStudy, open_study


def test_a_trace_gives_each_stage_of_one_coordinate(study: StoredStudy) -> None:
    run = study.run("adam-s0")
    found = traces(run, 2)
    assert found.coordinate == "conv1.weight[0, 0, 2, 2]"
    np.testing.assert_array_equal(found["exp_avg"], run.array("trace")[:, 3, 2].astype(np.float64))
    np.testing.assert_allclose(found["exp_avg"], ewma(found["grad"], beta=0.9), atol=1e-7)
    np.testing.assert_allclose(found.measured, found["adapted"], rtol=1e-5)


def test_without_a_choice_the_middle_weight_of_the_convolution_is_followed(study: StoredStudy) -> None:
    assert traces(study.run("sgd-s0")).coordinate == "conv1.weight[0, 0, 1, 1]"


def test_a_stage_or_coordinate_that_is_not_there_is_refused(study: StoredStudy) -> None:
    with pytest.raises(UnknownName, match=r"unknown stage of sgd-s0 'exp_avg'\. .*Known: adapted"):
        traces(study.run("sgd-s0"))["exp_avg"]
    with pytest.raises(UsageError, match="traced 3 coordinates; there is no number 7"):
        traces(study.run("sgd-s0"), 7)
    with pytest.raises(StoreError, match="sgd-s1 was not watched"):
        traces(study.run("sgd-s1"))


def test_the_residual_is_told_in_roundings(study: StoredStudy) -> None:
    found = residual(study.run("adam-s0"))
    assert found.largest == pytest.approx(1e-9)
    assert "60 watched steps of adam-s0" in found.sentence() and "1.2 roundings" in found.sentence()


def test_cross_entropy_is_entropy_plus_divergence() -> None:
    p, q = np.random.default_rng(0).dirichlet(np.ones(5), (2, 7))
    np.testing.assert_allclose(cross_entropy(p, q), entropy(p) + divergence(p, q))
    assert (divergence(p, q) > 0).all()
    np.testing.assert_allclose(divergence(p, p), 0, atol=1e-12)


def test_predictions_equal_a_naive_recomputation(study: StoredStudy) -> None:
    run = study.run("adam-final-s0")
    found = predictions(run, CLASSES)
    q, labels = run.array("test/probabilities").astype(float), run.array("test/labels")
    losses = [-np.log(row[label]) for row, label in zip(q, labels, strict=True)]
    assert found.total == pytest.approx(np.mean(losses))
    for c in range(3):
        mine = [i for i, label in enumerate(labels) if label == c]
        assert found.per_class[c] == pytest.approx(np.mean([losses[i] for i in mine]))
        np.testing.assert_allclose(found.mean_predicted[c], q[mine].mean(0))
    assert found.uniform == pytest.approx(np.log(3))
    assert f"lie {found.total:.3g} nats" in found.sentence()


def test_a_prediction_of_zero_costs_much_but_not_infinitely() -> None:
    assert np.isfinite(cross_entropy(np.array([1.0, 0.0]), np.array([0.0, 1.0])))


def test_predictions_of_another_number_of_classes_are_refused(study: StoredStudy) -> None:
    with pytest.raises(StoreError, match="predicts 3 classes, but the study names 2"):
        predictions(study.run("adam-final-s0"), CLASSES[:2])


def test_range_tests_are_averaged_on_the_log_scale(study: StoredStudy) -> None:
    found = lr_ranges(study, "range-adam")
    suggested = [0.01, 0.011, 0.012]
    assert found.suggestion == pytest.approx(np.prod(suggested) ** (1 / 3))
    assert (found.lowest, found.highest, found.diverged) == (pytest.approx(0.01), pytest.approx(0.012), 0)
    assert "suggest 0.01, 0.011 and 0.012" in found.sentence()


def test_a_descent_knows_its_distance_and_its_overshoot(study: StoredStudy) -> None:
    straight, swinging = descent(study, "line-sgd"), descent(study, "line-nesterov")
    assert straight.overshoot == 0
    assert straight.distance == pytest.approx(np.hypot(*(straight.points[-1] - np.array(MINIMUM))))
    steps = np.arange(31)
    assert swinging.overshoot == pytest.approx(-(0.86**steps * np.cos(0.6 * steps)).min())
    assert f"nesterov by {100 * swinging.overshoot:.0f} %" in tell_descents([straight, swinging])


def test_an_outline_lies_where_the_loss_has_its_level(study: StoredStudy) -> None:
    ground = surface(study)
    b, w = (ground.outline(0.2) - np.array(MINIMUM)).T
    np.testing.assert_allclose(LEAST + b**2 + 0.3 * w**2 + 0.4 * b * w, 0.2, rtol=1e-9)


def test_a_surface_that_is_no_bowl_has_no_outlines(tmp_path: Path) -> None:
    with Store.create(tmp_path / "s", name="s", config={}) as store:
        run = store.add_run("line-surface", config={}, kind="surface")
        b = np.linspace(-1, 1, 11)
        run.array("b", b)
        run.array("w", b)
        run.array("loss", np.abs(b)[:, None] + np.abs(b)[None])
        run.info(minimum=[0.0, 0.0], loss_minimum=0.0)
        run.finish()
    with pytest.raises(StoreError, match="no quadratic bowl"):
        surface(open_study(tmp_path / "s")).outline(0.5)


def test_previews_come_in_the_order_of_the_study(study: StoredStudy) -> None:
    assert [(plan.name, plan.when) for plan in plans(study)] == [("StepLR", "epoch"), ("CyclicLR triangular", "step")]


def test_a_missing_path_is_named_with_those_that_are_there(study: StoredStudy) -> None:
    with pytest.raises(StoreError, match="no finished descent 'line-adam'; there are: line-sgd"):
        descent(study, "line-adam")
