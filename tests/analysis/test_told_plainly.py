"""Names, groups and settings as a reader meets them in tables, legends and sentences."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from invented import adam, invented, sgd

from passo.analysis import words
from passo.analysis.batches import batch_sizes
from passo.analysis.budgets import budgets
from passo.analysis.compare import compare
from passo.analysis.importance import importance
from passo.analysis.planes import plane
from passo.analysis.profiles import profiles
from passo.analysis.sensitivity import sensitivity
from passo.analysis.targets import targets
from passo.analysis.tuning import best_of
from passo.analysis.varied import groups, number, setting, settings
from passo.errors import StoreError
from passo.store import Store, open_study


def test_names_that_differ_at_their_end_stay_different_when_they_are_cut() -> None:
    names = [f"decaimento-exponencial-com-aquecimento-linear,lr={rate},weight_decay=0" for rate in (0.01, 0.02)]
    found = words.shortened(["adam", *names])
    assert found["adam"] == "adam"
    assert len(set(found.values())) == 3
    for name in names:
        assert len(found[name]) <= 40
        assert found[name].endswith(name[name.index(",") :])


def test_names_that_differ_in_their_middle_alone_are_cut_less() -> None:
    names = ["a" * 30 + middle + "b" * 40 for middle in "xy"]
    assert len(set(words.shortened(names, 20).values())) == 2


def test_settings_are_told_as_they_are_typed() -> None:
    assert setting("model.hidden", (64, 32)) == "hidden [64, 32]"
    assert setting("model.hidden", (32,)) == "hidden [32]"
    assert setting("optimizer.nesterov", True) == "nesterov true"
    assert number(None) == "none"


def test_a_group_without_a_section_or_an_option_says_so_where_another_has_it(tmp_path: Path) -> None:
    curves = [{"validation/loss": [1.0], "test/accuracy": [0.5]}]
    schedule = {"name": "StepLR", "gamma": 0.5}
    study = invented(
        tmp_path / "schedules",
        {"plain": curves, "step": curves},
        {"plain": adam(0.1), "step": adam(0.1, schedule=schedule)},
    )
    assert set(groups(study)) == {"no schedule", "StepLR gamma 0.5"}
    study = invented(
        tmp_path / "momentum",
        {"plain": curves, "momentum": curves},
        {"plain": sgd(0.1), "momentum": {"optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9}}},
    )
    assert set(groups(study)) == {"no momentum", "momentum 0.9"}
    assert settings(study).label("plain") == "no momentum"


def test_batch_sizes_are_held_beside_the_configuration_that_validates_best(tmp_path: Path) -> None:
    configs = {f"{lr}-{size}": adam(lr, batch_size=size) for lr in (0.1, 0.2) for size in (8, 16)}
    curves = {
        name: [
            {
                "validation/loss": [1.0 if name == "0.2-8" else 2.0],
                "epoch/train_loss": [1.0],
                "train/loss": [1.0, 2.0],
                "test/accuracy": [0.5],
            }
        ]
        for name in configs
    }
    found = batch_sizes(invented(tmp_path / "sizes", curves, configs))
    assert [batch.name for batch in found.each] == ["0.2-8", "0.2-16"]
    assert found.sentence().startswith("With lr 0.2: from batches of 8 to 16")


def test_the_options_of_a_schedule_are_one_setting_with_its_name(tmp_path: Path) -> None:
    schedules = {"none": None, "step": {"name": "StepLR", "gamma": 0.5}, "exp": {"name": "ExponentialLR", "gamma": 0.9}}
    worth = {"none": 0.0, "step": 0.3, "exp": 0.1}
    configs = {f"{s}-{e}": adam(0.1, epochs=e, schedule=schedules[s]) for s in schedules for e in (3, 9)}
    runs = {
        f"{s}-{e}": [{"validation/accuracy": [0.2 + worth[s] + 0.01 * e]} for _ in range(2)]
        for s in schedules
        for e in (3, 9)
    }
    found = importance(invented(tmp_path / "schedules", runs, configs))
    assert [effect.key for effect in found.effects] == ["schedule", "epochs"]
    middle = sum(worth.values()) / 3
    by_schedule = 2 * sum((value - middle) ** 2 for value in worth.values())
    by_epochs = 6 * 0.03**2
    assert found.effects[0].share == pytest.approx(by_schedule / (by_schedule + by_epochs))


def test_lists_side_by_side_are_one_setting_and_draws_at_random_are_none(tmp_path: Path) -> None:
    pairs = [(0.1, 8), (0.2, 16), (0.3, 32)]
    configs = {f"{lr}-{l2}": adam(lr, batch_size=size, l2=l2) for lr, size in pairs for l2 in (0.0, 0.1)}
    runs = {name: [{"validation/accuracy": [0.1 * i]} for _ in range(2)] for i, name in enumerate(configs)}
    found = importance(invented(tmp_path / "zip", runs, configs))
    assert {effect.key for effect in found.effects} == {"optimizer.lr (with batch_size)", "l2"}
    across = {f"{lr}": adam(lr, batch_size=size) for lr, size in pairs}
    within = {f"{lr}": {"optimizer": {"name": "sgd", "lr": lr, "nesterov": lr > 0.2}} for lr, _ in pairs}
    for which, drawn in (("across", across), ("within", within)):
        with pytest.raises(StoreError, match="needs a full grid"):
            importance(invented(tmp_path / which, dict.fromkeys(drawn, runs["0.1-0.0"]), drawn))


def test_with_one_seed_importance_does_not_say_that_chance_has_no_share(tmp_path: Path) -> None:
    configs = {str(lr): adam(lr) for lr in (0.1, 0.2)}
    runs = {name: [{"validation/accuracy": [0.1 * i]}] for i, name in enumerate(configs)}
    found = importance(invented(tmp_path / "one", runs, configs))
    assert math.isnan(found.effects[0].chance)
    assert "with one seed cannot be told" in found.sentence()


def test_rates_a_factor_of_ten_apart_have_a_logarithmic_axis_without_negative_rates(tmp_path: Path) -> None:
    configs = {f"{lr}-{size}": adam(lr, batch_size=size) for lr in (0.01, 0.1) for size in (8, 16)}
    found = plane(invented(tmp_path / "plane", {name: [{"validation/accuracy": [0.5]}] for name in configs}, configs))
    assert found.log_x
    assert min(cell.edges[0] for cell in found.cells) > 0


def test_groups_of_one_configuration_have_no_budget(tmp_path: Path) -> None:
    configs = {"8": adam(0.1, batch_size=8), "all": adam(0.1, batch_size="all")}
    curves = [{"validation/loss": [1.0], "test/accuracy": [0.5]}]
    with pytest.raises(StoreError, match="nothing was tuned"):
        budgets(invented(tmp_path / "one", dict.fromkeys(configs, curves), configs))


def test_those_that_reach_a_target_together_are_told_together(tmp_path: Path) -> None:
    curves = {"a": [0.9, 0.9], "b": [0.1, 0.9], "c": [0.2, 0.9], "d": [0.1, 0.1]}
    runs = {name: [{"validation/accuracy": values}] for name, values in curves.items()}
    study = invented(tmp_path / "ways", runs, {name: adam(0.1 * (i + 1)) for i, name in enumerate(runs)})
    told = targets(study, value=0.8).sentence()
    assert "; b and c after 2 epochs; d never does" in told


def test_a_choice_whose_report_is_validation_does_not_claim_that_a_test_was_read(tmp_path: Path) -> None:
    curves = [{"validation/loss": [1.0], "validation/accuracy": [0.6], "test/accuracy": [0.5]}]
    study = invented(tmp_path / "tuned", {"a": curves, "b": curves}, {"a": adam(0.1), "b": adam(0.2)})
    assert "the test was read once" in best_of(study).table().note
    assert "test" not in best_of(study, report="validation/accuracy").table().note


def test_every_solver_of_a_profile_is_counted_in_its_sentence(tmp_path: Path) -> None:
    names = [f"s{i}" for i in range(10)]
    runs = {name: [{"validation/accuracy": [0.9 if i < 9 else 0.1]}] for i, name in enumerate(names)}
    configs = {name: adam(0.1 * (i + 1)) for i, name in enumerate(names)}
    both = [invented(tmp_path / which, runs, configs) for which in ("one", "two")]
    assert "5 more reach 2 and s9 reaches 0" in profiles(both, values=[0.8, 0.8]).sentence()


def test_a_band_narrower_than_a_tenth_of_a_decade_is_not_called_nothing(tmp_path: Path) -> None:
    configs = {str(lr): adam(lr) for lr in (0.01, 0.1)}
    runs = {"0.01": [{"validation/accuracy": [0.5]}], "0.1": [{"validation/accuracy": [0.7]}]}
    found = sensitivity(invented(tmp_path / "band", runs, configs))
    assert found.groups[0].words() == "at least 0.05 decades"  # 0.01 of 0.2 over one decade


def test_optimizers_of_different_kinds_with_their_own_options_are_one_setting(tmp_path: Path) -> None:
    momentum = {"optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9}}
    kinds = {"sgd": sgd(0.1), "momentum": momentum, "adam": adam(0.01)}
    worth = {"sgd": 0.0, "momentum": 0.3, "adam": 0.6}
    configs = {f"{kind}-{epochs}": {**kinds[kind], "epochs": epochs} for kind in kinds for epochs in (3, 9)}
    runs = {
        f"{kind}-{epochs}": [{"validation/accuracy": [worth[kind] + 0.1 * (epochs > 3)]} for _ in range(2)]
        for kind in kinds
        for epochs in (3, 9)
    }
    found = importance(invented(tmp_path / "kinds", runs, configs))
    assert [effect.key for effect in found.effects] == ["optimizer", "epochs"]
    assert found.effects[0].levels == ("sgd lr 0.1", "sgd lr 0.1 momentum 0.9", "adam lr 0.01")
    assert found.effects[0].share == pytest.approx(2 * 0.18 / (2 * 0.18 + 6 * 0.05**2))


def test_a_study_in_which_nothing_ended_says_what_to_do(tmp_path: Path) -> None:
    with Store.create(tmp_path / "none", name="none", config={}) as store:
        store.add_run("adam", config={}, seed=0).finish("failed", "no room")
    with pytest.raises(StoreError, match="no training in .* has ended: the command that ran it goes on with it"):
        compare(open_study(tmp_path / "none"))
