"""One run on two processes with a thread each (torch's DDP, gloo), against one process with two threads.

    python benchmarks/devices.py [--models lenet mlp] [--batch 64] [--rounds 9] [--steps 300] [--out FILE.json]

For each model both arms take the same global batches through `passo.fit`, every arm in a process of its own, blocks of
steps in turn (A B A B …). Ratios are of times, round by round: above 1, two processes are slower. Then the drift: how
far the weights are apart after 100 steps in float32, for sgd and adam, and how far each optimizer moved them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import interleaved

if TYPE_CHECKING:
    import torch

MODELS = ("mlp", "lenet")
OPTIMIZERS = {"sgd": {"lr": 0.05, "momentum": 0.9}, "adam": {"lr": 0.001}}
CHECKED = 100


class Trainer:
    """One rank of one arm: a model, and blocks of steps over the embedded sample."""

    def __init__(self, name: str, optimizer: str, batch: int, rank: int, of: int, folder: Path | None) -> None:
        import torch
        import torch.distributed as dist

        import passo
        from passo.training import keep_memory
        from passo.training.distributed import Ranks

        keep_memory()
        torch.set_num_threads(max(1, 2 // of))
        self.model, self.batch = passo.build(name, seed=0), batch
        self.optimizer = passo.make_optimizer(optimizer, self.model.parameters(), **OPTIMIZERS[optimizer])
        self.ranks: Any = None
        if folder is not None:
            store = dist.FileStore(str(folder / "meeting"), of)  # pyright: ignore[reportPrivateImportUsage]
            dist.init_process_group("gloo", store=store, rank=rank, world_size=of, timeout=timedelta(hours=1))
            self.ranks = Ranks(self.model)
        self._train = passo.load("fashion-mnist-sample", validation=None).train
        self._generator = torch.Generator().manual_seed(0)

    def block(self, steps: int) -> list[torch.Tensor]:
        """So many steps; their losses."""
        from torch import nn

        import passo

        times = -(-steps * self.batch // len(self._train))
        x, y = self._train.images.repeat(times, 1, 1, 1), self._train.labels.repeat(times)
        batches = passo.Batches(x[: steps * self.batch], y[: steps * self.batch], self.batch, generator=self._generator)
        records = passo.fit(self.model, nn.CrossEntropyLoss(), self.optimizer, batches, ranks=self.ranks)
        return [record.loss for record in records]

    def weights(self) -> list[float]:
        return [float(value) for parameter in self.model.parameters() for value in parameter.detach().flatten()]


def work(words: argparse.Namespace) -> None:
    """Rank 0 of an arm: answers for it, and tells its other rank what to do by the words that it is told itself."""
    if words.of == 1:
        trainer, other = Trainer(words.model, words.optimizer, words.batch, 0, 1, None), None
    else:
        folder = Path(tempfile.mkdtemp(prefix="passo-benchmark-"))
        own = ["--model", words.model, "--optimizer", words.optimizer, "--batch", str(words.batch)]
        other = subprocess.Popen(
            [sys.executable, __file__, "--other", str(folder), "--of", "2", *own], stdin=subprocess.PIPE, text=True
        )
        trainer = Trainer(words.model, words.optimizer, words.batch, 0, 2, folder)

    def told(steps: int) -> float:
        if other is not None and other.stdin is not None:
            other.stdin.write(f"{steps}\n")
            other.stdin.flush()
        begun = time.perf_counter()
        trainer.block(steps)
        return time.perf_counter() - begun

    def weights() -> list[float]:
        first = trainer.weights()
        told(CHECKED)
        return [*first, *trainer.weights()]

    interleaved.serve(lambda: told(words.steps), weights)
    if other is not None and other.stdin is not None:
        other.stdin.close()
        other.wait()


def follow(words: argparse.Namespace) -> None:
    """Rank 1: as many steps as each line says."""
    trainer = Trainer(words.model, words.optimizer, words.batch, 1, 2, Path(words.other))
    for line in sys.stdin:
        trainer.block(int(line))


def compare(name: str, optimizer: str, batch: int, rounds: int, steps: int) -> tuple[dict[str, Any], list[str]]:
    """Both arms of one model and optimizer: facts for the JSON, a row for the table."""
    own = ["--model", name, "--optimizer", optimizer, "--batch", str(batch), "--steps", str(steps)]
    arms = {"one": [*own, "--of", "1"], "two": [*own, "--of", "2"]}
    times, found = interleaved.measure(Path(__file__), arms, rounds, steps)
    low, ratio, high = times["two"].against(times["one"])
    half = len(found["one"]) // 2
    drift = max(abs(a - b) for a, b in zip(found["one"][half:], found["two"][half:], strict=True))
    moved = max(abs(a - b) for a, b in zip(found["one"][:half], found["one"][half:], strict=True))
    facts = {"model": name, "optimizer": optimizer, "batch": batch, "ms": {arm: t.ms for arm, t in times.items()},
             "ratio": ratio, "quartiles": [low, high], "drift": drift, "moved": moved,
             "seconds": {arm: t.seconds for arm, t in times.items()}}  # fmt: skip
    row = [f"{name} {optimizer}", f"{times['one'].ms:.3f}", f"{times['two'].ms:.3f}", f"{ratio:.2f}",
           f"{low:.2f}–{high:.2f}", f"{drift:.1e}", f"{moved:.2f}"]  # fmt: skip
    return facts, row


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    words.add_argument("--batch", type=int, default=64)
    words.add_argument("--rounds", type=int, default=9)
    words.add_argument("--steps", type=int, default=300)
    words.add_argument("--out", type=Path)
    words.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    words.add_argument("--other", help=argparse.SUPPRESS)
    words.add_argument("--of", type=int, help=argparse.SUPPRESS)
    words.add_argument("--model", help=argparse.SUPPRESS)
    words.add_argument("--optimizer", help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.other:
        return follow(given)
    if given.worker:
        return work(given)
    facts, rows = [], []
    for name in given.models:
        for optimizer in OPTIMIZERS:
            fact, row = compare(name, optimizer, given.batch, given.rounds, given.steps)
            facts.append(fact)
            rows.append(row)
    columns = ["", "one, ms", "two, ms", "two / one", "quartiles", "apart at 100", "moved by"]
    print(interleaved.table(columns, rows))
    return interleaved.write(given.out, {"rounds": given.rounds, "steps": given.steps, "runs": facts})


if __name__ == "__main__":
    main()
