"""The noise of batches against its law, and the cells of a grid with the rounds that refine it."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from invented import adam, invented, sgd

from passo.analysis.batches import batch_sizes, noise_of
from passo.analysis.planes import plane
from passo.errors import StoreError, UsageError
from passo.store import Store, StoredStudy, open_study

ACCURACY = "validation/accuracy"


def batches(folder: Path, traced: bool) -> StoredStudy:
    """Batches of 4, 16 and all 64: the gradient's noise is 1/√B exactly in distribution, its way a slow wave."""
    random = np.random.default_rng(0)
    with Store.create(folder, name="batches", config={}) as store:
        for size in (16, 4, "all"):
            count = size if isinstance(size, int) else 64
            for seed in (0, 1):
                run = store.add_run(f"b-{size}", config=sgd(0.1, batch_size=size), seed=seed)
                steps = np.arange(1, 2001)
                noise = random.standard_normal((2000, 3)) / math.sqrt(count)
                if traced:
                    wave = np.sin(steps / 300)[:, None] + noise
                    run.array("trace", np.stack([0 * wave, wave], 1), stages=["theta", "grad_raw"], coordinates=[])
                for step in steps[:50]:
                    run.scalars(int(step), step / 50, {"train/loss": float(noise[step, 0])})
                for epoch, took in enumerate((9.0, 1.0, 2.0), 1):
                    values = {"epoch/train_loss": 1.0 / epoch, "test/accuracy": 0.5, "epoch/seconds": took}
                    run.scalars(50 + epoch, float(epoch), values)
                run.info(data={"counts": {"train": 64}})
                run.finish()
    return open_study(folder)


def test_the_noise_of_gradients_is_that_of_the_draw_and_not_of_their_way(tmp_path: Path) -> None:
    found = batch_sizes(batches(tmp_path / "b", traced=True))
    assert [batch.size for batch in found.each] == [4, 16, 64]
    assert found.gradients
    for batch in found.each:
        assert found.noise(batch).mean == pytest.approx(1 / math.sqrt(batch.size), rel=0.05)
        assert batch.seconds.mean == 1.5  # the first epoch is the machine's start
        assert batch.end.mean == pytest.approx(1 / 3)
    assert "From batches of 4 to 64, the gradient's noise goes from 0.498 to 0.125" in found.sentence()


def test_without_a_trace_the_noise_is_that_of_the_losses_and_is_called_so(tmp_path: Path) -> None:
    found = batch_sizes(batches(tmp_path / "b", traced=False))
    assert not found.gradients
    assert found.table().columns[1] == "noise of the loss"
    assert found.noise(found.each[0]).mean == pytest.approx(0.5, rel=0.2)


def test_noise_is_the_standard_deviation_of_independent_values() -> None:
    values = 3 * np.random.default_rng(1).standard_normal((50_000, 2)) + 100
    assert noise_of(values) == pytest.approx(3, rel=0.02)
    assert math.isnan(noise_of(values[:1]))


def test_batch_sizes_that_never_differ_alone_are_not_compared(tmp_path: Path) -> None:
    configs = {"a": adam(0.1, batch_size=8), "b": adam(0.2, batch_size=16)}
    two = invented(tmp_path / "two", {name: [{"validation/loss": [0.5]}] for name in configs}, configs)
    with pytest.raises(StoreError, match="with every batch size of .* something else differs: optimizer.lr"):
        batch_sizes(two)
    one = invented(tmp_path / "one", {"a": [{ACCURACY: [0.5]}]}, configs)
    with pytest.raises(StoreError, match="the batch size does not vary"):
        batch_sizes(one)


@pytest.fixture
def refined(tmp_path: Path) -> StoredStudy:
    places = {f"c{i}{j}": (10.0**-i, 10.0**-j) for i, j in itertools.product((1, 2, 3), (2, 3, 4))}
    places |= {f"round-2-{k}": place for k, place in enumerate([(0.02, 0.002), (0.05, 0.002)])}
    runs = {name: [{ACCURACY: [0.9 - 0.1 * abs(math.log10(lr) + 1.5)]}] for name, (lr, _) in places.items()}
    return invented(tmp_path / "g", runs, {n: adam(lr, l2=wd) for n, (lr, wd) in places.items()})


def test_cells_reach_half_way_in_the_logarithm_and_rounds_have_their_own_levels(refined: StoredStudy) -> None:
    found = plane(refined)
    assert set(found.keys) == {"optimizer.lr", "l2"} and found.log_x and found.log_y
    assert found.rounds == (1, 2)
    by = {cell.name: cell for cell in found.cells}
    lr = 2 * found.keys.index("optimizer.lr")
    assert by["c22"].edges[lr : lr + 2] == pytest.approx((10**-2.5, 10**-1.5))
    assert by["c12"].edges[lr : lr + 2] == pytest.approx((10**-1.5, 10**-0.5))
    middle = math.sqrt(0.02 * 0.05)
    assert by["round-2-0"].edges[lr + 1] == pytest.approx(middle)
    assert by["round-2-1"].edges[lr] == pytest.approx(middle)


def test_the_best_and_what_each_round_found_are_told(refined: StoredStudy) -> None:
    found = plane(refined)
    best = 0.9 - 0.1 * min(abs(math.log10(lr) + 1.5) for lr in (0.1, 0.01, 0.02, 0.05))
    assert found.best.found.mean == pytest.approx(best)
    assert f"(round 1: 85.0 %; round 2: {100 * best:.1f} %)" in found.sentence()


def test_a_full_round_is_a_matrix_and_one_with_holes_is_none(refined: StoredStudy) -> None:
    found = plane(refined)
    grid = found.full(1)
    assert grid is not None
    x, y, means = grid
    along = 1 if found.keys[0] == "optimizer.lr" else 0
    naive = [0.9 - 0.1 * abs(math.log10(lr) + 1.5) for lr in (x if along else y)]
    np.testing.assert_allclose(means if along else means.T, [naive] * 3)


def test_a_plane_needs_two_numbers_and_goes_through_the_best_where_more_varies(tmp_path: Path) -> None:
    configs = {"a": adam(0.1), "b": sgd(0.2)}
    with pytest.raises(UsageError, match="vary: optimizer.name, optimizer.lr"):
        plane(invented(tmp_path / "1", {name: [{ACCURACY: [0.5]}] for name in configs}, configs))
    twice = {
        f"{o['optimizer']['name']}-{lr}-{b}": {**o, "batch_size": b}
        for lr in (0.1, 0.2)
        for b in (8, 16)
        for o in (adam(lr), sgd(lr))
    }
    accuracy = {name: 0.5 + 0.1 * name.startswith("sgd-0.2") for name in twice}
    study = invented(tmp_path / "2", {name: [{ACCURACY: [accuracy[name]]}] for name in twice}, twice)
    through = plane(study)
    assert {cell.name for cell in through.cells} == {"sgd-0.1-8", "sgd-0.1-16", "sgd-0.2-8", "sgd-0.2-16"}
    assert "(with sgd, as in the best configuration)" in through.sentence()
    with pytest.raises(UsageError, match="optimizer.name has values that are no numbers"):
        plane(study, ACCURACY, ("name", "lr"))
