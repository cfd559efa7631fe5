"""What every page needs: the root under which studies lie, the keys of this server, and what is written beside."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from passo.web.beside import Beside
from passo.web.errands import Errands
from passo.web.jobs import Jobs
from passo.web.keys import Keys
from passo.web.shelf import Shelf
from passo.web.worker import Worker


@dataclass
class Laboratory:
    """One server's state. `hosts` are the names, with ports, under which it may be asked."""

    root: Path
    hosts: frozenset[str]
    keys: Keys = field(default_factory=lambda: Keys(secrets.token_urlsafe(24)))

    def __post_init__(self) -> None:
        self.root = self.root.resolve()
        self.shelf = Shelf(self.root)
        self.beside = Beside(self.root)
        self.jobs = Jobs(self.root, self.beside)
        self.worker = Worker()
        self.drawing = threading.Lock()  # figures silence warnings, which all threads share
        self.errands = Errands()
        self._offered: dict[str, Any] | None = None

    def offered(self) -> dict[str, Any]:
        """What forms can offer, which takes torch to know: asked of the worker once."""
        found = self._offered or self.worker.ask("offered")
        self._offered = found
        return found
