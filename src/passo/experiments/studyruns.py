"""The runs of a study file, and the configurations that come of them: a point of a grid, for one model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ConfigDict, Field

from passo.experiments.studyparts import Part
from passo.experiments.varying import Grid, Zip


class RunEntry(Part):
    """One run of a study file: what it changes against `base`. Any key of a training is allowed.

    A `grid` and a `zip` of its own make one of each combination; `seeds` takes no more than so many of the study's.
    `optional` leaves out, and says so, what the data or a model cannot give. In a study of a `[pair]`, `models` are the
    labels of those that it is for (both), and `parameters` the budget that these are matched to in place of the pair's
    own. `parts` and `choice` tell whoever reads the study what it is for.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    name: str
    grid: Grid = Field(default_factory=dict)
    zip: Zip = Field(default_factory=dict)
    seeds: int | None = Field(default=None, ge=1)
    optional: bool = False
    models: tuple[str, ...] | None = None
    parameters: int | None = Field(default=None, ge=1)
    parts: tuple[str, ...] = ()
    choice: str = ""

    @property
    def changes(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


@dataclass(frozen=True)
class Configuration:
    """A run as it is made: what it `changes` against the base, laid over the model of a pair, where there is one.

    `varied` is what grids made of its `entry`.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    entry: RunEntry = field(default_factory=lambda: RunEntry(name=""))
    label: str | None = None
    model: Mapping[str, Any] | None = None
    varied: Mapping[str, Any] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """What a study tells of it, for whoever reads."""
        entry = self.entry
        return {"entry": entry.name, "model": self.label, "parts": list(entry.parts), "choice": entry.choice,
                "varied": dict(self.varied)}  # fmt: skip
