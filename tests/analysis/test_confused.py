"""Two confusion matrices and their difference, on made-up answers whose counts are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from passo.analysis.confused import LEAST, ConfusedPair, compared, confused_pair
from passo.analysis.confusions import Confusions, confusions
from passo.analysis.intervals import interval
from passo.analysis.paired import holm
from passo.analysis.paired_shares import Versus, differing, share_interval, share_test, standing, unsure
from passo.errors import StoreError
from passo.store import Store, StoredStudy, open_study

CLASSES = ("shirt", "top", "boot")
IMAGES = 200  # of each class
LABELS = ("dense", "convolving")


def answered(rates: Sequence[Sequence[float]], random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N,) and probabilities (N, C) of which row c answers by a draw from rates[c]."""
    labels = np.repeat(np.arange(len(rates)), IMAGES)
    given = np.concatenate([random.choice(len(row), IMAGES, p=row) for row in rates])
    return labels, 0.9 * np.eye(len(rates))[given] + 0.1 / len(rates)


def write(folder: Path, both: Sequence[Sequence[Sequence[float]]], seeds: int = 5, first: int = 0) -> StoredStudy:
    """A study of two models whose base takes classes for one another at these rates (2, C, C)."""
    configurations = {
        f"base-{label}": {"entry": "base", "model": label, "parts": ["sizes"], "choice": "", "varied": {}}
        for label in LABELS
    }
    with Store.create(folder, name="made-up", config={}) as store:
        pair = {"labels": list(LABELS), "within": 0.02, "difference": 0.01, "matched": [{}, {}]}
        store.facts(pair=pair, configurations=configurations)
        for label, rates in zip(LABELS, both, strict=True):
            for seed in range(seeds):
                run = store.add_run(f"base-{label}", config={}, seed=seed)
                labels, q = answered(rates, np.random.default_rng([first, LABELS.index(label), seed]))
                run.info(data={"classes": list(CLASSES)})
                run.array("test/labels", labels)
                run.array("test/probabilities", q.astype(np.float32))
                run.finish()
    return open_study(folder)


ALIKE = [[0.8, 0.15, 0.05], [0.1, 0.85, 0.05], [0.02, 0.02, 0.96]]
BETTER = [[0.9, 0.05, 0.05], [0.1, 0.85, 0.05], [0.02, 0.02, 0.96]]  # 10 points fewer shirts are taken for tops


@pytest.fixture(scope="module")
def different(tmp_path_factory: pytest.TempPathFactory) -> ConfusedPair:
    return confused_pair(write(tmp_path_factory.mktemp("different") / "study", [ALIKE, BETTER]))


def test_rates_are_counts_of_answers_by_hand(tmp_path: Path):
    study = write(tmp_path / "study", [ALIKE, BETTER], seeds=2)
    found = confusions(study, "base-dense")
    for s, run in enumerate(study.select("base-dense")):
        labels, given = run.array("test/labels"), run.array("test/probabilities").argmax(1)
        for true in range(3):
            for other in range(3):
                expected = np.mean([g == other for t, g in zip(labels, given, strict=True) if t == true])
                assert found.rates[s, true, other] == pytest.approx(expected)
        assert found.accuracy[s] == pytest.approx(np.mean(labels == given))
        assert found.balanced[s] == pytest.approx(np.mean([found.rates[s, c, c] for c in range(3)]))


def test_the_one_mistake_that_differs_is_found_and_its_interval_covers_the_truth(different: ConfusedPair):
    apart = {(cell.true, cell.given) for cell in different.apart if not cell.right}
    assert apart == {(0, 1)}
    cell = different.mistakes[0]
    assert (cell.true, cell.given) == (0, 1)
    assert cell.difference.low < 0.10 < cell.difference.high
    assert different.difference[0, 1] == pytest.approx(cell.difference.mean)


def test_the_sentence_says_what_both_take_for_what(different: ConfusedPair):
    mean = [100 * each.rates[:, 0, 1].mean() for each in (different.first, different.second)]
    told = different.sentence()
    assert told.startswith(
        f"The dense takes shirt for top in {mean[0]:.1f} % of the cases, the convolving in {mean[1]:.1f} %"
    )
    assert "not distinguishable" not in told


def test_models_that_are_alike_are_told_apart_no_oftener_than_one_time_in_twenty():
    random, marked = np.random.default_rng(1), 0
    for _ in range(60):
        both = [np.array([[random.multinomial(IMAGES, row) for row in ALIKE] for _ in range(5)]) for _ in LABELS]
        cells = compared(*(Confusions("any", CLASSES, tuple(range(5)), counts) for counts in both))
        marked += any(cell.apart for cell in cells)
    assert marked <= 6  # 3 are expected at a level of 5 % for a whole matrix; 7 or more happen in 3 of 100 such tests


def test_of_two_models_that_are_alike_the_sentence_tells_none_apart(tmp_path: Path):
    found = confused_pair(write(tmp_path / "study", [ALIKE, ALIKE], seeds=4))
    assert not found.apart
    assert "not distinguishable" in found.sentence()
    assert found.sentence().endswith("none is told apart after the correction for so many.")


