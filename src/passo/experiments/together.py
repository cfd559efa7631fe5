"""A study's trainings, those of a kind as one network: how many at once, whether it pays, and what is said of it.

Groups train side by side, each in a process with an equal share of the threads: two networks on two processors wait for
each other less than one that is spread over both. What was chosen is written into the study, and a study that goes on
keeps to it: nothing is measured twice.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch

from passo.data import Data
from passo.errors import CheckpointError, PassoError
from passo.experiments.eligible import eligible, rectangles
from passo.experiments.executors import here, processes
from passo.experiments.fusing import Group, OnTheWay, forget, fused, kept_at
from passo.experiments.grouping import kind
from passo.experiments.halfway import Halfway
from passo.experiments.members import Member, OfSeeds, of_seeds
from passo.experiments.sink import Draft
from passo.experiments.stages import Task
from passo.experiments.stems import stems
from passo.store import Store
from passo.training import TrainConfig
from passo.training.loop import fit

WARM, TIMED = 3, 8  # steps
SENTENCES = 6  # on what was chosen
LEAST, GAIN = 8, 1.1  # replicas of a smaller group, and how much quicker it must be

Fact = dict[str, Any]  # of a group: its runs, what was measured, what was taken
Loading = Callable[[TrainConfig], Data]
Step = OnTheWay | tuple[Task, Draft | None]


class Measured(NamedTuple):
    """Milliseconds a step of one model takes, `together` with its group and `alone`, on so many `threads`."""

    together: float
    threads: int
    alone: float


class Failed(NamedTuple):
    """A group that could not be trained, and why: its trainings run alone."""

    why: str


class Chosen(NamedTuple):
    """Trainings of one network, and what is said of them."""

    tasks: list[Task]
    fact: Fact

    @property
    def name(self) -> str:
        """Of all groups of a study, its own."""
        return self.tasks[0].run_id

    @property
    def fused(self) -> bool:
        return self.fact["executor"] == "replicas"


def as_one(
    tasks: Sequence[Task],
    stage: Sequence[Task],
    folder: Path,
    loading: Loading,
    study: Store,
    jobs: int,
    *,
    always: bool,
) -> Iterator[Step]:
    """Train groups as one network each, `jobs` at a time; says how far they are, and what each task would write.

    None stands for what a task would write that says why it failed when it runs alone. `tasks` are those that are left
    of `stage`. Where not `always`, only those groups are fused of which a step is quicker so. A task that is not
    yielded runs alone.
    """
    facts = Facts(study)
    left = {task.run_id: task for task in tasks}
    groups = [group for group in _known(stage, facts) if kept_at(folder, group.tasks).is_file()]
    for group in groups:  # they were begun, and go on as they were
        left = {name: task for name, task in left.items() if name not in group.fact["runs"]}
    found = eligible(list(left.values()), loading)
    facts.write(alone=found.alone, notes=found.notes)
    begun = [f"going on with a network of {len(group.tasks):,} trainings that was begun" for group in groups]
    yield from (OnTheWay(list(tasks), 0.0, note, chosen=True) for note in [*begun, *found.notes, *_why(found.alone)])
    choose = _Choosing(facts, loading, jobs, always=always)
    chosen = [group for same in found.groups for group in choose(same, len(found.groups))]
    facts.add(*(group.fact for group in chosen))
    yield from (OnTheWay(list(tasks), 0.0, told, chosen=True) for told in said([group.fact for group in chosen]))
    groups += [group for group in chosen if group.fused]
    yield from _train(groups, folder, loading, jobs, {task.run_id for task in tasks}, facts)


def measured(tasks: Sequence[Task], data: OfSeeds, threads: int) -> Measured:
    """Steps of a group, and of its first training alone, on copies that are thrown away."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        group = Group([Member.of(task, data) for task in tasks], None, timed=True)
        group.epochs = WARM + TIMED  # of a step at least
        parts = Member.of(tasks[0], data).parts
        alone = fit(parts.model, parts.loss_fn, parts.optimizer, parts.train, epochs=WARM + TIMED, task=parts.task)
        return Measured(_timed(group.walk()) / len(tasks), threads, _timed(alone))
    finally:
        torch.set_num_threads(before)


def cut(tasks: Sequence[Task], data: OfSeeds, threads: int) -> tuple[int, Measured]:
    """How many replicas are quickest as one network, and what they were measured at.

    Fewer lie nearer to the processor. A cut must gain a tenth, since a clock is no exact judge.
    """
    size, found = len(tasks), measured(tasks, data, threads)
    half = size // 2
    while half >= LEAST:
        each = measured(next(iter(rectangles(tasks, half))), data, threads)
        if each.together * GAIN < found.together:
            size, found = half, each
        half //= 2
    return size, found


