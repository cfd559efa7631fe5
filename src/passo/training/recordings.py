"""What a run records of its inside: options that would be ignored, or record nothing, are refused at birth."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_WATCHING = (
    "between", "budget", "parameters", "coordinates", "statistics", "snapshots", "histograms", "activations", "loss",
    "witness",
)  # fmt: skip


class RecordConfig(BaseModel):
    """What a run records of its inside.

    `every` is each n-th step, 0 for nothing, "auto" for as often as the share `budget` of the time allows; `between`
    is the first and the last step. `coordinates` are the weights to follow: a number for each parameter, "random:64",
    "moved:64", or a table from parameter to a number or to index lists; `statistics=false` follows them alone.
    `snapshots` are steps that are kept whole; `histograms` is at how many steps at most, evenly apart, histograms of
    all weights, gradients and updates of each parameter are kept (0: none). `witness` looks at what goes into the
    model and comes out of it, `activations` records every layer's output and `loss` the batch's loss before and after
    the step (two more forward passes). `predictions` keeps the test's probabilities. `path` is how many points of the
    weights' path are kept (0: none), evenly over the run: for `passo landscape`. `probes` is at how many steps at most,
    evenly over the run, curvature, gradient noise, effective ranks and drift are measured (0: none).

    Raises ConfigError (as a part of a `TrainConfig`) for what cannot be, and for options that have no effect.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    every: int | Literal["auto"] = 0
    between: tuple[int, int] | None = None
    budget: float = Field(default=0.05, gt=0, lt=1)
    parameters: tuple[str, ...] | None = None
    coordinates: int | str | dict[str, int | list[list[int]]] = 3
    statistics: bool = True
    snapshots: tuple[int, ...] = ()
    histograms: int = 0
    witness: bool = False
    activations: bool = False
    loss: bool = False
    predictions: bool = False
    path: int = 0
    probes: int = 0

    @field_validator("every", mode="before")
    @classmethod
    def _every_counts(cls, value: Any) -> Any:
        _must(value == "auto" or _whole(value, 0), f'record.every must be a whole number ≥ 0, or "auto", got {value!r}')
        return value

    @field_validator("between", mode="before")
    @classmethod
    def _between_goes_forward(cls, value: Any) -> Any:
        right = value is None or (_all_whole(value, 1) and len(value) == 2 and value[0] <= value[1])
        _must(right, f"record.between must be the first and the last step, such as [1, 10], got {value!r}")
        return value

    @field_validator("parameters", mode="before")
    @classmethod
    def _parameters_are_names(cls, value: Any) -> Any:
        right = value is None or (_list(value) and len(value) > 0 and all(isinstance(part, str) for part in value))
        _must(right, f'record.parameters must be a list of names, such as ["conv1.weight"], got {value!r}')
        return value

    @field_validator("coordinates", mode="before")
    @classmethod
    def _coordinates_can_be_chosen(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            for name, part in value.items():
                right = _whole(part, 0) or (_list(part) and all(_all_whole(index, 0) for index in part))
                _must(
                    right,
                    f"record.coordinates.{name} must be a whole number ≥ 0, or a list of indices ([[0, 1]]), "
                    f"got {part!r}",
                )
            return value
        right = _whole(value, 0) or (isinstance(value, str) and re.fullmatch("(random|moved):0*[1-9][0-9]*", value))
        _must(
            right,
            'record.coordinates must be a whole number ≥ 0, "random:64", "moved:64", or a table from a parameter to a '
            f"number or to indices, got {value!r}",
        )
        return value

    @field_validator("snapshots", mode="before")
    @classmethod
    def _snapshots_are_steps(cls, value: Any) -> Any:
        _must(_all_whole(value, 1), f"record.snapshots must be a list of steps ≥ 1, such as [1, 10], got {value!r}")
        return value

    @field_validator("histograms")
    @classmethod
    def _histograms_begin_and_end(cls, value: int) -> int:
        _must(value == 0 or value >= 2, f"record.histograms must be ≥ 2 steps, or 0 for none, got {value!r}")
        return value

    @field_validator("path")
    @classmethod
    def _path_has_a_middle(cls, value: int) -> int:
        _must(value == 0 or value >= 3, f"record.path must be ≥ 3 points, or 0 for none, got {value!r}")
        return value

    @field_validator("probes")
    @classmethod
    def _probes_begin_and_end(cls, value: int) -> int:
        _must(value == 0 or value >= 2, f"record.probes must be ≥ 2 steps, or 0 for none, got {value!r}")
        return value

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> RecordConfig:
        fields = type(self).model_fields
        asked = [name for name in _WATCHING if getattr(self, name) != fields[name].default]
        if self.every == 0 and asked:
            raise ValueError(f"record.{asked[0]} has no effect without record.every=1")
        if self.every != "auto" and "budget" in asked:
            raise ValueError("record.budget has no effect without record.every=auto")
        nothing = self.coordinates in (0, {}) and not (self.snapshots or self.activations or self.loss)
        if self.every != 0 and not self.statistics and nothing:
            raise ValueError(
                "record.statistics=false with no coordinates records nothing: ask for record.coordinates=3"
            )
        if self.histograms and not self.statistics:
            raise ValueError("record.histograms counts whole tensors, and record.statistics=false looks at none")
        return self


def _must(right: Any, complaint: str) -> None:
    """Raise the complaint unless the value is right."""
    if not right:
        raise ValueError(complaint)


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _all_whole(value: Any, least: int) -> bool:
    return _list(value) and all(_whole(part, least) for part in value)
