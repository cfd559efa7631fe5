"""Runs killed with SIGKILL at random moments, resumed, and compared with runs that were left alone.

    python benchmarks/kill.py [--runs 100] [--seed 0] [--out FILE.json]

Every run is a process of its own on the embedded sample, of one of several kinds (dropout, BatchNorm, every stepping
of a schedule, fused Adam on channels-last weights, averaged weights, balanced sampling), and keeps its state after
every third step, so that many kills fall into the writing of a checkpoint or the commit of its row. It is killed up to
four times, then left to end. Lost or changed is: another hash of the weights than the uninterrupted run's, or other
metrics.
"""

from __future__ import annotations

import argparse
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
    "per batch": {"model": "tiny-cnn", "schedule": {"name": "OneCycleLR", "max_lr": 0.01}},
    "per epoch": {"model": "tiny-cnn", "schedule": {"name": "StepLR", "step_size": 1}},
    "plateau": {"model": "tiny-cnn", "schedule": {"name": "ReduceLROnPlateau", "patience": 0, "threshold": 10.0}},
    "restarts": {"model": "tiny-cnn", "schedule": {"name": "CosineAnnealingWarmRestarts", "T_0": 2}},
    "average, balanced": {"model": "tiny-cnn", "average": 0.9, "sampling": "balanced"},
    "momentum, l2": {"model": "tiny-cnn", "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9}, "l2": 1e-3},
}


def work(kind: str, folder: Path) -> None:
    """One run in its own process; it says when it has begun, and its hash at the end."""
    import torch

    torch.set_num_threads(1)
    from passo.experiments import Keeping, Result, training
    from passo.training import train_config

    config = train_config({**COMMON, **KINDS[kind]})
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
    """Every scalar of the run but times."""
    from passo.store import open_study

    (run,) = open_study(folder).runs
    found = {name: run.metric(name) for name in run.metrics() if "seconds" not in name}
    return {name: [one.steps.tolist(), one.values.tolist()] for name, one in found.items()}


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
