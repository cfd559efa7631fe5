"""A training on images that stay on the disk is the one in memory: the same bits, stopped or not, whoever reads."""

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
from PIL import Image
from torch import nn

import passo
from passo import store
from passo.data import files
from passo.errors import ConfigError, DataCorrupt, DataError
from passo.experiments import Keeping, Result, training
from passo.training import train_config

MODEL = {"name": "cnn", "filters": [4], "norm": "batch", "dropout": 0.2}
IN_FOUR = {"augment": {"shift": 1, "gaussian-noise": 0.1}, "imbalance": 2, "perturb": {"rotation": 20}}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes of 24 training and 6 test images, 10 × 8 pixels, each of its own brightness."""
    rng = np.random.default_rng(0)
    for part, size in (("train", 24), ("test", 6)):
        for label, name in enumerate(("a", "b", "c")):
            (tmp_path / "pictures" / part / name).mkdir(parents=True)
            for k in range(size):
                pixels = rng.integers(60 * label, 60 * label + 100, (10, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "pictures" / part / name / f"{k:02d}.png")
    return tmp_path / "pictures"


def config_of(folder: Path, workers: int | None, data: dict[str, Any] | None = None, **settings: Any) -> Any:
    """A training in memory (`workers` is None), or of images on the disk."""
    dataset = {"name": str(folder), **(data or {}), **({} if workers is None else {"in_memory": False})}
    reading = {} if workers is None else {"num_workers": workers}
    return train_config({"dataset": dataset, "model": MODEL, "batch_size": 10, "epochs": 3, **reading, **settings})


def walk(config: Any, out: Path, stop: int | None = None, keeping: Keeping | None = None) -> Result | None:
    """Train into a folder; stop listening after a step, where one is given."""
    result = None
    with training(config, out, keeping=keeping) as opened:
        for record in opened.records:
            if isinstance(record, Result):
                result = record
            elif record.step == stop:
                return None
    return result


def told(folder: Path) -> dict[str, Any]:
    """All metrics of a study's only run but those that are times."""
    (run,) = store.open_study(folder).runs
    found = {name: run.metric(name) for name in run.metrics() if "seconds" not in name}
    return {name: (one.steps.tolist(), one.values.tolist()) for name, one in found.items()}


@pytest.mark.parametrize(
    ("data", "settings"),
    [
        ({}, {}),
        ({}, {"sampling": "balanced", "dataset_seed": 3}),
        ({}, {"sampling": "sequential", "accumulate": 2}),
        (IN_FOUR, {"class_weights": True}),
        ({"classes": ["c", "a"], "per_class": 20, "size": [6, 6], "colour": False}, {"average": 0.9}),
        ({"validation": 0, "scale": "symmetric"}, {"batch_size": "all"}),
    ],
    ids=["shuffle", "balanced", "sequential", "changed", "subset", "whole"],
)
def test_it_ends_as_in_memory_whoever_reads(
    tmp_path: Path, folder: Path, data: dict[str, Any], settings: dict[str, Any]
) -> None:
    settings = dict(settings)
    data = {**data, **({"seed": settings.pop("dataset_seed")} if "dataset_seed" in settings else {})}
    expected = walk(config_of(folder, None, data, **settings), tmp_path / "memory")
    assert expected is not None
    for workers in (0, 1, 2):
        found = walk(config_of(folder, workers, data, **settings), tmp_path / str(workers))
        assert found is not None
        assert found.weights_sha256 == expected.weights_sha256 and found.test == expected.test
        assert told(tmp_path / str(workers)) == told(tmp_path / "memory")


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("sampling", ["shuffle", "balanced", "sequential"])
def test_it_goes_on_to_the_same_bits(tmp_path: Path, folder: Path, sampling: str, workers: int) -> None:
    whole = walk(config_of(folder, None, IN_FOUR, sampling=sampling), tmp_path / "whole")
    config = config_of(folder, workers, IN_FOUR, sampling=sampling)
    for stop in (2, 7, 10):
        assert walk(config, tmp_path / "parts", stop) is None
    again = walk(config, tmp_path / "parts")
    assert whole is not None and again is not None
    assert again.weights_sha256 == whole.weights_sha256 and told(tmp_path / "parts") == told(tmp_path / "whole")


