"""`passo export` and `passo predict`, as a person types them, on a run that was really trained."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from passo.store import open_study

SETTINGS = ("dataset=fashion-mnist-sample", "dataset.per_class=20", "epochs=1", "record.predictions=true")


def passo(*words: str, cwd: Path, code: int = 0) -> str:
    environment = {**os.environ, "PASSO_OFFLINE": "1", "COLUMNS": "60", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "passo", *words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 and "--json" in words else done.stdout + done.stderr


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, a run of an own model, a saved model, and the test's images as they are exported."""
    folder = tmp_path_factory.mktemp("interchange")
    passo("train", *SETTINGS, "model=tiny-cnn", "--out", "run", cwd=folder)
    (folder / "net.py").write_text(
        "from torch import nn\ndef build(in_shape, classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(784, classes))\n"
    )
    passo("train", *SETTINGS, "model=net.py:build", "--out", "own", cwd=folder)
    passo("export", "run", "--model", "shirts", cwd=folder)
    words = ("fashion-mnist-sample", "per_class=1", "--no-idx", "--out", "pixels")
    passo("data", "export", *words, cwd=folder)
    return folder


def test_everything_leaves_in_one_go_and_nothing_is_overwritten_unasked(here: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    places = ("--metrics", f"{tmp_path}/m.csv", "--tensorboard", f"{tmp_path}/logs", "--model", f"{tmp_path}/model")
    said = passo("export", "run/tiny-cnn-adam-s0", *places, cwd=here)
    assert "rows of metrics" in said and "tensorboard --logdir" in said and "trained model" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "m.csv", "model"]
    run = open_study(here / "run").runs[0]
    with (tmp_path / "m.csv").open(newline="") as file:
        assert sum(1 for _ in csv.reader(file)) == 1 + sum(len(run.metric(name).steps) for name in run.metrics())
    assert "m.csv is there already" in passo("export", "run", *places, cwd=here, code=1)
    passo("export", "run", *places, "--force", cwd=here)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "logs.1", "m.csv", "model"]


def test_onnx_leaves_where_onnx_is(here: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    passo("export", "shirts", "--onnx", f"{tmp_path}/m.onnx", cwd=here)
    onnx.checker.check_model(str(tmp_path / "m.onnx"))


def test_a_model_answers_for_a_folder_as_the_run_s_own_test_did(here: Path) -> None:
    found = json.loads(passo("predict", "shirts", "pixels/png/test/8-Bag", "--json", "--top", "10", cwd=here))
    run = open_study(here / "run").runs[0]
    bags = run.array("test/probabilities")[run.array("test/labels") == 8]
    classes = run.info["data"]["classes"]
    assert len(found) == len(bags) == 100
    for one, wanted in zip(found, bags, strict=True):
        assert one["class"] == classes[wanted.argmax()]
        assert [one["probabilities"][name] for name in classes] == pytest.approx(wanted.tolist(), abs=1e-6)


def test_each_image_gets_one_line_with_its_likeliest_classes(here: Path) -> None:
    first = min((here / "pixels" / "png" / "test").rglob("*.png"))
    (line,) = passo("predict", "run", str(first), "--top", "2", cwd=here).splitlines()
    assert line.startswith(str(first)) and line.count(" %") == 2 and line.count(",") == 1


def test_a_photo_of_something_dark_on_light_gets_a_hint(here: Path, tmp_path: Path) -> None:
    pixels = np.full((60, 40, 3), 250, np.uint8)
    pixels[20:40, 10:30] = 20
    Image.fromarray(pixels).save(tmp_path / "photo.jpg")
    hint = "looks like a negative of what the model was trained on (try --invert)"
    assert hint in passo("predict", "shirts", f"{tmp_path}/photo.jpg", cwd=here)
    assert "negative" not in passo("predict", "shirts", f"{tmp_path}/photo.jpg", "--invert", cwd=here)


@pytest.mark.slow
def test_an_own_model_s_file_is_run_only_where_it_is_named_again(here: Path, tmp_path: Path) -> None:
    saved = f"{tmp_path}/m"
    passo("export", "own", "--model", saved, cwd=here)  # its weights and what is known of it; nothing is run
    image = str(min((here / "pixels" / "png" / "test").rglob("*.png")))
    for source in ("own", saved):
        said = passo("predict", source, image, cwd=here, code=2)
        assert "passo runs no code because a file names it" in said and "--own FILE.py:FUNCTION" in said
        assert " %" in passo("predict", source, image, "--own", "net.py:build", cwd=here)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("export", "run"), 2, "say what to write"),
        (("export", "run", "--wide"), 2, "add --metrics FILE.csv"),
        (("export", "run", "--metrics", "m.xlsx"), 2, "written as .csv or .parquet"),
        (("export", "nothing", "--metrics", "m.csv"), 1, "no study 'nothing'"),
        (("export", "run/other", "--model", "m"), 1, "has no run 'other'"),
        (("predict", "nothing", "a.png"), 1, "nor a saved model"),
        (("predict", "shirts", "a.png"), 1, "there is no file a.png"),
        (("predict", "shirts", "net.py"), 1, "not an image in a known format"),
        (("predict", "shirts"), 2, "Missing argument"),
        (("predict", "shirts", "pixels", "--top", "0"), 2, "--top"),
    ],
)
def test_mistakes_are_told_in_one_sentence_and_write_nothing(
    words: tuple[str, ...], code: int, said: str, here: Path
) -> None:
    before = sorted(here.iterdir())
    assert said in " ".join(passo(*words, cwd=here, code=code).split())
    assert sorted(here.iterdir()) == before


def test_metrics_leave_without_torch(here: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from passo.cli.app import app\n"
        f"app(['export', 'run', '--metrics', {str(tmp_path / 'm.csv')!r}], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=here, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
