"""The command line, as a person types it: what it prints, and its exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ENVIRONMENT = {**os.environ, "GOMP_SPINCOUNT": "1000", "PASSO_OFFLINE": "1", "COLUMNS": "120"}


def passo(*words: str, cwd: Path, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "passo", *words], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


SMALL = ("dataset=fashion-mnist-sample", "dataset.per_class=20", "model=tiny-cnn", "epochs=1")


def test_a_training_tells_its_test_its_place_and_its_hash(tmp_path: Path) -> None:
    said = passo("train", *SMALL, "optimizer=adam", "lr=0.01", "--out", "here", cwd=tmp_path)
    assert "test accuracy" in said
    assert "kept in here" in said
    assert len(said.rsplit("weights SHA-256 ", 1)[1].strip()) == 64
    shown = passo("runs", "show", "here", cwd=tmp_path)
    assert "test/accuracy" in shown
    refused = passo("train", *SMALL, "--out", "here", cwd=tmp_path, code=1)
    assert "holds a finished study" in refused
    passo("train", *SMALL, "--out", "here", "--force", cwd=tmp_path)
    assert (tmp_path / "here.1" / "study.sqlite").is_file()


def test_a_toml_file_stands_before_the_settings(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('dataset = "fashion-mnist-sample"\nmodel = "tiny-cnn"\nepochs = 1\nlr = 0.5\n')
    passo("train", "mine.toml", "dataset.per_class=20", "lr=0.02", "--out", "here", cwd=tmp_path)
    shown = passo("runs", "show", "here", cwd=tmp_path)
    assert "'lr': 0.02" in shown
    assert "'per_class': 20" in shown


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("train", "optimizer=adm"), 2, "unknown optimizer 'adm'. Did you mean 'adam'"),
        (("train", "lr=0"), 2, "lr must be > 0"),
        (("train", "nothere.toml"), 2, "cannot read nothere.toml"),
        (("train", "dataset=mnist", "--out", "x"), 1, "mnist"),
        (("train", "dataset.folder=nowhere"), 1, "nowhere"),
        (("schedule", "Stepp"), 2, "unknown schedule 'Stepp'"),
        (("study", "show", "optimisers"), 2, "Did you mean 'optimizers'"),
        (("study", "run", "optimizers", "--set", "epoch=3"), 2, "Did you mean 'epochs'"),
        (("note", "optimisers"), 2, "Did you mean 'optimizers'"),
        (("note", "optimizers", "--lang", "xx"), 2, "xx"),
        (("runs", "show", "nothing"), 1, "no study 'nothing'"),
        (("data", "info", "mnits"), 2, "Did you mean 'mnist'"),
        (("lr-range", "--lr-min", "1", "--lr-max", "0.1"), 2, "0 < lr_min < lr_max"),
        (("train", "--no-such"), 2, "No such option"),
    ],
)
def test_a_mistake_gets_one_sentence_and_an_exit_code_and_leaves_nothing(
    tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    answer = passo(*words, cwd=tmp_path, code=code)
    assert said in answer
    assert "Traceback" not in answer
    assert list(tmp_path.iterdir()) == []


def test_a_schedule_is_drawn_in_the_terminal_and_as_a_file(tmp_path: Path) -> None:
    said = passo("schedule", "CyclicLR", "max_lr=1", "step_size_up=1 epoch", "--out", "c.svg", cwd=tmp_path)
    assert "█" in said
    assert "stepped per step" in said
    assert (tmp_path / "c.svg").read_text().startswith("<svg")


def test_a_range_test_suggests_and_keeps_its_picture(tmp_path: Path) -> None:
    said = passo("lr-range", *SMALL[:3], "--out", "r", cwd=tmp_path)
    assert "suggested lr" in said
    assert (tmp_path / "r" / "lr-range.png").read_bytes().startswith(b"\x89PNG")


def test_a_study_of_ones_own_runs_and_compares(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\nseeds = 2\n[base]\ndataset = {name = "fashion-mnist-sample", per_class = 10}\n'
        'model = "tiny-cnn"\nepochs = 1\n[[runs]]\nname = "slow"\nlr = 0.001\n[[runs]]\nname = "fast"\nlr = 0.1\n'
    )
    assert "4 runs" in passo("study", "show", "mine.toml", cwd=tmp_path)
    said = passo("study", "run", "mine.toml", "--jobs", "1", cwd=tmp_path)
    assert "slow" in said
    assert "fast" in said
    listed = passo("runs", "list", cwd=tmp_path)
    assert "mine" in listed
    assert "done" in listed


def test_the_data_commands_answer(tmp_path: Path) -> None:
    assert "fashion-mnist-sample" in passo("data", "list", cwd=tmp_path)
    assert "T-shirt" in passo("data", "info", "fashion-mnist", cwd=tmp_path)
    assert "cache" in passo("data", "where", cwd=tmp_path)
    assert "ready" in passo("data", "fetch", "fashion-mnist-sample", cwd=tmp_path)
