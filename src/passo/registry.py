"""Names and what they stand for, with an answer that helps when a name is unknown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from passo.errors import UnknownName

T = TypeVar("T")
LISTED, NEAR = 20, 5  # so many names are all listed; of more, the nearest


def unknown(kind: str, name: object, known: Iterable[str]) -> UnknownName:
    """The error for a name that is not known: the nearest one, then the list; of more than 20, the nearest five.

    >>> print(unknown("optimizer", "adm", ["adam", "sgd"]))
    unknown optimizer 'adm'. Did you mean 'adam'? Known: adam, sgd
    """
    names = sorted(known)
    likeness = _likeness(str(name).lower(), names)
    near = _most(likeness)
    hint = f" Did you mean {near!r}?" if near is not None else ""
    if len(names) <= LISTED:
        listed = f"Known: {', '.join(names)}" if names else "None is known"
    else:
        few = sorted(names, key=lambda one: (-likeness[one], len(one), one))[:NEAR]
        listed = f"Of {len(names):,} known ones the nearest are: {', '.join(few)}"
    return UnknownName(f"unknown {kind} {name!r}.{hint} {listed}")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like what was typed, or None where none is like it; of equals the shortest.

    Likeness is difflib's ratio, of the name itself or with two neighbouring letters exchanged, whichever is higher:
    the ratio alone finds "adma" in "adamax" and not in "adam".

    >>> nearest("adma", ["adam", "adamax"]), nearest("xyz", ["adam"])
    ('adam', None)
    """
    return _most(_likeness(name, known))


def _likeness(name: str, known: Iterable[str]) -> dict[str, float]:
    """How like a name each known one is, from 0 to 1."""
    name = name[:60]  # the time grows with its cube
    typed = {name, *(name[:i] + name[i + 1] + name[i] + name[i + 2 :] for i in range(len(name) - 1))}
    return {one: max(difflib.SequenceMatcher(None, one, way).ratio() for way in typed) for one in sorted(known)}


def _most(likeness: Mapping[str, float]) -> str | None:
    """The name that is most like what was typed, where that is like it at all."""
    best = max(likeness, key=lambda one: (likeness[one], -len(one)), default=None)
    return best if best is not None and likeness[best] >= 0.5 else None


class Registry(Generic[T]):
    """A mapping from names to entries of one kind; refuses duplicates.

    >>> colours = Registry[int]("colour")
    >>> colours.add("red", 1)
    1
    >>> colours["red"], list(colours)
    (1, ['red'])
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def add(self, name: str, entry: T) -> T:
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is registered already")
        self._entries[name] = entry
        return entry

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except (KeyError, TypeError):
            raise unknown(self.kind, name, self._entries) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)
