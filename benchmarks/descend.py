"""What `passo descend` costs, and the learning rates that it takes by itself.

    python benchmarks/descend.py [--rounds 7] [--out FILE.json]     times the command, interpreter start included
    python benchmarks/descend.py --rates [SURFACE …]                fills src/passo/experiments/rates.toml

The command races eight optimizers for 500 steps over each of three surfaces and writes the animated page; the call is
the same race inside a process that has torch in memory already, with what a web page asks for: 300 steps.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import interleaved

EIGHT = ("sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "nadam")
SURFACES = ("ravine", "rosenbrock", "rastrigin")
CANDIDATES, BUDGET = 25, 300


def clocked(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds by the clock, and of the processor's time in this process and those it waited for."""

    def spent() -> float:
        uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(use.ru_utime + use.ru_stime for use in uses)

    before, begun = spent(), time.perf_counter()
    work()
    return time.perf_counter() - begun, spent() - before


def command(surface: str, folder: Path) -> None:
    """The whole command, from a cold interpreter to a page on the disk."""
    words = [word for name in EIGHT for word in ("--optimizer", name)]
    page = folder / f"{surface}.html"
    subprocess.run(
        [sys.executable, "-m", "passo", "descend", surface, *words, "--steps", "500", "--out", str(page)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    assert page.stat().st_size > 10_000


def call(surface: str) -> None:
    """The race alone, record included, in this process."""
    from passo.experiments.race import descend

    descend(surface, EIGHT, steps=300).record()


def bare(*code: str) -> None:
    """An interpreter that does this and no more."""
    subprocess.run([sys.executable, "-c", "; ".join(code)], check=True)


def timed(rounds: int) -> dict[str, Any]:
    """Everything once a round, in turn; the first round warms the disk and counts for nothing."""
    one = ("import torch", "torch.optim.SGD([torch.zeros(2, requires_grad=True)], lr=1.0).step()")
    works: dict[str, Callable[[Path], None]] = {
        "import torch": lambda _: bare("import torch"),
        "import torch, one optimizer": lambda _: bare(*one),
    }
    for surface in SURFACES:
        works[f"passo descend {surface}, 8 × 500, page"] = partial(command, surface)
        works[f"descend({surface!r}), 8 × 300, warm"] = lambda _, surface=surface: call(surface)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    with tempfile.TemporaryDirectory() as folder:
        for round_ in range(rounds + 1):
            for name, work in works.items():
                found = clocked(partial(work, Path(folder)))
                taken[name] += [found] if round_ else []
    return {
        name: {"median": statistics.median(w for w, _ in both), "fastest": min(w for w, _ in both),
               "processor": statistics.median(c for _, c in both), "seconds": both}
        for name, both in taken.items()
    }  # fmt: skip


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
    kinds = ("median", "fastest", "processor")
    rows = [[name, *(f"{1000 * facts[kind]:,.0f}" for kind in kinds)] for name, facts in found.items()]
    print(interleaved.table(["milliseconds", *kinds], rows))
    from passo.training import environment

    interleaved.write(given.out, {"rounds": given.rounds, "environment": environment(), "results": found})


if __name__ == "__main__":
    main()
