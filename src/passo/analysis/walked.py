"""One racer's steps over a surface, read like a watched run whose weights are the two coordinates of a point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from passo.analysis.apart import Apart, apart
from passo.analysis.moment import exact
from passo.analysis.words import significant
from passo.errors import StoreError
from passo.language import t


@dataclass(frozen=True)
class WalkedRun:
    """What a racer's optimiser held at each step; `axes` are the names of the two coordinates."""

    id: str
    axes: tuple[str, str]
    info: Mapping[str, Any]
    held: Mapping[str, tuple[np.ndarray, Mapping[str, Any]]] = field(repr=False)

    kind = "watch"

    @classmethod
    def of(cls, record: Mapping[str, Any], name: str, axes: tuple[str, str]) -> WalkedRun:
        """From JSON, as the worker sends it."""
        held = {key: (np.asarray(values), meta) for key, (values, meta) in record["arrays"].items()}
        if "trace" not in held:
            raise StoreError(f"{name} took no step")
        values, meta = held["trace"]
        held["trace"] = (np.asarray(values, np.float64), {**meta, "coordinates": [[axis, []] for axis in axes]})
        return cls(name, axes, record["info"], held)

    def arrays(self) -> list[str]:
        return sorted(self.held)

    def array(self, name: str) -> np.ndarray:
        return self.held[name][0]

    def meta(self, name: str) -> dict[str, Any]:
        return dict(self.held[name][1]) if name in self.held else {}

    def events(self) -> list[tuple[str, int | None, str, dict[str, Any]]]:
        return []

    @property
    def steps(self) -> int:
        """How many steps it took."""
        return len(self.array("trace/steps"))


@dataclass(frozen=True)
class PointStep:
    """One step of a racer: each coordinate taken apart, and where the point goes."""

    step: int
    optimizer: str
    explained: bool
    parts: tuple[Apart, ...]

    def moves(self) -> tuple[str, ...]:
        """Old position plus update gives the new one, for each coordinate."""
        return tuple(_move(part) for part in self.parts)

    def sentence(self) -> str:
        """What is known of the inside of this optimiser."""
        if self.explained:
            return t("Every number is what {optimizer} itself held at this step.", optimizer=self.optimizer)
        return t(
            "The equations of {optimizer} are not written in passo: what it does inside is not told, only the gradient "
            "that it was given, what it holds, and the update that it made.",
            optimizer=self.optimizer,
        )


def point_step(run: WalkedRun, step: int) -> PointStep:
    """A step, from 1; raises `StoreError` for one that the racer did not take."""
    parts = tuple(apart(run, axis, (), step) for axis in run.axes)
    facts = run.info.get("watch", {})
    explained = bool(facts.get("explained"))
    return PointStep(step, str(facts.get("optimizer", "")), explained, parts)


def _move(part: Apart) -> str:
    before, update = part.now.get("theta"), part.now["update"]
    sign = "−" if update < 0 else "+"
    after = exact(before + update, update)
    told = f"{exact(before, update)} {sign} {significant(abs(update))} = {after}"
    return f"{part.parameter}: {told}"
