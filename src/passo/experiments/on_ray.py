"""Trainings on a Ray cluster: a task for it is a group of replicas, or one training that no other is like.

A worker may share no disk with this process. It is sent its task, and the data, which travel once for all; it sends
home what is to be written, and this process, the study's one writer, writes it. A worker that sees the study's folder
keeps the state of what it trains there, so that another one goes on after it is lost; else its task is begun anew.
"""

from __future__ import annotations

import json
import math
import platform
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from passo.data import Data
from passo.experiments.eligible import eligible, rectangles
from passo.experiments.errands import SIGN, Answer, Errand, work
from passo.experiments.executors import GRACE
from passo.experiments.fusing import OnTheWay, forget, kept_at
from passo.experiments.members import of_seeds
from passo.experiments.pending import PENDING, Ended, discard, place
from passo.experiments.sink import Draft
from passo.experiments.stages import Task
from passo.experiments.stems import replicas
from passo.experiments.together import Facts, facts_named
from passo.models import own_file
from passo.store import Store
from passo.training import TrainConfig

TRIES = 3  # workers that a task may have, one after another is lost
LEAST = 8  # replicas of a group that is cut so that every processor has one

Loading = Callable[[TrainConfig], Data]


@dataclass
class _Job:
    """Trainings that go to one worker, those of them that are still to be written, and how workers were lost."""

    tasks: Sequence[Task]
    left: Sequence[Task]
    lost: list[str] = field(default_factory=list)


def on_ray(
    ray: Any,
    tasks: Sequence[Task],
    stage: Sequence[Task],
    folder: Path,
    loading: Loading,
    study: Store,
    jobs: int | None,
) -> Iterator[OnTheWay | tuple[Task, Draft | Ended]]:
    """Train `tasks`, those that are left of `stage`, on the cluster that `ray` is connected to; yields each as it ends.

    `jobs` at a time; default: all that the cluster takes. What a worker that was lost had is tried again, `TRIES` times
    in all; then its runs have failed. A replica that diverged, and all of a group that could not be trained, run alone.
    """
    if not tasks:
        return
    told = _Told(study)
    processors = jobs or max(1, int(ray.cluster_resources().get("CPU", 1)))
    with _signed(folder) as sign:
        waiting = deque([*_begun(tasks, stage, folder, told)])
        together = {task.run_id for job in waiting for task in job.left}
        rest = [task for task in tasks if task.run_id not in together]
        waiting.extend(_jobs(rest, loading, processors, told))
        how = f"{len(tasks):,} trainings, as tasks for the cluster: {len(waiting):,}; its processors: {processors:,}"
        yield OnTheWay(tasks, 0.0, how, chosen=True)
        for job, answer in _walk(ray, waiting, _Sender(ray, folder, sign, loading), jobs or math.inf):
            for task, ended in _ended(job, answer, folder, told):
                if ended is None:
                    waiting.append(_Job([task], [task]))
                else:
                    yield task, ended
            if not isinstance(answer, str):
                forget(folder, job.tasks)
            elif len(job.lost) < TRIES:
                waiting.appendleft(job)


def _walk(
    ray: Any, waiting: deque[_Job], send: Callable[[_Job], Any], room: float
) -> Iterator[tuple[_Job, Answer | str]]:
    """Each job that waits, when it is done or lost; at most `room` at a time. Meanwhile others may be put there."""
    under: dict[Any, _Job] = {}
    try:
        while waiting or under:
            while waiting and len(under) < room:
                job = waiting.popleft()
                under[send(job)] = job
            ready, _ = ray.wait(list(under), timeout=1.0)
            for ref in ready:
                yield under.pop(ref), _answer(ray, ref)
    finally:
        _cancel(ray, list(under))


def _begun(tasks: Sequence[Task], stage: Sequence[Task], folder: Path, told: _Told) -> Iterator[_Job]:
    """Groups as they were when the study was begun: of which nothing is written yet, or whose state is there."""
    left, known = {task.run_id for task in tasks}, {task.run_id: task for task in stage}
    for fact in told.known:
        if fact["executor"] == "ray" and known.keys() >= set(fact["runs"]):
            group = [known[run] for run in fact["runs"]]
            if left >= set(fact["runs"]) or (left & set(fact["runs"]) and kept_at(folder, group).is_file()):
                yield _Job(group, [task for task in group if task.run_id in left])
                left -= set(fact["runs"])


