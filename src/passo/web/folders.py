"""Folders that what is begun from a page will have: their names, and where they lie."""

from __future__ import annotations

import os
import re
from pathlib import Path

from passo.errors import UsageError
from passo.web.answering import Asked

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def named(asked: Asked, name: str, there: bool = False) -> str:
    """A name that a folder under the root may have; of one that is `there` already only where it may be."""
    if not NAME.fullmatch(name):
        raise UsageError(f"a name has letters, digits, dots, hyphens and underscores, at most 80: got {name!r}")
    if not there and (asked.lab.root / name).exists():
        raise UsageError(f"there is something called {name} already: give another name")
    return name


def free(asked: Asked, name: str) -> str:
    """The name, or the first of it with a number that is not taken."""
    root = asked.lab.root
    there = root.iterdir() if root.is_dir() else ()  # the usual root is made by the first training
    taken = {path.name for path in there} | {job.study for job in asked.lab.jobs.all()}
    number = next(number for number in range(1, 10**6) if (name if number == 1 else f"{name}-{number}") not in taken)
    return name if number == 1 else f"{name}-{number}"


def out(asked: Asked, name: str) -> str:
    """Where a study will lie, as one types it where the server was started."""
    place = asked.lab.root / name
    relative = os.path.relpath(place)
    return str(place) if relative.startswith("..") else str(Path(relative))
