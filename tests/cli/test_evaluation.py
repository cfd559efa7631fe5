"""`passo inspect --evaluation` and its figures, as a person types them, on a run that was really trained."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "analysis"))

from answered import many, stored

from passo.store import open_study

LOSSES = {"epoch/train_loss": [3.0, 2.0, 1.0], "validation/loss": [3.0, 2.5, 2.0]}


def passo(*words: str, cwd: Path, code: int = 0, columns: int = 400) -> str:
    environment = {**os.environ, "PASSO_OFFLINE": "1", "COLUMNS": str(columns), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "passo", *words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == code, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained run, one of somebody's own batches, one without predictions, and two in one study."""
    folder = tmp_path_factory.mktemp("evaluation")
    settings = ("dataset=fashion-mnist-sample", "dataset.per_class=30", "model=lenet", "epochs=2")
    passo("train", *settings, "record.predictions=true", "--out", "trained", cwd=folder)
    q, labels = many(3, 60)
    stored(folder / "own", q, labels, metrics=LOSSES)
    stored(folder / "losses", metrics=LOSSES)
    return folder


def test_a_trained_run_is_told_whole(here: Path) -> None:
    said = passo("inspect", "trained", "--evaluation", cwd=here)
    heads = ("Classes", "Most confused", "Cross-entropy", "Calibration", "Hardest images", "Over-fitting")
    places = [said.index(head) for head in heads]
    assert places == sorted(places)
    assert (
        "of 1,000 test images rightly" in said and "class images named so precision recall F1 T-shirt/top 100" in said
    )
    assert "is taken for" in said and "labels smoothed by 0.1" in said and "epoch training loss" in said


@pytest.mark.parametrize("figure", ["confusion", "classes", "calibration", "hardest", "overfitting", "cross-entropy"])
def test_every_figure_is_saved_beside_the_run(figure: str, here: Path) -> None:
    said = passo("inspect", "trained", "--figure", figure, cwd=here)
    assert f"saved as trained/lenet-adam-s0-{figure}.png" in said
    assert (here / "trained" / f"lenet-adam-s0-{figure}.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_without_predictions_is_told_as_far_as_it_goes(here: Path) -> None:
    said = passo("inspect", "losses", "--evaluation", cwd=here)
    assert "kept no predictions: train it again with record.predictions=true" in said
    assert "The gap between validation and training loss of it is" in said


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("own", "--figure", "hardest"), 1, "somebody's own batches"),
        (("own", "--figure", "stages"), 1, "no run of own was watched: train one with record.every=1"),
        (("losses", "--figure", "classes"), 1, "no run of losses kept its predictions: train one with record.pred"),
        (("own", "--figure", "clases"), 2, "Did you mean 'classes'"),
        (("own", "--evaluation", "--step", "3"), 2, "--evaluation takes no other option"),
        (("own", "--evaluation", "--figure", "classes"), 2, "--evaluation takes no other option"),
        (("own", "--figure", "classes", "--step", "3"), 2, "takes no 'step'"),
    ],
)
def test_mistakes_are_told_in_one_sentence(words: tuple[str, ...], code: int, said: str, here: Path) -> None:
    told = passo("inspect", *words, cwd=here, code=code)
    assert said in told and "Traceback" not in told


def test_images_of_another_data_set_are_not_drawn_as_this_run_s(here: Path, tmp_path: Path) -> None:
    run = open_study(here / "trained").runs[0]
    q, labels = run.array("test/probabilities"), run.array("test/labels")
    other = stored(tmp_path / "other", q, labels[::-1], config=run.config)
    with sqlite3.connect(tmp_path / "other" / "study.sqlite") as database:
        database.execute("UPDATE runs SET info=?", ('{"data": {"sha256": {}}}',))
    database.close()
    assert other.id == "it"
    said = passo("inspect", "other", "--figure", "hardest", cwd=tmp_path, code=1)
    assert "is not what run it was tested on, its labels are others" in said


def test_evaluating_needs_no_torch(here: Path) -> None:
    program = (
        "import sys; from passo.cli.app import app\n"
        "app(['inspect', 'trained', '--evaluation'], standalone_mode=False)\n"
        "for name in ('confusion', 'classes', 'calibration', 'overfitting', 'cross-entropy'):\n"
        "    app(['inspect', 'trained', '--figure', name, '--out', 'x.svg'], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=here, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
