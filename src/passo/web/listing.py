"""Runs of one study or of all: found, sorted and cut to a page, ten thousand of them at each request.

Only the rows that are shown become rows; all else is done with whole lists, so that a page is made in milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import quote

from passo.errors import StoreError
from passo.store import RunLine
from passo.web.beside import Said
from passo.web.shelf import Entry

METRICS = ("test/accuracy", "validation/accuracy", "test/loss", "validation/loss", "train/loss")
COLUMNS = 3  # metrics that a table shows beside a run
Pair = tuple[str, RunLine]  # a study's name, and a run of it
ORDERS: dict[str, Callable[[Pair], Any]] = {
    "study": lambda pair: pair[0],
    "run": lambda pair: pair[1].id,
    "kind": lambda pair: pair[1].kind,
    "status": lambda pair: pair[1].status,
    "begun": lambda pair: pair[1].started,
    "seconds": lambda pair: -1.0 if pair[1].finished is None else pair[1].finished - pair[1].started,
}


class Row(NamedTuple):
    """One run as a table shows it; `values` are of the listing's metrics, None where it has none."""

    study: str
    run: RunLine
    values: tuple[float | None, ...]
    said: Said

    @property
    def name(self) -> str:
        return f"{self.study}/{self.run.id}"

    @property
    def address(self) -> tuple[str, str]:
        """Of its study's page, and of its own."""
        study = f"/study/{quote(self.study, safe='')}"
        return study, f"{study}/run/{quote(self.run.id, safe='')}"

    @property
    def seconds(self) -> float | None:
        return None if self.run.finished is None else self.run.finished - self.run.started


class Listing:
    """The runs of some studies, with what was said about them."""

    def __init__(self, entries: Sequence[Entry], said: Mapping[str, Said]) -> None:
        self._entries = {one.name: one for one in entries if one.outline is not None}
        self._said = said
        self.damaged: dict[str, str] = {}  # studies whose metrics cannot be read, and why

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """The usual metrics that any of the studies has, the most telling first."""
        found: list[str] = []
        for name in METRICS:
            lasts = [self._lasts(one, name) for one in self._entries]  # of all, so that each that is damaged is known
            if any(lasts):
                found.append(name)
            if len(found) == COLUMNS:
                break
        return tuple(found)

    def found(self, status: str, sought: Sequence[str]) -> list[Pair]:
        """The runs of a status, or of any where it is empty, that all of the words belong to."""
        found: list[Pair] = []
        for entry in self._entries.values():
            pairs: Sequence[Pair] = entry.pairs
            if sought:
                texts, left = self._texts(entry), range(len(pairs))
                for word in sought:
                    left = [place for place in left if word in texts[place]]
                pairs = [pairs[place] for place in left]
            found += [pair for pair in pairs if pair[1].status == status] if status else pairs
        return found

    def _texts(self, entry: Entry) -> Sequence[str]:
        """Of each run of a study, what it may be found by, and what was said about it."""
        if entry.name not in self._talked_of:
            return entry.texts
        said = (self._said.get(f"{name}/{run.id}", Said()) for name, run in entry.pairs)
        told = (" ".join((*about.tags, about.note)).lower() for about in said)
        return [f"{text} {more}" for text, more in zip(entry.texts, told, strict=True)]

    @cached_property
    def _talked_of(self) -> frozenset[str]:
        """Studies of whose runs something was said."""
        return frozenset(thing.partition("/")[0] for thing in self._said if "/" in thing)

    def ordered(self, found: list[Pair], by: str) -> list[Pair]:
        """The same by a column, downwards where a minus stands before it; as they are where there is no such column."""
        name = by.lstrip("-")
        key = self._by_metric(name) if name in self.metrics else ORDERS.get(name)
        return found if key is None else sorted(found, key=key, reverse=by.startswith("-"))

    def row(self, pair: Pair) -> Row:
        study, run = pair
        values = tuple(self._lasts(study, name).get(run.id) for name in self.metrics)
        return Row(study, run, values, self._said.get(f"{study}/{run.id}", Said()))

    def _by_metric(self, name: str) -> Callable[[Pair], float]:
        lasts = {study: self._lasts(study, name) for study in self._entries}

        def value(pair: Pair) -> float:
            found = lasts[pair[0]].get(pair[1].id, -math.inf)
            return found if found == found else -math.inf  # NaN has no place in an order

        return value

    def _lasts(self, study: str, name: str) -> Mapping[str, float]:
        if study in self.damaged:
            return {}
        try:
            return self._entries[study].lasts(name)
        except StoreError as error:
            self.damaged[study] = str(error)
            return {}
