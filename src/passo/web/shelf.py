"""The studies under a root, as pages list them: those that cannot be read are among them, with the reason.

A study is known by the name of its folder. What was read is kept as long as its files did not change: a root with a
hundred finished studies is listed without opening one of them again.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from passo.errors import StoreError, UnknownName
from passo.store import DATABASE, Outline, StoredRun, StoredStudy, open_study, outline

PENDING = "pending"  # where a study's trainings are until they are done: see experiments/pending.py
_ENDINGS = ("", "-wal", "-journal")


@dataclass(frozen=True)
class Entry:
    """A folder that holds a study: its outline, or the reason why it has none."""

    name: str
    outline: Outline | None
    trouble: str = ""

    @property
    def status(self) -> str:
        return "unreadable" if self.outline is None else self.outline.status


class Shelf:
    """Reads what lies under a root, and only that."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._known: dict[str, tuple[tuple[float, ...], Entry]] = {}
        self._reading = threading.Lock()

    def entries(self) -> list[Entry]:
        """All studies, the newest first."""
        found = [self._entry(path.parent) for path in sorted(self.root.glob(f"*/{DATABASE}")) if self._inside(path)]
        return sorted(found, key=_created, reverse=True)

    def folder(self, name: str) -> Path:
        """The folder of a study; raises `UnknownName` for a name that none under the root has.

        STUDY:RUN is a run that a study trains in a folder of its own, until it is done.
        """
        study, colon, run = name.rpartition(":")
        if colon and not (self.root / name).exists():
            folder, plain = self.root / study / PENDING / run, _plain(study) and _plain(run)
        else:
            folder, plain = self.root / name, _plain(name)
        if not plain or not self._inside(folder / DATABASE) or not (folder / DATABASE).is_file():
            raise UnknownName(f"there is no study {name!r} here")
        return folder

    def under_way(self, name: str) -> list[str]:
        """The runs of a study that train now, or were stopped, in folders of their own."""
        found = sorted((self.root / name / PENDING).glob(f"*/{DATABASE}")) if _plain(name) else []
        return [path.parent.name for path in found if self._inside(path)]

    def study(self, name: str) -> StoredStudy:
        """A study, opened; raises `UnknownName`, or `StoreError` for one that cannot be read."""
        return open_study(self.folder(name))

    def outline(self, name: str) -> Outline:
        return outline(self.folder(name))

    def run(self, name: str, run: str) -> StoredRun:
        """One run; raises `UnknownName` where it is gone."""
        study = self.study(name)
        if all(one.id != run for one in study.runs):
            raise UnknownName(f"study {name} has no run {run!r}")
        return study.run(run)

    def _inside(self, path: Path) -> bool:
        """Whether a path stays under the root when its links are followed."""
        try:
            return path.resolve().is_relative_to(self.root)
        except (OSError, RuntimeError, ValueError):  # a circle of links
            return False

    def _entry(self, folder: Path) -> Entry:
        mark = stamp(folder)
        with self._reading:
            known = self._known.get(folder.name)
        if known is not None and known[0] == mark and known[1].status != "running":
            return known[1]
        entry = _read(folder)
        with self._reading:
            self._known[folder.name] = (mark, entry)
        return entry


def _plain(name: str) -> bool:
    """Whether a name is one step down, and no more."""
    return name not in ("", ".", "..") and "/" not in name and "\\" not in name and "\0" not in name


def _read(folder: Path) -> Entry:
    try:
        return Entry(folder.name, outline(folder))
    except StoreError as error:
        return Entry(folder.name, None, str(error).replace(f"{folder.parent}/", ""))


def _created(entry: Entry) -> float:
    return 0.0 if entry.outline is None else float(entry.outline.facts.get("created", 0))


def stamp(folder: Path) -> tuple[float, ...]:
    """Sizes and times of a study's files: another stamp is another content."""
    found: list[float] = []
    for ending in _ENDINGS:
        try:
            seen = (folder / f"{DATABASE}{ending}").stat()
            found += [seen.st_mtime_ns, seen.st_size]
        except OSError:
            found += [0.0, 0.0]
    return tuple(found)
