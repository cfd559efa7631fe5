"""Runs that pages opened lately, with what was read of them: who scrubs through steps reads their arrays once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import numpy as np

from passo.store import Series, StoredRun
from passo.web.room import Room
from passo.web.shelf import Mark, Shelf

ROOM = 256_000_000  # bytes of what is kept of runs
Thing = TypeVar("Thing")


@dataclass(frozen=True, kw_only=True)
class KeptRun(StoredRun):
    """A run that answers again from what it read once, as long as its study's files are the same."""

    room: Room = field(repr=False, compare=False)
    mark: tuple[Mark, str] = field(repr=False, compare=False)

    def made(self, key: Hashable, make: Callable[[], Thing]) -> Thing:
        """What `make` gave for this key, or gave before."""
        return self.room.made((self.folder, self.id, key), self.mark, make)

    def known(self, key: Hashable) -> Any | None:
        """The same where it was made before, else None."""
        return self.room.known((self.folder, self.id, key), self.mark)

    def metrics(self) -> list[str]:
        return self.made("metrics", super().metrics)

    def metric(self, name: str) -> Series:
        return self.made(("metric", name), lambda: super(KeptRun, self).metric(name))

    def lasts(self) -> dict[str, float]:
        return self.made("lasts", super().lasts)

    def arrays(self) -> list[str]:
        return self.made("arrays", super().arrays)

    def meta(self, name: str) -> dict[str, Any]:
        return self.made(("meta", name), lambda: super(KeptRun, self).meta(name))

    def array(self, name: str) -> np.ndarray:
        return self.made(("array", name), lambda: self._unchanging(name))

    def _unchanging(self, name: str) -> np.ndarray:
        found = super().array(name)
        found.flags.writeable = False
        return found

    def events(self) -> list[tuple[str, int | None, str, dict[str, Any]]]:
        return self.made("events", super().events)


class Kept:
    """The runs that were opened last, as long as their study's files are the same."""

    def __init__(self, shelf: Shelf, most: int = ROOM) -> None:
        self._shelf = shelf
        self.room = Room(most)

    def run(self, study: str, name: str) -> KeptRun:
        """One run; raises `UnknownName` where it is gone, `StoreError` where it cannot be read."""
        mark = self._shelf.mark(study)

        def read() -> KeptRun:
            run = self._shelf.run(study, name)
            return KeptRun(**{one.name: getattr(run, one.name) for one in fields(StoredRun)}, room=self.room, mark=mark)

        return self.room.made((study, name), mark, read)
