"""A study folder for somebody else's training loop: one run, of kind `watch`, that `passo inspect` reads."""

from __future__ import annotations

import atexit
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from passo.errors import RecordingWarning, StoreError
from passo.recording.blocks import Arrays
from passo.store import Store, StoredRun, open_study


class Writing:
    """The folder that a lens streams to. It is closed with the lens, at the latest when Python ends."""

    def __init__(self, folder: str | Path, name: str) -> None:
        self.folder = Path(folder)
        self._store = Store.create(self.folder, name=name, config={"optimizer": name})
        self.run = self._store.add_run("watched", config={"optimizer": {"name": name}}, seed=None, kind="watch")
        self.open = True

    def close_with(self, close: Callable[[], None]) -> None:
        """Who closes, at the latest when Python ends."""
        self._close = close
        atexit.register(close)

    def close(self, facts: Mapping[str, Any]) -> None:
        """Write what is known at the end, and end the study. A second call does nothing."""
        if not self.open:
            return
        self.open = False
        atexit.unregister(self._close)
        try:
            self.run.info(watch=facts)
            self.run.finish()
            self._store.close()
        except StoreError as error:
            warnings.warn(f"the recording in {self.folder} has no end: {error}", RecordingWarning, stacklevel=3)

    def abandon(self) -> None:
        """Give the folder up: what should have been written to it never began."""
        self.open = False
        self._store.close("failed")

    def before(self, arrays: Arrays) -> Arrays:
        """What is on disk, and then what is still in memory."""
        stored = self.stored()
        there: Arrays = {name: (stored.array(name), stored.meta(name)) for name in stored.arrays()}
        for name, (values, meta) in arrays.items():
            there[name] = (np.concatenate([there[name][0], values]) if name in there else values, meta)
        return there

    def stored(self) -> StoredRun:
        """The run as far as it is on disk."""
        return open_study(self.folder).run(self.run.id)
