"""A study of 10,000 runs × 100 epochs: does its store stay quick to write, to open, to show and to go on with?

    python benchmarks/many_runs.py [--runs 10000] [--epochs 100] [--rounds 5] [--folder FOLDER] [--out FILE.json]

The store is written by the ordinary writer, one run after another, with what a training of one step an epoch records
(seven scalars an epoch, two at the end, facts, configuration; numbers are invented, and there are no weights). Then:

    write      a run, the first and the last 500 of them; and `adopt`, a finished training taken over from its worker
    commands   each a process of its own, its imports included; quartiles over rounds
    read       in one process: opening, the last value of a metric of every run at once and run by run, whole curves
    start      of a new study, and of one of which half is done: until the first run begins. Both are then interrupted

With `--folder`, stores are kept there, and used again.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import interleaved

ENDS = 500  # runs at either end of the writing that are compared
TOML = """
name = "many"
metric = "validation/accuracy"
[base]
dataset = {{ name = "fashion-mnist-sample", per_class = 10 }}
model = {{ name = "mlp", hidden = [8] }}
batch_size = 128
epochs = {epochs}
[grid]
"optimizer.lr" = {rates}
"optimizer.weight_decay" = {decays}
l2 = {strengths}
"""
INFO = {"parameters": 6370, "steps_per_epoch": 1, "task": "classify", "weights_sha256": "0" * 64, "seconds": 0.2}
START = 60.0  # seconds that a start may take before it is given up


def study_file(folder: Path, runs: int, epochs: int) -> Path:
    """A grid of that many configurations: runs/100 learning rates × 10 decays × 10 strengths."""
    rates = [round(1e-4 * 1.05**i, 8) for i in range(max(1, runs // 100))]
    decays, strengths = ([round(scale * i, 6) for i in range(10)] for scale in (1e-4, 1e-5))
    path = folder / "many.toml"
    path.write_text(TOML.format(epochs=epochs, rates=rates, decays=decays, strengths=strengths), encoding="utf-8")
    return path


def written(file: Path, folder: Path, share: float) -> list[float]:
    """A store in which this share of the runs is done; seconds that each took."""
    from passo.experiments import read_study
    from passo.store import Store
    from passo.training import environment

    found, drawn, took = read_study(file), random.Random(0), []
    facts = {"environment": environment(), "data": {"name": "fashion-mnist-sample"}}
    trainings = found.trainings(found.configurations, {})
    wanted = trainings[: round(share * len(trainings))]
    config = found.model_dump(mode="json", exclude_defaults=True)
    with suppress(KeyboardInterrupt), Store.create(folder, name=found.name, config=config) as store:
        store.facts(**facts, planned=found.count)
        for name, seed, settings in wanted:
            recorded = curve(drawn, settings["epochs"])
            begun = time.perf_counter()
            run = store.add_run(name, config=settings, seed=seed)
            run.info(**INFO, **facts)
            for epoch, values in enumerate(recorded, start=1):
                run.scalars(epoch, float(epoch), values)
            run.finish()
            took.append(time.perf_counter() - begun)
        if len(wanted) < len(trainings):
            raise KeyboardInterrupt
    return took


def curve(drawn: random.Random, epochs: int) -> list[dict[str, float]]:
    """What a training would record after each epoch: invented."""
    level = drawn.uniform(0.3, 1.0)
    found = []
    for epoch in range(1, epochs + 1):
        loss = level + 2 / epoch + drawn.gauss(0, 0.01)
        step = {"train/loss": loss, "lr": 0.01, "momentum": 0.9, "epoch/train_loss": loss, "epoch/seconds": 0.002}
        found.append(step | {"validation/loss": loss + 0.1, "validation/accuracy": 1 - loss / 4})
    found[-1] |= {"test/loss": level + 0.1, "test/accuracy": 1 - level / 2}
    return found


def adoptions(folder: Path, times: int) -> float:
    """Median seconds in which a finished training of 100 epochs is taken into a study that is there."""
    from passo.experiments.pending import Ended, adopt, place
    from passo.store import Store, open_study

    there, took = open_study(folder), []
    drawn = random.Random(1)
    with suppress(KeyboardInterrupt), Store.create(folder, name=there.name, config=there.config) as store:
        for number in range(times):
            name = f"adopted-{number}"
            with Store.create(place(folder, name), name=name, config={}) as small:
                run = small.add_run(name, config={})
                for epoch, values in enumerate(curve(drawn, 100), start=1):
                    run.scalars(epoch, float(epoch), values)
                run.finish()
            begun = time.perf_counter()
            adopt(store, name, Ended("done"))
            took.append(time.perf_counter() - begun)
            store.drop(name)
        raise KeyboardInterrupt
    return statistics.median(took)


def command(*words: str) -> float:
    """Seconds of a `passo` command; what it says goes nowhere."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "passo", *words], capture_output=True, check=True)
    return time.perf_counter() - begun


