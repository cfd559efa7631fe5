"""A warm process that has torch: pages that compute ask it, and the server itself never imports torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from queue import Empty, Queue
from typing import Any

from passo import errors
from passo.errors import PassoError

PATIENCE = 30.0  # seconds for an answer, the first import of torch included


_waiting: ContextVar[bool] = ContextVar("waiting", default=True)


class Waits(BaseException):
    """A page asks the process that computes, and was not to wait; no page takes it for an error of its own."""


@contextmanager
def prompt() -> Iterator[None]:
    """Within, whoever asks a worker gets `Waits` in place of an answer."""
    before = _waiting.set(False)
    try:
        yield
    finally:
        _waiting.reset(before)


class Worker:
    """Starts its process when it is first asked, and anew where that ended; one question at a time."""

    def __init__(self, module: str = "passo.cli.work", patience: float = PATIENCE) -> None:
        self._patience = patience
        self._words = [sys.executable, "-m", module]
        self._process: subprocess.Popen[str] | None = None
        self._lines: Queue[str] = Queue()
        self._asking = threading.Lock()

    def ask(self, do: str, **given: Any) -> Any:
        """The answer; raises what was wrong, or `PassoError` where no answer came in time."""
        if not _waiting.get():
            raise Waits
        with self._asking:
            process = self._started()
            try:
                assert process.stdin is not None
                process.stdin.write(json.dumps({"do": do, "with": given}) + "\n")
                process.stdin.flush()
                line = self._lines.get(timeout=self._patience)
            except (OSError, Empty):
                self.stop()
                raise PassoError("this took too long, or was too much: ask for less") from None
        found = (
            json.loads(line) if line else {"wrong": "the process that computes ended: ask again", "kind": "PassoError"}
        )
        if "wrong" in found:
            raise _raised(found["kind"], found["wrong"])
        return found["answer"]

    def warm(self) -> None:
        """Begin, so that the first question finds torch there."""
        with self._asking:
            self._started()

    def stop(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdin is not None
            with suppress(OSError):
                process.stdin.close()

    def _started(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        process = subprocess.Popen(
            self._words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            bufsize=1,
            env={**os.environ, "PASSO_OFFLINE": "1"},  # looking at a page downloads nothing
            start_new_session=True,  # Ctrl-C in the terminal is the server's, which ends this process itself
        )
        self._process, self._lines = process, Queue()
        threading.Thread(target=_read, args=(process, self._lines), daemon=True).start()
        return process


def _raised(kind: str, sentence: str) -> PassoError:
    """An error of passo by its name; one that is made of more than a sentence as the plain one."""
    try:
        return getattr(errors, kind, PassoError)(sentence)
    except TypeError:
        return PassoError(sentence)


def _read(process: subprocess.Popen[str], lines: Queue[str]) -> None:
    """Put every line into the queue; an empty one where there are no more."""
    assert process.stdout is not None
    with suppress(ValueError, OSError), process.stdout:
        for line in process.stdout:
            lines.put(line)
    lines.put("")
