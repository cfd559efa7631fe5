"""What the microscope keeps: blocks of steps, held in bounded memory or streamed into a study folder.

Without a store, memory stays under `limit` bytes: when it is reached, every other step is dropped, old and new alike.
With one, full blocks go to disk, dense at first, and each time half of what is left of the limit is written, from
then on only every other step is kept. Either way an event says so. Reading changes nothing of what is kept.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from passo.errors import PassoError, RecordingWarning
from passo.recording.blocks import Arrays, Block, Layout, Look, joined, packed, size, thinned, unpacked

BLOCK = 256  # steps that are stacked at once
UNDEVELOPED = 8192  # looks that wait for a reader to be developed


class Sink(Protocol):
    """Where arrays and events can be written: `store.RunWriter`, or what stands in for it."""

    def chunk(self, arrays: Mapping[str, tuple[np.ndarray, Mapping[str, Any]]], *, first_step: int = 0) -> None: ...
    def event(self, kind: str, message: str, step: int | None = None, **data: Any) -> None: ...


@dataclass
class Event:
    """Something that was noticed: `what` is a word to select by, `message` a sentence."""

    step: int | None
    what: str
    message: str
    facts: dict[str, Any] = field(default_factory=dict)


class Records:
    """Growing arrays of what was recorded, and the events.

    `thin` tells whoever chooses the steps to look half as often; `develop` works a look's stages out where they are not
    yet; `check` is called before looks are read. Another instrument's arrays go the same way: `drain` hands them over,
    `beside` only shows them. `summaries` give arrays of all steps so far, which are written at the end.
    """

    def __init__(self, limit: int, sink: Sink | None, thin: Callable[[], None]) -> None:
        self.layout = Layout((), (), (), ())  # known at the first look
        self.coordinates: list[tuple[str, list[int]]] = []
        self.develop: Callable[[Any], Tensor] = lambda ingredients: ingredients
        self.check: Callable[[], None] = lambda: None
        self.drain: Callable[[], Arrays | None] = lambda: None
        self.beside: Callable[[], Arrays] = dict
        self.summaries: list[Callable[[], Arrays]] = []
        self.limit, self.sink = limit, sink
        self.events: list[Event] = []
        self.written = 0  # bytes
        self._thin = thin
        self._waiting: list[Look] = []
        self._blocks: list[Block] = []
        self._others: list[Block] = []  # blocks of the other instrument
        self._others_meaning: dict[str, dict[str, Any]] = {}
        self._whole: Arrays = {}
        self._halfway = limit // 2
        self._told = 0  # events that the sink knows

    @property
    def known(self) -> bool:
        """Whether anything was recorded, so that the layout is settled."""
        return bool(self._waiting or self._blocks or self.written)

    # ── writing ──

    def add(self, look: Look) -> None:
        self._waiting.append(look)
        if len(self._waiting) >= (BLOCK if look.ingredients is None else UNDEVELOPED):
            self.settle()

    def note(self, what: str, message: str, step: int | None = None, **facts: Any) -> None:
        """Write down that something was noticed."""
        self.events.append(Event(step, what, message, facts))

    def whole(self, name: str, values: np.ndarray, meta: Mapping[str, Any]) -> None:
        """Keep an array that does not grow (a snapshot)."""
        if not self._send({name: (values, meta)}, 0):
            self._whole[name] = (values, dict(meta))

    def settle(self) -> None:
        """Stack what waits into a block; send it to the store, or hold it, within the limit."""
        block = self._pending()
        if block is not None:
            first, self._waiting = self._waiting[0].step, []
            told: Arrays = {name: (values, self._meaning(name)) for name, values in block.items()}
            more = self.drain() or {}
            if self._send({**told, **more}, first):
                self._pace(sum(values.nbytes for values, _ in (*told.values(), *more.values())))
            else:
                self._blocks.append(block)
                if more:
                    self._others.append({name: values for name, (values, _) in more.items()})
                    self._others_meaning.update({name: meta for name, (_, meta) in more.items()})
                self._fit()
        self._tell()

    def close(self) -> None:
        """Settle, and write what is known only at the end."""
        self.settle()
        for name, (values, meta) in self._summed().items():
            self.whole(name, values, meta)

    def _summed(self) -> Arrays:
        return {name: one for arrays in self.summaries for name, one in arrays().items()}

    def _pending(self) -> Block | None:
        """What waits, as arrays; and what it shows is noted."""
        if not self._waiting:
            return None
        self.check()
        self._waiting = [self._developed(look) for look in self._waiting]
        block = self.layout.stacked(self._waiting)
        if not any(event.what == "not-finite" for event in self.events):
            found = self.layout.not_finite(block, self._waiting)
            if found is not None:
                step, names = found
                message = f"at step {step} the gradient of {names[0]} is not finite"
                if len(names) > 1:
                    message = f"at step {step} the gradients of {names[0]} and {len(names) - 1} more are not finite"
                self.note("not-finite", message, step, parameters=names)
        return block

    def _developed(self, look: Look) -> Look:
        if look.ingredients is None:
            return look
        return look._replace(trace=self.develop(look.ingredients), ingredients=None)

    def _meaning(self, name: str) -> dict[str, Any]:
        return self.layout.meaning(name, self.coordinates)

    def _send(self, arrays: Mapping[str, tuple[np.ndarray, Mapping[str, Any]]], first: int) -> bool:
        """Whether the store took it; a store that fails is left alone from then on, and the training goes on."""
        if self.sink is None:
            return False
        try:
            self.sink.chunk(arrays, first_step=first)
        except (PassoError, OSError) as error:
            self.sink = None
            message = f"recording no longer reaches its store ({error}): from step {first} on it is held in memory"
            self.note("lost", message, first)
            warnings.warn(message, RecordingWarning, stacklevel=2)
            return False
        return True

    def _tell(self) -> None:
        while self.sink is not None and self._told < len(self.events):
            event = self.events[self._told]
            try:
                self.sink.event("watch", event.message, event.step, what=event.what, **event.facts)
            except (PassoError, OSError):
                return
            self._told += 1

    def _pace(self, written: int) -> None:
        self.written += written
        if self.written > self._halfway:
            self._halfway += (self.limit - self._halfway) // 2
            self._thin()
            self.note("thinned", f"{self.written / 1e6:.0f} MB are written: from here every other step is recorded")

    def _fit(self) -> None:
        """Drop every other step of all, old and new, while the blocks are bigger than the limit."""
        while size(self._blocks) + size(self._others) > self.limit:
            self._blocks, self._others = thinned(self._blocks, BLOCK), thinned(self._others, BLOCK)
            self._thin()
            kept = sum(len(block["trace/steps"]) for block in self._blocks)
            limit = f"memory for records is full ({self.limit / 1e6:.3g} MB)"
            self.note("thinned", f"{limit}: every other step was dropped, {kept} are kept")

    # ── going on ──

    def state_dict(self) -> dict[str, Any]:
        """All that is not in the store: what waits for its block, what is held, the events, the limit's account.

        What waits stays in the state, and is not written early: the chunks of a run then depend on its steps alone,
        and not on when it was kept. Looks are developed now, as they would be later.
        """
        self._waiting = [self._developed(look) for look in self._waiting]
        return {
            "waiting": packed(self._waiting),
            "blocks": list(self._blocks),
            "others": list(self._others),
            "others_meaning": dict(self._others_meaning),
            "whole": {name: [values, meta] for name, (values, meta) in self._whole.items()},
            "events": [asdict(event) for event in self.events],
            "told": self._told,
            "written": self.written,
            "halfway": self._halfway,
        }

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """The inverse; `device` is where the looks to come will lie. A store that was lost stays lost."""
        self._waiting = unpacked(state["waiting"], device)
        self._blocks, self._others = list(state["blocks"]), list(state["others"])
        self._others_meaning = dict(state["others_meaning"])
        self._whole = {name: (values, meta) for name, (values, meta) in state["whole"].items()}
        self.events = [Event(**event) for event in state["events"]]
        self._told, self.written, self._halfway = state["told"], state["written"], state["halfway"]
        if any(event.what == "lost" for event in self.events):
            self.sink = None

    # ── reading ──

    def arrays(self) -> Arrays:
        """All that is held in memory, as arrays with their meaning."""
        pending = self._pending()
        blocks = [*self._blocks, *([] if pending is None else [pending])]
        held = joined(blocks) if blocks else self.layout.nothing()
        held["trace"] = held["trace"][:, :, : len(self.coordinates)]  # those that moved most may not be known yet
        arrays: Arrays = {name: (values, self._meaning(name)) for name, values in held.items()}
        now = self.beside()
        others = [*self._others, *([{name: values for name, (values, _) in now.items()}] if now else [])]
        for name, values in (joined(others) if others else {}).items():
            arrays[name] = (values, now[name][1] if name in now else self._others_meaning[name])
        return {**arrays, **self._summed(), **self._whole}
