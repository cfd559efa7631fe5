"""Performance profiles, importance and what varies, against naive counting."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from invented import adam, invented, sgd

from passo.analysis.importance import importance, variance_shares
from passo.analysis.profiles import profiles, ratios
from passo.analysis.varied import flat, groups, settings, split, typed_alone
from passo.errors import StoreError, UnknownName, UsageError
from passo.store import StoredStudy

ACCURACY = "validation/accuracy"
LEVELS = {"optimizer.lr": [0.01, 0.1, 1.0], "batch_size": [16, 64]}


def grid(folder: Path, value, seeds: int = 4, without: int = 0) -> StoredStudy:
    """Every combination of LEVELS, `value(lr's place, batch's place, seed)` as its accuracy."""
    places = list(itertools.product(range(3), range(2)))[: 6 - without]
    runs = {f"c{i}{j}": [{ACCURACY: [value(i, j, s)]} for s in range(seeds)] for i, j in places}
    configs = {f"c{i}{j}": adam(LEVELS["optimizer.lr"][i], batch_size=LEVELS["batch_size"][j]) for i, j in places}
    return invented(folder, runs, configs)


def test_a_setting_that_does_everything_has_all_of_the_variance(tmp_path: Path) -> None:
    found = importance(grid(tmp_path / "g", lambda i, j, s: 0.1 * i))
    assert [(e.key, round(e.share, 9)) for e in found.effects] == [("optimizer.lr", 1.0), ("batch_size", 0.0)]


def test_shares_are_a_naive_analysis_of_variance_and_sum_to_1(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    noise = random.standard_normal((3, 2, 4))
    y = np.array(
        [
            [[0.3 * i + 0.1 * j + 0.2 * i * j + 0.05 * noise[i, j, s] for s in range(4)] for j in range(2)]
            for i in range(3)
        ]
    )
    found = importance(grid(tmp_path / "g", lambda i, j, s: float(y[i, j, s])))
    total = ((y - y.mean()) ** 2).sum()
    by = {e.key: e for e in found.effects}
    lr = sum(8 * (y[i].mean() - y.mean()) ** 2 for i in range(3)) / total
    batch = sum(12 * (y[:, j].mean() - y.mean()) ** 2 for j in range(2)) / total
    seeds = sum(6 * (y[:, :, s].mean() - y.mean()) ** 2 for s in range(4)) / total
    cells = sum(4 * (y[i, j].mean() - y.mean()) ** 2 for i in range(3) for j in range(2)) / total
    assert by["optimizer.lr"].share == pytest.approx(lr)
    assert by["batch_size"].share == pytest.approx(batch)
    assert found.interactions == pytest.approx(cells - lr - batch)
    assert found.seeds == pytest.approx(seeds)
    assert sum(share for _, share, _ in found.parts()) == pytest.approx(1)
    assert by["optimizer.lr"].chance == pytest.approx(2 * found.rest / 15)  # 5 × 3 degrees of freedom are left


def test_what_does_nothing_gets_about_its_chance() -> None:
    random = np.random.default_rng(0)
    found = [variance_shares(random.standard_normal((3, 2, 4)), LEVELS, ACCURACY) for _ in range(2000)]
    of = [next(e for e in each.effects if e.key == "optimizer.lr") for each in found]
    assert np.mean([e.share for e in of]) == pytest.approx(2 / 23, rel=0.05)  # 2 of 23 degrees of freedom
    assert np.mean([e.chance for e in of]) == pytest.approx(2 / 23, rel=0.05)


def test_a_grid_with_holes_is_refused_and_says_which(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="1 of 6 combinations are missing in .*, such as lr 1.0, batch_size 64|lr 1"):
        importance(grid(tmp_path / "g", lambda i, j, s: 0.1, without=1))
    with pytest.raises(StoreError, match="no variance to explain"):
        importance(grid(tmp_path / "flat", lambda i, j, s: 0.5))


def problem(folder: Path, ways: dict[str, list[float]]) -> StoredStudy:
    return invented(folder, {name: [{ACCURACY: curve}] for name, curve in ways.items()})


def test_a_profile_is_the_share_of_problems_within_a_factor_of_the_fastest(tmp_path: Path) -> None:
    never = [0.1] * 8
    one = problem(tmp_path / "one", {"a": [0.1, 0.9], "b": [0.1, 0.1, 0.1, 0.9], "c": never})
    two = problem(tmp_path / "two", {"a": [0.1] * 5 + [0.9], "b": [0.1, 0.9], "c": never})
    three = problem(tmp_path / "three", {"a": never, "b": never, "c": never})
    found = profiles([one, two, three], ACCURACY, [0.8, 0.8, 0.8])
    np.testing.assert_array_equal(found.costs, [[2, 4, math.inf], [6, 2, math.inf], [math.inf] * 3])
    assert [found.share("a", factor) for factor in (1, 2, 3)] == pytest.approx([1 / 3, 1 / 3, 2 / 3])
    assert [found.share("b", factor) for factor in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 2 / 3])
    assert [found.solved(name) for name in "abc"] == pytest.approx([2 / 3, 2 / 3, 0])
    assert "a and b are the fastest most often (1 of 3)" in found.sentence()


def test_equal_costs_share_the_first_place() -> None:
    assert ratios(np.array([[2.0, 2.0, 3.0]])).tolist() == [[1, 1, 1.5]]
    assert ratios(np.array([[0.0, 1.0]]))[0, 0] == 1


def test_one_problem_an_unknown_unit_and_problems_without_a_shared_solver_are_refused(tmp_path: Path) -> None:
    one, two = problem(tmp_path / "1", {"a": [0.9]}), problem(tmp_path / "2", {"b": [0.9]})
    with pytest.raises(UsageError, match="two problems or more"):
        profiles([one])
    with pytest.raises(UnknownName, match="Did you mean 'epochs'"):
        profiles([one, two], unit="epoch")
    with pytest.raises(StoreError, match="share no configuration"):
        profiles([one, two], ACCURACY, [0.5, 0.5])


def test_what_varies_is_found_by_comparing_and_seeds_and_recording_are_not_it(tmp_path: Path) -> None:
    configs = {
        "a": adam(0.1, seed=1, record={"every": 1}, batch_size=8),
        "b": sgd(0.1, seed=2, record={"every": 0}, batch_size=8),
    }
    study = invented(tmp_path / "v", {name: [{ACCURACY: [0.5]}] for name in configs}, configs)
    found = settings(study)
    assert found.keys == ("optimizer.name",)
    assert groups(study) == {"adam": ("a",), "sgd": ("b",)}
    assert flat({"x": {"y": [1, [2]]}, "z": {}}) == {"x.y": (1, (2,)), "z": {}}
    with pytest.raises(UnknownName, match="unknown setting that varies 'lr'"):
        found.key("lr")


def test_lists_of_as_many_numbers_vary_place_by_place_and_others_whole(tmp_path: Path) -> None:
    def one(betas: list[float], hidden: list[int]) -> dict:
        return {"optimizer": {"name": "adam", "betas": betas}, "model": {"hidden": hidden}}

    configs = {"a": one([0.9, 0.99], [8]), "b": one([0.5, 0.99], [8, 8])}
    found = settings(invented(tmp_path / "l", {name: [{ACCURACY: [0.5]}] for name in configs}, configs))
    assert set(found.keys) == {"optimizer.betas.0", "model.hidden"}
    assert found.of["b"]["optimizer.betas.0"] == 0.5 and found.of["b"]["model.hidden"] == (8, 8)


def test_groups_are_choices_of_kind_and_numbers_are_tuned_within_them(tmp_path: Path) -> None:
    momentum = {"optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9}}
    configs = {"s1": sgd(0.1), "s2": sgd(0.2), "m": momentum, "a": adam(0.1), "w1": adam(0.1, l2=1e-3)}
    configs["w2"] = adam(0.1, l2=1e-2)
    study = invented(tmp_path / "k", {name: [{ACCURACY: [0.5]}] for name in configs}, configs)
    assert groups(study) == {"sgd": ("s1", "s2"), "sgd momentum 0.9": ("m",), "adam": ("a", "w1", "w2")}
    assert groups(study, "momentum") == {"no momentum": ("s1", "s2", "a", "w1", "w2"), "momentum 0.9": ("m",)}


def test_a_study_is_split_into_problems_whose_solvers_bear_their_settings(tmp_path: Path) -> None:
    pairs = list(itertools.product((0.1, 0.2), (30, 60)))
    configs = {f"{lr}-{n}": adam(lr, dataset={"per_class": n}) for lr, n in pairs}
    study = invented(tmp_path / "v", {name: [{ACCURACY: [0.1, 0.9]}] for name in configs}, configs)
    parts = split(study, "per_class")
    assert [part.name for part in parts] == ["per_class 30", "per_class 60"]
    assert all(part.names() == ["lr 0.1", "lr 0.2"] for part in parts)
    assert profiles(parts, ACCURACY, [0.5, 0.5]).costs.tolist() == [[2, 2], [2, 2]]


def test_defaults_are_what_was_typed_without_options_or_is_called_so(tmp_path: Path) -> None:
    configs = {"a": adam(0.001), "b": adam(0.001), "sgd-default": sgd(0.1)}
    typed = {
        "base": {"optimizer": "adam"},
        "runs": [{"name": "a"}, {"name": "b", "optimizer": {"name": "adam", "lr": 0.001}}],
    }
    study = invented(tmp_path / "d", {name: [{ACCURACY: [0.5]}] for name in configs}, configs, study=typed)
    assert typed_alone(study) == ("a", "sgd-default")
