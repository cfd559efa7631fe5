"""Ctrl-C, as a person presses it: exit code 130, and a word that says what is kept."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from passo.cli.app import app


@pytest.mark.parametrize(
    ("words", "inside"),
    [
        (("proof", "sgd"), "passo.experiments.proof.prove"),
        (("descend", "bowl", "--optimizer", "sgd", "--steps", "2"), "passo.experiments.race.descend"),
        (("descend", "bowl", "--optimizer", "sgd", "--steps", "2"), "passo.analysis.races.table"),
    ],
)
def test_ctrl_c_says_interrupted_and_ends_with_130(
    words: tuple[str, ...], inside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(inside, pressed)
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 130
    assert done.stderr.strip().startswith("interrupted: ")
    assert len(done.stderr.strip().splitlines()) == 1


def test_workers_that_are_still_starting_print_nothing_either(tmp_path: Path) -> None:
    """In a terminal, Ctrl-C reaches the workers as well: while they import torch, nothing of theirs is printed."""
    words = [sys.executable, "-m", "passo", "proof", "--jobs", "2", "--steps", "5000"]
    running = subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    workers: list[int] = []
    for _ in range(600):
        time.sleep(0.05)
        command = ["ps", "-ww", "-o", "pid=", "-o", "args=", "-s", str(running.pid)]
        listed = subprocess.run(command, capture_output=True, text=True)
        workers = [int(line.split()[0]) for line in listed.stdout.splitlines() if "spawn_main" in line]
        if len(workers) == 2 or running.poll() is not None:
            break
    for worker in workers:  # first they alone, so that the parent is not quicker than what they would print
        os.kill(worker, signal.SIGINT)
    time.sleep(1)
    os.killpg(running.pid, signal.SIGINT)
    said = running.communicate(timeout=60)[1]
    assert len(workers) == 2
    assert running.returncode == 130
    assert "interrupted: " in said and "Traceback" not in said
