"""What is measured of trained models after their training: how robust they are, and what is to be seen inside."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from passo import store
from passo.errors import PassoError, StoreError
from passo.experiments.executors import here, processes
from passo.experiments.fusing import OnTheWay
from passo.experiments.robustness_runs import robustness_run
from passo.experiments.seeing import see
from passo.experiments.sink import Draft
from passo.experiments.stages import LOOKS, Task


def stale(study: store.Store, stage: Sequence[Task]) -> None:
    """Drop what was measured of other seeds, or otherwise, than is asked for now: it is measured again."""
    for task in stage:
        if task.kind in LOOKS:
            rows = study.read("SELECT config FROM runs WHERE id=?", (task.run_id,))
            if rows and json.loads(rows[0][0]) != json.loads(json.dumps(task.settings)):
                study.drop(task.run_id)


def looked(tasks: Sequence[Task], folder: Path, jobs: int) -> Iterator[OnTheWay | tuple[Task, Draft]]:
    """All of them: robustness of all models at once, then what is inside each, `jobs` at a time."""
    yield from _robustness([task for task in tasks if task.kind == "robustness"], folder)
    seeing = [task for task in tasks if task.kind == "seeing"]
    work = partial(_seen, folder)
    side = min(jobs, len(seeing))
    yield from processes(work, seeing, side, _lost) if side > 1 else here(work, seeing)


def _robustness(tasks: Sequence[Task], folder: Path) -> Iterator[OnTheWay | tuple[Task, Draft]]:
    """Those that are asked for the same images and strengths are shown each of them once."""
    there = store.open_study(folder) if tasks else None
    alike: dict[str, list[Task]] = {}
    for task in tasks:
        asked = {key: task.settings[key] for key in ("images", "strengths", "seed")}
        alike.setdefault(json.dumps(asked, sort_keys=True), []).append(task)
    for several in alike.values():
        yield from _measured(several, there)


def _measured(tasks: Sequence[Task], there: store.StoredStudy | None) -> Iterator[OnTheWay | tuple[Task, Draft]]:
    assert there is not None
    named, asked = {task.settings["of"]: task for task in tasks}, tasks[0].settings
    runs = {name: trained for name, task in named.items() if (trained := _trained(there, task))}
    for name in named.keys() - runs.keys():
        yield named[name], failed(f"no run of {name} is done")
    try:
        for step in robustness_run(runs, asked["strengths"] or None, asked["images"], asked["seed"]) if runs else ():
            if not isinstance(step, tuple):
                told = f"robustness: {step:.0%} of the changed images are shown to {len(runs)} kinds of models"
                yield OnTheWay([named[name] for name in runs], step * len(runs), told)
            else:
                name, draft = step
                yield named[name], draft
    except PassoError as error:
        yield from ((named[name], failed(str(error))) for name in runs)


def _trained(there: store.StoredStudy, task: Task) -> list[store.StoredRun]:
    """The runs of a configuration that are done."""
    return [run for run in there.select(task.settings["of"]) if run.status == "done"]


def _seen(folder: Path, task: Task) -> Draft:
    try:
        runs = _trained(store.open_study(folder), task)
        if not runs:
            raise StoreError(f"no run of {task.settings['of']} is done")
        return see(runs[0], task.settings)
    except PassoError as error:
        return failed(str(error))
    except Exception as error:  # whatever it is, the other runs go on
        return failed(f"{type(error).__name__}: {error}")


def _lost(task: Task, how: str) -> Draft:
    return failed(f"its process {how}")


def failed(why: str) -> Draft:
    """A run that wrote nothing, and why."""
    draft = Draft()
    draft.finish("failed", why)
    return draft