def test_one_seed_shows_differences_and_tells_nothing_apart(tmp_path: Path):
    found = confused_pair(write(tmp_path / "study", [ALIKE, BETTER], seeds=1))
    assert not found.apart
    assert "one seed, so no interval" in found.sentence()
    assert all(row[-1] == "—" for row in found.table().rows)


def test_cells_that_hardly_an_image_falls_into_are_not_compared(different: ConfusedPair):
    compared = {(cell.true, cell.given) for cell in different.cells}
    for true in range(3):
        for given in range(3):
            both = np.mean([each.rates[:, true, given].mean() for each in (different.first, different.second)])
            assert ((true, given) in compared) == (both >= LEAST)


def test_a_model_without_the_entry_is_named(tmp_path: Path):
    folder = tmp_path / "study"
    with Store.create(folder, name="half", config={}) as store:
        told = {"entry": "base", "model": "dense", "parts": [], "choice": "", "varied": {}}
        pair = {"labels": list(LABELS), "within": 0.02, "difference": 0.01, "matched": [{}, {}]}
        store.facts(pair=pair, configurations={"base-dense": told})
        store.add_run("base-dense", config={}, seed=0).finish()
    with pytest.raises(StoreError, match="no finished run of the entry 'base' for convolving"):
        confused_pair(open_study(folder))


# ── Differences of shares ─────────────────────────────────────────────────────────────────────────────────


def test_two_seeds_that_differ_by_the_same_number_of_images_are_not_certain():
    mean, low, high, p, sd = (float(found[0]) for found in share_test(np.array([[0.01], [0.01]]), 0.01))
    assert mean == pytest.approx(0.01)
    assert sd == pytest.approx(0.01 / np.sqrt(12))
    assert low < 0 < high
    assert p > 0.05


def test_a_spread_beyond_a_step_leaves_students_test_as_it_is():
    values = np.array([[0.031], [0.052], [0.047], [0.018]])
    t = values.mean() / (values.std(ddof=1) / 2)
    _, low, high, p, _ = (float(found[0]) for found in share_test(values, 0.001))
    half = 3.182446 * values.std(ddof=1) / 2  # the 0.975 quantile of Student's t with 3 degrees of freedom
    assert (low, high) == (pytest.approx(values.mean() - half, rel=1e-5), pytest.approx(values.mean() + half, rel=1e-5))
    assert 0.01 < p < 0.05
    assert t > 3.182


def test_equal_shares_that_come_from_few_images_are_called_different_no_oftener_than_a_test_may():
    random = np.random.default_rng(5)
    differences = (random.binomial(100, 0.02, (2, 4000)) - random.binomial(100, 0.02, (2, 4000))) / 100
    p = share_test(differences, 0.01)[3]
    assert (p < 0.05).mean() <= 0.05
    assert (p < 0.001).mean() <= 0.001


def test_what_the_correction_does_not_let_count_is_told_as_that():
    clear: dict[int | None, float] = {0: 0.500, 1: 0.502, 2: 0.501}
    small: dict[int | None, float] = {0: 0.510, 1: 0.514, 2: 0.511}
    other: dict[int | None, float] = {0: 0.50, 1: 0.53, 2: 0.47}
    one = differing([Versus("small", "clear", small, clear, 10_000)])[0]
    assert standing(one) == "higher"
    assert unsure(one) == ""
    many = differing(
        [Versus("small", "clear", small, clear, 10_000), *[Versus("x", "clear", other, clear, 10_000)] * 20]
    )
    assert many[0].low > 0
    assert standing(many[0]) == "only by itself"
    assert unsure(many[0]) == ", distinguishable only by itself"
    assert standing(many[1]) == "not distinguishable"
    alone = differing([Versus("a", "b", {0: 0.5}, {0: 0.4}, 100)])[0]
    assert (standing(alone), unsure(alone)) == ("—", "")


def test_an_interval_of_shares_ends_where_shares_do():
    values = [0.99, 0.93, 0.98]
    assert interval(values).high > 1
    found = share_interval(values)
    assert (found.mean, found.low, found.high) == (interval(values).mean, interval(values).low, 1.0)
    assert not share_interval([0.5]).known


def test_pairs_are_taken_by_seed_and_corrected_for_one_another():
    first: dict[int | None, float] = {0: 0.5, 1: 0.6, 2: 0.7}
    second: dict[int | None, float] = {2: 0.65, 0: 0.42, 1: 0.5, 7: 0.1}
    found = differing([Versus("a", "b", first, second, 1000), Versus("c", "b", second, second, 1000)])
    assert found[0].n == 3
    assert found[0].mean == pytest.approx((0.08 + 0.10 + 0.05) / 3)
    assert [one.adjusted for one in found] == pytest.approx(holm([one.p for one in found]))
    assert found[1].verdict == "not distinguishable"
    assert found[0].wide[0] < found[0].low
