"""The studies under a root, as pages list them: those that cannot be read are among them, with the reason.

A study is known by the name of its folder. What was read is kept as long as its files did not change: a root with a
hundred finished studies is listed without opening one of them again.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from passo.errors import StoreError, UnknownName
from passo.store import (
    DATABASE,
    LOCK,
    Outline,
    RunLine,
    StoredRun,
    StoredStudy,
    abandoned,
    open_run,
    open_study,
    outline,
)
from passo.web.kinds import kind_of

PENDING = "pending"  # where a study's trainings are until they are done: see experiments/pending.py
JOBS = ".passo-jobs"  # what the queue keeps: see web/jobs.py
_ENDINGS = ("", "-wal", "-journal")
DOUBT = 2.0  # seconds after which a study that could not be read is tried again, though its files are the same


@dataclass(frozen=True)
class Entry:
    """A folder that holds a study: its outline, or the reason why it has none.

    Scalars that lists show are read when they are first asked for, and kept with it.
    """

    name: str
    outline: Outline | None
    trouble: str = ""
    read: float = field(default_factory=time.monotonic, compare=False)
    _lasts: dict[str, Mapping[str, float]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def status(self) -> str:
        return "unreadable" if self.outline is None else self.outline.status

    @cached_property
    def kind(self) -> str:
        """One of `KINDS`; empty of what cannot be read."""
        return "" if self.outline is None else kind_of(self.outline)

    @cached_property
    def created(self) -> float:
        """When it was begun, in seconds; 0 where that is not known."""
        return 0.0 if self.outline is None else float(self.outline.facts.get("created", 0))

    @cached_property
    def pairs(self) -> tuple[tuple[str, RunLine], ...]:
        """Its runs, each with the study's name: as lists of several studies have them."""
        return tuple((self.name, run) for run in (() if self.outline is None else self.outline.runs))

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Of each run, what it may be found by: its study, itself and its kind, in small letters."""
        return tuple(f"{name} {run.id} {run.kind}".lower() for name, run in self.pairs)

    def lasts(self, metric: str) -> Mapping[str, float]:
        """The last value of a scalar of every run that has it; raises `StoreError` where that cannot be read."""
        if self.outline is None:
            return {}
        if metric not in self._lasts:
            self._lasts[metric] = self.outline.lasts(metric)
        return self._lasts[metric]

    def holds(self, mark: Mark, known: Mark, folder: Path) -> bool:
        """Whether this is still what reading would find."""
        if mark != known:
            return False
        if self.outline is None:
            return time.monotonic() - self.read < DOUBT
        return self.status != "running" or not abandoned(folder)


Mark = tuple[float, ...]


class Shelf:
    """Reads what lies under a root, and only that."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._known: dict[Path, tuple[Mark, Entry]] = {}
        self._names: Mapping[str, bool] = {}  # of folders that were there last, and whether each is no link
        self._reading = threading.Lock()

    def entries(self) -> list[Entry]:
        """All studies, the newest first; and what looks like one and is none that can be read."""
        try:
            with os.scandir(self.root) as there:
                kinds = [(one.name, one.is_dir(follow_symlinks=False), one.is_symlink()) for one in there]
            names = {name: plain for name, plain, link in kinds if (plain or link) and name != JOBS}
        except OSError:
            names = {}
        found = [entry for name in sorted(names) if (entry := self._listed(name, names[name])) is not None]
        with self._reading:
            if names != self._names:
                self._names = names
                for gone in [place for place in self._known if place.relative_to(self.root).parts[0] not in names]:
                    del self._known[gone]
        return sorted(found, key=lambda one: one.created, reverse=True)

    def entry(self, name: str) -> Entry:
        """A study as lists have it; raises `UnknownName`, or `StoreError` for one that cannot be read."""
        found = self._entry(self.folder(name))
        if found.outline is None:
            raise StoreError(found.trouble)
        return found

    def mark(self, name: str) -> tuple[Mark, str]:
        """What changes when a study does: its files; or how it stands, where whoever wrote it ended without a word."""
        folder = self.folder(name)
        return stamp(folder), self._entry(folder).status

    def folder(self, name: str) -> Path:
        """The folder of a study; raises `UnknownName` for a name that none under the root has.

        STUDY:RUN is a run that a study trains in a folder of its own, until it is done.
        """
        if (study := self.whole(name)) != name:
            run = name.removeprefix(f"{study}:")
            folder, plain = self.root / study / PENDING / run, _plain(study) and _plain(run)
        else:
            folder, plain = self.root / name, _plain(name)
        try:
            there = plain and self._inside(folder / DATABASE) and (folder / DATABASE).exists()
        except PermissionError as error:
            raise StoreError(f"cannot read {folder}: permission denied") from error
        except (OSError, UnicodeEncodeError):  # a name that is too long for the disk, or no text
            there = False
        if not there:
            raise UnknownName(f"there is no study {name!r} here")
        return folder

    def has(self, name: str) -> bool:
        """Whether there is a study of this name."""
        try:
            return bool(self.folder(name))
        except (UnknownName, StoreError):
            return False

    def whole(self, name: str) -> str:
        """The study that STUDY:RUN is a part of; any other name itself."""
        study, colon, _ = name.rpartition(":")
        return study if colon and not os.path.lexists(self.root / name) else name

    def under_way(self, name: str) -> list[str]:
        """The runs of a study that train now, or were stopped, in folders of their own."""
        found = sorted((self.root / name / PENDING).glob(f"*/{DATABASE}")) if _plain(name) else []
        return [path.parent.name for path in found if self._inside(path)]

    def study(self, name: str) -> StoredStudy:
        """A study, opened; raises `UnknownName`, or `StoreError` for one that cannot be read."""
        return open_study(self.folder(name))

    def outline(self, name: str) -> Outline:
        found = self.entry(name).outline
        assert found is not None
        return found

    def run(self, name: str, run: str) -> StoredRun:
        """One run; raises `UnknownName` where it is gone."""
        found = open_run(self.folder(name), run)
        if found is None:
            raise UnknownName(f"study {name} has no run {run!r}")
        return found

    def _inside(self, path: Path) -> bool:
        """Whether a path stays under the root when its links are followed."""
        try:
            return path.resolve().is_relative_to(self.root)
        except (OSError, RuntimeError, ValueError):  # a circle of links
            return False

    def _listed(self, name: str, plain: bool) -> Entry | None:
        """What a list says of a name under the root; None for what is neither a study nor meant to be one.

        `plain` is a folder that is no link: where its database is none either, both lie under the root.
        """
        folder = self.root / name
        if not name.isascii() and not _written(name):
            shown = os.fsencode(name).decode(errors="replace")
            return Entry(shown, None, "its name is not written in UTF-8: rename the folder") if _meant(folder) else None
        try:
            if plain and stat.S_ISREG(_mode(folder)):
                return self._entry(folder)
            if not self._inside(folder / DATABASE):
                trouble = "it is a link that leads out of the folder that is shown here, and is not followed"
                return Entry(name, None, trouble) if _meant(folder) else None
            if (folder / DATABASE).exists():
                return self._entry(folder)
            return Entry(name, None, f"{name} is not a study folder: it has no {DATABASE}") if _meant(folder) else None
        except OSError as error:
            return Entry(name, None, f"cannot read {name}: {(error.strerror or str(error)).lower()}")

    def _entry(self, folder: Path) -> Entry:
        mark = stamp(folder)
        with self._reading:
            known = self._known.get(folder)
        if known is not None and known[1].holds(mark, known[0], folder):
            return known[1]
        entry = _read(folder)
        with self._reading:
            self._known[folder] = (mark, entry)
        return entry


