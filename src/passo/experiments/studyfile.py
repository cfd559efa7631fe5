"""Study files: TOML that says which runs a study makes. Every key is checked, and an error names key and line."""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from passo.errors import ConfigError, StoreError, UsageError
from passo.experiments.ranges import RangePlan
from passo.experiments.suggesting import check_rule
from passo.optim import check_schedule
from passo.registry import unknown
from passo.store import check_name
from passo.training.complaints import brief
from passo.training.config import TrainConfig, merge, parse_settings, sentence, train_config

# lr = "suggested by range-adam" is the mean suggestion of that range test; a factor may stand before it
SUGGESTED = re.compile(r"\s*(?:(\S+)\s*\*\s*)?suggested by\s+(\S+)\s*")
RUNS = 100_000  # in a study: every one is a row, a folder and a training
LENGTH = 1_000_000  # characters of a study file
DOTS = 1000  # in a key: tomllib's time grows with their square
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunEntry(_Part):
    """One configuration: what it changes against `base`. Any key of a training is allowed."""

    model_config = ConfigDict(frozen=True, extra="allow")
    name: str

    @property
    def changes(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class RangeEntry(_Part):
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


class DescentEntry(_Part):
    """A path of the model `line`: name, optimizer and (nested) schedule."""

    name: str
    optimizer: dict[str, Any]
    schedule: dict[str, Any] | None = None


class SurfaceEntry(_Part):
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


class PreviewEntry(_Part):
    """A schedule, drawn and not trained."""

    title: str
    lr: float = Field(default=0.1, gt=0, allow_inf_nan=False)
    epochs: int = Field(default=10, ge=1, le=10_000)
    steps_per_epoch: int = Field(default=20, ge=1, le=10_000)
    schedule: dict[str, Any]
    losses: list[float] | float | None = None


class StudyFile(_Part):
    """A study, whole."""

    name: str
    title: str = ""
    description: str = ""
    metric: str = "test/accuracy"
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = (0,)
    base: dict[str, Any] = Field(default_factory=dict)
    record: dict[str, Any] = Field(default_factory=dict)
    runs: tuple[RunEntry, ...] = ()
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
        return tuple(range(value))

    def training(self, run: RunEntry, seed: int, suggestions: Mapping[str, float]) -> TrainConfig:
        """The full configuration of one run; the first seed's run is watched as `record` says."""
        settings: dict[str, Any] = {}
        for source in (self.base, run.changes):
            for key, value in source.items():
                _join(settings, key, value)
        settings["seed"] = seed
        if self.record and seed == self.seeds[0]:
            settings["record"] = self.record
        try:
            return train_config(_resolved(settings, suggestions))
        except UsageError as error:
            raise ConfigError(f"run {run.name!r}: {error}") from error

    def check(self) -> None:
        """Build every configuration once, so that a mistake shows before anything runs."""
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds must be different and at least one, got {list(self.seeds)}")
        if not self.count:
            raise ConfigError("there is nothing to run: give at least one [[runs]] table")
        if self.count > RUNS:
            raise ConfigError(f"a study makes at most {RUNS:,} runs, and this one would make {self.count:,}")
        self._check_names()
        try:
            train_config({**self.base, "seed": self.seeds[0]})
        except UsageError as error:
            raise ConfigError(f"base: {error}") from error
        for run in self.runs:
            self.training(run, self.seeds[0], {entry.name: 1e-3 for entry in self.ranges})
        for entry in (*self.ranges, *self.descents, *self.previews):
            self._check_part(entry)

    def _check_names(self) -> None:
        """The study and each of its runs are kept in a folder of their name, each run with its seed."""
        alone = [one.name for one in self.descents] + ["line-surface"] * (self.surface is not None)
        alone += [one.title for one in self.previews]
        trained = [one.name for one in (*self.runs, *self.ranges)]
        for name, times in Counter([*trained, *alone]).items():
            if times > 1:
                raise ConfigError(f"run {_short(name)} is there {times} times: every name is one folder")
        for kind, names in (("name", [self.name]), ("run", [*trained, *alone])):
            for name in names:
                try:
                    check_name(name)
                except StoreError as error:
                    raise ConfigError(f"{kind} {_short(name)}: {error}") from error
        doubled = {f"{name}-s{seed}" for name in trained for seed in self.seeds}.intersection(alone)
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
            raise ConfigError(f"run {_short(name)}: {error}") from error

    @property
    def count(self) -> int:
        """How many runs of every kind this study makes."""
        trained = (len(self.runs) + len(self.ranges)) * len(self.seeds)
        return trained + len(self.descents) + len(self.previews) + (self.surface is not None)


def _join(settings: dict[str, Any], key: str, value: Any) -> None:
    """A section's options are joined to what is there, but a new name begins a new section."""
    old = settings.get(key)
    if isinstance(value, Mapping) and "name" not in value and isinstance(old, Mapping | str):
        settings[key] = {**({"name": old} if isinstance(old, str) else old), **value}
    else:
        settings[key] = value


def _resolved(value: Any, suggestions: Mapping[str, float]) -> Any:
    if isinstance(value, Mapping):
        return {key: _resolved(inner, suggestions) for key, inner in value.items()}
    found = SUGGESTED.fullmatch(value) if isinstance(value, str) else None
    if found:
        factor, name = found.groups()
        if name not in suggestions:
            raise unknown("range test", name, suggestions)
        return _factor(factor) * suggestions[name]
    return value


def _factor(text: str | None) -> float:
    """The number before "suggested by": 1 where none stands there."""
    try:
        factor = float(text or 1)
    except ValueError:
        factor = math.nan
    if not 0 < factor < math.inf:
        raise ConfigError(f'lr = "{_short(text)[1:-1]} * suggested by …" needs a number > 0 before the star')
    return factor


def _short(value: Any) -> str:
    """A value as an error quotes it."""
    told = repr(value)
    return told if len(told) <= 80 else f"{told[:78]}…{told[-1]}"


def shipped() -> dict[str, str]:
    """The studies in the package: name → text of the file."""
    folder = files("passo") / "studies"
    return {
        entry.name.removesuffix(".toml"): entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".toml")
    }


