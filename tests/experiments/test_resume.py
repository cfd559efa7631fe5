"""A run that is stopped, killed or out of time goes on to the same weights, with no step lost and none twice."""

from __future__ import annotations

import os
import random
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
from passo.errors import ConfigError, StoreError
from passo.experiments import Keeping, Result, training
from passo.optim import optimizers
from passo.training import train_config

SMALL: dict[str, Any] = {
    "dataset": {"name": "fashion-mnist-sample", "per_class": 8},
    "model": "mlp",
    "batch_size": 16,
    "epochs": 3,
}
SMALL_MLP = {"name": "mlp", "hidden": [8], "dropout": 0.2}


def _config(**settings: Any) -> Any:
    return train_config({**SMALL, "model": SMALL_MLP, **settings})


def _walk(config: Any, out: Path, stop: int | None = None, keeping: Keeping | None = None) -> Result | None:
    """Train into a folder; stop listening after a step, where one is given."""
    result = None
    with training(config, out, keeping=keeping) as opened:
        for record in opened.records:
            if isinstance(record, Result):
                result = record
            elif record.step == stop:
                return None
    return result


def _told(folder: Path) -> dict[str, Any]:
    """All metrics of a study's only run but those that are times."""
    (run,) = store.open_study(folder).runs
    names = [name for name in run.metrics() if "seconds" not in name]
    found = {name: run.metric(name) for name in names}
    return {name: (one.steps.tolist(), one.epochs.tolist(), one.values.tolist()) for name, one in found.items()}


def _same(tmp_path: Path, config: Any, stops: list[int]) -> None:
    whole = _walk(config, tmp_path / "whole")
    assert whole is not None
    for stop in stops:
        assert _walk(config, tmp_path / "parts", stop) is None
    again = _walk(config, tmp_path / "parts")
    assert again is not None
    assert again.weights_sha256 == whole.weights_sha256
    assert _told(tmp_path / "parts") == _told(tmp_path / "whole")
    assert again.test == whole.test


@pytest.mark.parametrize("name", [name for name in optimizers() if name not in ("sparseadam", "muon")])
def test_every_optimizer_goes_on_to_the_same_bits(tmp_path: Path, name: str) -> None:
    _same(tmp_path, _config(optimizer={"name": name, "lr": 0.01}), [4])


SCHEDULES: dict[str, dict[str, Any]] = {
    "StepLR": {"step_size": 1},
    "MultiStepLR": {"milestones": [1, 2]},
    "ConstantLR": {},
    "LinearLR": {},
    "ExponentialLR": {"gamma": 0.7},
    "CosineAnnealingLR": {},
    "CosineAnnealingWarmRestarts": {"T_0": 2},
    "CyclicLR": {"base_lr": 1e-4, "max_lr": 1e-2},
    "OneCycleLR": {"max_lr": 0.01},
    "PolynomialLR": {},
    "ReduceLROnPlateau": {"patience": 0, "threshold": 10.0},
    "warmup-cosine": {},
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_goes_on_to_the_same_bits(tmp_path: Path, name: str) -> None:
    _same(tmp_path, _config(optimizer={"name": "sgd", "momentum": 0.9, "lr": 0.01},
                            schedule={"name": name, **SCHEDULES[name]}), [3, 7])  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        {"model": {"name": "lenet"}, "epochs": 2},  # channels-last
        {"model": {"name": "lenet"}, "optimizer": {"name": "adam", "lr": 0.003, "fused": True}, "epochs": 2},
        {"average": 0.9},
        {"sampling": "balanced"},
        {"model": "tiny-cnn", "dataset": {**SMALL["dataset"], "augment": {"shift": 2, "gaussian-noise": 0.1}}},
        {"dataset": {**SMALL["dataset"], "imbalance": 4, "perturb": {"rotation": 20}}, "class_weights": True},
        {"sampling": "sequential"},
        {"clip_norm": 0.5, "l2": 1e-3},
    ],
)
def test_other_parts_of_a_training_go_on_too(tmp_path: Path, settings: dict[str, Any]) -> None:
    _same(tmp_path, _config(**settings), [2, 6])


