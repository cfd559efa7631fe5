"""What reading asks of a watched run, stored or still in memory, and what is said where it was not recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from passo.errors import StoreError
from passo.language import t


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


NEWER = "only newer recordings have it (g·Δθ and the share of weights that went uphill), so it must be recorded again"
_SETTINGS = {"activations": "activations=True", "loss": "loss=…"}  # of `passo.watch`


def setting(run: Recorded, name: str) -> str:
    """What makes a run record something, as who started it would write it: a setting of `passo train`, or of `watch`.

    A run of kind `watch`, and a lens that is still open, are somebody's own loop.
    """
    if getattr(run, "kind", "watch") == "watch":
        return f"watch(…, {_SETTINGS.get(name, 'every=1')})"
    return f"record.every=1 record.{name}=true" if name in _SETTINGS else "record.every=1"


def told_run(name: str) -> str:
    """A run in a sentence; somebody's own loop has no name but the one that a lens gives.

    >>> told_run("lenet-adam-s0"), told_run("watched")
    ('lenet-adam-s0', 'this run')
    """
    return t("this run") if name == "watched" else name


def recorded(run: Recorded, name: str) -> tuple[np.ndarray, dict[str, Any]]:
    """An array of a watched run with its meaning; where it was not recorded, the error says what to do."""
    if name not in run.arrays():
        if name == "relations" and "trace/steps" in run.arrays():
            raise StoreError(f"run {run.id} has no array {name!r}: {NEWER}")
        if name in _SETTINGS:
            raise StoreError(f"run {run.id} has no array {name!r}: train it again with {setting(run, name)}")
        raise StoreError(f"run {run.id} was not watched: train it again with {setting(run, name)}")
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


def penalties(run: Recorded) -> tuple[float, float]:
    """λ₁ and λ₂ of λ₁ Σ|θ| + λ₂ Σθ², trained with the loss on all weights but biases and norms; 0 without."""
    config = getattr(run, "config", {})
    return float(config.get("l1") or 0.0), float(config.get("l2") or 0.0)


def roundings(run: Recorded) -> dict[str, float]:
    """The largest residual of each parameter in roundings, by name; {} where the step is not explained."""
    found = watch_facts(run).get("roundings") or run.info.get("residual_roundings") or {}
    return {name: float(value) for name, value in found.items() if value is not None}
