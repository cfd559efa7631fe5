"""What every page needs: the root under which studies lie, the keys of this server, and what is written beside."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from passo.web.beside import Beside
from passo.web.errands import Errands
from passo.web.growing import Curves
from passo.web.jobs import Jobs
from passo.web.kept import Kept
from passo.web.keys import Keys
from passo.web.room import Room
from passo.web.shelf import Shelf
from passo.web.worker import Worker

if TYPE_CHECKING:
    from passo.web.arithmetic import Arithmetic

AT_A_TIME = 8
PAGES = 24_000_000  # bytes of pages that are kept


@dataclass
class Laboratory:
    """One server's state. `hosts` are the names, with ports, under which it may be asked."""

    root: Path
    hosts: frozenset[str]
    keys: Keys = field(default_factory=lambda: Keys(secrets.token_urlsafe(24)))

    def __post_init__(self) -> None:
        self.root = self.root.resolve()
        self.shelf = Shelf(self.root)
        self.kept = Kept(self.shelf)
        self.pages = Room(PAGES)
        self.curves = Curves(self.shelf)
        self.beside = Beside(self.root)
        self.jobs = Jobs(self.root, self.beside)
        self.worker = Worker()
        self.errands = Errands()
        self._offered: dict[str, Any] | None = None

    @cached_property
    def arithmetic(self) -> Arithmetic:
        """Races that were asked for lately; the first page of a server needs none."""
        from passo.web.arithmetic import Arithmetic

        return Arithmetic(self.worker)

    @cached_property
    def turns(self) -> anyio.CapacityLimiter:
        """Pages that are made at a time: of more threads, each only keeps the others from their work."""
        return anyio.CapacityLimiter(AT_A_TIME)

    @cached_property
    def waits(self) -> anyio.CapacityLimiter:
        """Pages that wait for the process with torch at a time: the others need not wait for them."""
        return anyio.CapacityLimiter(AT_A_TIME)

    def offered(self) -> dict[str, Any]:
        """What forms can offer, which takes torch to know: asked of the worker once."""
        found = self._offered or self.worker.ask("offered")
        self._offered = found
        return found