class Tied(nn.Module):
    """Two layers with one weight, BatchNorm, torch's own dropout, and a buffer that no state_dict names."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.norm = nn.Linear(784, 784), nn.Linear(784, 784), nn.BatchNorm1d(784)
        self.b.weight = self.a.weight
        self.out, self.drop = nn.Linear(784, 10), nn.Dropout(0.3)
        self.register_buffer("calls", torch.zeros(()), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.calls += 1
        hidden = self.norm(torch.relu(self.b(self.a(x.flatten(1)))))
        return self.out(self.drop(hidden) * (1 + 0.01 * self.calls))


def test_a_model_of_ones_own_goes_on(tmp_path: Path) -> None:
    def made() -> nn.Module:
        torch.manual_seed(0)
        return Tied()

    data = passo.load("fashion-mnist-sample", per_class=8)

    def walk(out: Path, stop: int | None) -> str | None:
        names = {"dataset": {"name": data.name}, "model": {"name": "(Tied)"}}
        config = train_config({**names, "batch_size": 16, "epochs": 2})
        model = made()
        torch.manual_seed(7)
        with training(config, out, data=data, model=model) as opened:
            for record in opened.records:
                if isinstance(record, Result):
                    return record.weights_sha256
                if record.step == stop:
                    return None
        return None

    whole = walk(tmp_path / "whole", None)
    assert walk(tmp_path / "parts", 3) is None
    torch.manual_seed(1234)
    assert walk(tmp_path / "parts", None) == whole


def test_the_last_two_states_are_kept_and_none_of_a_run_that_is_done(tmp_path: Path) -> None:
    config = _config()
    _walk(config, tmp_path / "s", 9, Keeping(steps=2))
    study = store.open_study(tmp_path / "s")
    # kept after 2, 4, 5 (the end of an epoch), 7 and 9
    assert study.checkpoints() == [("mlp-adam-s0", 7), ("mlp-adam-s0", 9)]
    files = sorted(path.name for path in (tmp_path / "s" / "runs" / "mlp-adam-s0").iterdir())
    assert files == ["checkpoint.00000007.safetensors", "checkpoint.00000009.safetensors"]
    _walk(config, tmp_path / "s")
    assert store.open_study(tmp_path / "s").checkpoints() == []
    assert not list((tmp_path / "s").rglob("*.safetensors"))


def test_a_damaged_state_falls_back_to_the_one_before_and_says_so(tmp_path: Path) -> None:
    config = _config()
    whole = _walk(config, tmp_path / "whole")
    _walk(config, tmp_path / "s", 9, Keeping(steps=2))
    newest = tmp_path / "s" / "runs" / "mlp-adam-s0" / "checkpoint.00000009.safetensors"
    content = bytearray(newest.read_bytes())
    content[-3] ^= 1
    newest.write_bytes(content)
    with training(config, tmp_path / "s") as opened:
        assert opened.done == 7
        assert "is damaged" in opened.notes[0]
        last = list(opened.records)[-1]
    assert isinstance(last, Result) and whole is not None
    assert last.weights_sha256 == whole.weights_sha256
    (run,) = store.open_study(tmp_path / "s").runs
    assert "is damaged" in next(message for kind, _, message, _ in run.events() if kind == "resumed")
    assert _told(tmp_path / "s") == _told(tmp_path / "whole")


def test_a_run_without_a_state_that_can_be_read_begins_anew(tmp_path: Path) -> None:
    config = _config()
    whole = _walk(config, tmp_path / "whole")
    _walk(config, tmp_path / "s", 9)
    for path in (tmp_path / "s").rglob("*.safetensors"):
        path.write_bytes(b"nothing")
    again = _walk(config, tmp_path / "s")
    assert whole is not None and again is not None
    assert again.weights_sha256 == whole.weights_sha256


def test_the_same_call_goes_on_and_force_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSO_ROOT", str(tmp_path))
    config = _config()
    with training(config) as opened:
        first = opened.folder
        for record in opened.records:
            if record.step == 5:  # type: ignore[union-attr]
                break
    with training(config) as opened:
        assert (opened.folder, opened.done) == (first, 5)
    with training(_config(seed=1)) as opened:
        assert opened.folder != first and opened.done == 0
    with training(config, force=True) as opened:
        assert opened.folder != first and opened.done == 0


def test_resume_finds_the_run_by_its_folder(tmp_path: Path) -> None:
    whole = _walk(_config(), tmp_path / "whole")
    _walk(_config(), tmp_path / "s", 5)
    trained = passo.resume(tmp_path / "s")
    assert whole is not None
    assert trained.weights_sha256 == whole.weights_sha256
    with pytest.raises(StoreError, match="is finished: there is nothing to resume"):
        passo.resume(tmp_path / "s")


def test_a_training_on_objects_of_ones_own_is_resumed_with_them(tmp_path: Path) -> None:
    config = train_config({"dataset": {"name": "(loaders)"}, "model": "mlp"})
    with store.Store.create(tmp_path / "s", name="mlp-adam", config=config.model_dump(mode="json")) as study:
        study.add_run("mlp-adam", config={}, seed=0).finish("interrupted")
    with pytest.raises(ConfigError, match="the caller's own dataset: call passo.train again"):
        passo.resume(tmp_path / "s")


def test_time_that_is_up_ends_a_run_cleanly_and_the_next_call_goes_on(tmp_path: Path) -> None:
    config = _config()
    whole = _walk(config, tmp_path / "whole")
    assert _walk(config, tmp_path / "s", keeping=Keeping(max_time=1e-9)) is None
    (run,) = store.open_study(tmp_path / "s").runs
    assert (run.status, run.error) == ("interrupted", "its time is up (1e-09 s)")
    assert store.open_study(tmp_path / "s").checkpoints() == [("mlp-adam-s0", 1)]
    again = _walk(config, tmp_path / "s")
    assert whole is not None and again is not None
    assert again.weights_sha256 == whole.weights_sha256


# ── Killed ────────────────────────────────────────────────────────────────────────────────────────────────

PROGRAM = """
import sys, torch
torch.set_num_threads(1)
from passo.experiments import Keeping, Result, training
from passo.training import train_config
config = train_config({
    "dataset": {"name": "fashion-mnist-sample", "per_class": 60}, "batch_size": 8, "epochs": 6,
    "model": {"name": "mlp", "hidden": [16], "dropout": 0.2}, "schedule": {"name": "OneCycleLR", "max_lr": 0.01},
})
with training(config, sys.argv[1], keeping=Keeping(steps=3)) as opened:
    print("ready", opened.done, flush=True)
    for record in opened.records:
        if isinstance(record, Result):
            print("sha", record.weights_sha256, flush=True)
