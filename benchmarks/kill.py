"""Runs killed with SIGKILL at random moments, resumed, and compared with runs that were left alone.

    python benchmarks/kill.py [--runs 100] [--seed 0] [--out FILE.json]

Every run is a process of its own on the embedded sample, of one of many kinds (dropout, BatchNorm, augmentation, every
schedule, fused Adam on channels-last weights, tied weights, averaged weights, balanced sampling, accumulation, early
stopping, a recorded run, a denoising autoencoder, a GAN), and keeps its state after every third step, so that many
kills fall into the writing of a checkpoint or the commit of its row. It is killed up to four times, then left to end.
Lost or changed is: another hash of the weights than the uninterrupted run's, or other metrics, or other arrays.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import interleaved

KILLS = 4
COMMON: dict[str, Any] = {
    "dataset": {"name": "fashion-mnist-sample", "per_class": 40},
    "batch_size": 8,
    "epochs": 4,
}
KINDS: dict[str, dict[str, Any]] = {
    "dropout": {"model": {"name": "mlp", "hidden": [32], "dropout": 0.3}},
    "batch norm": {"model": {"name": "cnn", "norm": "batch", "dropout": 0.2}},
    "channels-last, fused": {"model": "lenet", "optimizer": {"name": "adam", "lr": 0.003, "fused": True}},
    "average, balanced": {"model": "tiny-cnn", "average": 0.9, "sampling": "balanced"},
    "augmentation": {"model": "tiny-cnn", "dataset": {**COMMON["dataset"], "augment": {"shift": 2, "rotation": 10}}},
    "tied weights": {"model": "TIED"},
    "accumulation": {"model": {"name": "mlp", "hidden": [32], "dropout": 0.3}, "accumulate": 3},
    "early stopping": {"model": "tiny-cnn", "early_stopping": {"patience": 1, "min_delta": 0.3}},
    "recorded": {"model": "tiny-cnn", "record": {"every": 2, "path": 9}},
    "denoising": {"model": "autoencoder", "task": {"noise": "gaussian", "strength": 0.5}},
    "two networks": {"model": {"name": "gan", "hidden": [32]}, "dataset": {**COMMON["dataset"], "scale": "symmetric"}},
    "momentum, l2": {"model": "tiny-cnn", "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9}, "l2": 1e-3},
}
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
KINDS |= {name: {"model": "tiny-cnn", "schedule": {"name": name, **options}} for name, options in SCHEDULES.items()}
TIED = """
from torch import nn
class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.out = nn.Linear(784, 32), nn.Linear(32, 32), nn.Linear(32, 10)
        self.third = nn.Linear(32, 32)
        self.third.weight = self.second.weight
    def forward(self, x):
        return self.out(self.third(self.second(self.first(x.flatten(1)).relu()).relu()).relu())
def build(in_shape, classes):
    return Tied()
"""


def work(kind: str, folder: Path) -> None:
    """One run in its own process; it says when it has begun, and its hash at the end."""
    import torch

    torch.set_num_threads(1)
    from passo.experiments import Keeping, Result, training
    from passo.models import own_file
    from passo.training import train_config

    settings = {**COMMON, **KINDS[kind]}
    if settings["model"] == "TIED":
        file = folder.parent / "tied.py"
        if not file.exists():
            file.write_text(TIED, encoding="utf-8")
        settings["model"] = f"{file}:build"
        own_file.allow(settings["model"])
    config = train_config(settings)
    with training(config, folder, keeping=Keeping(steps=3)) as opened:
        print("begun", opened.done, flush=True)
        sha = None
        for record in opened.records:
            if isinstance(record, Result):
                sha = record.weights_sha256
    print("sha", sha, flush=True)


def started(kind: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--work", kind, "--folder", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> str:
    told, wrong = process.communicate()
    return told.split("sha ")[1].strip() if process.returncode == 0 else f"exit {process.returncode}: {wrong[-500:]}"


def metrics(folder: Path) -> dict[str, Any]:
    """Every scalar of the run but times, and a digest of every array."""
    from passo.store import open_study

    (run,) = open_study(folder).runs
    found = {name: run.metric(name) for name in run.metrics() if "seconds" not in name}
    arrays = {name: hashlib.sha256(run.array(name).tobytes()).hexdigest() for name in run.arrays()}
    return {name: [one.steps.tolist(), one.values.tolist()] for name, one in found.items()} | arrays


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--runs", type=int, default=100)
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--out", type=Path, help="write the results here, as JSON")
    words.add_argument("--work", choices=tuple(KINDS), help=argparse.SUPPRESS)
    words.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.work:
        work(given.work, given.folder)
        return
    drawn = random.Random(given.seed)
    facts: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        whole: dict[str, tuple[str, dict[str, Any], float]] = {}
        for number in range(given.runs):
            kind = list(KINDS)[number % len(KINDS)]
            if kind not in whole:
                process = started(kind, Path(place) / kind)
                assert process.stdout is not None
                process.stdout.readline()
                begun = time.perf_counter()
                sha = ended(process)
                whole[kind] = (sha, metrics(Path(place) / kind), time.perf_counter() - begun)
            sha, told, seconds = whole[kind]
            folder, went_on = Path(place) / str(number), []
            for _ in range(drawn.randint(1, KILLS)):
                process = started(kind, folder)
                assert process.stdout is not None
                went_on.append(int((process.stdout.readline().split() or ["", "-1"])[1]))
                time.sleep(drawn.uniform(0, 0.7 * seconds))
                process.kill()
                process.communicate()
            last = started(kind, folder)
            found = ended(last) if "done" not in _status(folder) else sha
            same = found == sha and metrics(folder) == told
            facts.append({"kind": kind, "went_on_after": went_on, "same": same, "found": found})
            if not same:
                print(f"run {number} ({kind}) differs: {json.dumps(facts[-1])}")
    lost = sum(not one["same"] for one in facts)
    kills = sum(len(one["went_on_after"]) for one in facts)
    print(f"{len(facts)} runs, {kills} kills: {lost} ended with other weights or other metrics")
    interleaved.write(given.out, {"runs": facts})


def _status(folder: Path) -> str:
    from passo.errors import PassoError
    from passo.store import open_study

    try:
        return open_study(folder).status
    except PassoError:
        return ""


if __name__ == "__main__":
    main()