def test_going_on_reads_none_of_the_images_that_were_seen(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(folder, 0, {"validation": 0}, epochs=1)  # 7 batches of 10, one of 2
    assert walk(config, tmp_path / "parts", stop=6) is None
    decoded: list[str] = []
    real = files.decode
    monkeypatch.setattr(files, "decode", lambda picture, *how: decoded.append(picture.name) or real(picture, *how))
    assert walk(config, tmp_path / "parts") is not None
    assert len([name for name in decoded if "train" in name]) == 10 + 2


def test_a_broken_image_ends_the_run_with_its_name_and_the_run_goes_on_once_it_is_mended(
    tmp_path: Path, folder: Path
) -> None:
    whole = walk(config_of(folder, None, {"validation": 0}), tmp_path / "whole")
    config = config_of(folder, 2, {"validation": 0})
    passo.load(str(folder), in_memory=False)  # looked at while it is whole
    broken = folder / "train" / "b" / "05.png"
    content, times = broken.read_bytes(), broken.stat()
    with training(config, tmp_path / "parts") as opened, pytest.raises(DataCorrupt, match=r"cannot read .*05\.png"):
        for record in opened.records:
            if not isinstance(record, Result) and record.step == 9:  # the first epoch is whole
                broken.write_bytes(b"no longer")
    status = store.open_study(tmp_path / "parts").runs[0]
    assert status.status == "failed" and "05.png" in (status.error or "")
    broken.write_bytes(content)
    os.utime(broken, ns=(times.st_atime_ns, times.st_mtime_ns))
    again = walk(config, tmp_path / "parts")
    assert whole is not None and again is not None and again.weights_sha256 == whole.weights_sha256


def test_a_killed_reader_ends_the_run_in_a_sentence(tmp_path: Path, folder: Path) -> None:
    before = children()
    with (
        training(config_of(folder, 1, epochs=500), tmp_path / "run") as opened,
        pytest.raises(DataError, match="a process that reads images ended by force"),
    ):
        for record in opened.records:
            if not isinstance(record, Result) and record.step == 4:
                subprocess.run(["kill", "-KILL", *map(str, children() - before)], check=True)
    assert store.open_study(tmp_path / "run").runs[0].status == "failed"
    assert children() == before


def children() -> set[int]:
    """Processes whose parent is this one, except those that have ended and wait to be counted."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == os.getpid() and state != "Z":
            found.add(int(path.parent.name))
    return found


def command(folder: Path, out: Path, workers: int, epochs: int) -> list[str]:
    words = [f"dataset={folder}", "dataset.in_memory=false", f"num_workers={workers}", "batch_size=4", "model=tiny-cnn"]
    return [sys.executable, "-m", "passo", "train", *words, f"epochs={epochs}", "--out", str(out), "--keep-steps", "3"]


def begun(process: subprocess.Popen[str], out: Path) -> None:
    """Wait until a second state is written: the first one counts by then."""
    for _ in range(3000):
        if len(list(out.glob("runs/*/checkpoint.*.safetensors"))) > 1:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError("no state was kept in a minute")


def left(mark: str) -> list[int]:
    """Processes that live and have these words in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            alive = (path.parent / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
            if alive and mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop", "workers"), [(signal.SIGKILL, 0), (signal.SIGKILL, 2), (signal.SIGINT, 2), (signal.SIGTERM, 2)]
)
def test_a_real_process_that_is_stopped_goes_on_and_leaves_none_behind(
    tmp_path: Path, folder: Path, stop: signal.Signals, workers: int
) -> None:
    """SIGKILL for the one that trains alone; the others for its whole group, as a terminal sends them."""
    mark = f"PASSO_TEST_MARK={tmp_path}"
    env = {**os.environ, "PASSO_TEST_MARK": str(tmp_path), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command(folder, tmp_path / "run", workers, 5),
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    begun(process, tmp_path / "run")
    os.kill(process.pid, stop) if stop is signal.SIGKILL else os.killpg(process.pid, stop)
    _, wrong = process.communicate(timeout=60)
    assert stop is signal.SIGKILL or "Traceback" not in wrong  # whose readers may complain that it is gone
    assert process.returncode == (-stop if stop is signal.SIGKILL else 130)
    for _ in range(300):  # who was killed cannot end its readers: they see that it is gone
        if not left(mark):
            break
        time.sleep(0.1)
    assert left(mark) == []
    again = subprocess.run(
        command(folder, tmp_path / "run", workers, 5), env=env, capture_output=True, text=True, check=True
    )
    assert "going on after step" in again.stderr
    whole = subprocess.run(
        command(folder, tmp_path / "whole", 0, 5), env=env, capture_output=True, text=True, check=True
    )
    assert again.stdout.split("SHA-256")[1] == whole.stdout.split("SHA-256")[1]
    assert told(tmp_path / "run") == told(tmp_path / "whole")


def test_it_is_the_same_from_python_with_loaded_data(tmp_path: Path, folder: Path) -> None:
    here, there = passo.load(str(folder)), passo.load(str(folder), in_memory=False)
    expected = passo.train(here, "tiny-cnn", epochs=1, out=tmp_path / "here")
    found = passo.train(there, "tiny-cnn", epochs=1, num_workers=1, out=tmp_path / "there")
    assert found.weights_sha256 == expected.weights_sha256
    assert found.run.config["dataset"]["in_memory"] is False


def test_readers_for_data_that_are_not_read_are_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ConfigError, match="these data are in memory"):
        passo.train(str(folder), "tiny-cnn", num_workers=2, out=tmp_path / "run")
    loader = [(torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64))]
    with pytest.raises(ConfigError, match="give your DataLoader its own"):
        passo.train(loader, nn.Linear(4, 2), num_workers=2, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
