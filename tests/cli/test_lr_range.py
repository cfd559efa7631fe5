"""`passo lr-range`, as a person types it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from passo.store import open_study

ENVIRONMENT = {**os.environ, "GOMP_SPINCOUNT": "1000", "PASSO_OFFLINE": "1", "COLUMNS": "120"}
SMALL = ("dataset=fashion-mnist-sample", "dataset.per_class=20", "model=tiny-cnn", "optimizer=adam", "batch_size=32")


def passo(*words: str, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "passo", *words], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_seeds_rules_intervals_a_verification_a_picture_and_what_to_do_next(tmp_path: Path) -> None:
    words = (*SMALL, "lr=0.5", "schedule=StepLR", "schedule.step_size=1", "--seeds", "2", "--suggest", "valley")
    done = passo(
        "lr-range", *words, "--verify", "--verify-steps", "10", "--chart", "c.html", "--out", "r", cwd=tmp_path
    )
    said = done.stdout
    for rule in ("steepest", "valley *", "minimum/10", "slide"):
        assert rule in said
    assert "suggested lr" in said
    assert "95 % interval" in said
    assert "After 10 steps the validation loss is" in said
    assert "passo train dataset=fashion-mnist-sample dataset.per_class=20 model=tiny-cnn optimizer=adam" in said
    assert "lr=0.5" not in said
    assert "the schedule StepLR takes no part" in done.stderr
    assert "lr takes no part: a range test sets the learning rate itself" in " ".join(done.stderr.split())
    assert (tmp_path / "r" / "lr-range.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert 'src="http' not in page
    there = open_study(tmp_path / "r")
    assert len(there.select(kind="lr_range")) == 2
    assert len(there.select(kind="lr_verify")) == 6
    train = next(line for line in said.splitlines() if line.startswith("train with it: ")).removeprefix(
        "train with it: "
    )
    rate = float(train.rpartition("lr=")[2])
    found = [run.info["suggestions"]["valley"] for run in there.select(kind="lr_range")]
    assert rate == pytest.approx((found[0] * found[1]) ** 0.5, rel=1e-2)
    assert [run.info["suggested"] for run in there.select(kind="lr_verify")] == pytest.approx([rate] * 6, rel=1e-2)


@pytest.mark.slow
def test_ctrl_c_keeps_the_tests_that_are_done_and_the_same_command_goes_on(tmp_path: Path) -> None:
    words = ("lr-range", *SMALL, "--seeds", "3", "--steps", "600", "--divergence", "1e9", "--out", "r")
    running = subprocess.Popen(
        [sys.executable, "-m", "passo", *words],
        cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    begun = time.monotonic()
    while running.poll() is None and time.monotonic() - begun < 200:
        time.sleep(0.05)
        if (tmp_path / "r" / "runs" / "range-adam-s0" / "smoothed.0000.npy").exists():
            break
    time.sleep(0.3)
    running.send_signal(signal.SIGINT)
    said = "".join(running.communicate(timeout=200))
    assert running.returncode == 130, said
    assert "kept in r; --out r goes on" in said
    there = open_study(tmp_path / "r")
    assert there.status == "interrupted"
    first = next(run for run in there.runs if run.id == "range-adam-s0")
    assert first.status == "done"
    assert "of 3" in passo(*words, cwd=tmp_path).stdout
    again = open_study(tmp_path / "r")
    assert again.status == "done"
    assert again.run("range-adam-s0").started == first.started
    assert len(again.runs) == 3


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--lr-min", "1", "--lr-max", "0.1"), 2, "0 < lr_min < lr_max"),
        (("--mode", "log"), 2, "mode must be exponential or linear"),
        (("--suggest", "valey"), 2, "Did you mean 'valley'"),
        (("--chart", "c.gif"), 2, "--chart must end in .png, .svg, .html"),
        (("--seeds", "0"), 2, "seeds"),
        (("--lr-min", "1e-20", "--lr-max", "1e-18", *SMALL, "--seeds", "2", "--out", "kept"), 1, "did not fall beyond"),
    ],
)
def test_a_mistake_gets_one_sentence(tmp_path: Path, words: tuple[str, ...], code: int, said: str) -> None:
    done = passo("lr-range", *words, cwd=tmp_path, code=code)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == (["kept"] if "kept" in words else [])
