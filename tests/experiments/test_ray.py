"""A study on a Ray cluster: the same runs, whatever becomes of the workers; and nothing is left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from passo import store
from passo.errors import ConfigError, MissingExtra, TrainingError
from passo.experiments import cluster, eligible, fusing, on_ray, study
from passo.experiments.assembling import load_data
from passo.experiments.cluster import cluster as connected
from passo.experiments.stages import Task
from passo.models import own_file
from passo.store import StoredStudy

ray: Any = pytest.importorskip("ray")

pytestmark = pytest.mark.usefixtures("one_thread")

TEXT = """
name = "small"
seeds = 2

[base]
dataset = { name = "fashion-mnist-sample", per_class = 12, validation = 0.25 }
model = { name = "mlp", hidden = [12] }
epochs = 3
batch_size = 16
record = { predictions = true }

[[runs]]
name = "adam"
optimizer = { name = "adam", lr = 0.003 }

[[runs]]
name = "momentum"
optimizer = { name = "sgd", lr = 0.03, momentum = 0.9 }
"""
ALONE = """
[[runs]]
name = "rprop"
optimizer = { name = "rprop", lr = 0.01 }
"""
MARK = "PASSO_TEST_RAY"


@pytest.fixture(scope="module")
def there() -> Iterator[None]:
    """One cluster for the tests of this module, as a notebook has one."""
    with connected(cpus=2):
        yield


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(TEXT)
    return path


def same(one: StoredStudy, other: StoredStudy) -> None:
    """The same runs, bit for bit but for times; each once."""
    assert one.status == other.status == "done"
    assert sorted(run.id for run in one.runs) == sorted(run.id for run in other.runs)
    for run in one.runs:
        twin = other.run(run.id)
        assert (run.status, run.error, run.config) == (twin.status, twin.error, twin.config)
        assert run.info.get("weights_sha256") == twin.info.get("weights_sha256")
        assert (run.metrics(), run.arrays()) == (twin.metrics(), twin.arrays())
        for name in run.metrics():
            a, b = run.metric(name), twin.metric(name)
            np.testing.assert_array_equal(a.steps, b.steps)
            if "seconds" not in name:
                np.testing.assert_array_equal(a.values, b.values, err_msg=f"{run.id} {name}")
        for name in run.arrays():
            np.testing.assert_array_equal(run.array(name), twin.array(name))


def test_a_study_on_ray_is_the_study_of_replicas_bit_for_bit(there: None, file: Path, tmp_path: Path) -> None:
    file.write_text(TEXT + ALONE)
    ended = [step for step in study(file).running(tmp_path / "ray", executor="ray") if step.status == "done"]
    assert sorted(step.task.run_id for step in ended) == [
        f"{name}-s{seed}" for name in ("adam", "momentum", "rprop") for seed in (0, 1)
    ]
    assert ended[-1].done == ended[-1].total == 6
    one = store.open_study(tmp_path / "ray")
    same(one, study(file).run(tmp_path / "here", jobs=1, executor="replicas"))
    (group,) = one.facts["executors"]
    assert (group["executor"], group["threads"]) == ("ray", 1)
    assert sorted(group["runs"]) == ["adam-s0", "adam-s1", "momentum-s0", "momentum-s1"]
    assert set(one.facts["alone"]) == {"rprop-s0", "rprop-s1"} and "lost" not in one.facts
    assert not (one.folder / "pending").exists()
    assert ray.is_initialized()  # it was there before, and stays


def test_workers_that_do_not_see_the_study_send_everything_home(
    there: None, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(TEXT + ALONE)
    here = study(file).run(tmp_path / "here", jobs=1, executor="replicas")
    sent = on_ray._Sender.__call__

    def elsewhere(self: Any, job: Any) -> Any:
        self._folder, self._sign = Path("/nowhere/at/all"), "no such word"
        return sent(self, job)

    monkeypatch.setattr(on_ray._Sender, "__call__", elsewhere)
    same(study(file).run(tmp_path / "ray", executor="ray"), here)


def test_a_run_that_fails_or_diverges_does_not_stop_the_others(
    there: None, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = '[[runs]]\nname = "far"\noptimizer = { name = "adam", lr = 1e30 }\n'
    own = tmp_path / "own.py"
    own.write_text("def build(in_shape, classes):\n    raise ValueError('no model today')\n")
    broken = f'[[runs]]\nname = "broken"\nmodel = {{ name = "{own}:build" }}\n'
    file.write_text(TEXT + runs + broken)
    monkeypatch.setenv("PASSO_OWN_MODELS", "")
    own_file.allow(f"{own}:build")  # as a command that names it does; workers were begun before
    one = study(file).run(tmp_path / "ray", executor="ray")
    ends = {run.id: run.status for run in one.runs}
    assert ends == {
        **{f"{name}-s{seed}": "done" for name in ("adam", "momentum") for seed in (0, 1)},
        **{f"far-s{seed}": "diverged" for seed in (0, 1)},
        **{f"broken-s{seed}": "failed" for seed in (0, 1)},
    }
    assert "is not finite at step 2" in str(one.run("far-s0").error)
    assert "no model today (line 2 of" in str(one.run("broken-s1").error)


def killing(told: Path, times: int) -> Any:
    """What a worker does, but that its process is killed at its 9th step of a group, the first `times` times.

    Each worker's first step is in the name of a file in `told`. Being a closure, it is sent as it stands.
    """
    told.mkdir()

    def work(errand: Any, data: Any) -> Any:
        fusing.SECONDS = 0.0  # a state after each step
        columns, steps, before = fusing._columns, [], len(list(told.iterdir()))

        def counted(record: Any) -> Any:
            steps.append(record.step)
            if len(steps) == 1:
                (told / f"{before}-{record.step}").touch()
            if before < times and len(steps) == 9:
                os.kill(os.getpid(), signal.SIGKILL)
            return columns(record)

        fusing._columns = counted
        try:
            return on_ray.work(errand, data)
        finally:
            fusing._columns = columns

    return work


@pytest.mark.parametrize("seen", [True, False], ids=["the study is seen", "the study is not seen"])
def test_what_a_killed_worker_had_is_done_by_another_and_nothing_is_lost_or_done_twice(
    seen: bool, there: None, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_ray, "work", killing(tmp_path / "told", 1))
    if not seen:
        monkeypatch.setattr(on_ray, "SIGN", "another name")  # here, but not in a worker
    ended = list(study(file).running(tmp_path / "ray", executor="ray"))
    assert [step.status for step in ended] == ["chosen"] + ["done"] * 4
    assert ended[0].told.startswith("4 trainings, as tasks for the cluster: 1; ")
    one = store.open_study(tmp_path / "ray")
    same(one, study(file).run(tmp_path / "here", jobs=1, executor="replicas"))
    (lost,) = one.facts["lost"]
    assert len(lost["runs"]) == 4 and lost["how"] == "its process was ended from outside, or ended by itself"
    assert sorted(path.name for path in (tmp_path / "told").iterdir()) == ["0-1", "1-9" if seen else "1-1"]
    assert not (one.folder / "pending").exists()


@pytest.mark.slow
def test_runs_whose_workers_are_lost_again_and_again_fail_and_say_so(
    there: None, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(TEXT + ALONE)
    with monkeypatch.context() as patched:
        patched.setattr(on_ray, "work", killing(tmp_path / "told", 99))
        patched.setattr(on_ray, "SIGN", "another name")
        one = study(file).run(tmp_path / "ray", executor="ray")
    assert len(list((tmp_path / "told").iterdir())) == on_ray.TRIES
    for run in one.runs:
        assert run.status == ("done" if run.name == "rprop" else "failed")
        assert run.name == "rprop" or "3 workers that trained it were lost" in str(run.error)
    again = list(study(file).running(tmp_path / "ray", executor="ray"))
    assert sorted(step.task.run_id for step in again if step.status == "done") == [
        "adam-s0",
        "adam-s1",
        "momentum-s0",
        "momentum-s1",
    ]
    same(store.open_study(tmp_path / "ray"), study(file).run(tmp_path / "here", jobs=1, executor="replicas"))


SCRIPT = """
import sys
from pathlib import Path
from passo.experiments import fusing, on_ray, study

