"""The halves of a run whose parts had an optimizer each: each is read like a watched run of its own.

A GAN's generator is recorded under the usual names, its discriminator under `discriminator/…`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from passo.analysis.recorded import Recorded

STEPS = "trace/steps"


@dataclass(frozen=True)
class HalfRun:
    """What a run recorded of one of its halves, as if there were no other."""

    whole: Recorded
    half: str

    @property
    def id(self) -> str:
        return f"{self.whole.id} ({self.half})"

    @property
    def kind(self) -> str:
        return getattr(self.whole, "kind", "watch")

    @property
    def config(self) -> Mapping[str, Any]:
        return getattr(self.whole, "config", {})

    @property
    def info(self) -> Mapping[str, Any]:
        start = f"{self.half}/"
        own = {name.removeprefix(start): fact for name, fact in self.whole.info.items() if name.startswith(start)}
        return {**self.whole.info, **own}

    def arrays(self) -> list[str]:
        start = f"{self.half}/"
        return [name.removeprefix(start) for name in self.whole.arrays() if name.startswith(start)]

    def array(self, name: str) -> np.ndarray:
        return self.whole.array(f"{self.half}/{name}")

    def meta(self, name: str) -> dict[str, Any]:
        return self.whole.meta(f"{self.half}/{name}")

    def events(self) -> list[tuple[str, int | None, str, dict[str, Any]]]:
        return [event for event in self.whole.events() if event[3].get("half") == self.half]


def halves(run: Recorded) -> list[Recorded]:
    """The run itself, and each further half that was watched with an optimizer of its own."""
    names = [name.removesuffix(f"/{STEPS}") for name in run.arrays() if name.endswith(f"/{STEPS}")]
    return [run, *(HalfRun(run, name) for name in names)]


def half_of(run: Recorded, parameter: str | None) -> Recorded:
    """The half that a parameter belongs to, by the first part of its name; the run itself where it has no such half."""
    first = None if parameter is None else parameter.partition(".")[0]
    return next((one for one in halves(run) if isinstance(one, HalfRun) and one.half == first), run)
