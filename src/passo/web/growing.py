"""Curves that grow, read for all pages at once: of a run that is watched, only what is new is read from the disk.

Fifty pages that watch a run ask for the same curves when its files change. The first of them has them read; the others
get the same answer.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from passo.errors import StoreError
from passo.language import language
from passo.store import Series, StoredRun, grown
from passo.web.room import Room
from passo.web.series import extremes
from passo.web.shelf import Shelf

ANSWERS, ROOM = 4_000_000, 64_000_000  # bytes of answers and of curves that are kept
Query = tuple[tuple[str, ...], float, float, int]  # metrics; the first and the last step; points of each curve
Tell = Callable[[str, np.ndarray, np.ndarray], str]


class Curves:
    """Answers with the curves of runs, as JSON."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._answers = Room(ANSWERS)
        self._known: OrderedDict[tuple[str, str, str], tuple[float, Series]] = OrderedDict()
        self._reading = threading.Lock()

    def told(self, study: str, run: str, query: Query, tell: Tell) -> bytes:
        """{"status": …, "curves": {"name": {"x": […], "y": […], "n": …, "sentence": …}}} of a run's metrics.

        `tell` puts a whole curve into a sentence, in the language that is spoken.
        """
        key = (study, run, language(), query)
        return self._answers.made(key, self._shelf.mark(study), lambda: self._read(study, run, query, tell))

    def _read(self, study: str, run: str, query: Query, tell: Tell) -> bytes:
        with self._reading:
            found = self._shelf.run(study, run)
            there = {name: series for name in query[0] if (series := self._series(study, found, name)) is not None}
        curves = {name: _curve(series, query, tell) for name, series in there.items()}
        return json.dumps({"status": found.status, "curves": curves}, allow_nan=False).encode()

    def _series(self, study: str, run: StoredRun, metric: str) -> Series | None:
        key = (study, run.id, metric)
        began, known = self._known.pop(key, (None, None))
        if known is not None and began == run.started:
            found = grown(known, run.folder, run.id)
        else:
            try:
                found = run.metric(metric)
            except StoreError:
                if run.has(metric):  # it is there, and cannot be read
                    raise
                found = None
        if found is not None:
            self._known[key] = (run.started, found)
            while len(self._known) > 1 and sum(map(_size, self._known.values())) > ROOM:
                self._known.popitem(last=False)
        return found


def _size(kept: tuple[float, Series]) -> int:
    return sum(part.nbytes for part in (kept[1].steps, kept[1].epochs, kept[1].values))


def _curve(series: Series, query: Query, tell: Tell) -> dict[str, Any]:
    _, low, high, most = query
    inside = (series.steps >= low) & (series.steps <= high)
    x, y = extremes(series.steps[inside], series.values[inside], most)
    values = [value if finite else None for value, finite in zip(y.tolist(), np.isfinite(y).tolist(), strict=True)]
    told = tell(series.name, series.steps, series.values)
    return {"x": x.tolist(), "y": values, "n": int(inside.sum()), "sentence": told}
