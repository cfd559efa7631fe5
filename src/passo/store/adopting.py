"""Adopting: a run that was written into a study folder of its own is taken over by another study."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from passo.errors import StoreError
from passo.store.schema import DATABASE
from passo.store.writing import Store

ROWS = (
    "INSERT INTO metrics SELECT * FROM other.metrics",
    "INSERT INTO events(run, time, step, kind, message, data) "
    "SELECT run, time, step, kind, message, data FROM other.events ORDER BY id",
    "INSERT INTO arrays SELECT * FROM other.arrays",
)


def adopt(study: Store, folder: Path, status: str, error: str | None = None) -> bool:
    """Take over what `folder` holds, as ended so: its files first, under a second name, then all of its rows at once.

    Killed in between, the same is done again. Whether there was a run at all: one may fail before it has begun.
    """
    if not (folder / DATABASE).is_file():
        return False
    study.read("ATTACH DATABASE ? AS other", (str(folder / DATABASE),))
    try:
        if not study.read("SELECT 1 FROM other.runs"):
            return False
        for (path,) in study.read("SELECT path FROM other.arrays"):
            _linked(folder / path, study.folder / path)
        run = (
            "INSERT INTO runs SELECT id, kind, name, config, seed, ?, started, coalesce(finished, ?), ?, info "
            "FROM other.runs"
        )
        study.transact((run, (status, time.time(), error)), *((rows, ()) for rows in ROWS))
    finally:
        study.read("DETACH DATABASE other")
    return True


def _linked(source: Path, target: Path) -> None:
    """A file under a second name, or copied where the disk has no links. A chunk never changes once it is written."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
    except OSError as error:
        raise StoreError(f"cannot take over {source}: {(error.strerror or str(error)).lower()}") from error
