"""What `benchmarks/ui.py` asks for: studies of invented numbers, a long training, a study that grows.

python benchmarks/ui_studies.py FOLDER SECONDS     the one that grows, in a process of its own
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

TICK = 0.2  # seconds between two writings of a run that grows
GROWTH = 20  # steps that it then grows by


def invented(root: Path, studies: int, runs: int, epochs: int = 20) -> Path:
    """That many finished studies of that many runs each."""
    from passo.store import Store

    drawn = random.Random(0)
    for number in range(studies):
        folder = root / f"study-{number:03d}"
        if folder.exists():
            continue
        with Store.create(folder, name=folder.name, config={"metric": "test/accuracy"}) as store:
            for one in range(runs):
                run = store.add_run(f"run-{one:05d}", config={"optimizer": {"name": "adam", "lr": 0.001}}, seed=0)
                level = drawn.uniform(0.3, 1.0)
                for epoch in range(1, epochs + 1):
                    loss = level + 2 / epoch
                    run.scalars(epoch, float(epoch), {"train/loss": loss, "lr": 0.001, "validation/loss": loss + 0.1})
                run.scalars(
                    epochs, float(epochs), {"validation/accuracy": 1 - level / 4, "test/accuracy": 1 - level / 3}
                )
                run.finish()
    return root


def trained(root: Path) -> Path:
    """A real training of 20,000 steps with every step watched."""
    folder = root / "long"
    if not folder.exists():
        words = [
            "dataset=fashion-mnist-sample",
            "model=mlp",
            "optimizer=adam",
            "lr=0.001",
            "epochs=466",
            "record.every=1",
        ]
        command = [sys.executable, "-m", "passo", "train", *words, "--out", str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return root


def grow(folder: str, seconds: float) -> None:
    """A study whose one run grows, and then ends; in a process of its own. It prints the share of the time it wrote."""
    from passo.store import Store

    shutil.rmtree(folder, ignore_errors=True)
    wrote, step, end = 0.0, 0, time.monotonic() + seconds
    with Store.create(folder, name="growing", config={}) as study:
        run = study.add_run("adam", config={}, seed=0)
        while time.monotonic() < end:
            begun = time.perf_counter()
            for _ in range(GROWTH):
                step += 1
                run.scalars(step, step / 100, {"train/loss": 1 / step, "lr": 0.001})
            run.scalars(step, step / 100, {"validation/loss": time.time()})  # when this was written
            run.flush()
            wrote += time.perf_counter() - begun
            time.sleep(TICK)
        run.finish()
    print(wrote / seconds)


def growing(folder: Path, seconds: float) -> subprocess.Popen[str]:
    """A process in which a study grows."""
    words = [sys.executable, __file__, str(folder), str(seconds)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    while not (folder / "study.sqlite-wal").exists():
        time.sleep(0.01)
    time.sleep(3 * TICK)
    return process


if __name__ == "__main__":
    grow(sys.argv[1], float(sys.argv[2]))
