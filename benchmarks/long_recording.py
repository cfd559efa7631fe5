"""A long watched run: memory stays flat, and its folder stays small.

    python benchmarks/long_recording.py [--steps 100000] [--model mlp] [--out FILE.json]

Twice the same training with every step watched under default settings: first without a store, then with one. Printed
are what the records hold, how much the process has grown since step 1,000, and the size of the folder.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import interleaved
from single_run import MODELS


def resident() -> float:
    """MB that the process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def train(name: str, steps: int, out: Path | None) -> dict[str, object]:
    import torch
    from torch import nn

    import passo
    from passo.training import keep_memory

    keep_memory()
    model = passo.build(name, seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    lens = passo.watch(optimizer, model, out=out)
    x, y = torch.randn(8, 1, 28, 28), torch.randint(0, 10, (8,))
    loss_fn, seen, begun = nn.CrossEntropyLoss(), [], time.perf_counter()
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()
        if step == 1000 or step % max(1, steps // 10) == 0:
            seen.append((step, round(resident(), 1)))
    lens.close()
    records = lens._probe.records
    held = sum(values.nbytes for block in records._blocks for values in block.values())
    facts: dict[str, object] = {"seconds": time.perf_counter() - begun, "resident_MB": seen, "held_MB": held / 1e6}
    facts["grown_MB"] = seen[-1][1] - seen[0][1]
    facts["kept_steps"] = len(lens.run.array("trace/steps"))
    facts["events"] = [event.message for event in lens.events]
    if out is not None:
        facts["folder_MB"] = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6
    return facts


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--model", choices=MODELS, default="mlp")
    words.add_argument("--steps", type=int, default=100_000)
    words.add_argument("--out", type=Path, help="write the results here, as JSON")
    given = words.parse_args()
    facts: dict[str, object] = {"model": given.model, "steps": given.steps}
    with tempfile.TemporaryDirectory() as folder:
        for kind, out in (("in memory", None), ("in a folder", Path(folder) / "seen")):
            facts[kind] = found = train(given.model, given.steps, out)
            print(kind, *(f"  {key}: {value}" for key, value in found.items()), sep="\n")
    interleaved.write(given.out, facts)


if __name__ == "__main__":
    main()
