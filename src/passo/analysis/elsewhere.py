"""Tuned without an eye on the seed that is read: each seed's configuration is chosen by all the other seeds.

Whoever chooses the best of several configurations by their mean, and then reads that mean, reads some luck with it. For
seed i the choice is therefore made by the mean over the seeds j ≠ i, and only then seed i is read. Every seed has a
reading of its own, to be paired with another tuned by the same rule; different seeds may have chosen differently.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from passo.errors import StoreError
from passo.store import StoredRun, StoredStudy

Reading = Callable[[StoredRun], float]


def chosen_elsewhere(study: StoredStudy, names: Sequence[str], by: Reading) -> dict[int, StoredRun]:
    """By seed, its run of the configuration with the least mean of `by` over all other seeds.

    A configuration that lost a seed is not chosen. Raises `StoreError` for fewer than two seeds, or none left.
    """
    runs = {name: {run.seed: run for run in study.select(name) if run.seed is not None} for name in names}
    seeds = sorted({seed for each in runs.values() for seed in each})
    readings = {
        name: {seed: by(run) for seed, run in each.items()} for name, each in runs.items() if len(each) == len(seeds)
    }
    if len(seeds) < 2 or not readings:
        raise StoreError(f"no configuration in {study.folder} has two seeds or more to choose by")

    def chosen(seed: int) -> StoredRun:
        def without(name: str) -> float:
            total = math.fsum(value for other, value in readings[name].items() if other != seed)
            return math.inf if math.isnan(total) else total

        return runs[min(readings, key=without)][seed]

    return {seed: chosen(seed) for seed in seeds}


def minus(first: dict[int, float], second: dict[int, float]) -> dict[int, float]:
    """first − second for each seed that both have."""
    return {seed: value - second[seed] for seed, value in first.items() if seed in second}
