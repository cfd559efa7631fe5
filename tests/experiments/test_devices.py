"""A training on several devices, whole: its weights, its end however it ends, and that nobody is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import passo
from passo import store
from passo.errors import ConfigError, TrainingError
from passo.experiments import Keeping, Result, training
from passo.training import train_config

SMALL: dict[str, Any] = {
    "dataset": {"name": "fashion-mnist-sample", "per_class": 8},
    "model": {"name": "mlp", "hidden": [8]},
    "optimizer": {"name": "sgd", "momentum": 0.9, "lr": 0.05},
    "batch_size": 16,
    "epochs": 3,
    "devices": 2,
}


def _config(**settings: Any) -> Any:
    return train_config({**SMALL, **settings})


def _walk(config: Any, out: Path, stop: int | None = None, keeping: Keeping | None = None) -> Result | None:
    result = None
    with training(config, out, keeping=keeping) as opened:
        for record in opened.records:
            if isinstance(record, Result):
                result = record
            elif record.step == stop:
                return None
    return result


def _ranks() -> list[int]:
    """The processes of passo's other ranks that this process has started."""
    command = ["ps", "-ww", "-o", "pid=", "-o", "args=", "--ppid", str(os.getpid())]
    listed = subprocess.run(command, capture_output=True, text=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if "passo.experiments.rank" in line]


def _weights(folder: Path) -> dict[str, np.ndarray]:
    (run,) = store.open_study(folder).runs
    return {name: run.array(name) for name in run.arrays() if name.startswith("weights/")}


def test_two_devices_end_with_the_weights_of_one_and_leave_nobody_behind(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    one = _walk(_config(devices=1), tmp_path / "one")
    two = _walk(_config(), tmp_path / "two")
    assert one is not None and two is not None and one.test is not None and two.test is not None
    for name, weight in one.model.state_dict().items():
        torch.testing.assert_close(two.model.state_dict()[name], weight, rtol=0, atol=1e-5)  # float32, 15 steps
    assert two.test.loss == pytest.approx(one.test.loss, abs=1e-5)
    told = [store.open_study(tmp_path / name).runs[0] for name in ("one", "two")]
    for metric in ("train/loss", "validation/loss", "epoch/train_loss"):
        first, second = (run.metric(metric) for run in told)
        assert first.steps.tolist() == second.steps.tolist()
        np.testing.assert_allclose(first.values, second.values, atol=1e-5)
    assert list(two.model.state_dict()) == list(one.model.state_dict())
    assert _ranks() == []
    assert torch.get_num_threads() == threads
    assert not torch.distributed.is_initialized()


RESUMED = {
    "model": {"name": "mlp", "hidden": [8], "dropout": 0.2},
    "optimizer": {"name": "adam", "lr": 0.01},
    "schedule": {"name": "ReduceLROnPlateau", "patience": 0, "threshold": 10.0},
    "batch_size": 8,
    "accumulate": 2,
}


@pytest.mark.slow
def test_a_run_on_two_devices_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole = _walk(_config(**RESUMED), tmp_path / "whole")
    assert _walk(_config(**RESUMED), tmp_path / "parts", 7) is None
    again = _walk(_config(**RESUMED), tmp_path / "parts")
    assert whole is not None and again is not None
    assert again.weights_sha256 == whole.weights_sha256
    assert again.test == whole.test


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"devices": 3},
        {"model": {"name": "lenet"}, "optimizer": {"name": "adam", "lr": 0.003, "fused": True}},
        {"model": {"name": "cnn", "norm": "batch"}, "precision": "bf16"},
        {"precision": "fp16", "clip_norm": 0.5, "average": 0.9},
    ],
)
def test_other_runs_on_several_devices_go_on_too(tmp_path: Path, settings: dict[str, Any]) -> None:
    whole = _walk(_config(**settings), tmp_path / "whole")
    assert _walk(_config(**settings), tmp_path / "parts", 2) is None
    assert _walk(_config(**settings), tmp_path / "parts", 8) is None
    again = _walk(_config(**settings), tmp_path / "parts")
    assert whole is not None and again is not None
    assert again.weights_sha256 == whole.weights_sha256


def test_another_number_of_devices_does_not_go_on_with_a_run(tmp_path: Path) -> None:
    with store.Store.create(tmp_path / "s", name="mlp-sgd", config=_config().model_dump(mode="json")) as study:
        study.add_run("mlp-sgd", config={}, seed=0).finish("interrupted")
    with pytest.raises(passo.errors.FolderInUse), training(_config(devices=3), tmp_path / "s"):
        pass


def test_a_device_that_is_killed_ends_the_run_in_one_sentence(tmp_path: Path) -> None:
    config = _config(epochs=50)
    with pytest.raises(TrainingError) as told, training(config, tmp_path / "s") as opened:
        for record in opened.records:
            if record.step == 5:  # type: ignore[union-attr]
                (other,) = _ranks()
                os.kill(other, signal.SIGKILL)
    assert str(told.value) == "device 2 of 2: was ended by signal 9 (out of memory?)"
    (run,) = store.open_study(tmp_path / "s").runs
    assert run.status == "failed"
    assert "device failed" in [kind for kind, *_ in run.events()]
    assert _ranks() == []
    assert not torch.distributed.is_initialized()
    assert store.open_study(tmp_path / "s").checkpoints() == [("mlp-sgd-s0", 5)]  # kept at the end of the first epoch


