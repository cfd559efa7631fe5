"""Quantities per layer and step are what whole tensors give, computed here one number at a time."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from watched_run import SHAPES, Little, train

from passo.analysis.inspected import layer_table, noticed, parameter_table, shown_step, sparkline, summary
from passo.analysis.layers import QUANTITIES, layers, quantity
from passo.analysis.memory import half_life, mean_age, memories
from passo.analysis.updates import residual, residual_by_step, traces
from passo.analysis.whole import activations, clipping, loss_change, not_finite
from passo.errors import StoreError, UnknownName

ADAM, SGD = train("Adam", weight_decay=0.01), train("SGD", momentum=0.0)


def norm(tensor: np.ndarray) -> float:
    return math.sqrt(sum(x * x for x in tensor.ravel().tolist()))


NAIVE = {
    "gradient": lambda at: norm(at["grad"]) / math.sqrt(at["grad"].size),
    "update": lambda at: norm(at["update"]) / math.sqrt(at["update"].size),
    "effective-lr": lambda at: norm(at["update"]) / norm(at["grad"]),
    "update-ratio": lambda at: norm(at["update"]) / norm(at["theta"]),
    "signal-to-noise": lambda at: math.sqrt((at["exp_avg_hat"] ** 2).sum() / at["exp_avg_sq_hat"].sum()),
    "cosine": lambda at: float((at["grad"] * at["update"]).sum()) / norm(at["grad"]) / norm(at["update"]),
    "uphill": lambda at: float(np.mean(np.sign(at["grad"]) == np.sign(at["update"]))),
}


def test_every_quantity_is_tested() -> None:
    assert set(NAIVE) == set(QUANTITIES)


@pytest.mark.parametrize("name", sorted(NAIVE))
def test_a_quantity_is_what_whole_tensors_give(name: str) -> None:
    found = layers(ADAM.run())
    values = QUANTITIES[name].of(found)
    assert values.shape == (40, len(SHAPES))
    for row, step in enumerate(found.steps):
        for column, parameter in enumerate(found.names):
            if parameter in ADAM.whole[step]:
                expected = NAIVE[name](ADAM.whole[step][parameter])
                assert values[row, column] == pytest.approx(expected, rel=1e-9, abs=1e-12)
            else:  # no gradient at this step
                assert math.isnan(values[row, column])


def test_plain_sgd_goes_straight_down_by_its_learning_rate() -> None:
    found = layers(SGD.run())
    there = np.isfinite(found.rms["grad"])
    np.testing.assert_allclose(QUANTITIES["effective-lr"].of(found)[there], 0.02)
    np.testing.assert_allclose(QUANTITIES["cosine"].of(found)[there], -1)
    assert (QUANTITIES["uphill"].of(found)[there] == 0).all()


def test_a_stage_is_a_quantity_too_and_an_unknown_name_gets_both_lists() -> None:
    found = layers(ADAM.run())
    np.testing.assert_array_equal(quantity(found, "exp_avg").of(found), found.rms["exp_avg"])
    with pytest.raises(UnknownName, match=r"unknown quantity 'cosin'\. Did you mean 'cosine'.*exp_avg.*uphill") as told:
        quantity(found, "cosin")
    names = str(told.value).partition("Known: ")[2].split(", ")
    assert len(names) == len(set(names)) and {"update", "gradient"} < set(names) and "grad" not in names


def test_each_group_has_its_own_learning_rate() -> None:
    run = ADAM.run()
    run.held["statistics"][1]["groups"] = [0, 0, 1, 1, 0]  # type: ignore[index]
    run.held = {**run.held, "trace/lrs": (np.tile([0.01, 0.5], (40, 1)), {})}
    assert layers(run).lr[0].tolist() == [0.01, 0.01, 0.5, 0.5, 0.01]
    assert traces(run, 0).lr[0] == 0.01
    assert traces(run, 2).lr[0] == 0.5  # fc2.weight


@pytest.mark.parametrize(
    ("without", "asked", "said"),
    [
        (("theta",), "update-ratio", "the update-to-weight ratio needs the stage 'theta', which run little lacks"),
        (("relations",), "cosine", "has no array 'relations': only newer recordings have it"),
        (("sizes",), "cosine", "needs the sizes of the tensors, which run little was recorded without"),
    ],
)
def test_what_an_old_recording_lacks_is_named(without: tuple[str, ...], asked: str, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        QUANTITIES[asked].of(layers(ADAM.run(without=without)))


def test_an_optimiser_without_squares_has_no_signal_to_noise_ratio() -> None:
    with pytest.raises(StoreError, match="needs the stage 'exp_avg_sq_hat', which run little lacks; it has: theta"):
        QUANTITIES["signal-to-noise"].of(layers(SGD.run()))


def test_a_step_that_was_not_recorded_is_refused() -> None:
    with pytest.raises(StoreError, match="did not record step 7; 20 steps were recorded, from 2 to 40"):
        layers(ADAM.run(every=2)).row(7)


# ── The whole step ──


def test_the_age_of_an_average_is_what_its_weights_say() -> None:
    for beta in (0.5, 0.9, 0.999):
        assert beta ** half_life(beta) == pytest.approx(0.5)
        weights = (1 - beta) * beta ** np.arange(100_000)
        assert (weights * np.arange(100_000)).sum() == pytest.approx(mean_age(beta))
    assert [(m.symbol, m.beta) for m in memories(ADAM.run())] == [("β₁", 0.9), ("β₂", 0.999)]
    assert [m.symbol for m in memories(train("SGD", steps=2).run())] == ["μ"]
    assert memories(SGD.run()) == ()


def test_the_predicted_change_in_loss_is_close_to_the_one_that_came_for_small_steps() -> None:
    little = train("SGD", momentum=0.0, lr=1e-5)
    found = loss_change(little.run())
    expected = [sum(float((at["grad"] * at["update"]).sum()) for at in little.whole[s].values()) for s in little.whole]
    np.testing.assert_allclose(found.predicted, expected)
    assert found.came is not None
    np.testing.assert_allclose(found.came, found.predicted, rtol=1e-3)
    assert "fell at 40 of 40 steps" in found.sentence() and "1 of the prediction" in found.sentence()


def test_after_clipping_the_loss_changes_as_its_own_gradient_predicts() -> None:
    little = train("SGD", momentum=0.0, lr=1e-5, clip=0.5)
    found = loss_change(little.run())
    expected = [
        sum(float((at["grad_raw"] * at["update"]).sum()) for at in little.whole[s].values()) for s in little.whole
    ]
    np.testing.assert_allclose(found.predicted, expected)


def test_without_losses_only_the_prediction_is_told() -> None:
    found = loss_change(ADAM.run(without=("loss",)))
    assert found.came is None and "what came is not known" in found.sentence()


def test_clipping_is_told_as_often_and_as_much_as_it_bit() -> None:
    little = train("Adam", clip=2.0)
    found = clipping(little.run())
    raw = np.array([math.sqrt(sum(norm(at["grad_raw"]) ** 2 for at in little.whole[s].values())) for s in little.whole])
    np.testing.assert_allclose(found.raw, raw)
    np.testing.assert_allclose(found.kept, np.minimum(1, 2 / raw))
    bites = int((raw > 2).sum())
    assert 0 < bites < 40 and found.alike
    assert f"Clipping bit at {bites} of 40 steps" in found.sentence() and "as by norm" in found.sentence()
    assert "Nothing clipped the gradient in 40 steps" in clipping(ADAM.run()).sentence()


def test_clipping_by_value_is_told_apart_from_clipping_by_norm() -> None:
    run = ADAM.run()
    values, meta = run.held["statistics"]
    values[:, meta["stages"].index("grad"), 0] *= 0.5  # one layer alone
    assert not clipping(run).alike and "layers differently" in clipping(run).sentence()


def test_a_gradient_that_is_not_finite_is_named_with_step_and_layer_and_a_missing_one_is_not() -> None:
    run = ADAM.run()
    values, meta = run.held["statistics"]
    assert not_finite(layers(run)) == ()
    grad = meta["stages"].index("grad")
    values[7, grad, 2] = math.nan
    values[8, grad, 0] = math.inf
    assert np.isnan(clipping(run).kept[[7, 8]]).all() and not clipping(run).bit.any()
    found = not_finite(layers(run))
    assert [(at.step, at.layers) for at in found] == [(8, ("fc2.weight",)), (9, ("fc1.weight",))]
    advice = "try a smaller learning rate, check that the inputs are finite, and look at the step before (--step 7)"
    assert noticed(run) == [f"a gradient was not finite first at step 8, in fc2.weight; {advice}"]
    run.happened = [("watch", 8, "at step 8 the gradient of fc2.weight is not finite", {"what": "not-finite"})]
    assert noticed(run) == [f"at step 8 the gradient of fc2.weight is not finite; {advice}"]


def test_of_a_run_that_was_lost_only_the_finite_steps_are_proven_and_the_last_of_them_is_shown() -> None:
    run = train("Adam", steps=10).run()
    statistics, trace = run.held["statistics"][0], run.held["trace"]
    grad = trace[1]["stages"].index("grad")
    statistics[4, grad:], trace[0][4, grad:] = math.nan, math.nan
    statistics[5:], trace[0][5:] = math.nan, math.nan
    said = " ".join(summary(run))
    assert "In 4 of 10 watched steps of little no update" in said and "; the other 6 are not finite." in said
    assert shown_step(run) == (4, ", the last with finite gradients (of 10)")
    assert layer_table(run).rows == layer_table(run, 4).rows
    assert shown_step(ADAM.run()) == (40, "")
    trace[0][:] = math.nan
    assert residual(run).sentence() == "None of the 10 watched steps of little has a finite update to explain."


def test_a_gradient_whose_square_overflows_is_still_finite() -> None:
    run = ADAM.run()
    values, meta = run.held["statistics"]
    values[7, meta["stages"].index("grad"), 2] = [1e22, math.inf]
    assert not_finite(layers(run)) == ()


def test_activations_are_read_by_layer_and_told() -> None:
    found = activations(ADAM.run())
    hidden, above = ADAM.hidden[40]
    assert found.std[-1, 0] == pytest.approx(hidden.std())
    assert found.grad_rms[-1, 0] == pytest.approx(norm(above) / math.sqrt(above.size))
    assert found.layers == ("fc1",) and found.sentence().startswith("At step 40 of little, the standard deviation")
    with pytest.raises(StoreError, match=r"no array 'activations': train it again with watch\(…, activations=True\)"):
        activations(ADAM.run(without=("activations",)))


def test_advice_is_in_the_words_of_who_started_the_run(tmp_path: Path) -> None:
    assert loss_change(ADAM.run(without=("loss",))).setting == "watch(…, loss=…)"
    stored = train("SGD", steps=3).stored(tmp_path / "study", without=("loss", "activations"))
    assert "is recorded with record.every=1 record.loss=true." in loss_change(stored).sentence()
    with pytest.raises(StoreError, match="train it again with record.every=1 record.activations=true"):
        activations(stored)


def test_the_run_of_an_own_loop_is_called_this_run() -> None:
    run = ADAM.run()
    run.id = "watched"
    said = " ".join(summary(run))
    assert said.startswith("This run was trained") and "In 40 watched steps of this run no" in said
    assert "of watched" not in said + activations(run).sentence()


def test_the_residual_is_given_in_roundings_of_the_weight() -> None:
    run = ADAM.run()
    steps, worst = residual_by_step(run)
    assert steps.tolist() == list(range(1, 41)) and worst.max() <= max(ADAM.roundings().values()) <= 1
    at = ADAM.whole[1]["fc1.weight"]
    size = max(abs(at["theta"][1, 2]), abs(at["theta"][1, 2] + at["update"][1, 2]), abs(at["update"][1, 2]))
    assert traces(run, 0).roundings[0] == pytest.approx(abs(at["residual"][1, 2]) / size / 2**-52)
    assert residual(run).roundings == max(ADAM.roundings().values())
    with pytest.raises(StoreError, match="the residual in roundings needs the stage 'theta'"):
        residual_by_step(ADAM.run(without=("theta",)))


# ── In words ──


def test_a_run_is_told_in_sentences() -> None:
    said = " ".join(summary(ADAM.run()))
    assert "trained with Adam under the microscope: 40 steps were recorded, from 1 to 40" in said
    assert "(28 weights, 4 of them traced)" in said and "(promised: at most 8)" in said
    assert "β₁ = 0.9 halves a gradient's weight in 6.58 steps (mean age 9)" in said
    assert "nan" not in said.lower()


def test_an_optimiser_without_equations_is_told_so() -> None:
    said = " ".join(summary(train("Unheard").run()))
    assert "No equations are written for Unheard" in said and "measured, not explained" in said


def test_an_event_is_told_once_with_its_step() -> None:
    events: list[Any] = [("watch", 2, "the gradient is not finite", {}), ("watch", 3, "at step 3 it fell", {})]
    assert noticed(ADAM.run(events=events)) == ["the gradient is not finite (step 2)", "at step 3 it fell"]


def test_the_table_of_layers_holds_one_step_and_leaves_out_what_was_not_recorded() -> None:
    table = layer_table(ADAM.run(), 1)
    assert table.columns == ("layer", "weights", "gradient", "eff. lr", "update/θ", "m̂/√v̂", "cosine", "uphill")
    at = ADAM.whole[1]["fc1.weight"]
    assert table.rows[0][:3] == ("fc1.weight", "15", f"{NAIVE['gradient'](at):.2g}")
    assert table.rows[4] == ("spare.weight", "2", *["–"] * 6)
    old = layer_table(ADAM.run(without=("theta", "relations", "sizes", "watch")), 2)
    assert old.columns == ("layer", "weights", "gradient", "eff. lr", "m̂/√v̂")
    assert "theta" in old.note and "relations" in old.note
    assert all(f"{head}: " in table.note for head in table.columns[2:]) and "cosine: of g" not in old.note


def test_a_parameter_is_told_over_the_run() -> None:
    table = parameter_table(ADAM.run(), "fc2.weight")
    rows = {row[0].split("  ")[0]: row for row in table.rows}
    first, last = (norm(ADAM.whole[step]["fc2.weight"]["theta"]) / math.sqrt(5) for step in (1, 40))
    assert (float(rows["θ"][1]), float(rows["θ"][3])) == (pytest.approx(first, rel=0.05), pytest.approx(last, rel=0.05))
    assert len(rows["θ"][4]) == 20 and "fc2.weight[0, 4]" in table.note and "uphill: the share" in table.note
    assert len(parameter_table(ADAM.run(), "fc2.weight", 9).rows[0][4]) == 9
    assert "g + λθ" in rows and not any("g + λθ" in row[0] for row in parameter_table(SGD.run(), "fc2.weight").rows)
    with pytest.raises(UnknownName, match="Did you mean 'fc2.weight'"):
        parameter_table(ADAM.run(), "fc2.weigth")


def test_a_sparkline_shows_least_and_most_and_leaves_gaps() -> None:
    assert sparkline(np.array([1.0, math.nan, 2.0])) == "▁ █"
    assert sparkline(np.array([1.0, 10.0, 100.0])) == "▁▅█"  # logarithmic: 10 lies in the middle
    assert sparkline(np.array([math.nan])) == ""
    assert len(sparkline(np.arange(1000.0))) == 20


def test_a_stored_run_reads_like_one_in_memory(tmp_path: Path) -> None:
    little: Little = train("AdamW", steps=6)
    stored, held = layers(little.stored(tmp_path / "study")), layers(little.run())
    for name in QUANTITIES:
        np.testing.assert_array_equal(QUANTITIES[name].of(stored), QUANTITIES[name].of(held))
