"""What became of the weights: counted one by one, on a folder of invented weights and on one that was trained."""

import math
from pathlib import Path

import numpy as np
import pytest

from passo.analysis.weights import configured, layer, layer_table, outcomes, study_table, together, weights
from passo.errors import StoreError, UnknownName
from passo.store import Store, StoredStudy, open_study

RANDOM = np.random.default_rng(0)
FIRST = RANDOM.normal(0, 0.1, (6, 5, 2, 2)).astype(np.float32)
FIRST[0, 0] = [[0.0, 1e-9], [-2e-4, 0.004]]
FIRST[1, 0, 0, 0] = -0.5  # the largest: nearly 0 is at most 0.005
SECOND = np.array([[3.0, -0.03], [0.031, -2.0]], np.float32)


def write(store: Store, name: str, seed: int, factor: float = 1.0, marked: bool = True, test: bool = True) -> None:
    """A run whose state dict is: second.weight, its bias, a norm with a matrix of weights, a mask, first.weight."""
    run = store.add_run(name, config={"model": {"name": "mlp"}}, seed=seed)
    state = {
        "second.weight": (SECOND * factor, True),
        "second.bias": (np.zeros(2, np.float32), False),
        "norm.weight": (np.ones((3, 4), np.float32), False),
        "mask": (np.tri(4, dtype=np.float32), False),
        "first.weight": (FIRST * factor, True),
    }
    for place, (key, (values, kernel)) in enumerate(state.items()):
        meta = {"kernel": kernel, "place": place} if marked else {}
        run.array(f"weights/{key}", values, shape=list(values.shape), **meta)
    if test:
        run.scalars(10, 1, {"test/accuracy": 0.8 + 0.01 * seed, "test/loss": 0.5})
    run.finish()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    folder = tmp_path_factory.mktemp("weights") / "study"
    with Store.create(folder, name="penalties", config={}) as store:
        for seed, factor in enumerate((1.0, 2.0)):
            write(store, "none", seed, factor)
        write(store, "untested", 0, test=False)
        write(store, "old", 0, marked=False)
        store.add_run("empty", config={}).finish()
    return open_study(folder)


def test_quantities_of_a_layer_are_what_its_weights_give_one_by_one() -> None:
    values = [float(v) for v in FIRST.ravel()]
    found, most = layer("first.weight", FIRST), max(map(abs, values))
    assert found.size == 120
    assert found.largest == most == 0.5
    assert found.rms == pytest.approx(math.sqrt(math.fsum(v * v for v in values) / 120), rel=1e-12)
    assert found.l1 == pytest.approx(math.fsum(map(abs, values)), rel=1e-12)
    assert found.l2 == pytest.approx(math.fsum(v * v for v in values), rel=1e-12)
    assert found.near_zero == sum(abs(v) <= 0.005 for v in values) / 120
    assert found.near_zero > found.zero == sum(v == 0 for v in values) / 120 > 0
    assert layer("first.weight", FIRST, near=0.5).near_zero == sum(abs(v) <= 0.25 for v in values) / 120


def test_nearly_zero_is_told_on_the_layers_own_scale() -> None:
    assert layer("w", 1000 * FIRST).near_zero == layer("w", FIRST).near_zero
    both = together([layer("first", FIRST), layer("second", SECOND)])
    assert both.near_zero == pytest.approx((120 * layer("first", FIRST).near_zero + 1) / 124)


def test_a_layer_of_zeros_is_nearly_zero() -> None:
    found = layer("w", np.zeros((2, 2)))
    assert (found.near_zero, found.zero, found.rms) == (1.0, 1.0, 0.0)
    near, far = found.shares(np.array([-3.0, -2.0, -1.0]))
    assert (near.tolist(), far.tolist()) == ([1.0, 0.0], [0.0, 0.0])


def test_shares_put_every_weight_into_one_bin_and_what_lies_beyond_into_the_outer_ones() -> None:
    found, edges = layer("first.weight", FIRST), np.array([-3.0, -2.0, -1.0])
    near, far = found.shares(edges)
    sizes = [abs(float(v)) for v in FIRST.ravel()]
    assert near.sum() + far.sum() == pytest.approx(1)
    assert near.sum() == pytest.approx(found.near_zero)
    assert near[0] + far[0] == pytest.approx(sum(s < 0.01 for s in sizes) / 120)
    assert far[1] == pytest.approx(sum(s >= 0.01 for s in sizes) / 120)


def test_a_run_has_its_matrices_and_convolutions_in_the_models_order(study: StoredStudy) -> None:
    first = study.select("none")[0]
    assert [one.name for one in weights(first)] == ["second.weight", "first.weight"]
    assert weights(first)[1].rms == layer("first.weight", FIRST).rms
    cells = layer_table(weights(first)).rows
    assert [row[0] for row in cells] == ["second.weight", "first.weight", "all layers"]
    assert cells[0] == ("second.weight", "4", "1.8", "3", "5.06", "13", "25.0 %", "none")


def test_a_run_that_did_not_mark_them_gives_what_has_two_axes(study: StoredStudy) -> None:
    names = {one.name for one in weights(study.select("old")[0])}
    assert names == {"second.weight", "norm.weight", "mask", "first.weight"}


def test_a_configuration_is_the_mean_over_its_seeds(study: StoredStudy) -> None:
    found = configured(study, "none", "second.weight")
    assert found.near_zero.mean == 0.25 and found.near_zero.n == 2
    assert found.rms.mean == pytest.approx(1.5 * float(np.sqrt((SECOND.astype(float) ** 2).mean())))
    edges = np.linspace(-3, 1, 9)
    expected = np.mean([one.shares(edges) for one in found.runs], 0)
    np.testing.assert_allclose(found.shares(edges), expected)
    (row,) = study_table(study, [found]).rows
    assert row[:3] == ("none", "80.5 % [74.1, 86.9]", "0.500 [0.500, 0.500]")


def test_outcomes_are_those_that_every_run_has(study: StoredStudy) -> None:
    assert [one.metric for one in outcomes(study, ["none"])] == ["test/accuracy", "test/loss"]
    assert outcomes(study, ["none", "untested"]) == ()


def test_a_run_without_weights_and_a_layer_that_is_not_there_are_told(study: StoredStudy) -> None:
    with pytest.raises(StoreError, match="run empty kept no weights"):
        weights(study.select("empty")[0])
    with pytest.raises(UnknownName, match=r"unknown layer of none-s0 'first'\. Did you mean 'first.weight'"):
        configured(study, "none", "first")


def test_a_run_of_vectors_alone_has_no_layers(tmp_path: Path) -> None:
    with Store.create(tmp_path / "line", name="line", config={}) as store:
        run = store.add_run("line", config={})
        run.array("weights/w", np.zeros(1), shape=[1], kernel=False)
        run.finish()
    with pytest.raises(StoreError, match="neither a matrix nor a convolution"):
        weights(open_study(tmp_path / "line").select()[0])
