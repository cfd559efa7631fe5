"""Where a run writes: straight into a study folder, or first into a draft that a worker process sends home."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from passo.store import RunWriter


class Sink(Protocol):
    """What `store.RunWriter` and `Draft` have in common."""

    def scalars(self, step: int, epoch: float, values: Mapping[str, float]) -> None: ...
    def flush(self) -> None: ...
    def array(self, name: str, values: np.ndarray, *, first_step: int = 0, **meta: Any) -> None: ...
    def chunk(self, arrays: Mapping[str, tuple[np.ndarray, Mapping[str, Any]]], *, first_step: int = 0) -> None: ...
    def event(self, kind: str, message: str, step: int | None = None, **data: Any) -> None: ...
    def info(self, **facts: Any) -> None: ...
    def finish(self, status: str = "done", error: str | None = None) -> None: ...


@dataclass
class Draft:
    """Keeps what is written, in order, until it is replayed into the store by its one writer."""

    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    status: str = "running"
    error: str | None = None

    def scalars(self, step: int, epoch: float, values: Mapping[str, float]) -> None:
        self.calls.append(("scalars", (step, epoch, dict(values)), {}))

    def flush(self) -> None:
        """Nobody watches a draft."""

    def array(self, name: str, values: np.ndarray, *, first_step: int = 0, **meta: Any) -> None:
        self.calls.append(("array", (name, values), {"first_step": first_step, **meta}))

    def chunk(self, arrays: Mapping[str, tuple[np.ndarray, Mapping[str, Any]]], *, first_step: int = 0) -> None:
        self.calls.append(("chunk", (arrays,), {"first_step": first_step}))

    def event(self, kind: str, message: str, step: int | None = None, **data: Any) -> None:
        self.calls.append(("event", (kind, message, step), data))

    def info(self, **facts: Any) -> None:
        self.facts.update(facts)

    def finish(self, status: str = "done", error: str | None = None) -> None:
        self.status, self.error = status, error

    def replay(self, writer: RunWriter) -> None:
        """Write everything into the study, the end last."""
        for name, arguments, options in self.calls:
            getattr(writer, name)(*arguments, **options)
        writer.info(**self.facts)
        writer.finish(self.status, self.error)
