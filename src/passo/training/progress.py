"""Where a training is, to the mini-batch: what `fit` needs to go on as if it had never stopped.

A pass over the batches is begun again, with every generator as it was when it began, and walked past the mini-batches
that were taken; the next one is fetched with the generators as they were then, and these are put to where they were
when it stopped. Batches that can begin in the middle of
a pass (`Enterable`) do, so that no image is read to be passed over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from passo import seeding
from passo.data import Batches, FileBatches, Together
from passo.errors import CheckpointError


@runtime_checkable
class Enterable(Protocol):
    """Batches of which a pass can begin in the middle, with all that it draws drawn."""

    def after(self, taken: int) -> Iterator[Any]:
        """A pass without its first `taken` batches."""
        ...


@dataclass
class Progress:
    """Steps that are made, the epoch of the next one, and how far into its pass over the data it is.

    `total` is the sum of that pass's losses so far, without those of `skipped` steps, `seconds` the time that it has
    taken. `fit` keeps it true at every
    record that it yields.
    """

    step: int = 0
    epoch: int = 1
    taken: int = 0
    total: Tensor | None = None
    seconds: float = 0.0
    skipped: int = 0
    _begun: dict[str, Any] | None = field(default=None, repr=False)  # every generator when the pass began
    _before: dict[str, Any] | None = field(default=None, repr=False)  # … before the next mini-batch was fetched
    _now: dict[str, Any] | None = field(default=None, repr=False)  # … and where they are to be put

    def walk(self, batches: Iterable[Any]) -> Iterator[Any]:
        """What is left of a pass: all of it, or what comes after the mini-batches that were taken."""
        now, self._now = self._now, None
        if isinstance(batches, Batches | FileBatches | Together):  # what their augmentation draws depends on it
            batches.epoch = self.epoch - 1
        if not self.taken:
            if now is not None:
                _restore(now, batches)
            self._begun = _capture(batches)
            yield from self._fetched(iter(batches), batches)
            return
        assert self._begun is not None and now is not None
        _restore(self._begun, batches)
        if isinstance(batches, Enterable):
            left = batches.after(self.taken)
        else:
            left = iter(batches)
            deque(islice(left, self.taken), maxlen=0)
        if self._before is not None:  # the model drew in between: what is fetched next would be changed otherwise
            _restore(self._before, batches)
        first = next(left, None)
        if first is None:
            raise CheckpointError(f"the data have fewer than {self.taken + 1} mini-batches now: they have changed")
        _restore(now, batches)  # where they were once this mini-batch had been fetched
        yield first
        yield from self._fetched(left, batches)

    def _fetched(self, left: Iterator[Any], batches: Iterable[Any]) -> Iterator[Any]:
        """Each mini-batch; a data set of the caller's may draw from everybody's generators while it is fetched."""
        if isinstance(batches, Batches | FileBatches | Together):
            yield from left
            return
        while True:
            self._before = _capture(batches)
            try:
                one = next(left)
            except StopIteration:
                return
            yield one

    def after_epoch(self) -> None:
        """A pass is complete, and all that follows it."""
        self.epoch, self.taken, self.total, self.seconds, self.skipped = self.epoch + 1, 0, None, 0.0, 0
        self._begun = self._before = None

    def state(self, batches: Iterable[Any]) -> dict[str, Any]:
        """All of it and every generator, as a checkpoint keeps it."""
        plain = {name: getattr(self, name) for name in ("step", "epoch", "taken", "total", "seconds", "skipped")}
        return {**plain, "begun": self._begun, "before": self._before, "now": _capture(batches)}

    @classmethod
    def of(cls, state: Mapping[str, Any], device: torch.device) -> Progress:
        """The inverse of `state`."""
        total = None if state["total"] is None else state["total"].to(device)
        at = cls(state["step"], state["epoch"], state["taken"], total, state["seconds"], state.get("skipped", 0))
        at._begun, at._before, at._now = state["begun"], state.get("before"), state["now"]
        return at


def _generators(batches: Any) -> list[torch.Generator]:
    """The generators of a pass's own: of passo's batches, of a DataLoader, of its sampler."""
    owners = (batches, getattr(batches, "sampler", None))
    found = getattr(batches, "generators", None) or [getattr(owner, "generator", None) for owner in owners]
    return [one for one in found if isinstance(one, torch.Generator)]


def _capture(batches: Any) -> dict[str, Any]:
    return {"global": seeding.capture(), "own": [one.get_state() for one in _generators(batches)]}


def _restore(state: Mapping[str, Any], batches: Any) -> None:
    own = _generators(batches)
    if len(own) != len(state["own"]):
        raise CheckpointError("the data are not drawn as they were: another number of random generators")
    seeding.restore(state["global"])
    for one, kept in zip(own, state["own"], strict=True):
        one.set_state(kept)
