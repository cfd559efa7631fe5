"""What watching costs: a training with the microscope on every parameter against the same one without it.

    python benchmarks/microscope.py [--models lenet] [--optimizer adam] [--rounds 9] [--out FILE.json]

Arms for each model, at batch 64, each in a process of its own, blocks of steps in turn: unwatched; every step watched;
every tenth; 64 weights alone, at every step; as often as 5 % of the time allow; every step with activations too. The
cost is the time over the unwatched arm's, less one, round by round. Stages of weights followed alone are worked
out when they are read: a line of its own says what that takes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import interleaved
from single_run import BATCH, MODELS, OPTIMIZERS, data

ARMS = {
    "unwatched": {},
    "every step": {"every": 1},
    "every 10th": {"every": 10},
    "64 weights": {"coordinates": "random:64", "statistics": False},
    "auto, 5 %": {"every": "auto"},
    "with activations": {"every": 1, "activations": True},
}
CHECKED = 50


def work(arm: str, name: str, optimizer_name: str, steps: int) -> None:
    """One arm, in its own process."""
    import torch
    from torch import nn

    import passo
    from passo.training import keep_memory

    keep_memory()
    images, labels = data(steps)
    model = passo.build(name, seed=0)
    optimizer = passo.make_optimizer(optimizer_name, model.parameters(), **OPTIMIZERS[optimizer_name])
    options: dict[str, Any] = ARMS[arm]
    lens = passo.watch(optimizer, model, **options) if options else None
    batches = passo.Batches(images, labels, BATCH, generator=torch.Generator().manual_seed(0))

    def losses() -> list[float]:
        head = passo.Batches(images[: CHECKED * BATCH], labels[: CHECKED * BATCH], BATCH, shuffle=False)
        return [float(record.loss) for record in passo.fit(model, nn.CrossEntropyLoss(), optimizer, head)]

    def block() -> float:
        begun = time.perf_counter()
        for _ in passo.fit(model, nn.CrossEntropyLoss(), optimizer, batches):
            pass
        return time.perf_counter() - begun

    interleaved.serve(block, losses)
    if lens is not None:
        lens.close()


def reading(name: str, steps: int = 500) -> float:
    """Milliseconds a step to work out the stages of 64 weights that were followed alone."""
    import torch
    from torch import nn

    import passo

    images, labels = data(50)
    model = passo.build(name, seed=0)
    optimizer = passo.make_optimizer("adam", model.parameters(), **OPTIMIZERS["adam"])
    lens = passo.watch(optimizer, model, **ARMS["64 weights"])  # type: ignore[arg-type]
    batches = passo.Batches(images, labels, BATCH, generator=torch.Generator().manual_seed(0))
    for _ in passo.fit(model, nn.CrossEntropyLoss(), optimizer, batches, epochs=steps // 50):
        pass
    begun = time.perf_counter()
    count = len(lens.steps)
    return 1000 * (time.perf_counter() - begun) / count


def compare(name: str, optimizer: str, rounds: int, steps: int) -> tuple[dict, list[list[str]]]:
    """All arms of one model: facts for the JSON, rows for the table."""
    common = ["--models", name, "--optimizer", optimizer, "--steps", str(steps)]
    words = {arm: ["--arm", arm, *common] for arm in ARMS}
    times, losses = interleaved.measure(Path(__file__), words, rounds, steps)
    facts, rows = {}, []
    for arm, timing in times.items():
        low, cost, high = (100 * (ratio - 1) for ratio in timing.against(times["unwatched"]))
        same = losses[arm] == losses["unwatched"]
        facts[arm] = {"ms": timing.ms, "steps_per_second": timing.rate, "cost_percent": cost,
                      "quartiles": [low, high], "same_losses": same, "seconds": timing.seconds}  # fmt: skip
        rows.append([f"{name} {arm}", f"{timing.ms:.3f}", f"{timing.rate:,.0f}", f"{cost:+.1f} %",
                     f"{low:+.1f}–{high:+.1f}", "the same bits" if same else "OTHER BITS"])  # fmt: skip
    return facts, rows


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    words.add_argument("--optimizer", choices=tuple(OPTIMIZERS), default="adam")
    words.add_argument("--rounds", type=int, default=9)
    words.add_argument("--steps", type=int, default=300, help="steps in a block")
    words.add_argument("--out", type=Path, help="write the results here, as JSON")
    words.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    words.add_argument("--arm", choices=tuple(ARMS), help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.worker:
        work(given.arm, given.models[0], given.optimizer, given.steps)
        return
    from passo.training import environment

    facts, rows = {}, []
    for name in given.models:
        facts[name], more = compare(name, given.optimizer, given.rounds, given.steps)
        rows += more
    for name in given.models:
        facts[name]["reading 64 weights, ms a step"] = ms = reading(name)
        print(f"{name}: the stages of 64 weights take {1000 * ms:.0f} µs a step when they are read")
    print(interleaved.table(["arm", "ms a step", "steps/s", "cost", "quartiles", "losses"], rows))
    settings = {"optimizer": given.optimizer, "batch": BATCH, "rounds": given.rounds, "steps": given.steps}
    interleaved.write(given.out, {"settings": settings, "environment": environment(), "models": facts})


if __name__ == "__main__":
    main()
