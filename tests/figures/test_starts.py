"""The figures of docs/keras.md about Ftrl hold the numbers of the study, and its formula those of the first step."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import vl_convert

from passo.analysis.starts import first_step, kept, models_of
from passo.errors import StoreError
from passo.figures.starts import losses, starts
from passo.store import Store, StoredStudy, open_study

A0, LR = 0.1, 0.001
STAGES = ["theta", "grad", "update"]
CONFIGURATIONS = {"ftrl": 0.01, "ftrl-kept": 1.0, "adam": 1.0}  # what the first step leaves of the weights
SIZES = [100, 10, 25]
SEEDS = (0, 1)


def write_run(store: Store, name: str, seed: int, left: float, first: int = 1) -> None:
    """A run of three tensors whose weights keep `left` of their rms at the first step; one traced weight each."""
    writer = store.add_run(name, config={"model": {"name": name.partition("-")[0]}}, seed=seed)
    meta = {"stages": STAGES, "parameters": ["fc.weight", "fc.bias", "out.weight"], "groups": [0, 0, 0], "every": 1}
    statistics = np.zeros((4, 3, 3, 2), np.float32)  # (T, S, P, Q)
    statistics[:, 0, :, 1] = np.array([0.2, 0.1, 0.4]) * (1 + seed)
    statistics[1:, 0, :, 1] *= left
    statistics[:, 1, :, 1] = np.array([[1.0], [left], [left], [left]]) * 0.5
    writer.array("statistics", statistics, quantities=["mean", "rms"], sizes=SIZES, **meta)
    steps = np.arange(first, first + 4)
    theta, grad = np.array([0.3, 0.0, -0.2]), np.array([0.01, 0.5, -2.0])
    after = theta * (1 - np.sqrt(A0 / (A0 + grad**2))) - LR * grad / np.sqrt(A0 + grad**2)
    trace = np.stack([np.stack([theta, grad, after - theta])] * 4)  # (T, S, K)
    writer.array("trace", trace, stages=STAGES, coordinates=[["fc.weight", [0]], ["fc.bias", [0]], ["out.weight", [1]]])
    writer.array("trace/steps", steps)
    writer.array("trace/lr", np.full(4, LR))
    for epoch in (1, 2, 3):
        writer.scalars(epoch * 5, epoch, {"epoch/train_loss": 2.3 - epoch * left * 0.5 + 0.01 * seed})
    writer.scalars(15, 3, {"test/accuracy": 0.1 + 0.7 * left + 0.01 * seed})
    writer.info(watch={"hyper": [{"lr": LR, "initial_accumulator_value": A0}]})
    writer.finish()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    folder = tmp_path_factory.mktemp("starts") / "study"
    with Store.create(folder, name="why", config={}) as store:
        for model in ("linear", "lenet"):
            for name, left in CONFIGURATIONS.items():
                for seed in SEEDS:
                    write_run(store, f"{model}-{name}", seed, left)
    return open_study(folder)


def rows(figure) -> list[dict[str, str]]:
    return [row for text in figure.spec()["datasets"].values() for row in csv.DictReader(io.StringIO(text))]


def test_what_is_kept_is_the_length_of_the_weights_over_that_at_the_start(study: StoredStudy) -> None:
    found = kept(study, "lenet-ftrl")
    assert found.parameters == ("fc.weight", "out.weight")  # no biases
    assert list(found.taken) == [0, 1, 2, 3]
    np.testing.assert_allclose(found.share[:, 0], 1)
    np.testing.assert_allclose(found.after_one, 0.01, rtol=1e-6)
    np.testing.assert_allclose(found.gradient[:, 0], 0.5 * np.sqrt([[100, 25], [100, 25]]), rtol=1e-6)
    np.testing.assert_allclose(found.gradient_left, 0.01, rtol=1e-6)
    assert models_of(study) == ("linear", "lenet")


def test_the_formula_of_the_first_step_is_held_against_what_happened(study: StoredStudy) -> None:
    found = first_step(study, "lenet-ftrl")
    assert found.coordinates == 3 * len(SEEDS) and found.size == 0.3
    assert found.off < 1e-12
    assert found.factor == pytest.approx((0.0004996, 0.4654, 0.8438), rel=1e-3)


def test_a_run_that_was_not_watched_from_its_first_step_is_told(tmp_path: Path) -> None:
    with Store.create(tmp_path / "late", name="late", config={}) as store:
        write_run(store, "mlp-ftrl", 0, 0.01, first=5)
    with pytest.raises(StoreError, match="mlp-ftrl-s0 was not watched at steps 1 and 2"):
        kept(open_study(tmp_path / "late"), "mlp-ftrl")


def test_the_picture_of_the_starts_draws_every_layer_with_its_share(study: StoredStudy) -> None:
    figure = starts(study)
    assert vl_convert.vegalite_to_vega(figure.spec(), vl_version="6.4")["marks"]
    titles = [view["title"]["text"] for view in figure.spec()["concat"]]
    assert titles == [f"{model}: {layer}.weight" for model in ("linear", "lenet") for layer in ("fc", "out")]
    drawn = {row["label"]: float(row["y"]) for row in rows(figure) if row["x"] == "1"}
    assert drawn == pytest.approx(CONFIGURATIONS, rel=1e-4)
    assert "leaves 1 % of the weights of linear and 1 % of the weights of lenet" in figure.sentence
    assert "meets all 12 traced weights" in figure.sentence


def test_the_picture_of_the_losses_says_what_keeping_the_start_changes(study: StoredStudy) -> None:
    figure = losses(study)
    assert vl_convert.vegalite_to_vega(figure.spec(), vl_version="6.4")["marks"]
    drawn = [float(row["y"]) for row in rows(figure) if row["label"] == "ftrl-kept"]
    assert sorted(set(drawn)) == pytest.approx([2.3 - 1.5 + 0.005, 2.3 - 1.0 + 0.005, 2.3 - 0.5 + 0.005])
    assert "lenet: ftrl 11.2 %, ftrl-kept 80.5 % and adam 80.5 %." in figure.sentence
    assert "ftrl-kept against ftrl +69.3" in figure.sentence


def test_a_study_of_other_names_is_told(tmp_path: Path) -> None:
    with Store.create(tmp_path / "other", name="other", config={}) as store:
        store.add_run("sgd", config={}).finish()
    with pytest.raises(StoreError, match="no runs called MODEL-ftrl"):
        starts(open_study(tmp_path / "other"))
