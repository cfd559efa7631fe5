"""What pages ask the warm process about studies, and how long a study or a training takes."""

from __future__ import annotations

import functools
import math
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from passo.cli.work_new import offered
from passo.errors import Diverged, TrainingError

if TYPE_CHECKING:
    from passo.data import Data
    from passo.training import TrainConfig

BEGUN = "import passo.cli.training, passo.experiments.single"  # what a process imports before it trains


@functools.cache
def studies() -> list[dict[str, Any]]:
    """The studies of the package: name, description, number of runs, and whether it has a quick form."""
    from passo.experiments import read_study, shipped

    return [
        {"name": name, "about": file.description, "runs": file.count, "quick": bool(file.quick)}
        for name in shipped()
        for file in [read_study(name)]
    ]


def study(name: str, settings: list[str], quick: bool) -> dict[str, Any]:
    """What a study would run: description, runs, seeds, base, and names of its runs."""
    from passo.cli.planned import typed
    from passo.experiments import study as begin
    from passo.experiments.stages import first_trainings

    file = begin(name, settings, quick=quick).file
    for task in first_trainings(file):
        offered(task.settings["dataset"]["name"], task.settings["model"]["name"])
    names = [run.name for run in file.configurations if run.name]
    return {
        "name": file.name,
        "title": file.title,
        "about": file.description,
        "runs": file.count,
        "seeds": list(file.seeds),
        "base": typed(file.base) if file.base else "",
        "names": names[:200],
        "configurations": len(names),
        "quick": bool(file.quick),
    }


def study_estimated(name: str, settings: list[str], quick: bool) -> dict[str, Any]:
    """Seconds of a study's trainings, so many at a time as this machine takes, judged by some of its groups.

    "start" are those until the first training begins: of the command, then of the processes that it starts, side by
    side, each with its data.
    """
    from passo.cli.planned import jobs_for, seconds_each, threads_for
    from passo.experiments import study as begin
    from passo.experiments.estimating import estimates
    from passo.experiments.grouping import groups
    from passo.experiments.stages import first_trainings
    from passo.training import TrainConfig

    file = begin(name, settings, quick=quick).file
    found = groups(first_trainings(file))[:4]
    runs = len(file.seeds) * sum(map(len, groups(first_trainings(file))))
    measured = estimates(found, threads=threads_for(runs)) if found else []
    pairs = zip(found, measured, strict=True)
    known = [(len(group), seconds_each(group, one)) for group, one in pairs if one is not None]
    jobs = jobs_for(max(1, runs))
    if not known:
        return {"seconds": None, "runs": runs, "jobs": jobs}
    mean = sum(count * each for count, each in known) / sum(count for count, _ in known)
    start = 2 * starting() + _loaded(TrainConfig.model_validate({**found[0][0].settings, "record": {}}))[1]
    return {"seconds": runs * mean / jobs, "start": start, "runs": runs, "jobs": jobs}


def estimated(words: list[str]) -> dict[str, Any]:
    """Seconds, steps and bytes of a training, from a few real steps of it; "start" are the seconds before its first."""
    from passo.cli.training import configuration
    from passo.experiments.estimating import estimate

    config = configuration(words)
    data, load = _loaded(config)
    try:
        found = estimate(config, data)
    except Diverged as error:
        raise TrainingError(f"it diverges at once: {error}") from error
    size = len(data.train) if config.batch_size == "all" else int(config.batch_size)
    steps = config.epochs * math.ceil(math.ceil(len(data.train) / size) / config.accumulate)
    return {"seconds": found.seconds, "start": starting() + load, "bytes": found.bytes, "steps": steps}


@functools.cache
def starting() -> float:
    """Seconds that a process takes before it can train, torch's import above all: those of one that does no more."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", BEGUN], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
    return time.perf_counter() - begun


def _loaded(config: TrainConfig) -> tuple[Data, float]:
    """The data of a training, and the seconds that it took to open them."""
    from passo.experiments.assembling import load_data

    begun = time.perf_counter()
    data = load_data(config)
    return data, time.perf_counter() - begun


TASKS: dict[str, Callable[..., Any]] = {
    "studies": studies,
    "study": study,
    "estimated": estimated,
    "study_estimated": study_estimated,
}
