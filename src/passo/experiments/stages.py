"""What a study runs, stage after stage: a stage may depend on what the ones before it gave."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from passo import store
from passo.data import Data
from passo.data.confusing import most_confused
from passo.errors import ConfigError, require
from passo.experiments.assembling import task_of
from passo.experiments.laying import confused
from passo.experiments.searching import Search, Verdict
from passo.experiments.studyform import StudyFile
from passo.experiments.studyruns import Configuration
from passo.models import own_file
from passo.training import train_config

LOOKS = ("robustness", "seeing")
"""Kinds of runs that are made of trained ones, and made again where there are others of these."""


@dataclass(frozen=True)
class Task:
    """One run of a study, small enough to send to a worker. `settings` is a mapping that JSON can hold."""

    kind: str
    name: str
    seed: int | None
    settings: dict[str, Any] = field(hash=False)

    @property
    def run_id(self) -> str:
        return self.name if self.seed is None else f"{self.name}-s{self.seed}"


class Study(Protocol):
    """A study's folder: one that is written, `store.Store`, or one that is looked at."""

    folder: Path

    def read(self, sql: str, arguments: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]: ...

    def facts(self, **facts: Any) -> None: ...


def stages(file: StudyFile, study: Study, stand_in: float | None = None) -> Iterator[list[Task]]:
    """First what needs nothing; then the trainings, which may need what the range tests suggest, and of a search each
    round when the one before it has ended, and last the trainings on classes that others confuse: the next list is
    asked for when every run of the last is in the study.

    A study keeps to the rates that its first trainings had (its fact `suggestions`), though seeds are added and their
    range tests suggest others. `stand_in` is what a range test suggests that is not there.
    """
    suggestions = _kept_suggestions(study)
    yield [*_previews(file), *_descents(file), *_ranges(file)]
    for entry in file.ranges:
        if entry.name not in suggestions:
            suggestions[entry.name] = _suggestion(study.folder, entry.name, stand_in)
    if suggestions:
        study.facts(suggestions=suggestions)
    if file.search is None:
        yield from _in_turn(file, suggestions, study)
    else:
        yield from _searching(file, file.search, suggestions, study)
    if looks := _looks(file):
        yield looks


def _in_turn(file: StudyFile, found: dict[str, Any], study: Study) -> Iterator[list[Task]]:
    """The trainings; those on the classes that others confuse when these others are there."""
    waiting = {one.name: asked for one in file.configurations if (asked := _waits_for(one))}
    yield _trainings(file, [one for one in file.configurations if one.name not in waiting], found)
    if not waiting:
        return
    for asked in sorted(set().union(*waiting.values()) - set(found)):
        count, by = confused(asked) or (0, "")
        counts = _confusion(study.folder, [one.name for one in file.configurations if one.entry.name == by])
        if counts is None:
            return  # they are not there, or failed
        found[asked] = most_confused(counts, count)
    study.facts(suggestions=found)
    yield _trainings(file, [one for one in file.configurations if one.name in waiting], found)


def _looks(file: StudyFile) -> list[Task]:
    """What is measured of the trained models, of all seeds of a configuration at once; or of its first seed."""
    tasks = []
    for kind, part in zip(LOOKS, (file.robustness, file.seeing), strict=True):
        if part is None:
            continue
        asked = part.model_dump(mode="json", exclude={"runs"})
        for one in file.configurations:
            if one.entry.name in part.runs:
                seeds = list(file.seeds[: one.entry.seeds])
                settings = {"of": one.name, "model": one.label, "seeds": seeds, **asked}
                tasks.append(Task(kind, f"{kind}-{one.name}", None, settings))
    return tasks


def _waits_for(run: Configuration) -> set[str]:
    """The classes that a configuration asks of other runs."""
    values = [value for key, value in run.changes.items() if key.startswith("dataset")]
    inside = [one for value in values for one in (value.values() if isinstance(value, Mapping) else [value])]
    return {value for value in inside if confused(value) is not None}


