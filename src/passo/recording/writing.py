"""A study folder for somebody else's training loop: one run, of kind `watch`, that `passo inspect` reads."""

from __future__ import annotations

import atexit
from pathlib import Path

from passo.store import Store, StoredRun, open_study


class Writing:
    """The folder that a lens streams to. It is closed with the lens, at the latest when Python ends."""

    def __init__(self, folder: str | Path, name: str) -> None:
        self.folder = Path(folder)
        self._store = Store.create(self.folder, name=name, config={"optimizer": name})
        self.run = self._store.add_run("watched", config={"optimizer": {"name": name}}, seed=None, kind="watch")
        self._open = True

    def at_exit(self, close: object) -> None:
        atexit.register(close)  # type: ignore[arg-type]

    def close(self) -> None:
        if self._open:
            self._open = False
            self.run.finish()
            self._store.close()

    def stored(self) -> StoredRun:
        """The run as far as it is on disk."""
        return open_study(self.folder).run(self.run.id)