def read_study(name: str | Path, settings: Sequence[str] | Mapping[str, Any] = ()) -> StudyFile:
    """A study by its name or its file, with `key=value` settings laid over it."""
    path = Path(name)
    if path.suffix == ".toml":
        text, source = _text_of(path), str(path)
    else:
        known = shipped()
        if str(name) not in known:
            raise unknown("study", name, known)
        text, source = known[str(name)], f"study {name}"
    return parse_study(text, source, settings)


def _text_of(path: Path) -> str:
    """A file's text; a pipe would be waited for, and a device has no end."""
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"cannot read {path}: it is no regular file")
        with path.open(encoding="utf-8") as file:
            return file.read(LENGTH + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot read {path}: expected text in UTF-8; save the file in it") from error


def _parsed(text: str, source: str) -> dict[str, Any]:
    """TOML as a mapping; what would take tomllib for ever is refused before."""
    if len(text) > LENGTH:
        raise ConfigError(f"{source}: a study file has at most {LENGTH:,} characters")
    if any(part.count(".") > DOTS for part in re.split(r"[=,\n{}\[\]]", text)):
        raise ConfigError(f"{source}: a key has more than {DOTS:,} dots")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{source}: lists and tables are nested too deep") from None
    except ValueError as error:  # of TOML, and for a number of thousands of digits
        raise ConfigError(f"{source}: {' '.join(str(error).split())[:200]}") from error


def parse_study(text: str, source: str, settings: Sequence[str] | Mapping[str, Any] = ()) -> StudyFile:
    """A study from the text of its file; errors name the source, the line and the key."""
    values = _parsed(text, source)
    try:
        _lay_over(values, settings)
    except UsageError as error:
        raise ConfigError(f"{source}: {brief(str(error))}") from error
    try:
        study = StudyFile.model_validate(values)
    except ValidationError as error:
        where = error.errors()[0]["loc"]
        raise ConfigError(f"{source}, line {line_of(text, where)}: {sentence(error, StudyFile)}") from error
    try:
        study.check()
    except UsageError as error:
        raise ConfigError(f"{source}: {brief(_with_line(text, str(error)))}") from error
    return study


def _lay_over(values: dict[str, Any], settings: Sequence[str] | Mapping[str, Any]) -> None:
    nested = dict(settings) if isinstance(settings, Mapping) else parse_settings(settings)
    for key, value in nested.items():
        if key in StudyFile.model_fields:
            target, place = values, [key]
        elif key in TrainConfig.model_fields or key == "lr":
            target, place = values.setdefault("base", {}), [key]
            if not isinstance(target, dict):
                raise ConfigError(f"base must be a table of options, got {_short(target)}")
        else:
            known = [*StudyFile.model_fields, *TrainConfig.model_fields, "lr"]
            raise ConfigError(str(unknown("key", key, known)))
        if isinstance(value, Mapping) and isinstance(target.get(key), Mapping):
            target[key] = {**target[key], **value}
        elif isinstance(value, Mapping) and isinstance(target.get(key), str):
            target[key] = {"name": target[key], **value}
        else:
            merge(target, place, value)


def line_of(text: str, where: Sequence[Any]) -> int:
    """The line (from 1) on which a key stands, found by its table and its name; else that of its table."""
    wanted = [part for part in where if isinstance(part, str)] or [""]
    number = next((part for part in where if isinstance(part, int)), 0)
    table, index, begun = "", 0, 1
    for line, content in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\[?\s*([\w.-]+)\s*\]\]?", content)
        if header:
            index = index + 1 if header.group(1) == table else 0
            table = header.group(1)
        inside = (len(wanted) == 1 and not table) or (wanted[0] == table.split(".")[0] and index == number)
        if inside and header:
            begun = line
        if inside and re.search(rf"(^|[\s{{,]){re.escape(wanted[-1])}\s*=", content):
            return line
    return begun


def _with_line(text: str, message: str) -> str:
    """Add the line of the run, or of the key in `base`, that a message is about."""
    if message.startswith("base: "):
        key = re.search(r"unknown key '([\w.-]+)'", message) or re.match(r"base: (\w+)", message)
        return f"line {line_of(text, ('base', key[1] if key else 'base'))}: {message}"
    named = re.match(r"run '([^']+)'", message)
    if named:
        for line, content in enumerate(text.splitlines(), start=1):
            if re.match(rf"\s*(?:name|title)\s*=\s*[\"']{re.escape(named.group(1))}[\"']", content):
                return f"line {line}: {message}"
    return message
