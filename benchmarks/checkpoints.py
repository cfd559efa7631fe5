"""What keeping a run's state costs: the same training with a checkpoint every 500 steps, and with none.

    python benchmarks/checkpoints.py [--models lenet] [--every 500] [--rounds 9] [--out FILE.json]

Both arms are `passo train` as the command line runs it, with everything written into a study folder; blocks of 1,000
steps in turn. Ratios are of times, round by round.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from pathlib import Path

import interleaved
from single_run import MODELS

STEPS = 1000


def worker(model: str, every: int | None) -> None:
    """One training without end, of which each block is the next 1,000 steps."""
    from passo.experiments import Keeping, training
    from passo.training import StepRecord, train_config

    settings = {"dataset": "fashion-mnist-sample", "model": model, "epochs": 10**6}
    keeping = Keeping(steps=every, seconds=None, epochs=False)
    with (
        tempfile.TemporaryDirectory() as folder,
        training(train_config(settings), Path(folder) / "run", keeping=keeping) as opened,
    ):
        records = (record for record in opened.records if isinstance(record, StepRecord))

        def block() -> float:
            begun = time.perf_counter()
            for _ in itertools.islice(records, STEPS):
                pass
            return time.perf_counter() - begun

        interleaved.serve(block, lambda: [float(record.loss) for record in itertools.islice(records, 5)])


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--models", nargs="+", choices=MODELS, default=["lenet"])
    words.add_argument("--every", type=int, default=500)
    words.add_argument("--rounds", type=int, default=9)
    words.add_argument("--out", type=Path, help="write the results here, as JSON")
    words.add_argument("--worker", nargs=2, metavar=("MODEL", "EVERY"), help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.worker:
        worker(given.worker[0], int(given.worker[1]) or None)
        return
    rows, facts = [], {}
    for model in given.models:
        arms = {"none": [model, "0"], "kept": [model, str(given.every)]}
        times, losses = interleaved.measure(Path(__file__), arms, given.rounds, STEPS)
        assert losses["none"] == losses["kept"]
        low, middle, high = (100 * (ratio - 1) for ratio in times["kept"].against(times["none"]))
        rows.append(
            [
                model,
                f"{times['none'].ms:.3f}",
                f"{times['kept'].ms:.3f}",
                f"{middle:+.2f} %",
                f"{low:+.2f} … {high:+.2f} %",
            ]
        )
        facts[model] = {arm: timing.seconds for arm, timing in times.items()}
    head = f"every {given.every}"
    print(interleaved.table(["model", "none, ms/step", f"{head}, ms/step", "slower", "quartiles"], rows))
    interleaved.write(given.out, facts)


if __name__ == "__main__":
    main()