"""


def _started(folder: Path) -> subprocess.Popen[str]:
    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder)], stdout=subprocess.PIPE, text=True, env=quiet)


def _ended(process: subprocess.Popen[str]) -> str:
    told, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return told.split("sha ")[1].strip()


@pytest.mark.parametrize("runs", [1, pytest.param(6, marks=pytest.mark.slow)])
def test_killed_at_random_moments_it_ends_with_the_same_weights_and_metrics(tmp_path: Path, runs: int) -> None:
    sha = _ended(_started(tmp_path / "whole"))
    drawn = random.Random(0)
    for number in range(runs):
        folder = tmp_path / f"s{number}"
        for _ in range(2):
            process = _started(folder)
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(drawn.uniform(0.02, 0.3))
            process.kill()
            process.wait()
            process.stdout.close()
        assert _ended(_started(folder)) == sha
        assert _told(folder) == _told(tmp_path / "whole")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_step_and_leaves_a_state(tmp_path: Path, number: int) -> None:
    config = _config(epochs=2)
    whole = _walk(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt), training(config, tmp_path / "s") as opened:
        for record in opened.records:
            if record.step == 4:  # type: ignore[union-attr]
                os.kill(os.getpid(), number)
    assert store.open_study(tmp_path / "s").checkpoints() == [("mlp-adam-s0", 5)]
    assert store.open_study(tmp_path / "s").status == "interrupted"
    again = _walk(config, tmp_path / "s")
    assert whole is not None and again is not None
    assert again.weights_sha256 == whole.weights_sha256
    assert _told(tmp_path / "s") == _told(tmp_path / "whole")


def _written(path: Path) -> None:
    path.write_bytes(b"2")


def test_an_array_of_a_step_that_is_repeated_is_not_there_twice(tmp_path: Path) -> None:
    with store.Store.create(tmp_path, name="s", config={}) as study:
        run = study.add_run("r", config={})
        run.array("a", np.zeros(2), first_step=1)
        run.checkpoint(2, _written)
        run.array("a", np.ones(2), first_step=3)
        run.array("b", np.ones(1), first_step=3)
        run.event("late", "after the state", 3)
        run.finish("interrupted")
    with store.Store.create(tmp_path, name="s", config={}) as study:
        again = study.unfinished("r")
        assert again is not None
        again.rewind(2)
        again.array("a", np.full(2, 5.0), first_step=3)
        again.finish()
    (found,) = store.open_study(tmp_path).runs
    assert found.arrays() == ["a"]
    assert found.array("a").tolist() == [0, 0, 5, 5]
    assert found.events() == []
