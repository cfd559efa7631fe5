"""Runs that pages opened lately, with what was read of them: who scrubs through steps reads their arrays once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import numpy as np

from passo.store import StoredRun
from passo.web.shelf import Shelf, stamp

RUNS, MADE = 6, 40  # runs that are kept, and things made of one
LARGEST = 32_000_000  # bytes of an array that is kept
Thing = TypeVar("Thing")


@dataclass(frozen=True)
class KeptRun(StoredRun):
    """A run that answers again from what it read once; it is thrown away when the study's files change."""

    seen: OrderedDict[Hashable, Any] = field(default_factory=OrderedDict, repr=False, compare=False)

    @classmethod
    def of(cls, run: StoredRun, seen: OrderedDict[Hashable, Any] | None = None) -> KeptRun:
        own = {one.name: getattr(run, one.name) for one in fields(StoredRun)}
        return cls(**own, seen=OrderedDict() if seen is None else seen)

    def made(self, key: Hashable, make: Callable[[], Thing]) -> Thing:
        """What `make` gave for this key, the last `MADE` of them."""
        if key in self.seen:
            return self.seen[key]
        found = make()
        self.seen[key] = found
        while len(self.seen) > MADE:
            self.seen.popitem(last=False)
        return found

    def arrays(self) -> list[str]:
        return self.made("arrays", super().arrays)

    def meta(self, name: str) -> dict[str, Any]:
        return self.made(("meta", name), lambda: super(KeptRun, self).meta(name))

    def array(self, name: str) -> np.ndarray:
        if ("array", name) in self.seen:
            return self.seen["array", name]
        found = super().array(name)
        found.flags.writeable = False
        return found if found.nbytes > LARGEST else self.made(("array", name), lambda: found)

    def events(self) -> list[tuple[str, int | None, str, dict[str, Any]]]:
        return self.made("events", super().events)


class Kept:
    """The runs that were opened last, as long as their study's files are the same."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._runs: OrderedDict[tuple[str, str], tuple[tuple[float, ...], KeptRun]] = OrderedDict()
        self._keeping = threading.Lock()

    def run(self, study: str, name: str) -> KeptRun:
        """One run; raises `UnknownName` where it is gone, `StoreError` where it cannot be read."""
        mark = stamp(self._shelf.folder(study))
        with self._keeping:
            known = self._runs.get((study, name))
        if known is not None and known[0] != mark:
            known = None
        if known is not None and known[1].status != "running":
            return known[1]
        # one that trains may have ended without another word: how it stands is asked anew, its arrays are not
        found = KeptRun.of(self._shelf.run(study, name), None if known is None else known[1].seen)
        with self._keeping:
            self._runs[study, name] = (mark, found)
            self._runs.move_to_end((study, name))
            while len(self._runs) > RUNS:
                self._runs.popitem(last=False)
        return found
