"""`passo doctor` on the command line: a diverged training, one of several, and mistakes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from passo import gallery
from passo.cli import doctor_score
from passo.cli.app import app
from passo.language import speaking

SMALL = ("dataset=fashion-mnist-sample", "dataset.per_class=30", "model=mlp", "epochs=1", "record.every=1")


def _passo(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(word) for word in words])
    return done.exit_code, " ".join((done.output + str(done.exception or "")).split())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("doctor")
    _passo("train", *SMALL, "optimizer=sgd", "lr=1e12", "--out", place / "lost")
    assert _passo("train", *SMALL, "record.witness=true", "record.activations=true", "--out", place / "well")[0] == 0
    return place


def test_a_training_that_was_lost_is_told_why_and_what_to_try(runs: Path) -> None:
    code, said = _passo("doctor", runs / "lost")
    assert code == 0 and "1. The learning rate is too high (found)" in said and "passo lr-range" in said
    assert "could not look" in said and "inf" not in said
    with speaking("pt-BR"):
        assert "A taxa de aprendizado é alta demais" in _passo("doctor", runs / "lost")[1]


def test_a_healthy_training_is_told_so(runs: Path) -> None:
    code, said = _passo("doctor", runs / "well")
    assert code == 0 and "Nothing was found: 26 detectors looked." in said, said


def test_the_command_that_is_told_names_the_run_and_can_be_typed(runs: Path) -> None:
    _passo("train", *SMALL, "optimizer=sgd", "lr=0.1", "clip_norm=1e-4", "--out", runs / "cut short")
    code, said = _passo("doctor", runs / "cut short")
    told = re.search(r"→ passo (inspect '.*cut short/mlp-sgd-s0' --figure clipping)", said)
    assert code == 0 and told, said
    code, said = _passo(*shlex.split(told[1]), "--out", runs / "drawn.svg")
    assert code == 0 and (runs / "drawn.svg").exists(), said


def test_mistakes_get_one_sentence(runs: Path) -> None:
    code, said = _passo("doctor", runs / "nowhere")
    assert code == 1 and "neither a study folder" in said


def test_all_trainings_of_a_study_are_told_in_a_table(tmp_path: Path) -> None:
    study = gallery.make_all(tmp_path / "gallery", ["frozen", "missing-parameters"], ["mlp"], [0], jobs=1)
    code, said = _passo("doctor", study.folder)
    assert code == 0 and re.search(r"frozen-mlp-s0 Layers are frozen", said), said
    assert re.search(r"missing-parameters-mlp-s0 Parameters are missing from the optimizer", said)
    assert "Nothing was found in 1 of 3 trainings." in said and "healthy-mlp-s0" not in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("one", "--score"), "--score makes its own runs: leave out 'one'"),
        (("--score", "--gallery"), "one at a time"),
        (("--score", "--only", "sorted"), "--only belongs to passo doctor --gallery"),
        (("one", "--out", "there"), "--out belongs to passo doctor --gallery"),
    ],
)
def test_options_that_do_not_go_together_are_refused(words: tuple[str, ...], told: str) -> None:
    code, said = _passo("doctor", *words)
    assert code == 1 and told in said


def test_the_score_is_counted_over_what_is_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_score, "_parts", lambda: [(("mlp",), (0,))])
    monkeypatch.setattr(doctor_score, "DEFECTS", ["frozen", "zero-init"])
    monkeypatch.setattr(doctor_score, "STUDIES", ())
    code, said = _passo("doctor", "--score", "--out", tmp_path / "score", "--jobs", 1)
    assert code == 0 and "| defects recognised | 2 of 2 (100 %) | – |" in said, said
    assert "| `healthy` | 0/1 | – | |" in said
    assert (tmp_path / "score" / "score.md").read_text(encoding="utf-8").startswith("# The score of the detectors")


def test_what_was_said_while_it_trained_is_said_again(tmp_path: Path) -> None:
    words = ("dataset=fashion-mnist-sample", "model=mlp", "epochs=1", "optimizer=adam", "lr=10")
    code, said = _passo("train", *words, "dataset.per_class=250", "--out", tmp_path / "high")
    assert code == 0 and "The learning rate is too high" in said, said
    code, said = _passo("doctor", tmp_path / "high")
    assert code == 0 and "1. The learning rate is too high (found) A step moves the weights by" in said
    with speaking("pt-BR"):
        assert "Um passo move os pesos em" in _passo("doctor", tmp_path / "high")[1]
