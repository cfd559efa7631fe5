"""What was recorded and is still in memory, read like a stored run: the same figures and the same analysis fit both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from passo.errors import StoreError


class Later(Mapping[str, Any]):
    """Facts that are worked out when one is asked for: what lies around a training takes some 20 ms to look for."""

    def __init__(self, make: Callable[[], Mapping[str, Any]]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> Mapping[str, Any]:
        return self._make()

    def __getitem__(self, name: str) -> Any:
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


@dataclass(frozen=True)
class HeldRun:
    """The part of `store.StoredRun` that reading needs: arrays with their meaning, facts, events."""

    id: str
    held: Mapping[str, tuple[np.ndarray, Mapping[str, Any]]]
    info: Mapping[str, Any] = field(default_factory=dict)
    happened: tuple[tuple[str, int | None, str, dict[str, Any]], ...] = ()

    def arrays(self) -> list[str]:
        return sorted(self.held)

    def array(self, name: str) -> np.ndarray:
        return self._held(name)[0]

    def meta(self, name: str) -> dict[str, Any]:
        return dict(self.held[name][1]) if name in self.held else {}

    def events(self) -> list[tuple[str, int | None, str, dict[str, Any]]]:
        return list(self.happened)

    def _held(self, name: str) -> tuple[np.ndarray, Mapping[str, Any]]:
        if name not in self.held:
            raise StoreError(f"{self.id} has no array {name!r}; it has: {', '.join(self.arrays()) or 'none'}")
        return self.held[name]