def _confusion(folder: Path, names: Sequence[str]) -> np.ndarray | None:
    """What all runs of these configurations took for what, (C, C), a row for each true class; None without any."""
    there = store.open_study(folder)
    runs = [run for name in names for run in there.select(name) if run.status == "done"]
    told = [run for run in runs if "test/probabilities" in run.arrays()]
    if not told:
        return None
    classes = told[0].array("test/probabilities").shape[1]
    counts = np.zeros((classes, classes), np.int64)
    for run in told:
        np.add.at(counts, (run.array("test/labels"), run.array("test/probabilities").argmax(1)), 1)
    return counts


def first_trainings(file: StudyFile) -> list[Task]:
    """The trainings that a study begins with, for its first seed: all of them, or a search's first round.

    What range tests will suggest is not known yet: 1e-3 stands for it.
    """
    suggestions = {entry.name: 1e-3 for entry in file.ranges}
    if file.search is None:
        return _trainings(file, file.configurations, suggestions, file.seeds[:1])
    runs = []
    for entry in file.configurations:
        walk = file.search.walk(entry.name)
        runs += [file.proposed(entry, one.label, one.changes) for one in next(walk)]
        walk.close()
    return _trainings(file, runs, suggestions, file.seeds[:1])


def check_search(file: StudyFile, data: Data) -> None:
    """Raise where a study cannot run here: its model is a file that the command did not name; an extra that its search
    or its `[seeing]` takes is missing, or the search's metric is none of this task's, or of no data."""
    for name in _own_models(file):
        if not own_file.allowed(name):
            raise ConfigError(
                f"model {name} is a file, and passo runs a file only when the command itself names it: add "
                f"--set model.name={name} if you trust it"
            )
    for module in ("threadpoolctl", "sklearn.manifold", "captum.attr") if file.seeing is not None else ():
        require(module, "explain")  # looked for now, not when all trainings are done
    if file.search is None:
        return
    if file.tpe is not None:
        require("optuna", "search")
    base = {key: value for key, value in file.base.items() if key in ("model", "task")}
    task = task_of(train_config({**base, "dataset": file.dataset().dataset}), data)
    known = ["train/loss", "epoch/train_loss"]
    if data.validation is not None:
        known += ["validation/loss", *(f"validation/{name}" for name in task.metrics)]
    if file.search.metric not in known:
        raise ConfigError(f"the search's metric must be one of {', '.join(known)} here, got {file.search.metric!r}")


def _own_models(file: StudyFile) -> list[str]:
    """The models of a study that are functions in files of somebody's own."""
    given = [file.base.get("model"), *(run.changes.get(key) for run in file.runs for key in ("model", "model.name"))]
    given += [value for key in ("model", "model.name") for value in (*file.grid.get(key, ()), *file.zip.get(key, ()))]
    names = (one.get("name") if isinstance(one, Mapping) else one for one in given)
    return [name for name in dict.fromkeys(map(str, names)) if own_file.is_own(name)]


def _searching(file: StudyFile, search: Search, suggestions: Mapping[str, Any], study: Study) -> Iterator[list[Task]]:
    """A search from each configuration, side by side; a stage is the next round of every one of them."""
    begun = [(entry, search.walk(entry.name)) for entry in file.configurations]
    asked = {number: next(walk) for number, (_, walk) in enumerate(begun)}
    ended: dict[int, dict[str, Any]] = {}
    while asked:
        runs = {n: [file.proposed(begun[n][0], one.label, one.changes) for one in asked[n]] for n in asked}
        yield _trainings(file, [run for round_ in runs.values() for run in round_], suggestions)
        for number, round_ in runs.items():
            entry, walk = begun[number]
            scores = [[score(study, f"{run.name}-s{seed}", search.metric) for seed in file.seeds] for run in round_]
            try:
                asked[number] = walk.send(scores)
            except StopIteration as end:
                ended[number] = _told(file, search, entry, end.value)
                del asked[number]
        study.facts(search=[ended[number] for number in sorted(ended)])


