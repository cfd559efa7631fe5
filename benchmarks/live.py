"""What do live curves cost the training? Scalars written five times a second, against at the ends of epochs alone.

    python benchmarks/live.py [--models tiny-cnn,mlp,lenet] [--rounds 9] [--epochs 2] [--out FILE.json]

    live     `passo.train` as it is: every 0.2 s what was recorded is committed to the study
    rarely   the same, with that period out of reach: scalars are committed at the ends of epochs, or every 1,000 steps

Each block is one whole training on the embedded sample, into a folder of its own. Whoever watches comes on top, in a
process of its own: benchmarks/ui.py.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import interleaved

ARMS = {"live": 0.2, "rarely": 1e9}


def worker(period: float, model: str, epochs: int) -> None:
    """One arm: a training a block."""
    import passo
    from passo.experiments import run

    run.PERIOD = period

    def block() -> float:
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            passo.train("fashion-mnist-sample", model, out=Path(folder) / "run", epochs=epochs)
            return time.perf_counter() - begun

    interleaved.serve(block, list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="tiny-cnn,mlp,lenet")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--worker", nargs=2, metavar=("PERIOD", "MODEL"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        worker(float(asked.worker[0]), asked.worker[1], asked.epochs)
        return
    rows, facts = [], {}
    for model in asked.models.split(","):
        words = {arm: [str(period), model, "--epochs", str(asked.epochs)] for arm, period in ARMS.items()}
        timings, _ = interleaved.measure(Path(__file__), words, asked.rounds, asked.epochs)
        low, middle, high = timings["live"].against(timings["rarely"])
        rows.append([model, f"{timings['live'].ms / 1000:.3f} s", f"{middle:.3f} ({low:.3f} to {high:.3f})"])
        facts[model] = {arm: timing.seconds for arm, timing in timings.items()}
    print(interleaved.table(["model", "an epoch, live", "live / rarely"], rows))
    interleaved.write(asked.out, facts)


if __name__ == "__main__":
    main()
