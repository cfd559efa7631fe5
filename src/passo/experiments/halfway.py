"""How far the groups of a study are, for whoever looks at it meanwhile: a small file for each, beside its state.

A group writes its runs at its end, and nothing of it grows in the study until then. The file is written by the study's
one writer, whenever a group says how far it is, twice a second at most.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from passo.experiments.fusing import OnTheWay, kept_at
from passo.experiments.pending import PENDING
from passo.experiments.stages import Task

TOLD, PART = ".json", ".part"  # how a file ends, and one that is not written to its end


class Halfway:
    """The files of the groups that train now; an earlier command's are removed at the start."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._since = folder, dict[Path, float]()
        self._paths: dict[str, Path] = {}  # by a group's first run: a name of all settings takes a while to make
        for path in (folder / PENDING).glob("group-*"):
            if path.suffix in (TOLD, PART):
                path.unlink(missing_ok=True)

    def tell(self, step: OnTheWay) -> None:
        """Write how far a group is; a disk that takes no more is no reason to stop."""
        path = self._path(step.tasks)
        since = self._since.setdefault(path, time.time())
        told = {"trainings": len(step.tasks), "since": since, "done": step.done, **(step.at or {})}
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_suffix(PART)
            beside.write_text(json.dumps(told), encoding="utf-8")
            beside.replace(path)

    def ended(self, tasks: Sequence[Task]) -> None:
        """Its runs are written, or train alone."""
        self._path(tasks).unlink(missing_ok=True)

    def _path(self, tasks: Sequence[Task]) -> Path:
        first = tasks[0].run_id
        if first not in self._paths:
            self._paths[first] = kept_at(self._folder, tasks).with_suffix(TOLD)
        return self._paths[first]
