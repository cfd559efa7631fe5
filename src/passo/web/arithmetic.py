"""The races that pages showed lately, and the steps of their racers: asked of the worker once, then read often."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from passo.analysis.races import Race, race
from passo.analysis.walked import WalkedRun
from passo.web.worker import Worker

KEPT = 24  # races, and racers


class Arithmetic:
    """What was asked for last, by what was asked."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._known: OrderedDict[str, Any] = OrderedDict()
        self._keeping = threading.Lock()

    def race(self, **asked: Any) -> Race:
        """A race, as the worker runs it."""
        return self._once("race", asked, race)

    def way(self, name: str, axes: tuple[str, str], **asked: Any) -> WalkedRun:
        """One racer's steps; `asked` is what the worker needs to let it walk again."""
        return WalkedRun.of(self._once("race_steps", asked, lambda found: found), name, axes)

    def _once(self, task: str, asked: dict[str, Any], read: Callable[[Any], Any]) -> Any:
        key = json.dumps([task, asked], sort_keys=True)
        with self._keeping:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        found = read(self._worker.ask(task, **asked))
        with self._keeping:
            self._known[key] = found
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return found
