"""Commands of passo that pages asked for, one at a time, in processes of their own: what waits, what runs, what was.

The list lies beside, in ROOT/.passo-ui.sqlite, and what each printed in ROOT/.passo-jobs/NUMBER.txt. A training that is
stopped keeps its state. When the server ends, it stops what runs; when it begins again, nothing begins by itself.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from passo.errors import FolderInUse, PassoError, StoreError, UnknownName, UsageError
from passo.language import language, later
from passo.store import LOCK, abandoned, ask_to_stop
from passo.store.folder import locked
from passo.web.beside import Beside
from passo.web.shelf import JOBS

MOST = 100  # that may wait
AGAIN = 2.0  # seconds until it is looked whether what an earlier server began has ended
GRACE = 20.0  # seconds for a training to keep its state when the server ends
SHOWN = 16_000  # characters of what a job printed, its end
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS jobs(number INTEGER PRIMARY KEY AUTOINCREMENT, words TEXT NOT NULL, study TEXT NOT "
    "NULL, language TEXT NOT NULL, status TEXT NOT NULL, added REAL NOT NULL, begun REAL, ended REAL)"
)
OPEN = (later("waiting"), later("paused"), "running", later("stopping"))
ENDED = ("done", "failed", later("stopped"))


@dataclass(frozen=True)
class Job:
    """A command: what follows `passo`, the study that it writes ("" for none), and how it stands.

    `status` is one of `OPEN` or `ENDED`; paused is what waited when an earlier server ended.
    """

    number: int
    words: tuple[str, ...]
    study: str
    language: str
    status: str
    added: float
    begun: float | None = None
    ended: float | None = None

    @property
    def command(self) -> str:
        return shlex.join(("passo", *self.words))

    @property
    def seconds(self) -> float | None:
        """So far, or in all; None where nobody saw its end."""
        if self.begun is None or (self.ended is None and self.status in ENDED):
            return None
        return (self.ended or time.time()) - self.begun


class Jobs:
    """The queue of one root; it has a thread while something waits or runs."""

    def __init__(self, root: Path, beside: Beside) -> None:
        self._root, self._beside = root, beside
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._current: Job | None = None  # what that process does
        self._left: frozenset[int] = frozenset()  # what an earlier server began, and still runs
        self._waiting: threading.Thread | None = None
        self._over = False
        self._lock: sqlite3.Connection | None = None
        if (root / JOBS).is_dir():
            with suppress(PassoError):
                self._take()

    def all(self) -> list[Job]:
        """Every job: what runs and waits in its order, then what is over, the newest first."""
        if self._left:
            self._settle()
        found = [_job(row) for row in self._beside.read(_NEWEST)]
        open_ = [job for job in found if job.status not in ENDED]
        return [*reversed(open_), *(job for job in found if job.status in ENDED)]

    def get(self, number: int) -> Job:
        """One job; raises `UnknownName`."""
        found = [job for job in self.all() if job.number == number]
        if not found:
            raise UnknownName(f"there is no job {number}")
        return found[0]

    def of(self, study: str) -> Job | None:
        """The newest job that writes a study."""
        return max((job for job in self.all() if job.study == study), key=lambda job: job.number, default=None)

    def add(self, words: Sequence[str], study: str = "") -> Job:
        """Put `passo WORDS` at the queue's end; raises `UsageError` where that is full, or has a job for the study."""
        self._take()
        waiting = [job for job in self.all() if job.status not in ENDED]
        if len(waiting) >= MOST:
            raise UsageError(f"{MOST} jobs are waiting: let some end, or remove some")
        if study and any(job.study == study for job in waiting):
            raise UsageError(f"{study} is in the queue already")
        row = (json.dumps(list(words)), study, language(), time.time())
        number = self._change("INSERT INTO jobs(words, study, language, status, added) VALUES (?,?,?,'waiting',?)", row)
        self._begin()
        return self.get(number)

    def release(self) -> None:
        """Let those go on that waited when an earlier server ended."""
        self._take()
        self._change("UPDATE jobs SET status='waiting' WHERE status='paused'")
        self._begin()

    def stop(self, number: int) -> None:
        """Ask a running job to stop, which keeps its state (asked twice, it does not wait); remove one that waits.

        Raises `FolderInUse` for what waits in another server's queue.
        """
        job = self.get(number)
        if job.status in ("waiting", "paused"):
            self._take()
            with self._turn:
                self._change("DELETE FROM jobs WHERE number=? AND status IN ('waiting', 'paused')", (number,))
        elif job.status in ("running", "stopping"):
            own = self._process if self._current is not None and self._current.number == number else None
            if own is None:
                ask_to_stop(self._root / job.study)
            elif job.status == "stopping" or not _asked(self._root / job.study):
                own.terminate()
            self._change("UPDATE jobs SET status='stopping' WHERE number=? AND status='running'", (number,))

    def forget(self, number: int) -> None:
        """Take a job that is over out of the list, with what it printed; its study stays."""
        if self.get(number).status in ENDED:
            self._change("DELETE FROM jobs WHERE number=?", (number,))
            self._printed(number).unlink(missing_ok=True)

    def printed(self, number: int) -> str:
        """What a job printed, the end of it."""
        try:
            text = self._printed(number).read_bytes()[-4 * SHOWN :].decode("utf-8", "replace")
        except OSError:
            return ""
        return text[-SHOWN:].replace(f"{self._root}/", "")

    def close(self) -> None:
        """Stop what runs and wait for its state to be kept; begin nothing more."""
        with self._turn:
            self._over = True
            process = self._process
        if process is not None:
            with suppress(OSError):
                process.terminate()
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                _kill(process)
        if self._waiting is not None:
            self._waiting.join(GRACE)
        if self._lock is not None:
            self._lock.close()

    @property
    def running(self) -> Job | None:
        """The job that this server runs."""
        return self._current

    def _take(self) -> None:
        """Have the queue, which one server has at a time; what waited in an earlier one's is paused.

        Raises `FolderInUse` where another server has it.
        """
        with self._turn:
            if self._lock is not None:
                return
            try:
                (self._root / JOBS).mkdir(exist_ok=True)
                self._lock = locked(self._root / JOBS)
            except FolderInUse:
                raise FolderInUse("another passo ui has the queue of these studies: use that one, or end it") from None
            except (OSError, sqlite3.Error) as error:
                raise StoreError(f"cannot write {self._root / JOBS}: {error}") from error
            self._change("UPDATE jobs SET status='paused' WHERE status='waiting'")
            rows = self._beside.read("SELECT number FROM jobs WHERE status IN ('running', 'stopping')")
            self._left = frozenset(number for (number,) in rows)

    def _settle(self) -> None:
        """Look what became of jobs whose server was killed: some may still train, the others were stopped."""
        left = set()
        for number in self._left:
            rows = self._beside.read(f"SELECT study FROM jobs WHERE number={int(number)}")
            folder = self._root / rows[0][0] if rows else self._root
            if rows and rows[0][0] and (folder / LOCK).exists() and not abandoned(folder):
                left.add(number)
            else:
                self._change("UPDATE jobs SET status='stopped' WHERE number=?", (number,))
        self._left = frozenset(left)

    def _begin(self) -> None:
        """Take the next job, unless one runs or the server ends."""
        with self._turn:
            if self._process is not None or self._over:
                return
            job = next((job for job in self.all() if job.status == "waiting"), None)
            if job is None:
                return
            if self._left:
                again = threading.Timer(AGAIN, self._begin)
                again.daemon = True
                again.start()
                return
            self._change("UPDATE jobs SET status='running', begun=? WHERE number=?", (time.time(), job.number))
            try:
                process = self._process = self._started(job)
            except OSError as error:
                self._change("UPDATE jobs SET status='failed', ended=begun WHERE number=?", (job.number,))
                raise StoreError(f"cannot begin {job.command}: {error}") from error
            self._current = job
            self._waiting = threading.Thread(target=self._await, args=(job, process), daemon=True)
            self._waiting.start()

    def _started(self, job: Job) -> subprocess.Popen[bytes]:
        printed = self._printed(job.number)
        own = {"PASSO_ROOT": str(self._root), "PASSO_LANG": job.language, "NO_COLOR": "1", "COLUMNS": "110"}
        with printed.open("wb") as file:
            return subprocess.Popen(
                [sys.executable, "-m", "passo", "--lang", job.language, *job.words],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **own},
                start_new_session=True,  # Ctrl-C in the terminal is the server's, which stops this process itself
            )

    def _await(self, job: Job, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        stopped = code in (130, 143, -signal.SIGTERM, -signal.SIGINT)
        status = "done" if code == 0 else "stopped" if stopped else "failed"
        with self._turn:
            self._process = self._current = None
            with suppress(PassoError):  # the root is gone, or full
                self._change("UPDATE jobs SET status=?, ended=? WHERE number=?", (status, time.time(), job.number))
        with suppress(PassoError, OSError):
            self._begin()

    def _printed(self, number: int) -> Path:
        return self._root / JOBS / f"{number}.txt"

    def _change(self, sql: str, given: Sequence[object] = ()) -> int:
        return self._beside.change(sql, given, SCHEMA)


def _asked(folder: Path) -> bool:
    """Whether a study could be asked to stop: nothing may be written yet, or the job is no training."""
    try:
        ask_to_stop(folder)
    except StoreError:
        return False
    return True


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process, and those that it began, where it has a group of its own."""
    if hasattr(os, "killpg"):
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


_NEWEST = "SELECT * FROM jobs ORDER BY number DESC LIMIT 500"


def _job(row: Sequence[object]) -> Job:
    number, words, *rest = row
    return Job(int(str(number)), tuple(json.loads(str(words))), *rest)  # type: ignore[arg-type]
