"""A study folder for somebody else's training loop: one run, of kind `watch`, that `passo inspect` reads."""

from __future__ import annotations

import atexit
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from passo.errors import RecordingWarning, StoreError
from passo.store import Store, StoredRun, open_study


class Writing:
    """The folder that a lens streams to. It is closed with the lens, at the latest when Python ends."""

    def __init__(self, folder: str | Path, name: str) -> None:
        self.folder = Path(folder)
        self._store = Store.create(self.folder, name=name, config={"optimizer": name})
        self.run = self._store.add_run("watched", config={"optimizer": {"name": name}}, seed=None, kind="watch")
        self._open = True

    def close_with(self, close: Callable[[], None]) -> None:
        """Who closes, at the latest when Python ends."""
        self._close = close
        atexit.register(close)

    def close(self, facts: Mapping[str, Any]) -> None:
        """Write what is known at the end, and end the study. A second call does nothing."""
        if not self._open:
            return
        self._open = False
        atexit.unregister(self._close)
        try:
            self.run.info(watch=facts)
            self.run.finish()
            self._store.close()
        except StoreError as error:
            warnings.warn(f"the recording in {self.folder} has no end: {error}", RecordingWarning, stacklevel=3)

    def stored(self) -> StoredRun:
        """The run as far as it is on disk."""
        return open_study(self.folder).run(self.run.id)
