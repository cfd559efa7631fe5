"""Small study folders with given configurations and curves, for the tests that compare. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from passo.store import Store, StoredStudy, open_study

Curves = Mapping[str, Sequence[float]]
PER_EPOCH = 10


def invented(
    folder: Path,
    runs: Mapping[str, Sequence[Curves]],
    configs: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    study: Mapping[str, Any] | None = None,
    diverged: Sequence[str] = (),
    seconds: float = 2.0,
) -> StoredStudy:
    """One run for each seed of `runs[name]`, with its metrics' values per epoch; ids in `diverged` end so."""
    with Store.create(folder, name=folder.name, config=dict(study or {})) as store:
        for name, seeds in runs.items():
            for seed, curves in enumerate(seeds):
                run = store.add_run(name, config=dict((configs or {}).get(name, {})), seed=seed)
                for epoch in range(1, max(map(len, curves.values())) + 1):
                    values = {m: c[epoch - 1] for m, c in curves.items() if epoch <= len(c)}
                    run.scalars(PER_EPOCH * epoch, float(epoch), {**values, "epoch/seconds": seconds})
                lost = f"{name}-s{seed}" in diverged
                run.finish("diverged" if lost else "done", error="the loss is not finite" if lost else None)
    return open_study(folder)


def adam(lr: float, **others: Any) -> dict[str, Any]:
    return {"optimizer": {"name": "adam", "lr": lr}, **others}


def sgd(lr: float, **others: Any) -> dict[str, Any]:
    return {"optimizer": {"name": "sgd", "lr": lr}, **others}
