"""A run that records and is stopped, or killed, records what one that never stopped does: no gap, nothing twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import passo
from passo import store
from passo.errors import CheckpointError
from passo.experiments import Keeping, Result, training
from passo.training import train_config
from passo.training.checkpoint import load, save

SMALL: dict[str, Any] = {
    "dataset": {"name": "fashion-mnist-sample", "per_class": 8},
    "model": {"name": "mlp", "hidden": [8], "dropout": 0.2},
    "batch_size": 16,
    "epochs": 3,
}  # 5 steps an epoch
RECORDS: dict[str, dict[str, Any]] = {
    "every step": {"every": 1},
    "coordinates alone": {"every": 1, "statistics": False, "coordinates": "random:16"},
    "moved": {"every": 1, "coordinates": "moved:6"},
    "all of it": {
        "every": 2,
        "activations": True,
        "loss": True,
        "snapshots": [4, 11],
        "histograms": 3,
        "predictions": True,
        "path": 6,
    },
    "between": {"every": 1, "between": [6, 12]},
    "path": {"path": 9},
    "probes": {"probes": 7},
}


def _config(record: dict[str, Any], **settings: Any) -> Any:
    return train_config({**SMALL, "record": record, **settings})


def _walk(config: Any, out: Path, stop: int | None = None, keeping: Keeping | None = None) -> str | None:
    """Train into a folder; stop listening after a step, where one is given. The weights' hash at the end."""
    with training(config, out, keeping=keeping) as opened:
        for record in opened.records:
            if isinstance(record, Result):
                return record.weights_sha256
            if record.step == stop:
                return None
    return None


def _metrics(run: store.StoredRun) -> dict[str, Any]:
    """All but those that are times."""
    found = {name: run.metric(name) for name in run.metrics() if "seconds" not in name}
    return {name: (one.steps.tolist(), one.epochs.tolist(), one.values.tolist()) for name, one in found.items()}


def _same(there: Path, wanted: Path) -> None:
    """The same arrays to the bit, the same meaning, metrics, facts and events; a word that it went on aside."""
    (run,), (whole,) = store.open_study(there).runs, store.open_study(wanted).runs
    assert run.arrays() == whole.arrays()
    for name in whole.arrays():
        one, other = run.array(name), whole.array(name)
        assert one.dtype == other.dtype, name
        np.testing.assert_array_equal(one, other, err_msg=name)
        assert run.meta(name) == whole.meta(name), name
    assert _metrics(run) == _metrics(whole)
    assert [event for event in run.events() if event[0] != "resumed"] == whole.events()
    for fact in ("watch", "weights_sha256", "residual_roundings"):
        assert run.info.get(fact) == whole.info.get(fact), fact


@pytest.mark.parametrize("record", RECORDS)
def test_a_recorded_run_goes_on_to_the_same_arrays(record: str, tmp_path: Path) -> None:
    config = _config(RECORDS[record])
    whole = _walk(config, tmp_path / "whole")
    for stop in (1, 5, 7, 12):
        assert _walk(config, tmp_path / "parts", stop) is None
    assert _walk(config, tmp_path / "parts") == whole
    _same(tmp_path / "parts", tmp_path / "whole")


@pytest.mark.parametrize(
    "settings",
    [
        {"model": {"name": "lenet"}, "optimizer": {"name": "adam", "lr": 0.003, "fused": True}},  # channels-last
        {"optimizer": {"name": "lbfgs", "lr": 0.1, "max_iter": 3}},
        {"optimizer": {"name": "keras-adam", "amsgrad": True}},
        {"optimizer": {"name": "muon-adamw"}},
        {"l2": 1e-3, "average": 0.9, "schedule": {"name": "OneCycleLR", "max_lr": 0.01}},
    ],
)
def test_so_does_one_with_other_parts(settings: dict[str, Any], tmp_path: Path) -> None:
    config = _config({"every": 1, "loss": True, "activations": True}, epochs=2, **settings)
    whole = _walk(config, tmp_path / "whole")
    for stop in (3, 6):
        _walk(config, tmp_path / "parts", stop)
    assert _walk(config, tmp_path / "parts") == whole
    _same(tmp_path / "parts", tmp_path / "whole")


def test_what_is_recorded_does_not_disturb_a_run_that_goes_on(tmp_path: Path) -> None:
    """The weights of a watched run that was stopped are those of an unwatched one that was not."""
    plain = _walk(_config({}), tmp_path / "plain")
    watched = _config(RECORDS["all of it"])
    _walk(watched, tmp_path / "s", 6)
    assert _walk(watched, tmp_path / "s") == plain


