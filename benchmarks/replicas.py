"""Many small models as one network, against the best that can be had without: model-steps a second.

    python benchmarks/replicas.py [--rounds 9] [--only tiny-cnn …] [--out FILE.json]

R = seeds × configurations, Adam, batch 64, on the embedded sample (`line`: one value an image); in each arm the same:

    alone      one model after another, passo.fit with two threads
    two        two processes with one thread each, at the same time
    fused2     passo.replicas, all of them as one network, with two threads
    halves     passo.replicas, half of them as one network in each of two processes with one thread, as in a study

Every arm is a process of its own, blocks in turn; ratios are of model-steps a second, round by round. The baseline is
the better of `alone` and `two`; the engine's time is that of `halves`, as users have it.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import interleaved

# model, its options, seeds, configurations, at least, aim
CASES: list[tuple[str, dict[str, Any], int, int, float, float]] = [
    ("tiny-cnn", {}, 1, 32, 4, 6),
    ("tiny-cnn", {}, 4, 8, 3, 4),
    ("tiny-cnn", {}, 32, 1, 1.5, 3),
    ("lenet", {}, 1, 8, 1.8, 2.5),
    ("lenet", {}, 8, 1, 1.4, 2),
    ("mlp", {"hidden": [128, 64]}, 1, 8, 1.3, 2),
    ("line", {}, 1, 256, 50, 150),
]
SECONDS = 0.4  # of a block, about
SIDE = ("two", "halves")  # arms of two processes


class Work:
    """One arm in this process: `step()` makes one step of all of its models."""

    def __init__(self, case: int, arm: str) -> None:
        import torch
        from torch import nn

        import passo
        from passo.data import Together
        from passo.replicas import Replica, Replicas
        from passo.training import keep_memory

        keep_memory()
        torch.set_num_threads(2 if arm in ("alone", "fused2") else 1)
        fused = arm in ("fused2", "halves")
        if fused:
            torch.set_float32_matmul_precision("medium")
        name, options, seeds, each, *_ = CASES[case]
        if arm == "halves":
            seeds, each = (seeds, each // 2) if each > 1 else (seeds // 2, each)
        train = passo.load("fashion-mnist-sample", validation=None).train
        x, y = train.images, train.labels
        loss_fn: nn.Module = nn.CrossEntropyLoss()
        if name == "line":
            x = x.flatten(1).mean(1, keepdim=True)
            x, y, loss_fn = x, 2 * x + 0.1 * torch.randn(x.shape), nn.MSELoss()

        def made(seed: int, place: int) -> tuple[nn.Module, torch.optim.Optimizer]:
            model = passo.build(name, seed=seed, **options)
            return model, passo.make_optimizer("adam", model.parameters(), lr=1e-3 * (1 + place))

        def batches(seed: int) -> passo.Batches:
            return passo.Batches(x, y, 64, generator=torch.Generator().manual_seed(seed))

        self.models = 1
        if fused:
            replicas = [Replica(*made(seed, place), seed=seed) for seed in range(seeds) for place in range(each)]
            self.models = len(replicas)
            walk: Any = Replicas(replicas, loss_fn).fit(Together([batches(seed) for seed in range(seeds)]), 10**9)
        else:
            model, optimizer = made(0, 0)
            walk = passo.fit(model, loss_fn, optimizer, batches(0), epochs=10**9)
        self.step = lambda: next(walk)


def work(case: int, arm: str) -> None:
    """A worker: a block is as many steps as take about `SECONDS`; answers with seconds a model-step."""
    mine = Work(case, arm)
    other = None
    if arm in SIDE:
        words = [sys.executable, __file__, "--other", "--case", str(case), "--arm", arm]
        other = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for _ in range(5):
        mine.step()
    begun = time.perf_counter()
    for _ in range(5):
        mine.step()
    steps = max(3, round(SECONDS * 5 / (time.perf_counter() - begun)))

    def block() -> float:
        if other is not None and other.stdin is not None and other.stdout is not None:
            other.stdin.write(f"{steps}\n")
            other.stdin.flush()
        begun = time.perf_counter()
        for _ in range(steps):
            mine.step()
        seconds = time.perf_counter() - begun
        if other is None:
            return seconds / steps / mine.models
        assert other.stdout is not None
        return (seconds + float(other.stdout.readline())) / 2 / steps / 2 / mine.models  # two made as many steps each

    interleaved.serve(block, list)
    if other is not None and other.stdin is not None:
        other.stdin.close()
        other.wait()


def follow(case: int, arm: str) -> None:
    """The second of two processes: as many steps as each line says; answers with their seconds."""
    mine = Work(case, arm)
    for line in sys.stdin:
        begun = time.perf_counter()
        for _ in range(int(line)):
            mine.step()
        print(time.perf_counter() - begun, flush=True)


def compare(case: int, rounds: int) -> tuple[dict[str, Any], list[str]]:
    """All arms of one case: facts for the JSON, a row for the table."""
    name, _, seeds, each, least, aim = CASES[case]
    arms = {arm: ["--case", str(case), "--arm", arm] for arm in ("alone", "two", "fused2", "halves")}
    times, _ = interleaved.measure(Path(__file__), arms, rounds, 1)
    ms = {arm: 1000 * statistics.median(t.seconds) for arm, t in times.items()}
    base, best = min(("alone", "two"), key=ms.__getitem__), "halves"
    low, ratio, high = times[base].against(times[best])
    plain = times["alone"].against(times[best])[1]
    facts = {"model": name, "seeds": seeds, "configurations": each, "ms": ms, "baseline": base,
             "ratio": ratio, "quartiles": [low, high], "against_alone": plain, "least": least, "aim": aim}  # fmt: skip
    row = [f"{name} {seeds} × {each}", *(f"{ms[arm]:.4g}" for arm in arms), f"{ratio:.2f}", f"{low:.2f}–{high:.2f}",
           f"{least:g}", f"{aim:g}", f"{plain:.2f}"]  # fmt: skip
    return facts, row


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rounds", type=int, default=9)
    words.add_argument("--only", nargs="+", choices=sorted({case[0] for case in CASES}))
    words.add_argument("--out", type=Path)
    words.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    words.add_argument("--other", action="store_true", help=argparse.SUPPRESS)
    words.add_argument("--case", type=int, help=argparse.SUPPRESS)
    words.add_argument("--arm", help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.other:
        return follow(given.case, given.arm)
    if given.worker:
        return work(given.case, given.arm)
    facts, rows = [], []
    for case, (name, *_) in enumerate(CASES):
        if given.only is None or name in given.only:
            fact, row = compare(case, given.rounds)
            facts.append(fact)
            rows.append(row)
    arms = ["alone", "two", "as one, 2 threads", "in halves"]
    columns = ["ms a model-step", *arms, "ratio", "quartiles", "least", "aim", "to alone"]
    print(interleaved.table(columns, rows))
    return interleaved.write(given.out, {"rounds": given.rounds, "cases": facts})


if __name__ == "__main__":
    main()
