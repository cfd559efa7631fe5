"""A study goes on with more than it had: whether its folder and its file agree.

More seeds, more runs, more values of a grid: whatever is there stays, and what is not there yet is run. They agree
where the base is the same, and every run that is there was asked to do what its name stands for now.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from passo.errors import StoreError, UsageError
from passo.experiments.laying import quoted
from passo.experiments.pending import place
from passo.experiments.stages import LOOKS, Task, stages
from passo.experiments.studyform import StudyFile
from passo.store import Store, StoredStudy, open_study
from passo.store.folder import reading_of
from passo.training import TrainConfig, train_config

AT_ITS_END = ("done", "diverged")  # a run that failed is begun anew, and may be asked for something else
NONE = object()  # for a key that one side lacks
STAND_IN = 1e-3  # for what a range test suggests that is not there yet


def contradiction(file: StudyFile, data: Mapping[str, Any], there: StoredStudy) -> str | None:
    """What a folder holds that the study's file does not go on from, after "FOLDER …"; None where they agree.

    `data` are the facts about the data that the study would be run on.
    """
    if there.name != file.name:
        return f"holds another study ({there.name}; this one is {file.name})"
    base = there.config.get("base")
    if told := _differs(_filled(base if isinstance(base, dict) else {}), _filled(file.base)):
        return f"holds the study {there.name} on another base: {told}"
    known = there.facts.get("data")
    if isinstance(known, dict) and known.get("sha256") != _plain(data).get("sha256"):
        return f"holds the study {there.name} on other data: the files of {data.get('name')} have changed since"
    for task, asked in _held(file, there):
        now = _plain(task.settings)
        if asked != now and (told := _differs(_asked(task.kind, asked), now)):
            return f"holds the run {task.run_id} with other settings: {told}"
    return None


def former(study: Store, part_of: Collection[str]) -> list[str]:
    """The runs in a study's folder that are part of the study no more: its file named them once."""
    return [run for (run,) in study.read("SELECT id FROM runs ORDER BY started, rowid") if run not in part_of]


def seconds_before(study: Store) -> float:
    """What earlier commands took of a study that goes on."""
    rows = study.read("SELECT value FROM study WHERE key='seconds'")
    seconds = json.loads(rows[0][0]) if rows else None
    return float(seconds) if isinstance(seconds, float) else 0.0


class Looking:
    """A study's folder as `stages` wants it, where nothing is written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, sql: str, arguments: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with reading_of(self.folder) as connection:
            return connection.execute(sql, arguments).fetchall()

    def facts(self, **facts: Any) -> None:
        pass


def _held(file: StudyFile, there: StoredStudy) -> Iterator[tuple[Task, dict[str, Any]]]:
    """Each task that the folder holds a run of, or a beginning, and what that one was asked to do.

    The rounds of a search after the first that is not whole depend on what is not there yet.
    """
    ended = {run.id: run.config for run in there.runs if run.status in AT_ITS_END}
    for stage in stages(file, Looking(there.folder), STAND_IN):
        for task in stage:
            if task.kind in LOOKS:
                continue
            asked = ended.get(task.run_id) or _begun(there.folder, task)
            if asked is not None:
                yield task, asked
        if file.search and any(task.kind == "train" and task.run_id not in ended for task in stage):
            return


def _begun(folder: Path, task: Task) -> dict[str, Any] | None:
    """The settings of a training that was interrupted and waits in the folder to go on."""
    if task.kind != "train" or not place(folder, task.run_id).is_dir():
        return None
    try:
        begun = open_study(place(folder, task.run_id))
    except StoreError:  # it will be begun anew, as one that failed and is asked for something else
        return None
    return begun.config if begun.status == "interrupted" else None


def _asked(kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    """A run's settings as they would be written down today: another version may have had fewer keys."""
    try:
        if kind == "train":
            return TrainConfig.model_validate(settings).model_dump(mode="json")
        if kind == "lr_range":
            return {**settings, "training": _asked("train", settings["training"])}
    except (ValueError, UsageError, KeyError):  # what cannot be understood is compared as it is
        pass
    return settings


def _filled(base: dict[str, Any]) -> dict[str, Any]:
    """A base with its defaults; as it is where it makes no training alone."""
    try:
        return train_config(base).model_dump(mode="json")
    except UsageError:
        return _plain(base)


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping as JSON keeps it."""
    return json.loads(json.dumps(value))


def _differs(there: Mapping[str, Any], now: Mapping[str, Any], most: int = 3) -> str:
    """In what two nested settings differ, in words; nothing where they are the same."""
    if there == now:
        return ""
    one, other = dict(_leaves(there)), dict(_leaves(now))
    keys = [key for key in {**one, **other} if one.get(key, NONE) != other.get(key, NONE)]
    told = [f"{key} was {_told(one, key)} and is {_told(other, key)}" for key in keys[:most]]
    return ", ".join(told) + (f" and {len(keys) - most} more" if len(keys) > most else "")


def _told(settings: Mapping[str, Any], key: str) -> str:
    return quoted(settings[key]) if key in settings else "not there"


def _leaves(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Each key with dots, and its value."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value