def test_how_often_a_state_is_kept_changes_neither_arrays_nor_the_number_of_files(tmp_path: Path) -> None:
    """A chunk is a full block, however often the state was kept: a long recording stays few files."""
    config = _config({"every": 1, "activations": True})
    _walk(config, tmp_path / "rarely", keeping=Keeping(seconds=None, epochs=False))
    _walk(config, tmp_path / "often", keeping=Keeping(steps=1))
    _same(tmp_path / "often", tmp_path / "rarely")
    rarely, often = (sorted(path.name for path in (tmp_path / name).rglob("*.npy")) for name in ("rarely", "often"))
    assert often == rarely
    assert sum(name.startswith("statistics.") for name in often) == 1


def test_points_of_a_path_are_written_on_the_way_and_are_not_in_the_state(tmp_path: Path) -> None:
    _walk(_config({"path": 9}), tmp_path / "s", 12)
    (run,) = store.open_study(tmp_path / "s").runs
    assert run.array("path/steps").tolist() == [0, 2, 4, 6, 8, 9, 11, 12]  # and where it stopped
    newest = sorted((tmp_path / "s").rglob("*.safetensors"))[-1]
    assert len(load(newest)["instruments"]["path"]["kept"]["steps"]) == 0


def test_a_budget_records_steps_that_go_up_through_every_stop(tmp_path: Path) -> None:
    """Which steps depends on the clock, and that alone: no step is there twice, and the weights are the same."""
    config = _config({"every": "auto", "budget": 0.9}, epochs=6)
    plain = _walk(_config({}, epochs=6), tmp_path / "plain")
    for stop in (4, 13, 21):
        _walk(config, tmp_path / "s", stop)
    assert _walk(config, tmp_path / "s") == plain
    (run,) = store.open_study(tmp_path / "s").runs
    steps = run.array("trace/steps")
    assert steps[0] == 1 and (np.diff(steps) > 0).all() and steps[-1] <= 30
    assert len(run.array("statistics")) == len(steps)


def test_an_older_state_brings_back_what_was_recorded_then(tmp_path: Path) -> None:
    """The newest state is damaged: the one before knows its own recording."""
    config = _config(RECORDS["all of it"])
    whole = _walk(config, tmp_path / "whole")
    _walk(config, tmp_path / "s", 9, Keeping(steps=2))
    newest = sorted((tmp_path / "s").rglob("*.safetensors"))[-1]
    newest.write_bytes(newest.read_bytes()[:-1] + b"?")
    assert _walk(config, tmp_path / "s") == whole
    _same(tmp_path / "s", tmp_path / "whole")


def test_a_state_without_the_recording_is_refused(tmp_path: Path) -> None:
    config = _config({"every": 1})
    _walk(config, tmp_path / "s", 5)
    for path in (tmp_path / "s").rglob("*.safetensors"):
        state = load(path)
        del state["instruments"]
        save(path, state)
    with pytest.raises(CheckpointError, match="does not fit what this run records"):
        _walk(config, tmp_path / "s")


def test_tensors_come_back_where_memory_begins(tmp_path: Path) -> None:
    """As torch makes them. Sums of numbers that begin elsewhere add up in another order: LBFGS ended in other bits."""
    save(tmp_path / "a", {"rows": [torch.arange(float(n)) for n in (3, 5, 7, 11)]})
    fresh = torch.empty(7).data_ptr() % 16
    assert all(row.data_ptr() % 16 == fresh for row in load(tmp_path / "a")["rows"])


WORK = """
import sys, torch
torch.set_num_threads(1)
from passo.experiments import Keeping, Result, training
from passo.training import train_config
settings, folder = eval(sys.argv[1]), sys.argv[2]
with training(train_config(settings), folder, keeping=Keeping(steps=3)) as opened:
    print("begun", flush=True)
    for record in opened.records:
        if isinstance(record, Result):
            print(record.weights_sha256, flush=True)
"""


def _started(config: Any, folder: Path) -> subprocess.Popen[str]:
    settings = repr(config.model_dump(mode="json"))
    return subprocess.Popen([sys.executable, "-c", WORK, settings, str(folder)], stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_recorded_run_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    config = _config(RECORDS["all of it"], epochs=12)
    whole = _started(config, tmp_path / "whole")
    told, _ = whole.communicate(timeout=120)
    drawn = random.Random(3)
    for _ in range(2):
        process = _started(config, tmp_path / "s")
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(drawn.uniform(0.02, 0.25))
        process.kill()
        process.wait()
        process.stdout.close()
    if store.open_study(tmp_path / "s").status != "done":
        again, _ = _started(config, tmp_path / "s").communicate(timeout=120)
        assert again.split()[-1] == told.split()[-1]
    _same(tmp_path / "s", tmp_path / "whole")


def test_a_recorded_run_is_resumed_from_its_folder(tmp_path: Path) -> None:
    config = _config({"every": 1})
    whole = _walk(config, tmp_path / "whole")
    _walk(config, tmp_path / "s", 7)
    assert passo.resume(tmp_path / "s").weights_sha256 == whole
    _same(tmp_path / "s", tmp_path / "whole")