def starting(file: Path, folder: Path) -> float:
    """Seconds from the command to the first training's own folder; the command is then interrupted."""
    words = ["study", "run", str(file), "--out", str(folder)]
    shutil.rmtree(folder / "pending", ignore_errors=True)  # what a start before this one left
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "passo", *words], stderr=subprocess.DEVNULL)
    try:
        while not any(folder.glob("pending/*/study.sqlite")):
            if process.poll() is not None or time.perf_counter() - begun > START:
                raise SystemExit(f"no run began in {folder}")
            time.sleep(0.01)
        return time.perf_counter() - begun
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def reading(folder: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What is read, and how."""
    from passo.analysis import compare
    from passo.store import open_study

    study = open_study(folder)
    yield "passo.open", lambda: open_study(folder)
    yield "last accuracies, at once", lambda: study.lasts("test/accuracy")
    yield "last accuracies, run by run", lambda: [run.metric("test/accuracy").last for run in study.runs]
    yield "accuracy curves, at once", lambda: study.series("validation/accuracy")
    yield "accuracy curves, run by run", lambda: [run.metric("validation/accuracy") for run in study.runs]
    yield "passo.compare", lambda: compare(study, "test/accuracy")


def timed(call: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def quartiles(seconds: list[float]) -> tuple[float, float, float]:
    if len(seconds) < 2:
        return seconds[0], seconds[0], seconds[0]
    low, middle, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return low, middle, high


def measure(place: Path, runs: int, epochs: int, rounds: int) -> dict[str, list[float]]:
    """What was measured → seconds, each time."""
    file, whole, half = study_file(place, runs, epochs), place / "whole", place / "half"
    seconds: dict[str, list[float]] = {}
    if not whole.exists():
        took = written(file, whole, 1.0)
        seconds["write a run, the first"], seconds["write a run, the last"] = took[:ENDS], took[-ENDS:]
    if not half.exists():
        written(file, half, 0.5)
    size = sum(path.stat().st_size for path in whole.glob("study.sqlite*"))
    print(f"{runs:,} runs × {epochs} epochs: {size / 1e6:.0f} MB")
    small = place / "small"
    if not small.exists():
        written(study_file(place, 200, epochs), small, 0.5)
        file = study_file(place, runs, epochs)
    seconds["adopt, into 100 runs"] = [adoptions(small, 20)]
    seconds["adopt, into half of all"] = [adoptions(half, 20)]
    shown = [("study show", "--no-estimate"), ("runs show",), ("compare",)]
    for _ in range(rounds):
        for words in (("--help",), *((*first.split(), str(whole), *more) for first, *more in shown)):
            name = f"passo {' '.join(word for word in words if word != str(whole))}"
            seconds.setdefault(name, []).append(command(*words))
        for name, call in reading(whole):
            seconds.setdefault(name, []).append(timed(call))
        shutil.rmtree(place / "new", ignore_errors=True)
        seconds.setdefault("start a new study", []).append(starting(file, place / "new"))
        seconds.setdefault("go on with half of it", []).append(starting(file, half))
    return seconds


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--runs", type=int, default=10_000)
    words.add_argument("--epochs", type=int, default=100)
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--folder", type=Path, help="keep the stores here, and use those that are here")
    words.add_argument("--out", type=Path, help="write the results here, as JSON")
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = given.folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        found = measure(place, given.runs, given.epochs, given.rounds)
    rows = []
    for name, seconds in found.items():
        low, middle, high = quartiles(seconds)
        rows.append([name, f"{middle:.4f}", f"{low:.4f}–{high:.4f}"])
    print(interleaved.table(("", "s", "quartiles"), rows))
    settings = {"runs": given.runs, "epochs": given.epochs, "rounds": given.rounds}
    interleaved.write(given.out, {"settings": settings, "seconds": found})


if __name__ == "__main__":
    main()
