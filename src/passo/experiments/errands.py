"""What is sent to a worker of a cluster, and what it does with it: train, and send home what is to be written."""

from __future__ import annotations

import platform
import signal
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from passo.data import Data
from passo.experiments.fusing import OnTheWay, fused
from passo.experiments.members import OfSeeds
from passo.experiments.pending import PENDING, Ended, place, trained
from passo.experiments.sink import Draft
from passo.experiments.stages import Task
from passo.models import own_file
from passo.training import TrainConfig, keep_memory

SIGN = "sign"  # a file in the study: a worker that reads the right word there sees the folder

# what each run did (None: it is to run alone); files of a run that was alone; what went wrong with a group
Answer = tuple[dict[str, Draft | Ended | None], dict[str, bytes] | None, str]


@dataclass(frozen=True)
class Errand:
    """What is sent to a worker: trainings; where the study is, and how to know that this is it; whose machine it is."""

    tasks: tuple[Task, ...]
    wanted: tuple[str, ...]  # the runs that are still to be written
    study: Path
    sign: str
    host: str
    own: bool  # the model is a file's, which the person at the keyboard named

    def seen(self) -> bool:
        """Whether the study's folder is to be reached from here."""
        try:
            return (self.study / PENDING / SIGN).read_text() == self.sign
        except OSError:
            return False


def work(errand: Errand, data: OfSeeds) -> Answer:
    """What a worker does: train, on one thread. What each run did, files of a run that was alone, what went wrong."""
    torch.set_num_threads(1)
    keep_memory()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # how Ray cancels; a worker may be born deaf to it
    if errand.own:
        own_file.allow(errand.tasks[0].settings["model"]["name"])
    if len(errand.tasks) == 1:
        return _alone(errand, data)
    try:
        steps = list(fused(errand.study if errand.seen() else None, errand.tasks, data, 1, errand.wanted))
    except Exception as error:  # each runs alone then, and says what is wrong with it
        return {}, None, f"{type(error).__name__}: {error}"
    return {step[0].run_id: step[1] for step in steps if not isinstance(step, OnTheWay)}, None, ""


def _alone(errand: Errand, data: OfSeeds) -> Answer:
    """One training: in the study's folder on the study's machine (a database is no file for two), else sent home."""
    (task,) = errand.tasks
    config = TrainConfig.model_validate(task.settings)
    data = data if isinstance(data, Data) else data[config.seed]
    if errand.host == platform.node() and errand.seen():
        return {task.run_id: trained(config, task.name, data, place(errand.study, task.run_id))}, None, ""
    with TemporaryDirectory(ignore_cleanup_errors=True) as here:
        folder = Path(here) / "run"
        ended = trained(config, task.name, data, folder)
        files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        return {task.run_id: ended}, files, ""
