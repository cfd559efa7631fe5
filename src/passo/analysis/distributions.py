"""How a parameter's weights, gradients and updates are spread, and how that changes over the steps.

A run keeps of each tensor and step the mean and the root mean square of all of its weights, so that

    standard deviation = √(rms² − mean²)

is known of all of them. Shares of bins are of all weights where the run kept histograms (`record.histograms`) or steps
whole (`record.snapshots`), and else of the weights that were followed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from passo.analysis.layers import Layers, layers
from passo.analysis.recorded import Recorded, recorded
from passo.analysis.updates import coordinates, find_coordinate, traces
from passo.errors import StoreError

STAGES = ("theta", "grad", "update")
COLUMNS, BINS = 72, 25
_NONE = np.array([])
_EDGE = 0.005  # share of values at each end that stand in the outermost bins, as do all beyond


@dataclass(frozen=True)
class Spread:
    """One stage of a parameter: shares (C, B) of values in bins, for C stretches of steps.

    left, right: (C,) the steps that a column is drawn between. edges: (B + 1,), ascending. steps, mean, sd: (T,), of
    all weights of the tensor; empty where the run kept none.
    """

    stage: str
    left: np.ndarray
    right: np.ndarray
    edges: np.ndarray
    shares: np.ndarray
    steps: np.ndarray
    mean: np.ndarray
    sd: np.ndarray


@dataclass(frozen=True)
class Distributions:
    """The three stages of one parameter. `followed` weights were traced; `whole` are steps with all weights, if any."""

    run: str
    parameter: str
    size: int | None
    followed: int
    whole: tuple[int, ...]
    spreads: tuple[Spread, ...]


def distributions(run: Recorded, parameter: str | None = None) -> Distributions:
    """Of one parameter; without a name the one that the microscope usually shows.

    Raises `StoreError` where its values were not recorded, `UnknownName` for a parameter that is not there.
    """
    known = coordinates(run)
    if parameter is None:
        parameter = traces(run).parameter
    counted = _counted(run, parameter)
    whole = _whole(run, parameter) if counted is None else counted.steps.tolist()
    if not whole:
        find_coordinate(run, parameter)
    places = [k for k, (name, _) in enumerate(known) if name == parameter]
    seen = layers(run) if "statistics" in run.arrays() else None
    column = seen.column(parameter) if seen is not None else 0
    spreads = []
    for stage in STAGES:
        around = _around(seen, stage, column)
        lines = [mean + side * sd for mean, sd in around for side in (-1, 1)]
        reach = np.concatenate(lines) if lines else _NONE
        if counted is not None:
            spread = counted.spread(stage, reach[np.isfinite(reach)])
        else:
            steps, values = _kept_whole(run, parameter, whole, stage) if whole else _followed(run, places, stage)
            spread = _binned(stage, steps, values, reach) if len(steps) else None
        if spread is None:
            continue
        if seen is not None and around:
            ((mean, sd),) = around
            spread = replace(spread, steps=seen.steps, mean=mean, sd=sd)
        spreads.append(spread)
    if not spreads:
        raise StoreError(f"no finite value of {parameter} was recorded by run {run.id}")
    size = None if seen is None or seen.sizes is None else int(seen.sizes[column])
    return Distributions(run.id, parameter, size, len(places), tuple(whole), tuple(spreads))


@dataclass(frozen=True)
class _Counted:
    """Histograms of one parameter at steps (H,): counts (H, S, B) between ends (H, S, 2)."""

    steps: np.ndarray
    stages: tuple[str, ...]
    counts: np.ndarray
    ends: np.ndarray

    def spread(self, stage: str, reach: np.ndarray) -> Spread | None:
        """In common bins; within a bin of its own, each histogram is taken as even."""
        if stage not in self.stages:
            return None
        counts, ends = (of[:, self.stages.index(stage)] for of in (self.counts, self.ends))
        there = counts.sum(1) > 0
        if not there.any():
            return None
        own = np.linspace(ends[there, 0], ends[there, 1], counts.shape[1] + 1, axis=1)
        middles = ((own[:, :-1] + own[:, 1:]) / 2).ravel()
        edges = _edges(np.repeat(middles, _thinly(counts[there]).ravel()), reach)
        shares = np.zeros((len(self.steps), BINS))
        for row, bins, found in zip(np.flatnonzero(there), own, counts[there], strict=True):
            below = np.interp(edges[1:-1], bins, np.append(0, np.cumsum(found)) / found.sum())
            shares[row] = np.diff(below, prepend=0, append=1)
        return Spread(stage, *_between(self.steps), edges, shares, _NONE, _NONE, _NONE)


def _counted(run: Recorded, parameter: str) -> _Counted | None:
    if "histograms" not in run.arrays():
        return None
    counts, meta = recorded(run, "histograms")  # (H, P, S, B)
    if parameter not in meta["parameters"]:
        return None
    column = meta["parameters"].index(parameter)
    ends = recorded(run, "histograms/ends")[0][:, column]
    return _Counted(recorded(run, "histograms/steps")[0], tuple(meta["stages"]), counts[:, column], ends)


def _thinly(counts: np.ndarray) -> np.ndarray:
    """Counts with the same shares, some thousand in each row at most."""
    return np.ceil(counts * (1000 / np.maximum(1000, counts.sum(1, keepdims=True)))).astype(int)


def _whole(run: Recorded, parameter: str) -> list[int]:
    """The steps at which the whole tensor was kept."""
    pattern = re.compile(rf"snapshot/(\d+)/{re.escape(parameter)}")
    return sorted(int(found[1]) for name in run.arrays() if (found := pattern.fullmatch(name)))


def _kept_whole(run: Recorded, parameter: str, steps: Sequence[int], stage: str) -> tuple[np.ndarray, list[np.ndarray]]:
    kept, found = [], []
    for step in steps:
        values, meta = recorded(run, f"snapshot/{step}/{parameter}")  # (S, shape…)
        if stage in meta["stages"]:
            kept.append(step)
            found.append(values[list(meta["stages"]).index(stage)].ravel().astype(np.float64))
    return np.array(kept), found


def _followed(run: Recorded, places: Sequence[int], stage: str) -> tuple[np.ndarray, list[np.ndarray]]:
    values, meta = recorded(run, "trace")  # (T, S, K)
    steps = recorded(run, "trace/steps")[0]
    if stage not in meta["stages"]:
        return np.array([]), []
    return steps, list(values[:, list(meta["stages"]).index(stage)][:, list(places)].astype(np.float64))


def _around(seen: Layers | None, stage: str, column: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Mean and standard deviation of all weights of the tensor, (T,) each, where the run kept them."""
    if seen is None or stage not in seen.rms:
        return []
    mean, rms = seen.mean[stage][:, column], seen.rms[stage][:, column]
    return [(mean, np.sqrt(np.maximum(rms**2 - mean**2, 0)))]


