"""The form of a study: everything that its file may say, the configurations that come of it, and the check of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from passo.errors import ConfigError, UsageError
from passo.experiments.coarse_to_fine import CoarseToFine
from passo.experiments.configuring import Builder
from passo.experiments.laying import OF_THE_RUN, join, lay, quoted, resolved
from passo.experiments.naming import folder, named, shortened
from passo.experiments.pairing import Pair
from passo.experiments.searching import Search
from passo.experiments.studyparts import (
    DescentEntry,
    NoteEntry,
    Part,
    PreviewEntry,
    RangeEntry,
    RobustnessEntry,
    SeeingEntry,
    SurfaceEntry,
)
from passo.experiments.studyruns import Configuration, RunEntry
from passo.experiments.trials import SuccessiveHalving, Tpe
from passo.experiments.varying import Grid, RandomEntry, Zip, combinations, size
from passo.registry import unknown
from passo.training.config import TrainConfig, train_config
from passo.training.tasks import TASKS

RUNS = 100_000  # in a study, unless more are asked for: every one is a row, a folder and a training
SEARCHES = ("coarse_to_fine", "tpe", "successive_halving")
VARYING = ("grid", "zip", "random", *SEARCHES)
Executor = Literal["auto", "replicas", "processes", "here", "ray"]


class StudyFile(Part):
    """A study, whole.

    `quick` are settings that its quick form lays over it; `form` says which form this is. `leave` are runs that are not
    made, by their names, or patterns of these. `left_out` are configurations that cannot be had here, and why: see
    `possible`.
    """

    name: str
    title: str = ""
    description: str = ""
    metric: str = "test/accuracy"
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = (0,)
    executor: Executor = "processes"
    base: dict[str, Any] = Field(default_factory=dict)
    record: dict[str, Any] = Field(default_factory=dict)
    pair: Pair | None = None
    runs: tuple[RunEntry, ...] = ()
    leave: tuple[str, ...] = ()
    left_out: dict[str, str] = Field(default_factory=dict)
    grid: Grid = Field(default_factory=dict)
    zip: Zip = Field(default_factory=dict)
    random: RandomEntry | None = None
    coarse_to_fine: CoarseToFine | None = None
    tpe: Tpe | None = None
    successive_halving: SuccessiveHalving | None = None
    ranges: tuple[RangeEntry, ...] = ()
    surface: SurfaceEntry | None = None
    descents: tuple[DescentEntry, ...] = ()
    previews: tuple[PreviewEntry, ...] = ()
    robustness: RobustnessEntry | None = None
    seeing: SeeingEntry | None = None
    note: NoteEntry | None = None
    quick: dict[str, Any] = Field(default_factory=dict)
    form: Literal["whole", "quick"] = "whole"

    @field_validator("seeds", mode="before")
    @classmethod
    def _count(cls, value: Any) -> Any:
        """`seeds = 3` means 0, 1 and 2."""
        if isinstance(value, bool) or not isinstance(value, int):
            return value
        if value > RUNS:
            raise ValueError(f"a study makes at most {RUNS:,} runs, got {value:,} seeds")
        if value < 1:
            raise ValueError(f"a study has at least one seed, got {value}")
        return tuple(range(value))

    @field_validator("metric")
    @classmethod
    def _a_metric(cls, metric: str) -> str:
        """Whatever a training may record at its ends; a name that none does would be noticed only after all runs."""
        told = ("loss", *dict.fromkeys(name for task in TASKS for name in TASKS[task].metrics))
        known = [f"{part}/{name}" for part in ("test", "validation") for name in told]
        known += ["epoch/train_loss", "epoch/seconds", "train/loss"]
        if metric not in known:
            raise ConfigError(str(unknown("metric", metric, known)))
        return metric

    @property
    def search(self) -> Search | None:
        """The one search of this study."""
        return self.coarse_to_fine or self.tpe or self.successive_halving

    @cached_property
    def configurations(self) -> tuple[Configuration, ...]:
        """Each run of the file with each combination of what varies, for each model of the pair.

        A study that only searches begins from one configuration that changes nothing, and whose name is empty.
        """
        points = list(combinations(self.grid, self.zip, self.random))
        found = [one for entry in self._made for one in self._of(entry, points)]
        return tuple(one for one in found if one.name not in self.left_out)

    def _of(self, entry: RunEntry, points: list[dict[str, Any]]) -> Iterator[Configuration]:
        """The configurations of one run of the file."""
        labels = [] if self.pair is None else [one for one in self.pair.models if one in (entry.models or (one,))]
        for own in combinations(entry.grid, entry.zip, None):
            for point in points:
                varied = {**own, **point}
                name = named(varied, self.short, entry.name) if varied else entry.name
                changes = {**entry.changes, **varied}
                if self.pair is None:
                    yield Configuration(name, changes, entry, varied=varied)
                for label in labels:
                    model = self.pair.of(label, entry.parameters) if self.pair else None
                    both = folder(f"{name}-{label}" if name else label)
                    yield Configuration(both, changes, entry, label, model, varied)

    @property
    def _made(self) -> tuple[RunEntry, ...]:
        """The runs that are made: those of the file, or one that changes nothing where something else makes runs."""
        begun = self.grid or self.zip or self.random or self.search or self.pair
        entries = self.runs or ((RunEntry(name=""),) if begun else ())
        return tuple(entry for entry in entries if not any(fnmatchcase(entry.name, one) for one in self.leave))

    @cached_property
    def short(self) -> dict[str, str]:
        """What each key that varies is called in the names of runs."""
        searched = [] if self.search is None else [*self.search.keys, "epochs"]
        own = [key for entry in self.runs for key in (*entry.grid, *entry.zip)]
        keys = [*self.grid, *self.zip, *(self.random.keys if self.random else ()), *searched, *own]
        return shortened(dict.fromkeys(keys))

    def proposed(self, entry: Configuration, label: str, changes: Mapping[str, Any]) -> Configuration:
        """The run that a search asks for, of one configuration."""
        name = named(changes, self.short, entry.name, label)
        return replace(entry, name=name, changes={**entry.changes, **changes})

    def settings(self, run: Configuration, seed: int, found: Mapping[str, Any]) -> dict[str, Any]:
        """Everything that one run is asked to do; the first seed's run is watched as `record` says.

        `found` is what the stages before it gave: rates, classes. A data set whose seed is "run" has the run's own.
        """
        settings: dict[str, Any] = {}
        model = {} if run.model is None else {"model": run.model}
        for source in (self.base, model, run.changes):
            for key, value in sorted(source.items(), key=lambda item: item[0].count(".")):  # a section, then its parts
                if "." in key:
                    lay(settings, key, value)
                else:
                    join(settings, key, value)
        settings["seed"] = seed
        if settings.get("schedule") == "none":  # TOML has no word for nothing
            settings["schedule"] = None
        if self.record and seed == self.seeds[0]:
            settings["record"] = self.record
        return self.of_seed({key: resolved(value, found) for key, value in settings.items()}, seed)

    @staticmethod
    def of_seed(settings: dict[str, Any], seed: int) -> dict[str, Any]:
        """Settings with the seed of the run for data that draw their images by it."""
        dataset = settings.get("dataset")
        if isinstance(dataset, Mapping) and dataset.get("seed") == OF_THE_RUN:
            settings["dataset"] = {**dataset, "seed": seed}
        return settings

    def dataset(self) -> TrainConfig:
        """The data that the base names, as the first seed has them."""
        base = {key: value for key, value in self.base.items() if key == "dataset"}
        return train_config(self.of_seed(base, self.seeds[0]))

    def training(self, run: Configuration, seed: int, suggestions: Mapping[str, float]) -> TrainConfig:
        """The full configuration of one run."""
        return self._told(run, lambda: train_config(self.settings(run, seed, suggestions)))

    def trainings(
        self, runs: Iterable[Configuration], suggestions: Mapping[str, float], seeds: Iterable[int] | None = None
    ) -> list[tuple[str, int, dict[str, Any]]]:
        """(name, seed, configuration as JSON keeps it) of each run and seed: as `training`, for thousands."""
        builder, found = self._builder, []
        seeds = self.seeds if seeds is None else tuple(seeds)
        for run in runs:
            for seed in seeds[: run.entry.seeds]:
                made = self._told(run, lambda: builder.settings(self.settings(run, seed, suggestions)))  # noqa: B023
                found.append((run.name, seed, made))
        return found

    @cached_property
    def _builder(self) -> Builder:
        return Builder()

    @staticmethod
    def _told(run: Configuration, build: Callable[[], Any]) -> Any:
        try:
            return build()
        except UsageError as error:
            raise ConfigError(f"run {quoted(run.name)}: {error}") from error

    @property
    def count(self) -> int:
        """How many runs of every kind this study makes; with a search that may end early, at most."""
        points = size(self.grid, self.zip, self.random)
        each = [
            size(entry.grid, entry.zip, None) * len(self.seeds[: entry.seeds])
            * (1 if self.pair is None else len(set(self.pair.models).intersection(entry.models or self.pair.models)))
            for entry in self._made
        ]  # fmt: skip
        searched = 1 if self.search is None else self.search.count
        trained = points * searched * sum(each) + len(self.ranges) * len(self.seeds)
        alone = len(self.descents) + len(self.previews) + (self.surface is not None)
        return trained - self._runs_left_out + alone + self._looked_at

    @cached_property
    def _runs_left_out(self) -> int:
        """Of configurations that cannot be had; to count them is to make their names, so only where there are some."""
        if not self.left_out:
            return 0
        points = list(combinations(self.grid, self.zip, self.random))
        every = [one for entry in self.runs for one in self._of(entry, points)]
        return sum(len(self.seeds[: one.entry.seeds]) for one in every if one.name in self.left_out)

    @property
    def _looked_at(self) -> int:
        """Runs after the trainings: each configuration whose robustness is measured, each that is looked into."""
        if self.robustness is None and self.seeing is None:
            return 0
        named = [name for part in (self.robustness, self.seeing) if part is not None for name in part.runs]
        return sum(one.entry.name == name for one in self.configurations for name in named)
