"""What the microscope keeps: blocks of steps, held in bounded memory or streamed into a study folder.

Without a store, memory stays under `limit` bytes: when it is reached, every other step is dropped, old and new alike.
With one, full blocks go to disk, dense at first, and each time half of what is left of the limit is written, from
then on only every other step is kept. Either way an event says so.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from passo.errors import PassoError, RecordingWarning

QUANTITIES = ("mean", "rms")
RELATIONS = ("predicted", "uphill")
BLOCK = 256  # steps that are stacked at once
UNDEVELOPED = 8192  # looks that wait for a reader to be developed

Arrays = dict[str, tuple[np.ndarray, dict[str, Any]]]


class Sink(Protocol):
    """Where arrays and events can be written: `store.RunWriter`, or what stands in for it."""

    def chunk(self, arrays: Mapping[str, tuple[np.ndarray, Mapping[str, Any]]], *, first_step: int = 0) -> None: ...
    def event(self, kind: str, message: str, step: int | None = None, **data: Any) -> None: ...


@dataclass(frozen=True)
class Layout:
    """What the columns of the records mean."""

    stages: tuple[str, ...]
    parameters: tuple[str, ...]
    sizes: tuple[int, ...]
    groups: tuple[int, ...]
    inside: tuple[str, ...] = ()


@dataclass
class Event:
    """Something that was noticed: `what` is a word to select by, `message` a sentence."""

    step: int | None
    what: str
    message: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """One recorded step: sums (see `Bank.sums`), trace (S, K), learning rates (G,), the loss before and after it.

    `missing` are the parameters (by number) that had no gradient. With `facts`, `trace` holds ingredients (R, K) that
    are still to be developed into stages (see `tracing`).
    """

    step: int
    lrs: tuple[float, ...]
    sums: Tensor | None
    trace: Tensor
    loss: tuple[float, float] | None = None
    inside: tuple[float, ...] = ()
    missing: tuple[int, ...] = ()
    facts: tuple[Any, ...] = ()


class Records:
    """Growing arrays of what was recorded, and the events."""

    def __init__(self, limit: int, sink: Sink | None, thin: Callable[[], None]) -> None:
        self.layout = Layout((), (), (), ())  # known at the first look
        self.develop: Callable[[Look], Tensor] = lambda look: look.trace
        self.beside: Callable[[], Arrays | None] = lambda: None  # another instrument's arrays, for the same store
        self.limit, self.sink = limit, sink
        self.events: list[Event] = []
        self.meta: dict[str, Any] = {}
        self.coordinates: list[tuple[str, list[int]]] = []
        self._thin = thin  # tells whoever chooses the steps to look half as often
        self._waiting: list[Look] = []
        self._blocks: list[dict[str, np.ndarray]] = []
        self._beside: list[dict[str, np.ndarray]] = []
        self._beside_meta: dict[str, dict[str, Any]] = {}
        self._written = 0
        self._halfway = limit // 2
        self._others: Arrays = {}
        self._told = 0  # events that the sink knows

    @property
    def known(self) -> bool:
        """Whether anything was recorded, so that the layout is settled."""
        return bool(self._waiting or self._blocks or self._written)

    # ── writing ──

    def add(self, look: Look) -> None:
        self._waiting.append(look)
        if len(self._waiting) >= (UNDEVELOPED if look.facts else BLOCK):
            self.settle()

    def note(self, what: str, message: str, step: int | None = None, **facts: Any) -> None:
        """Write down that something was noticed."""
        self.events.append(Event(step, what, message, facts))

    def whole(self, name: str, values: np.ndarray, meta: Mapping[str, Any]) -> None:
        """Keep an array that does not grow (a snapshot)."""
        if not self._send({name: (values, meta)}, 0):
            self._others[name] = (values, dict(meta))

    def settle(self) -> None:
        """Stack what waits into a block; send it to the store, or hold it, within the limit."""
        if self._waiting:
            block = self._stacked(self._waiting)
            self._check(block, self._waiting)
            first, self._waiting = self._waiting[0].step, []
            told: Arrays = {name: (values, self._meaning(name)) for name, values in block.items()}
            more = self.beside() or {}
            if self._send({**told, **more}, first):
                self._pace(sum(values.nbytes for values, _ in (*told.values(), *more.values())))
            else:
                self._blocks.append(block)
                self._keep_beside(more)
                self._fit()
        self._tell()

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

    def _keep_beside(self, more: Arrays) -> None:
        if more:
            self._beside.append({name: values for name, (values, _) in more.items()})
            self._beside_meta.update({name: meta for name, (_, meta) in more.items()})

    def _tell(self) -> None:
        while self.sink is not None and self._told < len(self.events):
            event = self.events[self._told]
            try:
                self.sink.event("watch", event.message, event.step, what=event.what, **event.facts)
            except (PassoError, OSError):
                return
            self._told += 1

    def _pace(self, size: int) -> None:
        self._written += size
        if self._written > self._halfway:
            self._halfway += (self.limit - self._halfway) // 2
            self._thin()
            self.note("thinned", f"{self._written / 1e6:.0f} MB are written: from here every other step is recorded")

    def _fit(self) -> None:
        """Drop every other step of all, old and new, while the blocks are bigger than the limit."""
        while _size(self._blocks) + _size(self._beside) > self.limit:
            self._blocks, self._beside = _thinned(self._blocks), _thinned(self._beside)
            self._thin()
            kept = sum(len(block["trace/steps"]) for block in self._blocks)
            limit = f"memory for records is full ({self.limit / 1e6:.0f} MB)"
            self.note("thinned", f"{limit}: every other step was dropped, {kept} are kept")

    def _check(self, block: Mapping[str, np.ndarray], looks: Sequence[Look]) -> None:
        """Note where a gradient first stopped being finite: which step, which parameter.

        Its sum tells: of large finite values the sum of squares may overflow.
        """
        if "statistics" not in block or any(event.what == "not-finite" for event in self.events):
            return
        gradients = [self.layout.stages.index(name) for name in ("grad_raw", "grad")]
        wrong = np.zeros(block["relations"].shape[:2], bool)  # (T, P)
        for gradient in gradients:
            wrong |= ~np.isfinite(block["statistics"][:, gradient, :, 0])
        for row, look in enumerate(looks):
            wrong[row, list(look.missing)] = False
        if wrong.any():
            row = int(wrong.any(1).argmax())
            names = [self.layout.parameters[p] for p in np.flatnonzero(wrong[row])]
            others = f" and of {len(names) - 1} more" if len(names) > 1 else ""
            message = f"at step {looks[row].step} the gradient of {names[0]}{others} is not finite"
            self.note("not-finite", message, looks[row].step, parameters=names)

    # ── the form of the arrays ──

    def _stacked(self, looks: Sequence[Look]) -> dict[str, np.ndarray]:
        steps = np.array([look.step for look in looks], np.int64)
        lrs = np.array([look.lrs for look in looks], np.float64)
        developed = [self.develop(look) if look.facts else look.trace for look in looks]
        traces = torch.stack(developed).cpu().numpy()
        block = {"trace/steps": steps, "trace/lr": lrs[:, 0], "trace/lrs": lrs, "trace": traces}
        if looks[0].sums is not None:
            sums = torch.stack([look.sums for look in looks if look.sums is not None]).cpu().numpy()
            block["statistics"], block["relations"] = self._statistics(sums)
        if looks[0].loss is not None:
            block["loss"] = np.array([look.loss for look in looks], np.float64)
        if self.layout.inside:
            block["inside"] = np.array([look.inside for look in looks], np.float64)
        return block

    def _statistics(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and rms (T, S, P, 2), and the relations (T, P, 2), from sums and norms (T, P · (S + 2 + S))."""
        many, sizes = len(self.layout.stages), np.array(self.layout.sizes, np.float64)
        rows = sums.reshape(len(sums), len(sizes), 2 * many + 2)
        mean = rows[:, :, :many] / sizes[:, None]
        rms = rows[:, :, many + 2 :] / np.sqrt(sizes)[:, None]
        uphill = rows[:, :, many + 1] / sizes
        statistics = np.stack([mean, rms], -1).transpose(0, 2, 1, 3).astype(sums.dtype)
        return statistics, np.stack([rows[:, :, many], uphill], -1).astype(sums.dtype)

    def _meaning(self, name: str) -> dict[str, Any]:
        layout = self.layout
        names = {"stages": list(layout.stages), "parameters": list(layout.parameters)}
        if name == "statistics":
            sizes = {"sizes": list(layout.sizes), "groups": list(layout.groups)}
            return {**names, "quantities": list(QUANTITIES), **sizes, **self.meta}
        if name == "relations":
            return {"parameters": names["parameters"], "quantities": list(RELATIONS)}
        if name == "trace":
            return {"stages": names["stages"], "coordinates": [list(c) for c in self.coordinates], **self.meta}
        return {"names": list(layout.inside)} if name == "inside" else {}

    # ── reading ──

    def arrays(self) -> Arrays:
        """All that is held in memory, as arrays with their meaning."""
        self.settle()
        held = _joined(self._blocks) if self._blocks else self._nothing()
        arrays = {name: (values, self._meaning(name)) for name, values in held.items()}
        if self.sink is None:
            self._keep_beside(self.beside() or {})
        for name, values in (_joined(self._beside) if self._beside else {}).items():
            arrays[name] = (values, self._beside_meta[name])
        return {**arrays, **self._others}

    def _nothing(self) -> dict[str, np.ndarray]:
        many, parameters = len(self.layout.stages), len(self.layout.parameters)
        return {
            "trace/steps": np.zeros(0, np.int64),
            "trace/lr": np.zeros(0),
            "trace/lrs": np.zeros((0, 1)),
            "trace": np.zeros((0, many, len(self.coordinates)), np.float32),
            "statistics": np.zeros((0, many, parameters, len(QUANTITIES)), np.float32),
            "relations": np.zeros((0, parameters, len(RELATIONS)), np.float32),
        }


def _size(blocks: Sequence[Mapping[str, np.ndarray]]) -> int:
    return sum(values.nbytes for block in blocks for values in block.values())


def _thinned(blocks: Sequence[Mapping[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
    """Every other row of all blocks; neighbours are joined, so that blocks stay as long as they were."""
    thinned = [{name: values[1::2].copy() for name, values in block.items()} for block in blocks]
    return [_joined(thinned[n : n + 2]) for n in range(0, len(thinned), 2)]


def _joined(blocks: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