def _binned(stage: str, steps: np.ndarray, values: Sequence[np.ndarray], reach: np.ndarray) -> Spread:
    """Steps in stretches, values in bins, as far as they `reach`: what is not finite is in none, and counts in none."""
    count = min(COLUMNS, len(steps))
    groups = np.array_split(np.arange(len(steps)), count)
    columns = [np.concatenate([values[i] for i in group]) for group in groups]
    columns = [column[np.isfinite(column)] for column in columns]
    edges = _edges(np.concatenate(columns), reach[np.isfinite(reach)])
    shares = np.zeros((count, len(edges) - 1))
    for row, column in enumerate(columns):
        if len(column):
            shares[row] = np.histogram(np.clip(column, edges[0], edges[-1]), edges)[0] / len(column)
    left, after = _between(steps, [group[0] for group in groups])
    return Spread(stage, left, after, edges, shares, _NONE, _NONE, _NONE)


def _between(steps: np.ndarray, first: Sequence[int] | slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
    """The steps that columns are drawn between, from the first of each to that of the next."""
    left = steps[first].astype(np.float64)
    return left, np.append(left[1:], float(steps[-1]) + (float(steps[-1] - steps[0]) / max(1, len(steps) - 1) or 1.0))


def _edges(values: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Bins of one width between the ends of the values, or of what is beside them, without half a percent at each."""
    parts = [np.quantile(part, [_EDGE, 1 - _EDGE]) for part in (values, reach) if len(part)]
    if not parts:
        return np.linspace(-1.0, 1.0, BINS + 1)
    low, high = min(part[0] for part in parts), max(part[1] for part in parts)
    if low == high:
        low, high = low - (abs(low) or 1.0), high + (abs(high) or 1.0)
    return np.linspace(low, high, BINS + 1)