def _jobs(tasks: Sequence[Task], loading: Loading, processors: int, told: _Told) -> Iterator[_Job]:
    """Groups that keep every processor busy, then what runs alone."""
    found = eligible(tasks, loading)
    told.write(alone=found.alone, notes=found.notes)
    alone = {task.run_id: task for task in tasks}
    size = max(LEAST, math.ceil(sum(map(replicas, found.groups)) / processors))
    for same in found.groups:
        wide = replicas([task for task in same if task.seed == same[0].seed])  # of each seed
        most = wide * (size // wide) if size >= wide else math.ceil(wide / round(wide / size))
        for group in rectangles(same, most):
            if len(group) > 1:
                told.add({"runs": [alone.pop(task.run_id).run_id for task in group], "executor": "ray", "threads": 1})
                yield _Job(group, group)
    yield from (_Job([task], [task]) for task in alone.values())


def _answer(ray: Any, ref: Any) -> Answer | str:
    """What a worker sent home; or, in words, how it was lost."""
    try:
        return ray.get(ref)
    except ray.exceptions.TaskCancelledError:
        return "it was asked to stop"
    except ray.exceptions.RayTaskError as error:  # not the training's fault: this is told as a run's end
        told = str(getattr(error, "cause", error)).strip().splitlines() or [type(error).__name__]
        return {}, None, f"the cluster's worker cannot run it ({type(error.cause).__name__}: {told[-1]})"
    except ray.exceptions.RayError as error:
        return _how(error)


def _how(error: Exception) -> str:
    """How a worker was lost; Ray has a class of error for each."""
    kind = type(error).__name__
    ways = {
        "OutOfMemoryError": "it was ended where memory is short",
        "WorkerCrashedError": "its process was ended from outside, or ended by itself",
        "NodeDiedError": "its machine left the cluster",
        "LocalRayletDiedError": "Ray ended on its machine",
    }
    return ways.get(kind, f"{kind}: {(str(error).strip().splitlines() or ['no reason is given'])[0]}")


def _ended(job: _Job, answer: Answer | str, folder: Path, told: _Told) -> Iterator[tuple[Task, Draft | Ended | None]]:
    """Each training of a job with what it did; None for one that is to run alone; nothing to be tried again."""
    if isinstance(answer, str):
        job.lost.append(answer)
        told.lost(job)
        if len(job.lost) == TRIES:
            how = (
                f"{TRIES} workers that trained it were lost, the last one so: {answer}; repeat the command to try again"
            )
            yield from ((task, Ended("failed", how)) for task in job.left)
        return
    results, files, why = answer
    if files is not None:
        _put(folder, job.tasks[0].run_id, files)
    if why and len(job.tasks) > 1:
        told.add({"runs": [task.run_id for task in job.tasks], "executor": "ray", "failed": why})
    for task in job.left:
        ended = results.get(task.run_id)
        yield task, Ended("failed", why) if ended is None and len(job.tasks) == 1 else ended


def _put(folder: Path, run_id: str, files: dict[str, bytes]) -> None:
    """A training's own study, as it came from its worker, where the study takes such over."""
    discard(folder, run_id)
    for name, content in files.items():
        path = place(folder, run_id) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _cancel(ray: Any, refs: list[Any]) -> None:
    """End what is under way: first it is asked, and may keep its state; then, where that takes too long, by force."""
    if not refs:
        return
    with suppress(ray.exceptions.RayError):
        for ref in refs:
            ray.cancel(ref)
        try:
            _, refs = ray.wait(refs, num_returns=len(refs), timeout=GRACE)
        finally:
            for ref in refs:
                ray.cancel(ref, force=True)


class _Sender:
    """Sends jobs to the cluster, and each data set once."""

    def __init__(self, ray: Any, folder: Path, sign: str, loading: Loading) -> None:
        self._ray, self._folder, self._sign, self._loading = ray, folder.resolve(), sign, loading
        self._work = ray.remote(num_cpus=1, max_retries=0)(work)  # what is lost is counted and told here
        self._data: dict[str, Any] = {}

    def __call__(self, job: _Job) -> Any:
        config = TrainConfig.model_validate(job.tasks[0].settings)
        named = json.dumps([task.settings["dataset"] for task in {task.seed: task for task in job.tasks}.values()])
        if named not in self._data:
            self._data[named] = self._ray.put(of_seeds(job.tasks, self._loading))
        own = own_file.is_own(config.model.name) and own_file.allowed(config.model.name)
        errand = Errand(
            tuple(job.tasks), tuple(task.run_id for task in job.left), self._folder, self._sign, platform.node(), own
        )
        return self._work.remote(errand, self._data[named])


class _Told(Facts):
    """And of workers that were lost."""

    def __init__(self, study: Store) -> None:
        super().__init__(study)
        self._lost = facts_named(study, "lost")

    def lost(self, job: _Job) -> None:
        self._lost.append({"runs": [task.run_id for task in job.tasks], "how": job.lost[-1], "time": len(job.lost)})
        self.write(lost=self._lost)


@contextmanager
def _signed(study: Path) -> Iterator[str]:
    """Put a word into the study's folder, by which workers know whether they see it."""
    path, word = study / PENDING / SIGN, secrets.token_hex(8)
    path.parent.mkdir(exist_ok=True)
    path.write_text(word)
    try:
        yield word
    finally:
        path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()