def score(study: Study, run_id: str, metric: str) -> float:
    """The last value of a metric of a run; NaN where it is not there, or the run did not reach its end."""
    rows = study.read(
        "SELECT value FROM metrics JOIN runs ON runs.id = metrics.run AND runs.status = 'done' "
        "WHERE run=? AND metrics.name=? ORDER BY step DESC LIMIT 1",
        (run_id, metric),
    )
    return math.nan if not rows or rows[0][0] is None else float(rows[0][0])


def _told(file: StudyFile, search: Search, entry: Configuration, verdict: Verdict) -> dict[str, Any]:
    """What a search came to, as the study keeps it."""
    found: dict[str, Any] = {"from": entry.name, "metric": search.metric, "why": verdict.why, "best": None}
    if verdict.best is not None:
        run = file.proposed(entry, verdict.best.label, verdict.best.changes)
        found |= {"best": run.name, "changes": dict(verdict.best.changes), "value": verdict.value}
    return {**found, "edges": list(verdict.edges), "rounds": [dict(one) for one in verdict.rounds]}


def _trainings(
    file: StudyFile,
    runs: Iterable[Configuration],
    suggestions: Mapping[str, Any],
    seeds: Sequence[int] | None = None,
) -> list[Task]:
    """A task for each run and seed."""
    return [Task("train", name, seed, settings) for name, seed, settings in file.trainings(runs, suggestions, seeds)]


def _previews(file: StudyFile) -> list[Task]:
    return [Task("schedule", entry.title, None, entry.model_dump(mode="json")) for entry in file.previews]


def _descents(file: StudyFile) -> list[Task]:
    if file.surface is None:
        return []
    dataset = file.dataset().dataset
    shared = {"surface": file.surface.model_dump(mode="json"), "dataset": dataset.model_dump(mode="json")}
    tasks = [Task("surface", "line-surface", None, shared)]
    for entry in file.descents:
        tasks.append(Task("descent", entry.name, None, {**shared, **entry.model_dump(mode="json")}))
    return tasks


def _ranges(file: StudyFile) -> list[Task]:
    tasks = []
    for entry in file.ranges:
        base = {**file.base, "optimizer": entry.optimizer, "schedule": None}
        for seed in file.seeds:
            config = train_config({**base, "seed": seed}).model_dump(mode="json")
            tasks.append(Task("lr_range", entry.name, seed, {"training": config, **entry.settings}))
    return tasks


def _kept_suggestions(study: Study) -> dict[str, Any]:
    """What range tests suggested to the trainings that are there; where no fact says so, those tests do."""
    rows = study.read("SELECT value FROM study WHERE key='suggestions'")
    if rows:
        kept = json.loads(rows[0][0])
        return {name: one for name, one in kept.items() if _is_found(one)} if isinstance(kept, dict) else {}
    if not study.read("SELECT 1 FROM runs WHERE kind='train' AND status IN ('done', 'diverged') LIMIT 1"):
        return {}
    tests = study.read("SELECT DISTINCT name FROM runs WHERE kind='lr_range' AND status='done'")
    return {name: _suggestion(study.folder, name) for (name,) in tests}


def _is_found(value: Any) -> bool:
    """A rate, or classes by their numbers."""
    return isinstance(value, float) or (isinstance(value, list) and all(isinstance(one, int) for one in value))


def _suggestion(folder: Path, name: str, stand_in: float | None = None) -> float:
    """The geometric mean over seeds of what a range test suggests: rates are compared on a log axis."""
    found = [run.info["suggestion"] for run in store.open_study(folder).select(name, kind="lr_range")]
    if found:
        return statistics.geometric_mean(found)
    if stand_in is None:
        raise ConfigError(f"range test {name!r} gave no suggestion: see its error with `passo runs show {folder}`")
    return stand_in
