"""Where tasks run: one after another in this process, or several at a time in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from passo.errors import TrainingError

T = TypeVar("T")
R = TypeVar("R")

PART, ENDED, WHOLE, FAILED = "part", "ended", "whole", "failed"  # what a worker sends: of a generator, its items

GRACE = 30.0  # seconds that workers have to keep what they did, once they are asked to stop


def here(work: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[T, R]]:
    """One after another, in this process, with all of its threads."""
    for task in tasks:
        yield task, work(task)


def processes(
    work: Callable[[T], R | Iterator[R]], tasks: Sequence[T], jobs: int, lost: Callable[[T, str], R] | None = None
) -> Iterator[tuple[T, R]]:
    """`jobs` at a time, each in a process with an equal share of the threads; results as they come.

    Small networks leave a second core half idle: two trainings side by side finish sooner than one after another.
    Where `work` is a generator, each of its items is a result of its task.

    A process that is killed takes its own task with it and no other: `lost(task, how)` is that task's result, and a new
    process takes its place. Without `lost`, `TrainingError` is raised. Whoever stops listening, or is interrupted,
    stops the workers: they get SIGTERM, and some seconds to keep what they did. One whose parent is gone ends at once.
    """
    left, threads = deque(tasks), max(1, (os.cpu_count() or 1) // jobs)
    workers: list[_Worker] = []
    try:
        while left and len(workers) < jobs:
            workers.append(_Worker(work, threads, left.popleft()))
        while busy := [worker for worker in workers if not worker.connection.closed]:
            ready = wait([worker.connection for worker in busy])
            for worker in [one for one in busy if one.connection in ready]:
                task, answer = worker.task, worker.answer()
                if answer is not None and answer[0] == PART:
                    yield task, answer[1]
                    continue
                if left and answer is not None:
                    worker.give(left.popleft())
                else:
                    worker.connection.close()
                    if left:
                        workers.append(_Worker(work, threads, left.popleft()))
                if answer is None or answer[0] != ENDED:
                    yield task, _result(task, answer, worker, lost)
    finally:
        _stop(workers)


def _result(task: Any, answer: tuple[str, Any] | None, worker: _Worker, lost: Callable[[Any, str], Any] | None) -> Any:
    """What the work gave back; its exception is raised here."""
    if answer is None:
        if lost is None:
            raise TrainingError(f"a worker process {worker.end()}; what is finished is kept: go on with --jobs 1")
        return lost(task, worker.end())
    kind, result = answer
    if kind == FAILED:
        raise result
    return result


class _Worker:
    """A process that does one task after the other, and its end of the line."""

    def __init__(self, work: Callable[[Any], Any], threads: int, task: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, work, threads))
        with _deaf():
            self.process.start()
        theirs.close()  # so that the line ends when the process does
        self.give(task)

    def give(self, task: Any) -> None:
        self.task = task
        with suppress(OSError):  # it is gone: the answer will say so
            self.connection.send(task)

    def answer(self) -> tuple[str, Any] | None:
        """Of what kind it is, and the result or the exception; None where the process ended instead."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            return None

    def end(self) -> str:
        """How the process ended, in words."""
        self.process.join(GRACE)
        code = self.process.exitcode
        if code is not None and code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            why = ", as where memory is short" if name == "SIGKILL" else ""
            return f"was ended from outside ({name}{why})"
        return "was asked to stop" if code == 0 else f"ended by itself (exit code {code})"


def _stop(workers: Sequence[_Worker]) -> None:
    """End processes: first they are asked, then, when they take too long, it is by force."""
    for worker in workers:
        worker.process.terminate()
    until = time.monotonic() + GRACE
    try:
        for worker in workers:
            worker.process.join(max(0.0, until - time.monotonic()))
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.join()


def _serve(line: Connection, work: Callable[[Any], Any], threads: int) -> None:
    """A worker's life: a task in, a result out, until the line is closed or it is told to stop."""
    import torch

    from passo.training import keep_memory

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    keep_memory()
    while True:
        try:
            task = line.recv()
        except (EOFError, OSError):
            return
        try:
            result = work(task)
            if isinstance(result, Iterator):
                for part in result:
                    line.send((PART, part))
                line.send((ENDED, None))
            else:
                line.send((WHOLE, result))
        except KeyboardInterrupt:  # SIGTERM, once the state was kept
            return
        except Exception as error:
            line.send((FAILED, error))


def _end_with_parent() -> None:
    """Wait for the parent to be gone, however it went; nobody would take the results."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that what is under way is kept."""
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _deaf() -> Iterator[None]:
    """Ignore Ctrl-C, as do the processes that are started meanwhile, from their first line on.

    What they would print while they import torch would hide what the parent says.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def default_jobs() -> int:
    """One process for each core, at most four; one where there is a GPU, which the runs would have to share."""
    import torch

    if torch.cuda.is_available():
        return 1
    return max(1, min(4, os.cpu_count() or 1))
