"""A study: many runs in one folder. What is there and done is not run again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from passo import store
from passo.data import Data
from passo.errors import ConfigError, PassoError, StoreError
from passo.experiments.assembling import load_data
from passo.experiments.cluster import cluster
from passo.experiments.executors import default_jobs, here, processes, terminable
from passo.experiments.fusing import OnTheWay
from passo.experiments.growing import contradiction, former, seconds_before
from passo.experiments.heeding import heeding
from passo.experiments.looks import looked, stale
from passo.experiments.on_ray import on_ray
from passo.experiments.pending import PENDING, Ended, adopt, discard, place, trained
from passo.experiments.possible import ready, told
from passo.experiments.recalling import Engine, recalled
from passo.experiments.short import loaded, perform
from passo.experiments.sink import Draft
from passo.experiments.stages import LOOKS, Task, check_search, stages
from passo.experiments.studyfile import read_study
from passo.experiments.studyform import Executor, StudyFile
from passo.experiments.together import as_one
from passo.training import TrainConfig, environment, keep_memory


@dataclass(frozen=True)
class Progress:
    """A run of the study has ended: its task, its status, and how many of how many are done.

    Or trainings are on their way as one network: then the status is "running", `task` the first of them, `done` counts
    what is done of them too, and `told` says where they are. "chosen" is the status before: `told` says how they
    will be trained, and why.
    """

    task: Task
    status: str
    done: float
    total: int
    error: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    told: str = ""


class Study:
    """A study file, ready to run: `Study("optimizers").run()`."""

    def __init__(
        self,
        name: str | Path,
        settings: Sequence[str] | Mapping[str, Any] = (),
        *,
        many: bool = False,
        quick: bool = False,
    ) -> None:
        self.file: StudyFile = ready(read_study(name, settings, many=many, quick=quick))

    @property
    def name(self) -> str:
        return self.file.name

    def run(
        self,
        out: str | Path | None = None,
        *,
        force: bool = False,
        jobs: int | None = None,
        executor: Executor | None = None,
        address: str | None = None,
    ) -> store.StoredStudy:
        """Run everything, and return the study as it is stored."""
        folder = Path(out) if out is not None else store.root() / self.name
        for _ in self.running(folder, force=force, jobs=jobs, executor=executor, address=address):
            pass
        return store.open_study(folder)

    def running(
        self,
        folder: Path,
        *,
        force: bool = False,
        jobs: int | None = None,
        executor: Executor | None = None,
        address: str | None = None,
    ) -> Iterator[Progress]:
        """Run everything that is not there yet; yields a `Progress` after each run.

        What is there may be less than the study (fewer seeds, runs or values of a grid), or more; what is there of
        another base, or of other settings under the name of a run, is refused (`FolderInUse`).

        A training that was stopped, or killed, goes on from its last state. A run that fails is marked so, and the
        others go on; raises `StoreError` only where nothing could be done.

        `executor` (that of the last call, or the file's own, where none is given): "processes", `jobs` at a time;
        "here", one after another; "replicas", trainings of a kind as one network, and the others in processes; "auto"
        measures some steps and takes what is quicker (the study's fact `executors` says what, and `alone` why a run
        could not be fused); "ray", on the cluster at `address`, or one begun here. Engines agree to rounding, not to
        the bit. The folder remembers what is given here, for when it goes on and nothing else is given.
        """
        keep_memory()
        said = Engine(executor, jobs, address)
        said = said if force else recalled(folder, self.file, said)
        executor, jobs, address = said.executor or self.file.executor, said.jobs, said.address
        data = self._data()  # missing data show before a folder is made
        check_search(self.file, data)
        settings = self.file.model_dump(mode="json", exclude_defaults=True)
        agreeing = partial(contradiction, self.file, data.facts())
        with (
            terminable(),
            _cluster(executor, address, jobs) as ray,
            store.Store.create(folder, name=self.name, config=settings, force=force, contradiction=agreeing) as study,
            heeding(folder),
        ):
            study.facts(data=data.facts(), title=self.file.title, planned=self.file.count, **told(self.file, data))
            study.facts(engine=said._asdict())
            begun, done, failed, part_of = time.perf_counter(), 0, [], set[str]()
            for stage in self._stages(study):
                part_of.update(task.run_id for task in stage)
                stale(study, stage)
                tasks = [task for task in stage if not study.has(task.name, task.seed)]
                if tasks:
                    study.facts(environment=environment())
                whole = {run for (run,) in study.read("SELECT id FROM runs WHERE status='done'")}
                for run_id in whole.intersection(task.run_id for task in stage):
                    discard(folder, run_id)  # taken over just before an end that came too soon
                done += len(stage) - len(tasks)
                for step in _perform_all(tasks, stage, jobs, folder, executor, study, ray):
                    if isinstance(step, OnTheWay):
                        part = done + step.done
                        status = "chosen" if step.chosen else "running"
                        yield Progress(step.tasks[0], status, part, self.file.count, told=step.told)
                        continue
                    task, ended = step
                    _take(study, task, ended)
                    done += 1
                    if ended.status == "failed":
                        failed.append(f"{task.run_id}: {ended.error}")
                    last = study.lasts(task.run_id)
                    yield Progress(task, ended.status, done, self.file.count, ended.error, last)
            with suppress(OSError):
                (folder / PENDING).rmdir()  # unless something there is to go on
            study.facts(
                seconds=seconds_before(study) + time.perf_counter() - begun,
                failed=failed,
                former=former(study, part_of),
            )
        if failed and len(failed) == done:
            raise StoreError(f"every run failed; the first: {failed[0]}")

    def _data(self) -> Data:
        return load_data(self.file.dataset())

    def _stages(self, study: store.Store) -> Iterator[list[Task]]:
        return stages(self.file, study)


def study(
    name: str | Path,
    settings: Sequence[str] | Mapping[str, Any] = (),
    *,
    many: bool = False,
    quick: bool = False,
) -> Study:
    """A shipped study by its name, or one of your own by its TOML file; `settings` lies over it.

    `quick` takes its quick form, where it has one: fewer seeds and runs, so that intervals are wider.

    More than 100,000 runs are refused (`ConfigError`) unless `many` says that they are meant.

    >>> study("optimizers", {"seeds": 1, "epochs": 1}).file.seeds
    (0,)
    """
    return Study(name, settings, many=many, quick=quick)


@contextmanager
def _cluster(executor: Executor, address: str | None, jobs: int | None) -> Iterator[Any]:
    """Ray, connected, where it is to do the work; None for every other executor."""
    if executor == "ray":
        with cluster(address, jobs) as ray:
            yield ray
        return
    if address is not None:
        raise ConfigError(f"an address ({address}) is for --executor ray, got --executor {executor}")
    yield None


def _perform_all(
    tasks: list[Task],
    stage: list[Task],
    jobs: int | None,
    folder: Path,
    executor: Executor,
    study: store.Store,
    ray: Any,
) -> Iterator[OnTheWay | tuple[Task, Draft | Ended]]:
    """Short tasks here; trainings of a kind as one network where that is quicker, others in processes of their own.

    `tasks` are those of the stage that are not done.
    """
    yield from looked([task for task in tasks if task.kind in LOOKS], folder, jobs or default_jobs())
    quick = [task for task in tasks if task.kind not in ("train", *LOOKS)]
    long = [task for task in tasks if task.kind == "train"]
    yield from here(perform, quick)
    if ray is not None:
        yield from on_ray(ray, long, stage, folder, loaded, study, jobs)
        return
    jobs = jobs or default_jobs()
    if executor in ("auto", "replicas") and len(long) > 1:
        ended = set()
        for step in as_one(long, stage, folder, loaded, study, jobs, always=executor == "replicas"):
            if isinstance(step, OnTheWay):
                yield step
                continue
            task, draft = step
            if draft is not None:
                ended.add(task.run_id)
                yield task, draft
        long = [task for task in long if task.run_id not in ended]
    if executor == "here":
        jobs = 1
    if jobs > 1 and len(long) > 1:
        yield from processes(partial(_train, folder), long, min(jobs, len(long)), _lost)
    else:
        yield from here(partial(_train, folder), long)


def _train(folder: Path, task: Task) -> Ended:
    """A training, in a folder of its own until it is done."""
    try:
        config = TrainConfig.model_validate(task.settings)
        data = loaded(config)
    except PassoError as error:
        return Ended("failed", str(error))
    return trained(config, task.name, data, place(folder, task.run_id))


def _lost(task: Task, how: str) -> Ended:
    """A training whose process is gone: what it kept is there."""
    return Ended("failed", f"its process {how}; repeat the command to go on with it (--jobs 1 takes less memory)")


def _take(study: store.Store, task: Task, ended: Draft | Ended) -> None:
    """Write into the study what a task did."""
    if isinstance(ended, Ended) and adopt(study, task.run_id, ended):
        return
    writer = study.add_run(task.name, config=task.settings, seed=task.seed, kind=task.kind)
    if isinstance(ended, Draft):
        ended.replay(writer)
    else:  # it never began
        writer.finish(ended.status, ended.error)
