"""Names, groups and settings as a reader meets them in tables, legends and sentences."""

from __future__ import annotations

from pathlib import Path

from invented import adam, invented, sgd

from passo.analysis import words
from passo.analysis.varied import groups, number, setting, settings


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
