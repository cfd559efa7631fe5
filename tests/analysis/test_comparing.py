"""Comparisons and bands, against a naive recomputation."""

from pathlib import Path

import numpy as np
import pytest
import synthetic_study

from passo.analysis import bands, compare, schedule_effect, t_quantile, tell_bands
from passo.errors import StoreError, UnknownName
from passo.store import Store, StoredStudy, open_study


def invented(folder: Path, values: dict[str, list[float]], metric: str = "test/accuracy") -> StoredStudy:
    with Store.create(folder, name="invented", config={}) as store:
        for name, over_seeds in values.items():
            for seed, value in enumerate(over_seeds):
                run = store.add_run(name, config={}, seed=seed)
                run.scalars(1, 1.0, {metric: value})
                run.finish()
    return open_study(folder)


def test_estimates_and_paired_differences_equal_a_naive_recomputation(study: StoredStudy) -> None:
    found = compare(study, "validation/loss", ["adam", "sgd"])
    values = {
        name: np.array([study.run(f"{name}-s{s}").metric("validation/loss").values[-1] for s in range(3)])
        for name in ("adam", "sgd")
    }
    half = t_quantile(0.975, 2) / np.sqrt(3)
    for name, column in values.items():
        estimate = found.estimate(name)
        assert estimate.mean == pytest.approx(column.mean())
        assert (estimate.high - estimate.low) / 2 == pytest.approx(half * column.std(ddof=1))
    gap = values["adam"] - values["sgd"]
    difference = found.difference("adam", "sgd")
    assert difference.mean == pytest.approx(gap.mean())
    assert difference.half == pytest.approx(half * gap.std(ddof=1))


def test_pairing_by_seed_finds_a_difference_that_the_spread_over_seeds_hides(tmp_path: Path) -> None:
    study = invented(tmp_path / "s", {"a": [0.70, 0.80, 0.90], "b": [0.69, 0.79, 0.8901]})
    found = compare(study)
    assert found.difference("a", "b").verdict == "higher"
    assert found.difference("b", "a").verdict == "lower"
    assert found.estimate("a").low < found.estimate("b").high


def test_differences_of_either_sign_are_not_distinguishable(tmp_path: Path) -> None:
    found = compare(invented(tmp_path / "s", {"a": [0.7, 0.8, 0.9], "b": [0.8, 0.7, 0.91]}))
    assert found.difference("a", "b").verdict == "not distinguishable"
    assert "b" in found.sentence() or "a" in found.sentence()
    assert "not distinguishable from it" in found.sentence()


def test_one_seed_tells_nothing_apart_and_says_so(tmp_path: Path) -> None:
    found = compare(invented(tmp_path / "s", {"a": [0.9], "b": [0.1]}))
    assert found.difference("a", "b").verdict == "not distinguishable"
    assert "one seed, so no interval" in found.sentence()
    assert "nothing can be told apart" in str(found.table())


def test_the_best_stands_first_whether_high_or_low_is_good(tmp_path: Path) -> None:
    values = {"a": [0.2, 0.21], "b": [0.5, 0.51], "c": [0.8, 0.82]}
    assert compare(invented(tmp_path / "up", values)).names == ("c", "b", "a")
    assert compare(invented(tmp_path / "down", values, "test/loss"), "test/loss").names == ("a", "b", "c")


def test_a_run_that_diverged_stands_last_and_is_never_told_apart(tmp_path: Path) -> None:
    found = compare(invented(tmp_path / "s", {"a": [float("nan")] * 2, "b": [0.5, 0.6]}))
    assert found.names == ("b", "a")
    assert found.difference("b", "a").verdict == "not distinguishable"


def test_only_seeds_that_both_have_are_paired(tmp_path: Path) -> None:
    found = compare(invented(tmp_path / "s", {"a": [0.5, 0.6, 0.7], "b": [0.4, 0.5]}))
    assert found.difference("a", "b").n == 2


def test_the_table_shows_itself_in_a_terminal_in_markdown_and_in_a_notebook(study: StoredStudy) -> None:
    table = compare(study, names=["adam", "sgd", "nesterov"]).table()
    lines = str(table).splitlines()
    assert lines[0].startswith("configuration")
    assert len(lines) == 6
    assert table.markdown().splitlines()[1] == "| --- | ---: | ---: | ---: | ---: | ---: |"
    assert table._repr_html_().count("<tr>") == 4


def test_an_unknown_configuration_or_metric_gets_the_list(study: StoredStudy) -> None:
    with pytest.raises(UnknownName, match="'adm'. Did you mean 'adam'"):
        compare(study, names=["adm"])
    with pytest.raises(StoreError, match="has 'test/f1'; there are: .*test/accuracy"):
        compare(study, "test/f1")


def test_a_band_is_the_mean_and_the_t_interval_at_each_epoch(study: StoredStudy) -> None:
    (band,) = bands(study, "validation/loss", ["adam"])
    values = np.stack([study.run(f"adam-s{s}").metric("validation/loss").values for s in range(3)])
    assert band.low is not None and band.high is not None
    np.testing.assert_allclose(band.mean, values.mean(0))
    np.testing.assert_allclose(band.high - band.mean, t_quantile(0.975, 2) * values.std(0, ddof=1) / np.sqrt(3))
    np.testing.assert_array_equal(band.epochs, [1, 2, 3])
    assert f"{band.mean[-1]:.3f}" in tell_bands([band])
    assert "After 3 epochs adam reaches a validation loss of" in tell_bands([band])


def test_one_seed_has_a_line_and_no_band(tmp_path: Path) -> None:
    one = synthetic_study.write(tmp_path / "s", seeds=(0,))
    (band,) = bands(one, "validation/loss", ["adam"])
    assert band.low is None and band.high is None and band.seeds == 1
    assert "one seed, so no interval" in tell_bands([band])


def test_a_schedule_is_told_with_its_own_rates_and_losses(study: StoredStudy) -> None:
    found = schedule_effect(study, ["nesterov", "nesterov-cyclic"])
    plain, cyclic = found.effects
    lr = study.run("nesterov-cyclic-s0").metric("lr").values
    assert (plain.changes, cyclic.changes) == (0, np.count_nonzero(np.diff(lr)))
    assert cyclic.largest == lr.max()
    assert f"{plain.loss.mean:.3f}" in found.sentence() and f"{cyclic.loss.mean:.3f}" in found.sentence()
