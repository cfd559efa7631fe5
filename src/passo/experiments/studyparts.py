"""The tables of a study file, one class each: a run, a range test, a descent, a surface, a drawn schedule."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RangeEntry(Part):
    """An LR range test of an optimizer, once for each seed; `suggest` is the rule behind "suggested by"."""

    name: str
    optimizer: dict[str, Any]
    lr_min: float = 1e-6
    lr_max: float = 10.0
    steps: int = Field(default=100, le=1_000_000)
    mode: str = "exponential"
    beta: float = 0.9
    divergence: float = 4.0
    suggest: str = "steepest"

    @property
    def settings(self) -> dict[str, Any]:
        """The fields of a `RangePlan`, and the rule."""
        return self.model_dump(exclude={"name", "optimizer"})


class DescentEntry(Part):
    """A path of the model `line`: name, optimizer and (nested) schedule."""

    name: str
    optimizer: dict[str, Any]
    schedule: dict[str, Any] | None = None


class SurfaceEntry(Part):
    """The loss surface that the paths walk over, and where and how long they walk."""

    b: tuple[Finite, Finite]
    w: tuple[Finite, Finite]
    start: tuple[Finite, Finite]
    epochs: int = Field(default=10, ge=1, le=10_000)
    batch_size: int = Field(default=16, ge=1)
    images: int = Field(default=320, ge=1)

    @model_validator(mode="after")
    def _has_an_extent(self) -> SurfaceEntry:
        for name, (low, high) in (("b", self.b), ("w", self.w)):
            if not low < high:
                raise ValueError(f"{name} must be [low, high], got [{low:g}, {high:g}]")
        return self


class RobustnessEntry(Part):
    """The runs whose accuracy is measured on changed images, and by how much: perturbation → strengths, usual ones
    where none are given. One that was trained on one kind of change is measured along that one."""

    runs: tuple[str, ...]
    images: int = Field(default=2000, ge=10)
    strengths: dict[str, tuple[Finite, ...]] = Field(default_factory=dict)
    seed: int = 0


class SeeingEntry(Part):
    """The runs whose first seed is looked into: maps of `images` test images, Grad-CAM, filters."""

    runs: tuple[str, ...]
    images: int = Field(default=2000, ge=10)
    seed: int = 0


class NoteEntry(Part):
    """What a note says of who wrote it."""

    authors: tuple[str, ...] = ()
    course: str = ""
    date: str = ""
    repository: str = ""


class PreviewEntry(Part):
    """A schedule, drawn and not trained."""

    title: str
    lr: float = Field(default=0.1, gt=0, allow_inf_nan=False)
    epochs: int = Field(default=10, ge=1, le=10_000)
    steps_per_epoch: int = Field(default=20, ge=1, le=10_000)
    schedule: dict[str, Any]
    losses: list[float] | float | None = None
