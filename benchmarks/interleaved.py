"""Fair timing: every arm in a process of its own, blocks in turn (A B C A B C …), medians of what each round says.

A worker is this protocol over its standard input and output: it says `ready` once it is warm, then answers each
line `block` with the seconds that one block took, and `losses` with the losses of its first steps as JSON. While
one arm works the others wait for their line, so that arms share the machine's moods and not its cores.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Timing:
    """Seconds of each block of one arm, (rounds,), and the steps in a block."""

    arm: str
    steps: int
    seconds: tuple[float, ...]

    @property
    def ms(self) -> float:
        """Median milliseconds a step."""
        return 1000 * statistics.median(self.seconds) / self.steps

    @property
    def rate(self) -> float:
        """Median steps a second."""
        return self.steps / statistics.median(self.seconds)

    def against(self, other: Timing) -> tuple[float, float, float]:
        """This arm's time over another's, round by round: lower quartile, median, upper quartile."""
        ratios = [mine / theirs for mine, theirs in zip(self.seconds, other.seconds, strict=True)]
        return tuple(statistics.quantiles(ratios, n=4, method="inclusive"))  # type: ignore[return-value]


class Arm:
    """One worker process."""

    def __init__(self, script: Path, words: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(script), "--worker", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hear(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"an arm ended early: {self.process.args}")
        return line.strip()

    def ask(self, word: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return json.loads(self.hear())

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def measure(
    script: Path, arms: Mapping[str, Sequence[str]], rounds: int, steps: int
) -> tuple[dict[str, Timing], dict[str, list[float]]]:
    """Times of every arm, and the losses of their first steps. `arms`: name → the words that its worker gets."""
    workers = {name: Arm(script, words) for name, words in arms.items()}
    try:
        for worker in workers.values():
            assert worker.hear() == "ready"
        losses = {name: worker.ask("losses") for name, worker in workers.items()}
        seconds: dict[str, list[float]] = {name: [] for name in arms}
        for _ in range(rounds):
            for name, worker in workers.items():
                seconds[name].append(worker.ask("block"))
        return {name: Timing(name, steps, tuple(taken)) for name, taken in seconds.items()}, losses
    finally:
        for worker in workers.values():
            worker.end()


def serve(block: Callable[[], float], losses: Callable[[], list[float]]) -> None:
    """The worker's side: warm up with one block, then answer until the input ends."""
    first = losses()  # before any block, from the first weights
    block()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(first if line.strip() == "losses" else block()), flush=True)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Plain text, first column left, the others right."""
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    lines = []
    for row in [columns, ["-" * width for width in widths], *rows]:
        first, *rest = zip(row, widths, strict=True)
        lines.append("  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]))
    return "\n".join(lines)


def write(path: Path | None, facts: dict[str, Any]) -> None:
    """Keep the results as JSON."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        print(f"written to {path}")
