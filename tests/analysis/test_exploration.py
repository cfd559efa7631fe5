"""Effects of one choice changed at a time, on a made-up study whose effects are known."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pair_study
import pytest

from passo.analysis.changes import changed, setting_said, unchanged, value_said
from passo.analysis.exploration import Effect, Exploration, exploration
from passo.analysis.pair import Configured
from passo.analysis.paired import holm
from passo.errors import StoreError
from passo.store import StoredStudy

FEW = {choice: pair_study.EFFECT[choice] for choice in ("layers", "optimiser", "kernel size")}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    return pair_study.make(tmp_path_factory.mktemp("exploration") / "study", parts=["exploration"])


@pytest.fixture(scope="module")
def found(study: StoredStudy) -> Exploration:
    return exploration(study)


def one(found: Exploration, choice: str, said: str, model: str) -> Effect:
    return next(e for e in found.of(choice) if (e.setting.said, e.model) == (said, model))


def test_a_setting_with_an_effect_of_five_points_is_found_and_its_interval_covers_it(found: Exploration):
    assert pair_study.EFFECT["normalisation"] == 0.05
    for model in found.labels:
        effect = one(found, "normalisation", "a", model)
        assert effect.apart
        assert effect.difference.low < 0.05 < effect.difference.high
    told = found.choice_sentence("normalisation")
    assert "the test accuracy of the mlp lies between" in told
    assert "told apart from the reference: a (+" in told


def test_settings_without_an_effect_are_not_distinguishable(found: Exploration):
    without = [e for e in found.effects if e.setting.said == "b" or e.setting.choice == "initialisation"]
    assert len(without) == 11 + 10 + 2  # a kernel size for the second alone; of initialisation, neither setting acts
    assert not any(effect.apart for effect in without)
    assert "all not distinguishable from the reference" in found.choice_sentence("initialisation")


def test_an_effect_is_the_mean_of_differences_seed_by_seed(study: StoredStudy, found: Exploration):
    ended = {name: {r.seed: r.last("test/accuracy") for r in study.select(name)} for name in study.names()}
    for effect in found.effects:
        base = ended[f"explored-{effect.model}"]
        differences = [value - base[seed] for seed, value in ended[effect.name].items()]
        assert effect.difference.mean == pytest.approx(np.mean(differences))
        assert effect.accuracy.mean == pytest.approx(np.mean(list(ended[effect.name].values())))


def test_ranks_follow_the_sizes(found: Exploration):
    sizes = [abs(effect.difference.mean) for effect in found.effects]
    assert sizes == sorted(sizes, reverse=True)
    assert found.choices[0] == "learning rate"  # 8 points, the largest effect that was made
    made = pair_study.EFFECT
    clear = [choice for choice in found.choices if made[choice] >= 0.02]
    assert all(made[a] >= made[b] - 0.011 for a, b in pairwise(clear))


def test_the_correction_is_for_all_settings_of_both_models(found: Exploration):
    count = 2 * 2 * len(pair_study.EFFECT) - 2 * len(pair_study.ONLY_SECOND)
    assert len(found.effects) == count
    assert [e.difference.adjusted for e in found.effects] == pytest.approx(
        holm([e.difference.p for e in found.effects])
    )
    assert f"Of {count} changes of one choice" in found.sentence()


def test_a_choice_that_only_one_model_has_is_explored_for_it_alone(found: Exploration):
    assert {effect.model for effect in found.of("kernel size")} == {"cnn"}
    assert not any(setting.choice == "kernel size" for setting in found.differs)
    assert "mlp" not in found.choice_sentence("kernel size")


def test_equal_effects_act_on_both_models_alike(found: Exploration):
    assert len(found.differs) == 2 * (len(pair_study.EFFECT) - len(pair_study.ONLY_SECOND))
    assert not found.acting_differently
    assert "No setting is told to act differently on the two models." in found.sentence()


def test_a_setting_that_acts_on_one_model_alone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write = pair_study._write

    def lopsided(store, made, label, m, seed, level, *more):  # type: ignore[no-untyped-def]
        worse = made.name == "layers-a" and m == 0
        write(store, made, label, m, seed, level - 0.1 * worse, *more)

    monkeypatch.setattr(pair_study, "_write", lopsided)
    monkeypatch.setattr(pair_study, "EFFECT", FEW)
    found = exploration(pair_study.make(tmp_path / "study", parts=["exploration"]))
    assert [setting.full for setting in found.acting_differently] == ["layers (a)"]
    assert found.differs[found.acting_differently[0]].mean == pytest.approx(-0.1, abs=0.01)
    assert "Told to act on the mlp otherwise than on the cnn (by this much more): layers (a) (−" in found.sentence()
    assert "The models are told to react differently to a." in found.choice_sentence("layers")


def test_equal_models_and_no_effects_leave_nothing_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pair_study, "EFFECT", dict.fromkeys(FEW, 0.0))
    found = exploration(pair_study.make(tmp_path / "study", parts=["exploration"], alike=True))
    assert not found.apart
    assert "0 are told apart from it; no gain can be told apart." in found.sentence()


def test_two_seeds_that_agree_by_chance_tell_nothing_apart(tmp_path: Path):
    found = exploration(pair_study.make(tmp_path / "study", parts=["exploration"], seeds=2))
    assert not any(effect.apart for effect in found.effects if effect.setting.said == "b")
    assert all(effect.difference.sd > 0 and effect.difference.p > 0 for effect in found.effects)


def test_one_seed_says_that_nothing_can_be_told(tmp_path: Path):
    found = exploration(pair_study.make(tmp_path / "study", parts=["exploration"], seeds=1))
    assert not found.apart
    assert "with one seed that tells nothing apart" in found.sentence()
    assert "not distinguishable" not in found.choice_sentence("optimiser")
    assert {row[-1] for row in found.table().rows} == {"—"}


def test_a_choice_that_was_not_explored_is_answered_with_those_that_were(found: Exploration):
    with pytest.raises(StoreError, match="no setting of 'momentum' was explored; there are: activation, batch size"):
        found.of("momentum")


def test_a_study_without_its_exploration_says_so(tmp_path: Path):
    with pytest.raises(StoreError, match="no finished run of the part 'exploration'"):
        exploration(pair_study.make(tmp_path / "study", parts=["sizes"], seeds=1))


def test_the_table_of_a_choice_has_its_effects_alone(found: Exploration):
    assert len(found.table("layers").rows) == 4
    assert {row[0] for row in found.table("layers").rows} == {"layers"}
    assert len(found.table().rows) == len(found.effects)


# ── Settings in words ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("entry", "choice", "varied", "beyond", "said"),
    [
        ("choice-kernel", "kernel size", {"model.kernel": 5}, False, "kernel 5"),
        ("choice-activation", "activation", {"model.activation": "tanh"}, False, "tanh"),
        ("choice-sgd", "optimiser", {"schedule.max_lr": 0.1}, True, "sgd, max lr 0.1"),
        ("choice-adamw", "optimiser", {}, True, "adamw"),
        ("choice-layers", "layers", {"model.hidden": []}, False, "no hidden"),
        ("choice-layers", "layers", {"model.hidden": [120, 64]}, True, "hidden [120, 64]"),
        ("choice-label-smoothing", "regularisation", {"label_smoothing": 0.1}, True, "label smoothing 0.1"),
        ("choice-parameters-more", "parameters", {}, True, "more"),
        ("choice-optimizer", "optimiser", {"optimizer": {"name": "sgd", "lr": 0.1}}, False, "sgd, learning rate 0.1"),
    ],
)
def test_settings_are_said_as_people_say_them(entry: str, choice: str, varied: dict, beyond: bool, said: str):
    assert setting_said(entry, choice, varied, beyond) == said


def test_what_is_not_there_is_said_to_be_none():
    assert [value_said("model.norm", value) for value in (None, "none", False)] == ["no norm"] * 3


def test_seeds_and_what_is_recorded_are_no_changes():
    here = {"seed": 1, "record": {"every": 1}, "dataset": {"seed": 1}, "model": {"name": "cnn", "kernel": 5}}
    there = {"seed": 0, "record": {}, "dataset": {"seed": 0}, "model": {"name": "cnn"}}
    assert changed(here, there) == {"model.kernel": 5}


def test_what_the_reference_has_is_said_where_one_setting_was_varied():
    def made(**varied: object) -> Configured:
        keys = {key.replace("__", "."): value for key, value in varied.items()}
        return Configured("name", "entry", "mlp", ("exploration",), "choice", keys)

    reference = {"batch_size": 64, "model": {"name": "mlp", "hidden": [64]}}
    assert unchanged([made(batch_size=16), made(batch_size=256)], reference) == "batch size 64"
    assert unchanged([made(model__hidden=[8])], reference) == "hidden [64]"
    assert unchanged([made(model__kernel=5)], reference) == ""  # the model's default, which the configuration lacks
    assert unchanged([made(batch_size=16), made(model__hidden=[8])], reference) == ""
    assert unchanged([made()], reference) == ""
