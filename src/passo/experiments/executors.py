"""Where tasks run: one after another in this process, or several at a time in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED as ANY
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from passo.errors import TrainingError

T = TypeVar("T")
R = TypeVar("R")


def here(work: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[T, R]]:
    """One after another, in this process, with all of its threads."""
    for task in tasks:
        yield task, work(task)


def processes(work: Callable[[T], R], tasks: Sequence[T], jobs: int) -> Iterator[tuple[T, R]]:
    """`jobs` at a time, each in a process with an equal share of the threads; results as they come.

    Small networks leave a second core half idle: two trainings side by side finish sooner than one after another.
    """
    threads = max(1, (os.cpu_count() or 1) // jobs)
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_worker, initargs=(threads,))
    try:
        with _deaf():  # the workers start here
            waiting: dict[Future[Any], T] = {pool.submit(work, task): task for task in tasks}
        while waiting:
            done, _ = wait(waiting, return_when=ANY)
            for future in sorted(done, key=lambda f: tasks.index(waiting[f])):
                yield waiting.pop(future), future.result()
    except BrokenProcessPool as error:
        raise TrainingError(
            "a worker process ended by force (out of memory?); what is finished is kept: go on with --jobs 1"
        ) from error
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


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


def _start_worker(threads: int) -> None:
    import torch

    from passo.training import keep_memory

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    torch.set_num_threads(threads)
    keep_memory()


def default_jobs() -> int:
    """One process for each core, at most four; one where there is a GPU, which the runs would have to share."""
    import torch

    if torch.cuda.is_available():
        return 1
    return max(1, min(4, os.cpu_count() or 1))