def telling(begun):
    def work(errand, data):
        columns = fusing._columns
        fusing._columns = lambda record: begun.touch() or columns(record)
        return on_ray.work(errand, data)
    return work

on_ray.work = telling(Path(sys.argv[3]))
for step in study(sys.argv[1]).running(Path(sys.argv[2]), executor="ray"):
    if step.status == "done":
        print(step.task.run_id, flush=True)
"""


def marked(word: str) -> list[str]:
    """The command lines of processes that were begun with the mark in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={word}".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it has ended, or is nobody of ours
            continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
def test_ctrl_c_keeps_what_was_finished_and_leaves_no_process_behind(file: Path, tmp_path: Path) -> None:
    file.write_text(TEXT.replace("epochs = 3", "epochs = 100000") + ALONE.replace("}", "}\nepochs = 1"))
    word = str(tmp_path)
    environment = {**os.environ, MARK: word, "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)}
    command = [sys.executable, "-c", SCRIPT, str(file), str(tmp_path / "s"), str(tmp_path / "begun")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as ran:
        assert ran.stdout is not None and ran.stderr is not None
        assert [ran.stdout.readline().strip() for _ in range(2)] == ["rprop-s0", "rprop-s1"]
        assert any("raylet" in one for one in marked(word))
        while not (tmp_path / "begun").exists():  # the group trains
            assert ran.poll() is None
            time.sleep(0.1)
        ran.send_signal(signal.SIGINT)
        assert ran.wait(timeout=60) != 0
        assert "KeyboardInterrupt" in ran.stderr.read()
    until = time.monotonic() + 20
    while marked(word) and time.monotonic() < until:
        time.sleep(0.2)
    assert marked(word) == []
    stopped = store.open_study(tmp_path / "s")
    assert stopped.status == "interrupted"
    assert {run.id: run.status for run in stopped.runs} == {"rprop-s0": "done", "rprop-s1": "done"}
    assert len(list((tmp_path / "s" / "pending").glob("group-*"))) == 1  # it was asked, and kept its state
    assert not (tmp_path / ".ray").exists()


def test_an_address_that_does_not_answer_is_told_in_a_sentence_before_a_folder_is_made(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    wrong = "Ray at 127.0.0.1:.* does not answer \\(Connection refused\\).*; to run on this machine .*--executor auto"
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(TrainingError, match=wrong):
        study(file).run(tmp_path / "s", executor="ray", address=f"127.0.0.1:{port}")
    monkeypatch.setattr(cluster, "ANSWER", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TrainingError, match="tried for 0.2 s"):
        study(file).run(tmp_path / "s", executor="ray", address=f"127.0.0.1:{silent.getsockname()[1]}")
    with pytest.raises(ConfigError, match="HOST:PORT or auto, got 'there'"):
        study(file).run(tmp_path / "s", executor="ray", address="there")
    with pytest.raises(ConfigError, match="is for --executor ray, got --executor here"):
        study(file).run(tmp_path / "s", executor="here", address="127.0.0.1:6379")
    assert not (tmp_path / "s").exists()


def test_without_ray_the_line_that_installs_it_is_said(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"pip install 'passo\[ray\]'"):
        study(file).run(tmp_path / "s", executor="ray")


def test_groups_are_cut_so_that_every_processor_has_one_and_then_stay(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = ", ".join(f"{0.001 * n:.3f}" for n in range(1, 13))
    file.write_text(TEXT.split("[[runs]]")[0] + f'[grid]\n"optimizer.lr" = [{rates}]\n')
    monkeypatch.setattr(eligible, "FEW", 64)
    first = study(file, {"seeds": 4}).file
    tasks = [Task("train", *one) for one in first.trainings(first.configurations, {}, first.seeds)]
    wanted = sorted(task.run_id for task in tasks)
    for processors, sizes in [(1, [48]), (2, [24] * 2), (5, [12] * 4), (8, [6] * 8), (1000, [6] * 8)]:
        told = _Silent()
        found = [job.tasks for job in on_ray._jobs(tasks, load_data, processors, told)]
        assert [len(group) for group in found] == sizes
        assert sorted(task.run_id for group in found for task in group) == wanted
        again = [job.tasks for job in on_ray._begun(tasks, tasks, tmp_path, told)]
        assert again == found  # whatever cluster comes next


def test_trainings_that_begin_alike_count_once_where_groups_are_cut(file: Path) -> None:
    rates = ", ".join(f"{0.001 * n:.3f}" for n in range(1, 5))
    grid = f'[grid]\nepochs = [1, 2, 3]\n"optimizer.lr" = [{rates}]\n'
    file.write_text(TEXT.split("[[runs]]")[0].replace("epochs = ", "# epochs = ") + grid)
    first = study(file, {"seeds": 4}).file
    tasks = [Task("train", *one) for one in first.trainings(first.configurations, {}, first.seeds)]
    found = [job.tasks for job in on_ray._jobs(tasks, load_data, 2, _Silent())]
    assert [len(group) for group in found] == [24, 24]  # of 8 replicas each


class _Silent(on_ray._Told):
    def __init__(self) -> None:
        self.known, self._lost = [], []

    def write(self, **facts: Any) -> None:
        pass
