"""The form of a study: everything that its file may say, the configurations that come of it, and the check of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field, field_validator

from passo.errors import ConfigError, StoreError, UsageError
from passo.experiments.coarse_to_fine import CoarseToFine
from passo.experiments.configuring import Builder
from passo.experiments.laying import join, lay, quoted, resolved
from passo.experiments.naming import named, shortened
from passo.experiments.ranges import RangePlan
from passo.experiments.searching import Search
from passo.experiments.studyparts import DescentEntry, Part, PreviewEntry, RangeEntry, RunEntry, SurfaceEntry
from passo.experiments.suggesting import check_rule
from passo.experiments.trials import SuccessiveHalving, Tpe
from passo.experiments.varying import Grid, RandomEntry, Zip, check_once, combinations, size
from passo.optim import check_schedule
from passo.registry import unknown
from passo.store import check_name
from passo.training.config import TrainConfig, train_config
from passo.training.tasks import TASKS

RUNS = 100_000  # in a study, unless more are asked for: every one is a row, a folder and a training
MOST = 10_000_000  # … and whoever asks
SEARCHES = ("coarse_to_fine", "tpe", "successive_halving")
VARYING = ("grid", "zip", "random", *SEARCHES)


class StudyFile(Part):
    """A study, whole."""

    name: str
    title: str = ""
    description: str = ""
    metric: str = "test/accuracy"
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = (0,)
    base: dict[str, Any] = Field(default_factory=dict)
    record: dict[str, Any] = Field(default_factory=dict)
    runs: tuple[RunEntry, ...] = ()
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
    def configurations(self) -> tuple[RunEntry, ...]:
        """Each run of the file with each combination of what varies; a search begins from every one of them.

        A study that only searches begins from one that changes nothing, and whose name is empty.
        """
        varied = [*self.grid, *self.zip, *(self.random.keys if self.random else ())]
        if not varied:
            return self.runs or ((RunEntry(name=""),) if self.search else ())
        found, short = [], self.short
        entries = self.runs or (RunEntry(name=""),)
        points = list(combinations(self.grid, self.zip, self.random))
        for entry in entries:
            for point in points:
                name = named(point, short, entry.name)
                found.append(RunEntry.model_construct(name=name, **{**entry.changes, **point}))
        return tuple(found)

    @cached_property
    def short(self) -> dict[str, str]:
        """What each key that varies is called in the names of runs."""
        searched = [] if self.search is None else [*self.search.keys, "epochs"]
        return shortened(dict.fromkeys([*self.grid, *self.zip, *(self.random.keys if self.random else ()), *searched]))

    def proposed(self, entry: RunEntry, label: str, changes: Mapping[str, Any]) -> RunEntry:
        """The run that a search asks for, of one configuration."""
        name = named(changes, self.short, entry.name, label)
        return RunEntry.model_construct(name=name, **{**entry.changes, **changes})

    def settings(self, run: RunEntry, seed: int, suggestions: Mapping[str, float]) -> dict[str, Any]:
        """Everything that one run is asked to do; the first seed's run is watched as `record` says."""
        settings: dict[str, Any] = {}
        for source in (self.base, run.changes):
            for key, value in sorted(source.items(), key=lambda item: item[0].count(".")):  # a section, then its parts
                if "." in key:
                    lay(settings, key, value)
                else:
                    join(settings, key, value)
        settings["seed"] = seed
        if self.record and seed == self.seeds[0]:
            settings["record"] = self.record
        return {key: resolved(value, suggestions) for key, value in settings.items()}

    def training(self, run: RunEntry, seed: int, suggestions: Mapping[str, float]) -> TrainConfig:
        """The full configuration of one run."""
        return self._told(run, lambda: train_config(self.settings(run, seed, suggestions)))

    def trainings(
        self, runs: Iterable[RunEntry], suggestions: Mapping[str, float], seeds: Iterable[int] | None = None
    ) -> list[tuple[str, int, dict[str, Any]]]:
        """(name, seed, configuration as JSON keeps it) of each run and seed: as `training`, for thousands."""
        builder, found = self._builder, []
        seeds = self.seeds if seeds is None else tuple(seeds)
        for run in runs:
            for seed in seeds:
                made = self._told(run, lambda: builder.settings(self.settings(run, seed, suggestions)))  # noqa: B023
                found.append((run.name, seed, made))
        return found

    @cached_property
    def _builder(self) -> Builder:
        return Builder()

    @staticmethod
    def _told(run: RunEntry, build: Callable[[], Any]) -> Any:
        try:
            return build()
        except UsageError as error:
            raise ConfigError(f"run {quoted(run.name)}: {error}") from error

    def check(self, many: bool = False) -> None:
        """Build every configuration once, so that a mistake shows before anything runs."""
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds must be different and at least one, got {list(self.seeds)}")
        if not self.count:
            raise ConfigError("there is nothing to run: give at least one [[runs]] table, or a [grid]")
        self._check_count(many)
        self._check_varied()
        self._check_names()
        suggestions = {entry.name: 1e-3 for entry in self.ranges}
        runs = self.configurations
        if self.search is not None:
            corners = self.search.corners()
            runs = [self.proposed(entry, one.label, one.changes) for entry in runs for one in corners]
        try:
            self.trainings(runs, suggestions, self.seeds[:1])
        except UsageError:
            self._check_base()  # a mistake of all of them is told once, as what it is
            raise
        if not runs:
            self._check_base()
        for entry in (*self.ranges, *self.descents, *self.previews):
            self._check_part(entry)

    def _check_base(self) -> None:
        """What is wrong in the base alone; a key that it lacks may be one that every configuration brings."""
        try:
            train_config({**self.base, "seed": self.seeds[0]})
        except UsageError as error:
            raise ConfigError(f"base: {error}") from error

    def _check_count(self, many: bool) -> None:
        if self.count > MOST:
            raise ConfigError(f"a study makes at most {MOST:,} runs, and this one would make {self.count:,}")
        if self.count > RUNS and not many:
            raise ConfigError(
                f"a study makes at most {RUNS:,} runs unless you add --yes, and this one would make {self.count:,}"
            )

    def _check_varied(self) -> None:
        """Every key varies once, and one search is enough."""
        searches = [name for name in SEARCHES if getattr(self, name) is not None]
        if len(searches) > 1:
            raise ConfigError(f"a study has one search, and here are [{'] and ['.join(searches)}]")
        drawn = {} if self.random is None else self.random.keys
        searched = {} if self.search is None else self.search.keys
        check_once({"grid": self.grid, "zip": self.zip, "random": drawn, "".join(searches): searched})

    def _check_names(self) -> None:
        """The study and each of its runs are kept in a folder of their name, each run with its seed."""
        alone = [one.name for one in self.descents] + ["line-surface"] * (self.surface is not None)
        alone += [one.title for one in self.previews]
        varied = () if self.configurations[:1] == (RunEntry(name=""),) else self.configurations
        trained = [one.name for one in (*varied, *self.ranges)]
        for name, times in Counter([*trained, *alone]).items():
            if times > 1:
                raise ConfigError(f"run {quoted(name)} is there {times} times: every name is one folder")
        for kind, names in (("name", [self.name]), ("run", [*(one.name for one in self.runs), *trained, *alone])):
            for name in names:
                try:
                    check_name(name)
                except StoreError as error:
                    raise ConfigError(f"{kind} {quoted(name)}: {error}") from error
        doubled = {f"{name}-s{seed}" for name in trained for seed in self.seeds}.intersection(alone) if alone else ()
        if doubled:
            raise ConfigError(f"run {min(doubled)!r} is the folder of another run with its seed: rename it")

    def _check_part(self, entry: RangeEntry | DescentEntry | PreviewEntry) -> None:
        name = entry.title if isinstance(entry, PreviewEntry) else entry.name
        try:
            if isinstance(entry, RangeEntry):
                RangePlan(**{key: value for key, value in entry.settings.items() if key != "suggest"})
                check_rule(entry.suggest)
                train_config({**self.base, "optimizer": entry.optimizer, "schedule": None})
                return
            if isinstance(entry, DescentEntry):
                train_config({"model": "line", "optimizer": entry.optimizer, "schedule": entry.schedule})
            elif "name" not in entry.schedule:
                raise ConfigError("schedule.name is missing")
            else:
                options = {key: value for key, value in entry.schedule.items() if key != "name"}
                run = {"epochs": entry.epochs, "steps_per_epoch": entry.steps_per_epoch}
                check_schedule(entry.schedule["name"], options, **run)
        except UsageError as error:
            raise ConfigError(f"run {quoted(name)}: {error}") from error

    @property
    def count(self) -> int:
        """How many runs of every kind this study makes; with a search that may end early, at most."""
        varies = bool(self.grid or self.zip or self.random or self.search)
        configurations = max(len(self.runs), varies) * size(self.grid, self.zip, self.random)
        searched = 1 if self.search is None else self.search.count
        trained = (configurations * searched + len(self.ranges)) * len(self.seeds)
        return trained + len(self.descents) + len(self.previews) + (self.surface is not None)
