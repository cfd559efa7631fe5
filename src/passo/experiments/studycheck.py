"""The check of a study file: every configuration is built once, so that a mistake shows before anything runs."""

from __future__ import annotations

from collections import Counter

from passo.errors import ConfigError, StoreError, UsageError
from passo.experiments.laying import quoted
from passo.experiments.ranges import RangePlan
from passo.experiments.studyform import RUNS, SEARCHES, StudyFile
from passo.experiments.studyparts import DescentEntry, PreviewEntry, RangeEntry
from passo.experiments.suggesting import check_rule
from passo.experiments.varying import check_once
from passo.optim import check_schedule
from passo.store import check_name
from passo.training.config import train_config

MOST = 10_000_000  # runs of a study, whoever asks


def check(file: StudyFile, many: bool = False) -> None:
    """Build every configuration once, so that a mistake shows before anything runs."""
    if not file.seeds or len(set(file.seeds)) < len(file.seeds):
        raise ConfigError(f"seeds must be different and at least one, got {list(file.seeds)}")
    if not file.count:
        raise ConfigError("there is nothing to run: give at least one [[runs]] table, or a [grid]")
    _count(file, many)
    _varied(file)
    _names(file)
    if file.pair is not None:
        file.pair.check()
    suggestions = {entry.name: 1e-3 for entry in file.ranges}
    runs = file.configurations
    if file.search is not None:
        corners = file.search.corners()
        runs = [file.proposed(entry, one.label, one.changes) for entry in runs for one in corners]
    try:  # what is optional is left out where it cannot be, and that is said
        file.trainings([run for run in runs if not run.entry.optional], suggestions, file.seeds[:1])
    except UsageError:
        _base(file)  # a mistake of all of them is told once, as what it is
        raise
    if not runs:
        _base(file)
    for entry in (*file.ranges, *file.descents, *file.previews):
        _part(file, entry)


def _base(file: StudyFile) -> None:
    """What is wrong in the base alone; a key that it lacks may be one that every configuration brings."""
    try:
        train_config(file.of_seed({**file.base, "seed": file.seeds[0]}, file.seeds[0]))
    except UsageError as error:
        raise ConfigError(f"base: {error}") from error


def _count(file: StudyFile, many: bool) -> None:
    if file.count > MOST:
        raise ConfigError(f"a study makes at most {MOST:,} runs, and this one would make {file.count:,}")
    if file.count > RUNS and not many:
        raise ConfigError(
            f"a study makes at most {RUNS:,} runs unless you add --yes, and this one would make {file.count:,}"
        )


def _varied(file: StudyFile) -> None:
    """Every key varies once, and one search is enough."""
    searches = [name for name in SEARCHES if getattr(file, name) is not None]
    if len(searches) > 1:
        raise ConfigError(f"a study has one search, and here are [{'] and ['.join(searches)}]")
    drawn = {} if file.random is None else file.random.keys
    searched = {} if file.search is None else file.search.keys
    check_once({"grid": file.grid, "zip": file.zip, "random": drawn, "".join(searches): searched})


def _names(file: StudyFile) -> None:
    """The study and each of its runs are kept in a folder of their name, each run with its seed."""
    alone = [one.name for one in file.descents] + ["line-surface"] * (file.surface is not None)
    alone += [one.title for one in file.previews]
    varied = () if [one.name for one in file.configurations[:1]] == [""] else file.configurations
    trained = [one.name for one in (*varied, *file.ranges)]
    for name, times in Counter([*trained, *alone]).items():
        if times > 1:
            raise ConfigError(f"run {quoted(name)} is there {times} times: every name is one folder")
    for kind, names in (("name", [file.name]), ("run", [*(one.name for one in file.runs), *trained, *alone])):
        for name in names:
            try:
                check_name(name)
            except StoreError as error:
                raise ConfigError(f"{kind} {quoted(name)}: {error}") from error
    doubled = {f"{name}-s{seed}" for name in trained for seed in file.seeds}.intersection(alone) if alone else ()
    if doubled:
        raise ConfigError(f"run {min(doubled)!r} is the folder of another run with its seed: rename it")


def _part(file: StudyFile, entry: RangeEntry | DescentEntry | PreviewEntry) -> None:
    name = entry.title if isinstance(entry, PreviewEntry) else entry.name
    try:
        if isinstance(entry, RangeEntry):
            RangePlan(**{key: value for key, value in entry.settings.items() if key != "suggest"})
            check_rule(entry.suggest)
            train_config({**file.base, "optimizer": entry.optimizer, "schedule": None})
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