@pytest.mark.slow
def test_a_device_that_cannot_load_the_data_says_why(tmp_path: Path) -> None:
    """The data that are given here are others than those of their name: one image less."""
    data = passo.load("fashion-mnist-sample", per_class=8)
    data.train.targets = data.train.targets.copy()
    data.train.targets[0] = (data.train.targets[0] + 1) % 10
    with pytest.raises(TrainingError, match="device 2 of 2: these data cannot be loaded again by their name"):
        passo.train(data, "mlp", epochs=1, batch_size=16, devices=2, out=tmp_path / "s")
    (run,) = store.open_study(tmp_path / "s").runs
    (event,) = [event for event in run.events() if event[0] == "device failed"]
    assert "DataError" in event[3]["traceback"]


# ── As one types it ───────────────────────────────────────────────────────────────────────────────────────

WORDS = (
    "dataset=fashion-mnist-sample",
    "dataset.per_class=8",
    "model=mlp",
    "batch_size=16",
    "optimizer=sgd",
    "lr=0.05",
)


def _passo(*words: str, **options: Any) -> subprocess.Popen[str]:
    started = [sys.executable, "-m", "passo", "train", *WORDS, *words]
    return subprocess.Popen(
        started, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **options
    )


def _started_ranks(parent: int) -> list[int]:
    command = ["ps", "-ww", "-o", "pid=", "-o", "args=", "--ppid", str(parent)]
    listed = subprocess.run(command, capture_output=True, text=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if "passo.experiments.rank" in line]


def _gone(pid: int) -> bool:
    """Within ten seconds."""
    for _ in range(200):
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
        if not state or state.startswith("Z"):  # a zombie has ended: whoever adopted it has not looked yet
            return True
        time.sleep(0.05)
    return False


def _in_training(process: subprocess.Popen[str], folder: Path) -> list[int]:
    """Wait until a state was kept; the other ranks' processes."""
    for _ in range(1200):
        if list(folder.glob("runs/*/checkpoint.*")):
            return _started_ranks(process.pid)
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("no state was kept within a minute")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_every_process_and_the_command_goes_on(tmp_path: Path, number: int) -> None:
    words = ("epochs=400", "--devices", "2", "--keep-steps", "20", "--out", str(tmp_path / "s"))
    process = _passo(*words)
    others = _in_training(process, tmp_path / "s")
    assert len(others) == 1
    os.killpg(process.pid, number)  # as a terminal does: all of the group
    said = process.communicate(timeout=60)[1]
    assert "Traceback" not in said
    assert all(_gone(pid) for pid in others)
    if number != signal.SIGKILL:
        assert "interrupted: " in said and "to go on after step" in said
    again = _passo(*words)
    told = again.communicate(timeout=300)
    assert again.returncode == 0, told
    assert "going on after step" in told[1]
    whole = _passo(*words[:-1], str(tmp_path / "whole"))
    sha = whole.communicate(timeout=300)[0].split("SHA-256 ")[1]
    assert told[0].split("SHA-256 ")[1] == sha


SCRIPT = """
import passo
print("once", flush=True)
trained = passo.train("fashion-mnist-sample", "{model}", epochs=1, batch_size=250, devices=2, out="s")
print(trained.weights_sha256)
"""

OWN = """
from torch import nn
def build(in_shape, classes):
    print("a word of the user's")
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.Dropout(0.5), nn.Linear(8, classes))
"""


@pytest.mark.slow
def test_a_script_without_a_main_guard_is_not_run_again_and_a_model_of_ones_own_works(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN, encoding="utf-8")
    (tmp_path / "script.py").write_text(SCRIPT.format(model="mine.py:build"), encoding="utf-8")
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("once") == 1
    assert len(done.stdout.strip().splitlines()[-1]) == 64


# ── What is refused ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"optimizer": "lbfgs"}, "devices=2: LBFGS evaluates the loss several times a step"),
        ({"batch_size": 1}, "devices=2: a batch of 1 has not one image for each"),
        ({"record": {"every": 1, "loss": True}}, "devices=2: record.loss would see one device's share"),
        ({"devices": 0}, "devices"),
    ],
)
def test_what_several_devices_cannot_share_is_refused_before_a_folder_is_made(
    tmp_path: Path, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence), training(_config(**settings), tmp_path / "s"):
        pass
    assert not (tmp_path / "s").exists()


def test_objects_of_the_callers_are_refused() -> None:
    batches = [(torch.zeros(2, 1, 28, 28), torch.zeros(2, dtype=torch.int64))]
    with pytest.raises(ConfigError, match="your own batches cannot be sent to other processes"):
        passo.train(batches, "mlp", devices=2)
    with pytest.raises(ConfigError, match="your own model cannot be sent to other processes"):
        passo.train("fashion-mnist-sample", nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), devices=2)


@pytest.mark.skipif(torch.cuda.device_count() > 6, reason="has as many GPUs as the test asks for")
def test_more_gpus_than_there_are_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from passo.experiments import devices

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="devices=7: this machine has 1 CUDA device; device=cpu uses its cores"):
        devices._check_machine(_config(devices=7), torch.device("cuda"))
    with pytest.raises(ConfigError, match="takes the first 2 CUDA devices: leave out device=cuda:1"):
        devices._check_machine(_config(device="cuda:1"), torch.device("cuda:1"))


@pytest.mark.cuda
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_two_gpus_end_near_the_weights_of_one(tmp_path: Path) -> None:
    one = _walk(_config(devices=1, device="cuda"), tmp_path / "one")
    two = _walk(_config(device="cuda"), tmp_path / "two")
    assert one is not None and two is not None
    for name, weight in one.model.state_dict().items():
        torch.testing.assert_close(two.model.state_dict()[name], weight, rtol=0, atol=1e-4)
    assert _ranks() == []
