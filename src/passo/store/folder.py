"""Files and locks of a study folder: where it lies, who writes it, chunks that were written whole."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path

import numpy as np

from passo.errors import FolderInUse, StoreError
from passo.store.forged import UNREADABLE, damage_told
from passo.store.schema import DATABASE, LOCK, STOP

ABANDONED = "its process ended without a word: it was killed, or the disk was full"
SQLITE = {
    "file is not a database": "file is not a database",
    "database disk image is malformed": "it is damaged, or was not copied to its end",
    "database is locked": "another process keeps it locked",
    "disk i/o error": "the disk gives an error",
    "unable to open database file": "it cannot be opened",
}  # what SQLite says, as we say it
_patience: ContextVar[float] = ContextVar("patience", default=5.0)  # seconds that a reader waits for a lock


def root() -> Path:
    """Where studies live: `PASSO_ROOT`, or `./passo-runs`."""
    return Path(os.environ.get("PASSO_ROOT", "passo-runs"))


def fresh(name: str) -> Path:
    """A folder under `root()` that is not there yet, named for what it holds and when."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = root() / f"{name}-{stamp}"
    return folder if not folder.exists() else moved_aside(folder)


def check_name(name: str) -> None:
    """Raise `StoreError` unless a name is one folder, everywhere: a study and a run are kept in a folder of theirs.

    >>> check_name("../adam")
    Traceback (most recent call last):
    ...
    passo.errors.StoreError: '../adam' cannot be the name of a folder: leave out the slashes
    """
    if "/" in name or "\\" in name:
        wrong = "leave out the slashes"
    elif name in ("", ".", "..") or not name.isprintable():
        wrong = "take letters, digits and signs that can be printed"
    elif len(name.encode("utf-8", "replace")) > 150:
        wrong = "take at most 150 bytes"
    else:
        return
    raise StoreError(f"{name[:60]!r} cannot be the name of a folder: {wrong}")


@contextmanager
def refusals_told(path: Path, doing: str) -> Iterator[None]:
    """Turn the operating system's and SQLite's refusals into one sentence."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot {doing} {path}: {(error.strerror or str(error)).lower()}") from error
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter for names of columns
        said = " ".join(str(error).split())[:200]
        raise StoreError(f"cannot {doing} {path}: {SQLITE.get(said.lower(), said)}") from error


def connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False)  # one writer, whatever thread it trains in
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def locked(folder: Path) -> sqlite3.Connection:
    """Held while a process writes; freed when that process ends, however it ends."""
    check_regular(folder / LOCK)
    lock = sqlite3.connect(folder / LOCK, timeout=0, check_same_thread=False)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        lock.close()
        if "locked" not in str(error):
            with suppress(OSError):  # a full disk: an empty folder that holds a lock would be nobody's study
                (folder / LOCK).unlink()
                folder.rmdir()
            raise
        raise FolderInUse(
            f"{folder} is being written by another process: wait for it, or give another folder"
        ) from None
    return lock


def abandoned(folder: Path) -> bool:
    """Whether nobody writes a study any more that says it is running; where that cannot be told, somebody does."""
    if not (folder / LOCK).is_file():  # a pipe would be waited for
        return not (folder / LOCK).exists()
    try:
        with closing(sqlite3.connect(f"{(folder / LOCK).resolve().as_uri()}?mode=ro", uri=True, timeout=0)) as lock:
            lock.execute("SELECT 1 FROM sqlite_master").fetchall()
    except sqlite3.Error:
        return False
    return True


def ask_to_stop(folder: Path) -> None:
    """Ask the process that writes a study, on whatever machine, to stop with its state kept: it looks for a file.

    Raises `StoreError` where none writes it.
    """
    if not (folder / LOCK).exists() or abandoned(folder):
        raise StoreError(f"nobody is writing {folder}: there is nothing to stop")
    with refusals_told(folder / STOP, "write"):
        (folder / STOP).touch()


def asked_to_stop(folder: Path) -> bool:
    """Whether somebody asked so since the last look; the request is taken away."""
    try:
        (folder / STOP).unlink()
    except OSError:
        return False
    return True


@contextmanager
def patient(seconds: float) -> Iterator[None]:
    """Within, readers wait so long for a database that another process keeps locked."""
    before = _patience.set(seconds)
    try:
        yield
    finally:
        _patience.reset(before)


@contextmanager
def reading_of(folder: Path) -> Iterator[sqlite3.Connection]:
    path = (folder / DATABASE).resolve()
    finished = not path.with_name(DATABASE + "-wal").exists()
    for ending in ("", "-wal", "-shm", "-journal"):
        check_regular(path.with_name(DATABASE + ending))
    with refusals_told(path, "read"):
        address = f"{path.as_uri()}?mode=ro{'&immutable=1' if finished else ''}"
        connection = sqlite3.connect(address, uri=True, timeout=_patience.get())
        try:
            yield connection
        finally:
            connection.close()


def write_chunk(path: Path, values: np.ndarray) -> str:
    """Write an array whole, down to the disk, and give its SHA-256."""
    with refusals_told(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("wb") as file:
                np.save(file, np.ascontiguousarray(values), allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            path.unlink(missing_ok=True)  # a full disk: leave no half of a chunk behind
            raise
    return sha256(path)


def read_chunk(path: Path, digest: str) -> np.ndarray:
    check_regular(path)
    with refusals_told(path, "read"):
        if sha256(path) != digest:
            raise StoreError(f"{path} is damaged: its SHA-256 is not the recorded one")
        with warnings.catch_warnings(), damage_told(path, *UNREADABLE):
            warnings.simplefilter("ignore")  # of old headers
            mapped = np.lib.format.open_memmap(path, mode="r")  # takes no pickle, and no shape beyond the file's size
            if mapped.dtype.kind not in "biufc":
                raise TypeError(f"an array of {mapped.dtype}")
            return np.array(mapped)


def inside(folder: Path, relative: str) -> Path:
    """A path of a study's own: one that leads out of its folder, by dots or by a link, is not followed."""
    with damage_told(folder, OSError, ValueError, RuntimeError):
        home = folder.resolve()
        path = (folder / relative).resolve()
        if len(relative) > 1000 or path == home or not path.is_relative_to(home):
            raise ValueError(f"it names a file that is not below it, {relative[:80]!r}")
    return folder / relative


def check_regular(path: Path) -> None:
    """A pipe would be waited for, and a device has no end."""
    if path.exists() and not path.is_file():
        raise StoreError(f"cannot read {path}: it is no regular file")


def unmake(folder: Path, lock: sqlite3.Connection) -> None:
    """Remove what a creation that failed has made; the lock is ours, so nobody else's work is there."""
    lock.close()
    for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", LOCK):
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()  # only where nothing else is in it


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def moved_aside(folder: Path) -> Path:
    folder, number = folder.resolve(), 1
    while (aside := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    return aside
