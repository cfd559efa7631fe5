"""The proof that the equations in `passo.optim.stages` are what the optimisers do.

Every case is walked step by step. Before each step θ, the gradient and the state are copied; after it the equations,
which see the copies alone, must give the update and the new state. Reading the state afterwards would prove nothing.
Half-way through, every learning rate is halved, as a schedule would. `maximize` is tried on the negated loss.
"""

from __future__ import annotations

import math
import platform
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim import Optimizer

from passo.experiments.executors import default_jobs, here, processes
from passo.experiments.proof_cases import Case, cases
from passo.experiments.proof_problems import PROBLEMS, Problem
from passo.optim.arguments import plain, resolve
from passo.optim.stages import Explanation, explanation
from passo.optim.stages.oracle import explained_step

DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class Row:
    """One case on one problem in one type.

    roundings: the largest residual of any coordinate and step, in eps · max(|θ|, |θ′|, |update|); None where there are
        no equations. state: the same for each tensor and number of the new state, in eps · max(|s|, |s′|).
    bound: how many roundings are allowed; None where the update is only measured.
    problems: all that its case is tried on, `problem` among them.
    moved: in how many of the steps a weight changed.
    """

    label: str
    options: str
    problems: tuple[str, ...]
    problem: str
    dtype: str
    steps: int
    moved: int
    roundings: float | None
    state: Mapping[str, float]
    bound: float | None

    @property
    def worst(self) -> float:
        """The largest of all its differences; 0 where there is none."""
        return max([self.roundings or 0.0, *self.state.values()])

    @property
    def held(self) -> bool:
        """Whether the bound holds, and anything moved at all."""
        return self.moved > 0 and (self.bound is None or self.worst <= self.bound)


@dataclass(frozen=True)
class Proof:
    """All rows in the order of the cases, and what they were computed with."""

    rows: tuple[Row, ...]
    steps: int
    torch: str
    machine: str

    @property
    def held(self) -> bool:
        return all(row.held for row in self.rows)

    @property
    def broken(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if not row.held)

    def of(self, label: str) -> tuple[Row, ...]:
        """The rows of one optimiser."""
        return tuple(row for row in self.rows if row.label == label)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.label for row in self.rows))


def chosen(names: Iterable[str] = ()) -> list[Case]:
    """The cases of the optimisers that are named, all where none is; UnknownName for one that has no case.

    >>> {case.label for case in chosen(["adam", "keras.ftrl"])} == {"Adam", "keras.Ftrl"}
    True
    """
    everything = list(cases())
    known = {plain(case.label): case.label for case in everything}
    known |= {name.replace(".", ""): label for name, label in known.items()}
    wanted = {resolve("optimizer", name, known) for name in names}
    return [case for case in everything if not wanted or case.label in wanted]


def proving(
    wanted: Sequence[Case], *, steps: int = 200, jobs: int | None = None
) -> Iterator[tuple[Case, tuple[Row, ...]]]:
    """Try each case on its problems in both types; yields them as they come."""
    jobs = min(jobs or default_jobs(), len(wanted))
    tasks = [(case, steps) for case in wanted]
    for (case, _), rows in here(_try, tasks) if jobs <= 1 else processes(_try, tasks, jobs):
        yield case, rows


def prove(
    names: Iterable[str] = (),
    *,
    steps: int = 200,
    jobs: int | None = None,
    each: Callable[[Case], Any] | None = None,
) -> Proof:
    """Prove the optimisers that are named (all where none is); `each` is called after every case.

    >>> prove(["sgd"], steps=3, jobs=1).held
    True
    """
    wanted, found = chosen(names), {}
    for case, rows in proving(wanted, steps=steps, jobs=jobs):
        found[case.label, case.title, case.problems] = rows
        if each is not None:
            each(case)
    rows = tuple(row for case in wanted for row in found[case.label, case.title, case.problems])
    capability = torch.backends.cpu.get_cpu_capability()
    return Proof(rows, steps, torch.__version__, f"{platform.machine()}, {capability}")


def _try(task: tuple[Case, int]) -> tuple[Row, ...]:
    case, steps = task
    rows = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse invariant checks", UserWarning)  # torch's own, of its Adagrad
        for problem in case.problems:
            for dtype in DTYPES:
                rows.append(walked(case, problem, dtype, steps))
    return tuple(rows)


def walked(case: Case, problem: str, dtype: str, steps: int) -> Row:
    """One case on one problem: the largest differences over all of its steps."""
    with torch.random.fork_rng(devices=[]):
        there = PROBLEMS[problem](DTYPES[dtype])
    optimizer = case.optimizer(there.parameters, **case.options)
    found = explanation(optimizer)
    measured = found is None or found.equations is None
    worst, state, moved = 0.0, {}, 0
    for step in range(steps):
        if step == steps // 2:
            for group in optimizer.param_groups:
                group["lr"] *= 0.5
        off, states, did_move = _measured(there, optimizer, step) if measured else _walk(there, optimizer, found, step)
        worst, moved = max(worst, off), moved + did_move
        state = {name: max(state.get(name, 0.0), value) for name, value in {**state, **states}.items()}
    bound = None if found is None else found.bound
    roundings = None if measured else worst
    return Row(case.label, case.title, case.problems, problem, dtype, steps, moved, roundings, state, bound)


def _walk(
    there: Problem, optimizer: Optimizer, found: Explanation | None, step: int
) -> tuple[float, dict[str, float], bool]:
    """One explained step: its largest residual, those of the new state, and whether a weight moved."""
    accounts = explained_step(optimizer, found, lambda: _backward(there, optimizer, step))
    state: dict[str, float] = {}
    for account in accounts:
        for name, value in account.state.items():
            state[name] = max(state.get(name, 0.0), value)
    moved = any(bool(account.update.count_nonzero()) for account in accounts)
    return max(account.roundings for account in accounts), state, moved


def _measured(there: Problem, optimizer: Any, step: int) -> tuple[float, dict[str, float], bool]:
    """One step without equations: whether it moved; infinitely wrong where it left the finite numbers."""
    before = [parameter.detach().clone() for parameter in there.parameters]
    optimizer.step(lambda: _backward(there, optimizer, step))
    updates = [after.detach() - was for was, after in zip(before, there.parameters, strict=True)]
    finite = all(bool(update.isfinite().all()) for update in updates)
    return 0.0 if finite else math.inf, {}, any(bool(update.count_nonzero()) for update in updates)


def _backward(there: Problem, optimizer: Optimizer, step: int) -> torch.Tensor:
    optimizer.zero_grad()
    loss = there.loss(step)
    (-loss if optimizer.defaults.get("maximize") else loss).backward()
    return loss.detach()
