"""Corrected comparisons: A/A studies, Holm against its definition, how many seeds are needed, and what is said."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from invented import invented

from passo.analysis.compare import Comparison, Outcome
from passo.analysis.intervals import interval, t_quantile
from passo.analysis.needed import Needed, needed, seeds_needed
from passo.analysis.paired import all_pairs, fair, holm
from passo.errors import UnknownName
from passo.store import StoredStudy


def study_of(folder: Path, values: dict[str, list[float]], **options: object) -> StoredStudy:
    runs = {name: [{"test/accuracy": [value]} for value in each] for name, each in values.items()}
    return invented(folder, runs, **options)  # pyright: ignore[reportArgumentType]


def comparison(values: np.ndarray) -> Comparison:
    """Values (configurations, seeds) as a comparison, the best first."""
    outcomes = []
    for i, each in enumerate(values):
        found = interval(each)
        seeds = tuple(range(len(each)))
        outcomes.append(Outcome(found.mean, found.low, found.high, found.n, f"c{i}", seeds, tuple(map(float, each))))
    return Comparison("test/loss", tuple(sorted(outcomes, key=lambda o: o.mean)))


@pytest.mark.parametrize(("configurations", "n"), [(2, 3), (4, 3), (4, 5), (8, 5), (3, 10)])
def test_of_studies_that_compare_one_configuration_with_itself_5_percent_or_fewer_call_any_pair_different(
    configurations: int, n: int
) -> None:
    random = np.random.default_rng(10 * configurations + n)
    spread = np.array([0.82, 0.85, 0.79, 0.88, 0.84, 0.83, 0.86, 0.77, 0.84, 0.85])  # one configuration's ten seeds
    called = 0
    for _ in range(400):
        noise = random.choice(spread, (configurations, n)) + 0.005 * random.standard_normal((configurations, n))
        found = comparison(noise)
        pairs = all_pairs(found, list(itertools.combinations(found.names, 2)))
        called += any(pair.verdict != "not distinguishable" for pair in pairs)
    assert called / 400 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 400)


def test_without_the_correction_far_more_of_them_would() -> None:
    random = np.random.default_rng(3)
    called = 0
    for _ in range(200):
        found = comparison(random.standard_normal((8, 5)))
        called += any(pair.p < 0.05 for pair in all_pairs(found, list(itertools.combinations(found.names, 2))))
    assert called / 200 > 0.3


def test_studies_of_20_seeds_are_not_called_different_either() -> None:
    random = np.random.default_rng(4)
    called = 0
    for _ in range(60):
        found = comparison(random.exponential(size=(3, 20)))
        called += any(pair.verdict != "not distinguishable" for pair in all_pairs(found, [("c0", "c1"), ("c1", "c2")]))
    assert called / 60 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 60)


def test_holm_rejects_what_its_step_down_rule_rejects() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        p = random.uniform(0, 0.1, random.integers(1, 8))
        rejected = set()
        for i, place in enumerate(np.argsort(p)):  # as Holm wrote it: stop at the first that is too large
            if p[place] > 0.05 / (len(p) - i):
                break
            rejected.add(int(place))
        assert {i for i, each in enumerate(holm(p)) if each <= 0.05} == rejected


def test_a_p_that_is_not_known_stays_so_and_is_counted() -> None:
    found = holm([0.02, math.nan])
    assert found[0] == pytest.approx(0.04) and math.isnan(found[1])


@pytest.mark.parametrize(("difference", "sd"), [(1.0, 1.0), (0.5, 1.0), (2.0, 1.0), (0.3, 1.0)])
def test_the_seeds_needed_show_the_difference_4_times_in_5(difference: float, sd: float) -> None:
    m = seeds_needed(difference, sd)
    assert m is not None

    def power(m: int) -> float:
        values = difference + sd * np.random.default_rng(m).standard_normal((40_000, m))
        t = values.mean(1) / (values.std(1, ddof=1) / math.sqrt(m))
        return float((np.abs(t) > t_quantile(0.975, m - 1)).mean())

    assert power(m) >= 0.785
    assert power(max(2, m - 2)) < 0.815


def test_the_uncertainty_of_the_seeds_needed_is_that_of_the_difference() -> None:
    found = needed(1.0, -0.5, 2.5, 1.0)
    assert (found.about, found.least, found.most) == (seeds_needed(1.0, 1.0), seeds_needed(2.5, 1.0), None)
    assert found.words() == f"about {found.about} ({found.least} or more)"
    clear = needed(-1.0, -1.5, -0.5, 1.0)
    assert (clear.least, clear.most) == (seeds_needed(1.5, 1.0), seeds_needed(0.5, 1.0))
    assert Needed(None, None, None).words() == "more than a million"
    assert seeds_needed(1e-6, 1.0) is None


def test_the_best_that_was_found_by_looking_is_corrected_for_all_pairs_and_a_planned_one_for_its_own(
    tmp_path: Path,
) -> None:
    values = {"a": [0.90, 0.91, 0.92], "b": [0.80, 0.82, 0.81], "c": [0.70, 0.72, 0.74], "d": [0.69, 0.73, 0.71]}
    study = study_of(tmp_path / "s", values)
    found, planned = fair(study), fair(study, against="c")
    assert (found.reference, found.count) == ("a", 6)
    assert (planned.reference, planned.count) == ("c", 3)
    for name in "abd":
        assert planned.against[name].mean == pytest.approx(np.mean(values[name]) - np.mean(values["c"]))
    smallest = min(found.pairs, key=lambda pair: pair.p)
    assert smallest.adjusted == pytest.approx(6 * smallest.p)
    assert "corrected by Holm for 6 comparisons of all pairs" in found.table().note
    assert "3 comparisons against it, named before" in planned.table().note


def test_of_very_many_configurations_not_all_pairs_are_computed_and_all_are_corrected_for(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    values = {f"c{i}": [float(v) for v in 0.5 + 0.01 * random.standard_normal(3)] for i in range(101)}
    found = fair(study_of(tmp_path / "s", values))
    assert (found.count, len(found.pairs)) == (101 * 100 // 2, 100)
    pair = min(found.pairs, key=lambda pair: pair.p)
    assert pair.adjusted == pytest.approx(min(1, 5050 * pair.p))
    assert "corrected by Bonferroni for 5,050 comparisons" in found.table().note


def test_simultaneous_intervals_are_bonferronis(tmp_path: Path) -> None:
    values = {"a": [0.90, 0.91, 0.92], "b": [0.80, 0.82, 0.81], "c": [0.70, 0.72, 0.74]}
    pair = fair(study_of(tmp_path / "s", values)).against["b"]
    half = t_quantile(1 - 0.025 / 3, 2) * np.std([-0.10, -0.09, -0.11], ddof=1) / math.sqrt(3)
    assert pair.wide == (pytest.approx(-0.1 - half), pytest.approx(-0.1 + half))


def test_what_cannot_be_told_is_said_with_the_seeds_that_would_tell_it(tmp_path: Path) -> None:
    found = fair(study_of(tmp_path / "s", {"a": [0.80, 0.82, 0.90], "b": [0.81, 0.80, 0.85]}))
    pair = found.against["b"]
    assert pair.verdict == "not distinguishable"
    assert f"b is not distinguishable from it with 3 seeds: about {pair.needed.about} (" in found.sentence()
    assert pair.needed.words() in str(found.table())


def test_what_is_told_apart_only_without_the_correction_is_said_to_be_so(tmp_path: Path) -> None:
    values = {"a": [0.90, 0.91, 0.92], "b": [0.89, 0.896, 0.909], "c": [0.2, 0.9, 0.5], "d": [0.3, 0.1, 0.9]}
    found = fair(study_of(tmp_path / "s", values))
    pair = found.against["b"]
    assert pair.high < 0 < 0.05 < pair.adjusted
    assert pair.alone and pair.verdict == "not distinguishable"
    assert "b differs looked at alone, not after the correction for 6 comparisons" in found.sentence()
    assert "only by itself" in str(found.table())
    assert fair(study_of(tmp_path / "two", {n: values[n] for n in "ab"})).against["b"].verdict == "lower"


def test_a_configuration_that_lost_seeds_is_not_silently_better(tmp_path: Path) -> None:
    values = {"a": [0.90, 0.91, 0.92], "b": [0.80, 0.82, 0.81], "gone": [0.1]}
    found = fair(study_of(tmp_path / "s", values, diverged=["a-s1", "gone-s0"]))
    assert found.against["b"].n == 2
    assert (
        "Without a result, and so not in the means: a (seed 1 diverged) and gone (seed 0 diverged)." in found.sentence()
    )


def test_one_seed_and_configurations_without_a_shared_seed_are_told_without_numbers(tmp_path: Path) -> None:
    one = fair(study_of(tmp_path / "one", {"a": [0.9], "b": [0.8]}))
    assert one.sentence().endswith("one seed tells nothing apart.")
    assert "nothing can be told apart" in one.table().note
    apart = fair(study_of(tmp_path / "apart", {"a": [0.9, 0.8], "b": [0.8, 0.7]}, diverged=["a-s0", "b-s1"]))
    assert apart.against["b"].n == 0 and apart.against["b"].verdict == "not distinguishable"


def test_one_configuration_alone_is_told_without_comparisons(tmp_path: Path) -> None:
    found = fair(study_of(tmp_path / "s", {"a": [0.9, 0.8]}))
    assert found.pairs == () and found.count == 0
    assert "nothing to compare it with" in found.table().note
    assert found.sentence().startswith("a ends with a test accuracy of 85.0 %")


def test_an_unknown_reference_gets_the_list(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="'adm'. Did you mean 'adam'"):
        fair(study_of(tmp_path / "s", {"adam": [0.9, 0.8], "sgd": [0.8, 0.7]}), against="adm")
