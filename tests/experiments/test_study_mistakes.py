"""Mistakes in a study file: told before anything runs, with the line and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from passo.errors import ConfigError
from passo.experiments import study
from passo.experiments.studyfile import parse_study
from passo.models import own_file

BASE = """name = "bad"
[base]
dataset = { name = "fashion-mnist-sample", per_class = 20 }
model = { name = "mlp", hidden = [8] }
epochs = 1
"""


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_study(text, "bad.toml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("table", "line", "of"),
    [
        ("[grid]\nlr = [0.1, -3]\nbatch_size = [16, 32]\n", 7, "lr must be > 0"),
        ("[grid]\nlr = [0.1, 0.2]\nbatch_size = [16, 0]\n", 8, "batch_size must be ≥ 1"),
        ('[grid]\nlr = [0.1, 0.2]\n"model.depth" = [1, 2]\n', 8, "unknown option of model mlp 'depth'"),
        ("[grid]\nlr = [0.1, 0.2]\n[zip]\nepochs = [1, 2]\nbatch_size = [0, 8]\n", 10, "batch_size must be ≥ 1"),
    ],
)
def test_a_value_that_cannot_be_is_told_with_the_line_of_its_own_key(table: str, line: int, of: str) -> None:
    told = complaint(BASE + table)
    assert f"line {line}: run " in told
    assert of in told


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("learning_rate", "the learning rate is lr, or in full optimizer.lr"),
        ("learnin_rate", "the learning rate is lr"),
        ("momentum", "Did you mean 'optimizer.momentum'?"),
        ("gamma", "Did you mean 'schedule.gamma'?"),
        ("hidden", "Did you mean 'model.hidden'?"),
        ("per_class", "Did you mean 'dataset.per_class'?"),
    ],
)
def test_a_key_without_its_section_is_told_with_it(key: str, expected: str) -> None:
    assert expected in complaint(f"{BASE}[grid]\n{key} = [1, 2]\n")


def test_a_metric_that_no_training_records_is_refused_before_any_runs() -> None:
    assert "Did you mean 'test/accuracy'" in complaint(f'metric = "accuracy"\n{BASE}[grid]\nlr = [0.1, 0.2]\n')
    assert parse_study(f'metric = "validation/r2"\n{BASE}[grid]\nlr = [0.1]\n', "good.toml").metric == "validation/r2"


def test_a_model_that_is_a_file_runs_only_where_the_command_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PASSO_OWN_MODELS", raising=False)
    file = tmp_path / "mine.py"
    file.write_text("from torch import nn\ndef make(in_shape, classes):\n    raise RuntimeError('it was run')\n")
    name = f"{file}:make"
    text = BASE.replace('{ name = "mlp", hidden = [8] }', f'"{name}"') + "[grid]\nlr = [0.1]\n"
    (tmp_path / "own.toml").write_text(text)
    chosen = study(tmp_path / "own.toml")
    with pytest.raises(ConfigError, match="add --set model.name="):
        chosen.run(tmp_path / "out", jobs=1)
    assert not (tmp_path / "out").exists()
    assert not own_file.allowed(name)


@pytest.mark.parametrize("seeds", ["0", "-1"])
def test_a_number_of_seeds_below_one_is_told_as_it_was_given(seeds: str) -> None:
    text = 'name = "a"\nseeds = 2\n[[runs]]\nname = "b"\n'
    with pytest.raises(ConfigError, match=rf"x.toml, line 2: .*a study has at least one seed, got {seeds}$"):
        parse_study(text, "x.toml", [f"seeds={seeds}"])
