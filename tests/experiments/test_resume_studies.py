"""A study that is interrupted, or whose processes are killed, goes on: nothing is lost, nothing is done twice."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import passo
from passo import store
from passo.errors import TrainingError, UsageError
from passo.experiments import study
from passo.experiments.executors import processes
from passo.experiments.keeping import Keeper
from passo.experiments.pending import place, trained
from passo.experiments.short import loaded
from passo.training import TrainConfig

TEXT = """
name = "small"
seeds = [0, 1]

[base]
dataset = { name = "fashion-mnist-sample", per_class = 8 }
model = { name = "mlp", hidden = [8], dropout = 0.2 }
batch_size = 16
epochs = 3

[record]
every = 1
path = 5

[[runs]]
name = "sgd"
optimizer = { name = "sgd", lr = 0.05 }

[[runs]]
name = "adam"
optimizer = { name = "adam", lr = 0.01 }
"""
IDS = ["sgd-s0", "sgd-s1", "adam-s0", "adam-s1"]  # 15 steps each


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(TEXT)
    return path


def _told(run: store.StoredRun) -> dict[str, Any]:
    """Everything of a run but times, and that it went on."""
    metrics = {name: run.metric(name) for name in run.metrics() if "seconds" not in name}
    info = {key: value for key, value in run.info.items() if "second" not in key and key != "environment"}
    return {
        "run": (run.id, run.kind, run.name, run.config, run.seed, run.status, run.error),
        "metrics": {name: (m.steps.tolist(), m.epochs.tolist(), m.values.tolist()) for name, m in metrics.items()},
        "events": [event for event in run.events() if event[0] != "resumed"],
        "meta": {name: run.meta(name) for name in run.arrays()},
        "info": info,
    }


def _same(there: Path, wanted: Path) -> None:
    """The same study, hash by hash, metric by metric, array by array; and nothing left over."""
    one, other = store.open_study(there), store.open_study(wanted)
    assert one.status == other.status == "done"
    assert sorted(run.id for run in one.runs) == sorted(run.id for run in other.runs) == sorted(IDS)
    for run in other.runs:
        again = one.run(run.id)
        assert _told(again) == _told(run)
        assert again.info["weights_sha256"] == run.info["weights_sha256"]
        for name in run.arrays():
            np.testing.assert_array_equal(again.array(name), run.array(name), err_msg=f"{run.id} {name}")
    assert sorted(path.name for path in there.iterdir()) == ["runs", "study.sqlite"]
    assert not list(there.rglob("*.safetensors"))


def _resumed(folder: Path) -> dict[str, list[int | None]]:
    """The steps after which each run went on."""
    runs = store.open_study(folder).runs
    return {run.id: [step for kind, step, *_ in run.events() if kind == "resumed"] for run in runs}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_study_that_is_interrupted_goes_on_in_the_middle_of_a_run(
    file: Path, tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    study(file).run(tmp_path / "whole", jobs=1)
    due, asked = Keeper.due, []

    def pressed(self: Keeper, record: Any) -> bool:
        asked.append(record.step)
        if len(asked) in (15 + 8, 15 + 8 + 4):  # in the middle of the second run, and again after four more steps
            os.kill(os.getpid(), number)
        return due(self, record)

    monkeypatch.setattr(Keeper, "due", pressed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            study(file).run(tmp_path / "s", jobs=1)
        there = store.open_study(tmp_path / "s")
        assert there.status == "interrupted" and [run.id for run in there.runs] == ["sgd-s0"]
    begun = store.open_study(tmp_path / "s").run("sgd-s0").started
    steps = [step.task.run_id for step in study(file).running(tmp_path / "s", jobs=1)]
    assert steps == ["sgd-s1", "adam-s0", "adam-s1"]
    assert len(asked) == 4 * 15  # no step was made twice
    assert store.open_study(tmp_path / "s").run("sgd-s0").started == begun
    assert _resumed(tmp_path / "s") == {"sgd-s0": [], "sgd-s1": [8, 12], "adam-s0": [], "adam-s1": []}
    _same(tmp_path / "s", tmp_path / "whole")


def test_a_run_that_was_done_but_not_taken_over_is_not_run_again(file: Path, tmp_path: Path) -> None:
    """As where the parent was killed in that moment; half of its files may be in their place already."""
    study(file).run(tmp_path / "whole", jobs=1)
    with pytest.raises(GeneratorExit):
        _stop_after_first(file, tmp_path / "s")
    config = TrainConfig.model_validate(store.open_study(tmp_path / "whole").run("sgd-s1").config)
    data = loaded(config)
    trained(config, "sgd", data, place(tmp_path / "s", "sgd-s1"))
    half = tmp_path / "s" / "runs" / "sgd-s1" / "path.0000.npy"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    begun = store.open_study(place(tmp_path / "s", "sgd-s1")).run("sgd-s1").started
    study(file).run(tmp_path / "s", jobs=1)
    assert store.open_study(tmp_path / "s").run("sgd-s1").started == begun
    _same(tmp_path / "s", tmp_path / "whole")


def _stop_after_first(file: Path, folder: Path) -> None:
    running = study(file).running(folder, jobs=1)
    next(running)
    running.throw(GeneratorExit)  # type: ignore[attr-defined]


def test_what_is_left_of_another_configuration_is_dropped(file: Path, tmp_path: Path) -> None:
    study(file).run(tmp_path / "whole", jobs=1)
    with pytest.raises(GeneratorExit):
        _stop_after_first(file, tmp_path / "s")
    config = TrainConfig.model_validate(store.open_study(tmp_path / "whole").run("sgd-s1").config)
    data = loaded(config)
    trained(config.model_copy(update={"epochs": 1}), "sgd", data, place(tmp_path / "s", "sgd-s1"))
    (place(tmp_path / "s", "adam-s0")).mkdir(parents=True)
    (place(tmp_path / "s", "adam-s0") / store.DATABASE).write_bytes(b"no database")
    trained(config, "sgd", data, place(tmp_path / "s", "sgd-s0"))  # of a run that is done and was taken over
    study(file).run(tmp_path / "s", jobs=1)
    _same(tmp_path / "s", tmp_path / "whole")


def test_a_failed_run_keeps_what_it_recorded_and_is_tried_from_its_last_state(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study(file).run(tmp_path / "whole", jobs=1)
    due = Keeper.due

    def full(self: Keeper, record: Any) -> bool:
        if record.step == 12 and "adam" in str(self._writer.id):
            raise OSError(28, "No space left on device")
        return due(self, record)

    with monkeypatch.context() as patched:
        patched.setattr(Keeper, "due", full)
        there = study(file).run(tmp_path / "s", jobs=1)
    assert there.status == "failed"
    failed = there.run("adam-s0")
    assert (failed.status, failed.error) == ("failed", "OSError: [Errno 28] No space left on device")
    assert failed.metric("train/loss").steps.tolist() == list(range(1, 13))
    assert failed.array("trace/steps").tolist() == list(range(1, 13))
    again = [step.task.run_id for step in study(file).running(tmp_path / "s", jobs=1)]
    assert again == ["adam-s0", "adam-s1"]
    assert _resumed(tmp_path / "s")["adam-s0"] == [10]  # the end of its second epoch
    _same(tmp_path / "s", tmp_path / "whole")


# ── processes ──


def _work(task: str) -> str:
    if task == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "wrong":
        raise ValueError("that is wrong")
    if task == "long":
        time.sleep(600)
    return task.upper()


@pytest.mark.slow
def test_a_worker_that_is_killed_takes_its_own_task_alone() -> None:
    found = dict(processes(_work, ["a", "killed", "b", "c"], 2, lambda task, how: f"{task} {how}"))
    assert found == {
        "a": "A",
        "killed": "killed was ended from outside (SIGKILL, as where memory is short)",
        "b": "B",
        "c": "C",
    }
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_without_an_answer_to_it_a_killed_worker_is_an_error_and_so_is_what_work_raises() -> None:
    with pytest.raises(
        TrainingError, match=r"a worker process was ended from outside \(SIGKILL, as where memory is short\)"
    ):
        dict(processes(_work, ["killed"], 1))
    with pytest.raises(ValueError, match="that is wrong"):
        dict(processes(_work, ["wrong", "long"], 2))
    assert multiprocessing.active_children() == []


def _once(folder: Path, done: threading.Event) -> None:
    """Kill a worker, once both have kept a state."""
    states = "*/runs/*/checkpoint.*.safetensors"
    while not done.is_set() and len({path.parent for path in (folder / "pending").glob(states)}) < 2:
        time.sleep(0.01)
    if not done.is_set():
        os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)


@pytest.mark.slow
def test_a_killed_worker_is_named_the_others_finish_and_the_same_command_goes_on_with_its_run(
    file: Path, tmp_path: Path
) -> None:
    settings = {"epochs": 100}
    study(file, settings).run(tmp_path / "whole", jobs=2)
    done = threading.Event()
    killer = threading.Thread(target=_once, args=(tmp_path / "s", done))
    killer.start()
    ended = {step.task.run_id: step for step in study(file, settings).running(tmp_path / "s", jobs=2)}
    done.set()
    killer.join()
    (lost,) = [name for name, step in ended.items() if step.status == "failed"]
    why = ended[lost].error or ""
    assert "SIGKILL" in why and "repeat the command to go on with it" in why
    there = store.open_study(tmp_path / "s")
    assert there.status == "failed" and there.facts["failed"] == [f"{lost}: {why}"]
    assert sorted(run.id for run in there.select()) == sorted(set(IDS) - {lost})
    again = [step.task.run_id for step in study(file, settings).running(tmp_path / "s", jobs=2)]
    assert again == [lost]
    assert len(_resumed(tmp_path / "s")[lost]) == 1
    _same(tmp_path / "s", tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_study_whose_parent_is_stopped_or_killed_goes_on(file: Path, tmp_path: Path, number: int) -> None:
    """In processes, as a person runs it. No worker outlives its parent."""
    words = [sys.executable, "-m", "passo", "study", "run", str(file), "--set", "epochs=40", "--jobs", "2", "--out"]

    def started(folder: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*words, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    whole = started(tmp_path / "whole")
    assert "kept in" in whole.communicate(timeout=300)[0]
    running = started(tmp_path / "s")
    pattern = "pending/*/runs/*/checkpoint.*.safetensors"
    while running.poll() is None and len(list((tmp_path / "s").glob(pattern))) < 2:
        time.sleep(0.01)
    if number == signal.SIGINT:
        os.killpg(running.pid, number)  # as a terminal does: to all of them
    else:
        running.send_signal(number)
    told = running.communicate(timeout=60)[0]  # ends when nobody holds the pipe: all workers are gone
    assert running.returncode == (-9 if number == signal.SIGKILL else 130)
    assert number == signal.SIGKILL or "the same command goes on from there" in " ".join(told.split())
    assert store.open_study(tmp_path / "s").status in ("running", "interrupted")
    again = started(tmp_path / "s")
    assert "kept in" in again.communicate(timeout=300)[0]
    went_on = _resumed(tmp_path / "s")
    assert sum(len(steps) for steps in went_on.values()) >= 1
    _same(tmp_path / "s", tmp_path / "whole")


def test_the_folder_of_a_study_is_enough_to_go_on_with_it(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "there"
    study(file, ["seeds=[0]"]).run(folder, executor="here")
    again = study(folder, ["seeds=[0, 1]"])
    assert again.file.runs == study(file).file.runs and again.file.base == study(file).file.base
    assert [step.task.run_id for step in again.running(folder, executor="here")] == ["sgd-s1", "adam-s1"]
    passo.train("fashion-mnist", "mlp", out=tmp_path / "one", dataset={"allow_sample": True, "per_class": 8}, epochs=1)
    with pytest.raises(UsageError, match="single training: passo train --resume"):
        study(tmp_path / "one")