def _plain(name: str) -> bool:
    """Whether a name is one step down, and no more."""
    return name not in ("", ".", "..") and "/" not in name and "\\" not in name and "\0" not in name


def _read(folder: Path) -> Entry:
    try:
        return Entry(folder.name, outline(folder))
    except StoreError as error:
        return Entry(folder.name, None, str(error).replace(f"{folder.parent}/", ""))


def _mode(folder: Path) -> int:
    """What a folder's database is, itself; 0 where it is not there."""
    try:
        return os.lstat(f"{folder}/{DATABASE}").st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _written(name: str) -> bool:
    """Whether a name can be written as text: one of another encoding, or of another system, may not be."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _meant(folder: Path) -> bool:
    """Whether a folder holds something that studies have, or nothing at all yet: a copy that has just begun."""
    try:
        there = {path.name for path in folder.iterdir()}
    except OSError:
        return False
    if not there:
        return not folder.name.startswith(".")
    return not there.isdisjoint({DATABASE, f"{DATABASE}-wal", LOCK, "runs"})


def versions(entries: Sequence[Entry]) -> tuple[tuple[str, object], ...]:
    """What changes when one of these studies is read anew, or cannot be read for another reason."""
    return tuple((one.name, one.trouble or one.read) for one in entries)


def stamp(folder: Path) -> Mark:
    """Which files a study has, their sizes and times: another stamp is another content, or another right to read it."""
    found: list[float] = []
    base = f"{folder}/{DATABASE}"
    for ending in _ENDINGS:
        try:
            seen = os.stat(base + ending)  # noqa: PTH116  a hundred studies at each request
            changed = 0 if ending else seen.st_ctime_ns  # SQLite sets the owner of its log when root reads
            found += [seen.st_mtime_ns, changed, seen.st_size, seen.st_ino]
        except OSError:
            found += [0.0, 0.0, 0.0, 0.0]
    return tuple(found)
