"""What keeping a run's state costs: the same training with a checkpoint every 500 steps, and with none.

    python benchmarks/checkpoints.py [--models lenet] [--every 500] [--rounds 15] [--out FILE.json]

Both arms are `passo train` as the command line runs it, with everything written into a study folder, in one process
(two processes differ by more than what is measured), blocks of 500 steps in turn. Ratios are of times, round by round.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import interleaved
from single_run import MODELS


def blocks(model: str, every: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of each block of `every` steps, the first round not counted."""
    from passo.experiments import Keeping, training
    from passo.training import train_config

    config = train_config({"dataset": "fashion-mnist-sample", "model": model, "epochs": 10**6})
    seconds: dict[str, list[float]] = {"none": [], "kept": []}
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        arms = {}
        for arm in seconds:
            keeping = Keeping(steps=every if arm == "kept" else None, seconds=None, epochs=False)
            arms[arm] = stack.enter_context(training(config, place / arm, keeping=keeping)).records
        for _ in range(rounds + 1):
            for arm, records in arms.items():
                begun = time.perf_counter()
                for _ in itertools.islice(records, every):
                    pass
                seconds[arm].append(time.perf_counter() - begun)
    return {arm: taken[1:] for arm, taken in seconds.items()}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--models", nargs="+", choices=MODELS, default=["lenet"])
    words.add_argument("--every", type=int, default=500)
    words.add_argument("--rounds", type=int, default=15)
    words.add_argument("--out", type=Path, help="write the results here, as JSON")
    given = words.parse_args()
    rows, facts = [], {}
    for model in given.models:
        facts[model] = seconds = blocks(model, given.every, given.rounds)
        ratios = [100 * (kept / none - 1) for kept, none in zip(seconds["kept"], seconds["none"], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        times = [f"{1000 * statistics.median(taken) / given.every:.3f}" for taken in seconds.values()]
        rows.append([model, *times, f"{middle:+.2f} %", f"{low:+.2f} … {high:+.2f} %"])
    columns = ["model", "none, ms/step", f"every {given.every}, ms/step", "slower", "quartiles"]
    print(interleaved.table(columns, rows))
    interleaved.write(given.out, facts)


if __name__ == "__main__":
    main()