def shared_out(tasks: Sequence[Task], parts: int) -> list[list[Task]]:
    """A group as so many of about the same length: by what is trained, or by seeds where these are more.

    Every n-th of them goes to one part, so that long and short trainings are in each. Those that begin alike stay
    together.
    """
    seeds = list(dict.fromkeys(task.seed for task in tasks))
    alike = sorted(
        stems([task for task in tasks if task.seed == seeds[0]]), key=lambda stem: stem[0].settings["epochs"]
    )
    parts = max(1, min(parts, max(len(alike), len(seeds)), len(alike) * len(seeds) // 2))  # none of one alone
    part = {task.name: n % parts for n, stem in enumerate(alike) for task in stem}
    found: list[list[Task]] = [[] for _ in range(parts)]
    for task in tasks:
        found[part[task.name] if len(alike) >= len(seeds) else seeds.index(task.seed) % parts].append(task)
    return found


def said(facts: Sequence[Fact]) -> list[str]:
    """What was taken for groups, and why: a sentence for all that are alike in it, or for many all that went alike."""
    alike: dict[str, list[Fact]] = {}
    for fact in facts:
        alike.setdefault(json.dumps({key: one for key, one in fact.items() if key != "runs"}), []).append(fact)
    if len(alike) > SENTENCES:
        alike = {}
        for fact in facts:
            alike.setdefault(f"{fact['executor']} {fact.get('failed')}", []).append(fact)
    return [_said(several) for several in alike.values()]


def _why(alone: Mapping[str, str]) -> list[str]:
    """Why trainings run alone, a sentence for each reason."""
    counted = Counter(alone.values())
    return [f"{count:,} training{'s' * (count > 1)} alone: {reason}" for reason, count in counted.items()]


def _said(facts: Sequence[Fact]) -> str:
    fact, runs, networks = facts[0], sum(len(fact["runs"]) for fact in facts), len(facts)
    if "failed" in fact:
        return f"{runs:,} trainings one by one, not as one network: {fact['failed']}"
    how = ""
    if timed := [fact for fact in facts if "ms_alone" in fact]:
        so, alone = (_span([fact[f"ms_{key}"] for fact in timed]) for key in ("together", "alone"))
        how = f": a step of one takes {so} ms so, {alone} ms alone"
    if fact["executor"] == "replicas":
        if networks == 1:
            return f"{runs:,} trainings as one network{how}"
        return f"{runs:,} trainings as {networks:,} networks{how}"
    return f"{runs:,} trainings one by one, not as one network{how}"


def _span(values: Sequence[float]) -> str:
    """A number, or from which to which.

    >>> _span([0.651, 0.652]), _span([0.4, 8.1])
    ('0.65', '0.4 to 8.1')
    """
    low, high = f"{min(values):.2g}", f"{max(values):.2g}"
    return low if low == high else f"{low} to {high}"


def facts_named(study: Store, key: str) -> list[Fact]:
    """A list among the facts of a study that is being written; empty where there is none."""
    rows = study.read("SELECT value FROM study WHERE key=?", (key,))
    return json.loads(rows[0][0]) if rows else []


class Facts:
    """What a study says of its groups; what it said before stays."""

    def __init__(self, study: Store) -> None:
        self.known, self._study = facts_named(study, "executors"), study

    def add(self, *facts: Fact) -> None:
        self.known += [fact for fact in facts if fact not in self.known]
        self.write()

    def write(self, **others: Any) -> None:
        """Write it down, with other facts."""
        self._study.facts(executors=self.known, **others)


def _known(tasks: Sequence[Task], facts: Facts) -> Iterator[Chosen]:
    """Groups among these tasks that were chosen before, to be trained as one network, and have not failed at it."""
    there = {task.run_id: task for task in tasks}
    failed = [fact["runs"] for fact in facts.known if "failed" in fact]
    for fact in facts.known:
        if fact["executor"] == "replicas" and there.keys() >= set(fact["runs"]) and fact["runs"] not in failed:
            yield Chosen([there[run] for run in fact["runs"]], fact)


class _Choosing:
    """How trainings of one kind are trained: in how many networks, or none. A kind is measured once for each size."""

    def __init__(self, facts: Facts, loading: Loading, jobs: int, *, always: bool) -> None:
        self._facts, self._loading, self._jobs, self._always = facts, loading, jobs, always
        self._cuts: dict[tuple[str, int], tuple[int, Measured]] = {}

    def __call__(self, same: Sequence[Task], kinds: int) -> Iterator[Chosen]:
        """`kinds` is how many such there are: of few, each is shared out, so that no processor is idle."""
        runs, before = {task.run_id for task in same}, list(_known(same, self._facts))
        if before and runs == {run for group in before for run in group.fact["runs"]}:
            yield from before
            return
        alone = "processes" if self._jobs > 1 else "here"
        for fact in self._facts.known if not self._always else ():
            if runs <= set(fact["runs"]) and (fact["executor"] != "replicas" or "failed" in fact):
                yield Chosen(list(same), {**fact, "executor": alone})  # as it was settled before
                return
        pieces = shared_out(same, max(1, self._jobs // kinds))
        threads = max(1, torch.get_num_threads() // min(self._jobs, kinds * len(pieces)))
        if self._always and len(pieces[0]) < 2 * LEAST:  # nothing to choose: it is asked for, and too few to be cut
            size, fused, measures = len(pieces[0]), True, {"threads": threads}
        else:
            try:
                size, each = self._cut(pieces[0], threads)
            except PassoError as error:
                yield Chosen(list(same), {"runs": sorted(runs), "executor": alone, "failed": str(error)})
                return
            fused = self._always or each.together <= each.alone
            measures = {"threads": each.threads, "ms_together": each.together, "ms_alone": each.alone}
        for group in [group for piece in pieces for group in rectangles(piece, size)] if fused else [list(same)]:
            taken = "replicas" if fused else alone
            yield Chosen(group, {"runs": [task.run_id for task in group], "executor": taken, **measures})

    def _cut(self, piece: Sequence[Task], threads: int) -> tuple[int, Measured]:
        key = (kind(piece[0]), len(piece))
        if key not in self._cuts:
            data = of_seeds(piece, self._loading)
            self._cuts[key] = cut(piece, data, threads)
        return self._cuts[key]


def _train(
    groups: Sequence[Chosen], folder: Path, loading: Loading, jobs: int, wanted: set[str], facts: Facts
) -> Iterator[Step]:
    """All groups; what is yielded of one is written before its state is dropped."""
    work, halfway = partial(_made, folder, loading, wanted), Halfway(folder)
    side = min(jobs, len(groups))
    done: dict[str, float] = {}  # trainings of each group that are done, and not yet written
    left = {group.name: len(wanted & set(group.fact["runs"])) for group in groups}
    for group, step in processes(work, groups, side, _lost) if side > 1 else _one_by_one(work, groups):
        if isinstance(step, Failed):
            halfway.ended(group.tasks)
            done.pop(group.name, None)
            facts.add({**group.fact, "failed": step.why})
        elif isinstance(step, OnTheWay):
            done[group.name] = step.done
            halfway.tell(step)
            more = f"{len(done)} networks side by side; " if len(done) > 1 else ""
            yield OnTheWay(group.tasks, sum(done.values()), more + step.told)
        else:
            yield step
            left[group.name] -= 1
            done[group.name] = left[group.name]
            if not left[group.name]:
                forget(folder, group.tasks)
                halfway.ended(group.tasks)


def _one_by_one(
    work: Callable[[Chosen], Iterator[Step | Failed]], groups: Sequence[Chosen]
) -> Iterator[tuple[Chosen, Step | Failed]]:
    for group, steps in here(work, groups):
        for step in steps:
            yield group, step


def _made(folder: Path, loading: Loading, wanted: set[str], group: Chosen) -> Iterator[Step | Failed]:
    """A group's training, wherever it takes place."""
    try:
        data = of_seeds(group.tasks, loading)
        yield from fused(folder, group.tasks, data, group.fact["threads"], wanted)
    except CheckpointError:  # the disk takes no more: nothing else could be kept either, and what was kept is there
        raise
    except Exception as error:  # whatever it is: alone, each says what is wrong with it
        yield Failed(f"{type(error).__name__}: {error}")


def _lost(group: Chosen, how: str) -> Failed:
    return Failed(f"its process {how}")


def _timed(walk: Iterator[Any]) -> float:
    """Milliseconds a step, the median; epochs are begun anew where they are short."""
    seconds = []
    for _ in islice(walk, WARM):
        pass
    begun = time.perf_counter()
    for _ in islice(walk, TIMED):
        seconds.append(time.perf_counter() - begun)
        begun = time.perf_counter()
    return 1e3 * sorted(seconds)[len(seconds) // 2]
