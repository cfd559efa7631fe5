"""Things that were read or made lately, as many as there is room for; each is made once for all who ask."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import is_dataclass
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import numpy as np

SHARE = 4  # a thing that takes more than one part of so many of the room is not kept
Thing = TypeVar("Thing")


class Room:
    """Keeps things by a key as long as their mark is the same; what nobody asked for longest goes first.

    `most` is in bytes, by `size_of`.
    """

    def __init__(self, most: int) -> None:
        self._most, self.taken = most, 0
        self._things: OrderedDict[Hashable, tuple[object, Any, int]] = OrderedDict()
        self._turns: WeakValueDictionary[Hashable, threading.Lock] = WeakValueDictionary()
        self._keeping = threading.Lock()

    def made(self, key: Hashable, mark: object, make: Callable[[], Thing]) -> Thing:
        """What `make` gave for this key and mark: others who ask meanwhile wait for it, and get the same.

        `make` asks no other process, which may take long: those who wait keep their turns.
        """
        with self._keeping:
            there, turn = self._there(key, mark), self._turns.setdefault(key, threading.Lock())
        if there is not None:
            return there[1]
        with turn:
            with self._keeping:
                there = self._there(key, mark)
            if there is not None:
                return there[1]
            found = make()
            size = size_of(found)
            with self._keeping:
                self._drop(key)
                if size * SHARE <= self._most:
                    self._things[key] = (mark, found, size)
                    self.taken += size
                while self.taken > self._most:
                    self._drop(next(iter(self._things)))
        return found

    def known(self, key: Hashable, mark: object) -> Any | None:
        """What is kept for this key and mark; None where nothing is."""
        with self._keeping:
            there = self._there(key, mark)
        return None if there is None else there[1]

    def _there(self, key: Hashable, mark: object) -> tuple[object, Any, int] | None:
        found = self._things.get(key)
        if found is None or found[0] != mark:
            return None
        self._things.move_to_end(key)
        return found

    def _drop(self, key: Hashable) -> None:
        if key in self._things:
            self.taken -= self._things.pop(key)[2]


def size_of(thing: Any) -> int:
    """About how many bytes a thing takes with all that it is made of, each part counted once.

    >>> size_of(np.zeros((1000, 1000))) // 1_000_000, size_of({"spec": [{"values": "x" * 5000}]}) // 1000
    (8, 5)
    """
    known: set[int] = set()
    left, size = [thing], 0
    while left:
        one = left.pop()
        if id(one) in known or isinstance(one, type):
            continue
        known.add(id(one))
        size += max(sys.getsizeof(one), one.nbytes if isinstance(one, np.ndarray) else 0)
        if isinstance(one, Mapping):
            left += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set | frozenset):
            left += one
        elif is_dataclass(one) or hasattr(one, "_kwds"):  # the latter is a part of a chart
            left += vars(one).values()
    return size
