"""What reading asks of a watched run, stored or still in memory, and what is said where it was not recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from passo.errors import StoreError


class Recorded(Protocol):
    """A run that a microscope has watched: `store.StoredRun`, or `recording.held.HeldRun` while it is in memory."""

    @property
    def id(self) -> str: ...

    @property
    def info(self) -> Mapping[str, Any]: ...

    def arrays(self) -> list[str]: ...

    def array(self, name: str) -> np.ndarray: ...

    def meta(self, name: str) -> dict[str, Any]: ...

    def events(self) -> list[tuple[str, int | None, str, dict[str, Any]]]: ...


AGAIN = "train it again with record.every=1"
_MISSING = {
    "relations": f"only newer recordings have it (g·Δθ and the share of weights that went uphill), so {AGAIN}",
    "activations": "train it again with record.every=1 and record.activations=true",
}


def recorded(run: Recorded, name: str) -> tuple[np.ndarray, dict[str, Any]]:
    """An array of a watched run with its meaning; where it was not recorded, the error says what to do."""
    if name not in run.arrays():
        reason = _MISSING.get(name, f"it was not watched: {AGAIN}")
        raise StoreError(f"run {run.id} has no array {name!r}: {reason}")
    return run.array(name), run.meta(name)


def needed_stage(run_id: str, stage: str, stages: tuple[str, ...], purpose: str) -> str:
    """The stage's name again, or the error that says which stage is missing and which there are."""
    if stage not in stages:
        raise StoreError(f"{purpose} needs the stage {stage!r}, which run {run_id} lacks; it has: {', '.join(stages)}")
    return stage


def watch_facts(run: Recorded) -> Mapping[str, Any]:
    """`info["watch"]`: optimizer, explained, hyper (one mapping per group), bound, roundings; {} in old recordings."""
    return run.info.get("watch", {})


def hyper(run: Recorded, group: int = 0) -> Mapping[str, Any]:
    """The options of a parameter group as they were at the first recorded step; {} where they were not recorded."""
    groups = watch_facts(run).get("hyper", ())
    return groups[group] if group < len(groups) else {}


def roundings(run: Recorded) -> dict[str, float]:
    """The largest residual of each parameter in roundings, by name; {} where the step is not explained."""
    found = watch_facts(run).get("roundings") or run.info.get("residual_roundings") or {}
    return {name: float(value) for name, value in found.items() if value is not None}
