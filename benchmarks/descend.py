"""What `passo descend` costs, and the learning rates that it takes by itself.

    python benchmarks/descend.py [--rounds 7] [--out FILE.json]     times the command, interpreter start included
    python benchmarks/descend.py --rates [SURFACE …]                fills src/passo/experiments/rates.toml

The command races eight optimizers for 500 steps over each of three surfaces and writes the animated page; the call is
the same race inside a process that has torch in memory already, with what a web page asks for: 300 steps.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import interleaved

EIGHT = ("sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "nadam")
SURFACES = ("ravine", "rosenbrock", "rastrigin")
CANDIDATES, BUDGET = 25, 300


def command(surface: str, folder: Path) -> float:
    """Seconds of the whole command, from a cold interpreter to a page on the disk."""
    words = [word for name in EIGHT for word in ("--optimizer", name)]
    page = folder / f"{surface}.html"
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "passo", "descend", surface, *words, "--steps", "500", "--out", str(page)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    seconds = time.perf_counter() - begun
    assert page.stat().st_size > 10_000
    return seconds


def call(surface: str) -> float:
    """Seconds of the race alone, record included, in this process."""
    from passo.experiments.race import descend

    begun = time.perf_counter()
    descend(surface, EIGHT, steps=300).record()
    return time.perf_counter() - begun


def bare(*code: str) -> float:
    """Seconds of an interpreter that does this and no more."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "; ".join(code)], check=True)
    return time.perf_counter() - begun


def timed(rounds: int) -> dict[str, Any]:
    """Everything once a round, in turn; the first round warms the disk and counts for nothing."""
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for round_ in range(rounds + 1):
            taken = {"import torch": bare("import torch")}
            taken["import torch, one optimizer"] = bare(
                "import torch", "torch.optim.SGD([torch.zeros(2, requires_grad=True)], lr=1.0).step()"
            )
            for surface in SURFACES:
                taken[f"passo descend {surface}, 8 × 500, page"] = command(surface, Path(folder))
                taken[f"descend({surface!r}), 8 × 300, warm"] = call(surface)
            for name, value in taken.items():
                seconds.setdefault(name, []).extend([value] if round_ else [])
    return {name: {"median": statistics.median(s), "fastest": min(s), "seconds": s} for name, s in seconds.items()}


def rates(chosen: Sequence[str]) -> None:
    """What the table of learning rates lacks: 25 tried for each optimizer on each surface, 300 steps each.

    The rows of chosen surfaces are made anew; of the others, only what is not there yet.
    """
    from passo.experiments import rates
    from passo.experiments.race import descend
    from passo.experiments.racers import CANNOT, SHORT
    from passo.models.surfaces import SURFACES as ALL
    from passo.optim import optimizers

    names = sorted({*optimizers(), *SHORT} - set(CANNOT))
    found = tomllib.loads(rates.TABLE.read_text(encoding="utf-8")) if rates.TABLE.is_file() else {}
    for surface in ALL:
        row = {} if surface in chosen else {name: lr for name, lr in found.get(surface, {}).items() if name in names}
        missing = [name for name in names if name not in row]
        if missing:
            race = descend(surface, missing, steps=BUDGET, tune=CANDIDATES)
            row |= {racer.label: racer.optimizer["lr"] for racer in race.racers}
        found[surface] = dict(sorted(row.items()))
        print(f"{surface}: {len(missing)} of {len(names)} optimizers", flush=True)
    lines = [
        f"# Made by `python benchmarks/descend.py --rates`: {CANDIDATES} rates from 10⁻⁴ to 100 for each optimizer, "
        f"{BUDGET} steps each from the",
        "# surface's own start; the best by the rule of `passo descend --tune`.",
    ]
    for surface, row in sorted(found.items()):
        lines += ["", f"[{surface}]", *(f"{name} = {lr}" for name, lr in row.items())]
    rates.TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rates", nargs="*", metavar="SURFACE", help="fill the table, and make these rows anew")
    words.add_argument("--rounds", type=int, default=7)
    words.add_argument("--out", type=Path, help="write the results here, as JSON")
    given = words.parse_args()
    if given.rates is not None:
        rates(given.rates)
        return
    found = timed(given.rounds)
    rows = [[name, f"{1000 * f['median']:,.0f}", f"{1000 * f['fastest']:,.0f}"] for name, f in found.items()]
    print(interleaved.table(["", "median, ms", "fastest, ms"], rows))
    from passo.training import environment

    interleaved.write(given.out, {"rounds": given.rounds, "environment": environment(), "results": found})


if __name__ == "__main__":
    main()
