"""Requests to stop that come from another process, also from another machine: as Ctrl-C, with the state kept.

`passo ui` and `passo runs stop` leave a file in the study's folder (`store.ask_to_stop`). A thread looks for it twice a
second, and sends this process the signal that whoever trains here holds back until the step under way is whole.
"""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from passo import store

PERIOD = 0.5  # seconds between two looks


@contextmanager
def heeding(folder: Path) -> Iterator[None]:
    """Inside of the block a request to stop comes as SIGTERM; for blocks that hear it, and in the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    store.asked_to_stop(folder)  # an old one was another process's
    over = threading.Event()
    looking = threading.Thread(target=_look, args=(folder, over), name="passo-stop", daemon=True)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()  # a signal that came after the block would end the process


def _look(folder: Path, over: threading.Event) -> None:
    while not over.wait(PERIOD):
        if store.asked_to_stop(folder):
            if hasattr(signal, "pthread_kill"):
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)  # wakes it where it waits
            else:  # on Windows
                _thread.interrupt_main(signal.SIGTERM)
