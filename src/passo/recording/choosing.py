"""Which steps are looked at, and which weights are followed in full.

Steps: `every` n-th, inside `between`, or `when` says; `every="auto"` looks as often as a budget of time allows.
Coordinates: a number for each parameter, index tuples, `"random:64"` over all weights, or `"moved:64"`, those that
moved most in the first recorded steps.
"""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal

import torch

from passo.errors import UnknownName, UsageError
from passo.recording.layout import Slot, spread, unravel
from passo.registry import unknown

Every = int | Literal["auto"]
When = Callable[[int], bool] | Collection[int]
Indices = Sequence[Sequence[int]]
Coordinates = int | str | Mapping[str, int | Indices]
Chosen = list[tuple[Slot, list[int]]]

MOVED_AFTER = 10  # recorded steps before the weights that moved most are chosen


class Steps:
    """Says of each optimiser step, counted from 1, whether it is looked at.

    Raises `UsageError` at birth for a choice that never looks.
    """

    def __init__(self, every: Every, between: tuple[int, int] | None, when: When | None, budget: float) -> None:
        if every != "auto" and (not isinstance(every, int) or isinstance(every, bool) or every < 1):
            raise UsageError(f'every must be a whole number ≥ 1 or "auto", got {every!r}')
        if between is not None and not 1 <= between[0] <= between[1]:
            raise UsageError(f"between must be (first, last) with 1 ≤ first ≤ last, got {between}")
        if not 0 < budget < 1:
            raise UsageError(f"budget must be a share of the time, between 0 and 1, got {budget}")
        self.every, self.between = every, between
        self.when = when if when is None or callable(when) else steps_named("when", when)
        self.budget = Budget(budget) if every == "auto" else None
        self._stride, self._count = 1, 0  # the stride grows when the records have grown too big
        self._stopped = False

    def __call__(self, step: int) -> bool:
        """Asked once for each step, in order."""
        if not self._chosen(step):
            return False
        self._count += 1
        return self._count % self._stride == 0

    def stop(self) -> None:
        """No more steps."""
        self.when, self._stopped = frozenset(), True

    def thin(self) -> None:
        """From now on, only every other one of the steps so far."""
        self._stride *= 2
        self._count %= self._stride

    def state_dict(self) -> dict[str, Any]:
        """How thin the choice has become, as plain data; what was asked for is not part of it."""
        plain = {"stride": self._stride, "count": self._count, "stopped": self._stopped}
        return plain | {"budget": None if self.budget is None else self.budget.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self._stride, self._count = state["stride"], state["count"]
        if state["stopped"]:
            self.stop()
        if self.budget is not None:
            self.budget.load_state_dict(state["budget"])

    def _chosen(self, step: int) -> bool:
        if self.between is not None and not self.between[0] <= step <= self.between[1]:
            return False
        if self.when is not None and not (self.when(step) if callable(self.when) else step in self.when):
            return False
        if self.budget is not None:
            return step >= self.budget.next
        first = self.between[0] if self.between is not None else 0
        return (step - first) % int(self.every) == 0


def steps_named(name: str, wanted: Collection[int]) -> frozenset[int]:
    """Steps that were named one by one; `UsageError` where these are no whole numbers."""
    try:
        named = list(wanted)
    except TypeError:
        named = [0]
    if not all(isinstance(step, int) and step >= 1 for step in named):
        raise UsageError(f"{name} must name steps, counted from 1, such as [1, 10, 100]; got {wanted!r}")
    return frozenset(named)


class Budget:
    """Looks again once the steps since the last look have paid for it: its cost is at most `share` of the time.

    A plain step's time is the median of the last few steps without a look, the cost of a look what such a step takes
    longer. On a GPU both are what the host waited, not what the device worked.
    """

    def __init__(self, share: float) -> None:
        self.share, self.next = share, 1
        self._plain: deque[float] = deque(maxlen=9)
        self._costs: deque[float] = deque(maxlen=3)
        self._begun = 0.0

    def begin(self, now: float) -> None:
        """A step has ended and the next begins."""
        self._begun = now

    def end(self, step: int, cost: float, looked: bool) -> None:
        """The step has ended: the instruments say that `cost` seconds of it were theirs."""
        took = time.perf_counter() - self._begun if self._begun else cost
        if not looked:
            if self._begun:  # of the first step in this process, nobody knows what it took
                self._plain.append(took - cost)
            return
        if len(self._plain) < 2:
            self.next = step + 3  # two plain steps first, to know what a step takes
            return
        plain = max(statistics.median(self._plain), 1e-9)
        self._costs.append(max(cost, took - plain))  # what they do not notice of themselves shows in the whole
        self.next = step + max(1, math.ceil(statistics.median(self._costs) / (self.share * plain)))

    def state_dict(self) -> dict[str, Any]:
        """The next step to look at, and the times (seconds) that it was found by."""
        return {"next": self.next, "plain": list(self._plain), "costs": list(self._costs)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`. On a faster or slower machine the times are soon replaced."""
        self.next = state["next"]
        self._plain.extend(state["plain"])
        self._costs.extend(state["costs"])


def choose(found: Sequence[Slot], wanted: Coordinates, seed: int) -> tuple[Chosen, int]:
    """The coordinates to follow, as (slot, index), and how many more are chosen once it is known what moved.

    Raises `UnknownName` for a parameter that is not watched and `UsageError` for a coordinate that does not exist.
    """
    if not isinstance(wanted, int | str | Mapping) or (isinstance(wanted, int) and wanted < 0):
        raise UsageError(
            f'coordinates must be a number, a table from parameter to index tuples, or "random:64"; got {wanted!r}'
        )
    if isinstance(wanted, str):
        kind, _, number = wanted.partition(":")
        if kind not in ("random", "moved") or not number.isdigit() or not int(number):
            raise UsageError(f'coordinates must be a number, index tuples, "random:64" or "moved:64", got {wanted!r}')
        count = min(int(number), sum(slot.size for slot in found))
        return (_random(found, count, seed), 0) if kind == "random" else ([], count)
    if isinstance(wanted, Mapping):
        known = {slot.name for slot in found}
        for name in wanted:
            if name not in known:
                raise UnknownName(str(unknown("watched parameter", name, known)))
    chosen: Chosen = []
    for slot in found:
        here = wanted.get(slot.name, 0) if isinstance(wanted, Mapping) else wanted
        chosen += [(slot, index) for index in (spread(slot, here) if isinstance(here, int) else _checked(slot, here))]
    return chosen, 0


def _checked(slot: Slot, indices: Indices) -> list[list[int]]:
    for index in indices:
        if not isinstance(index, Sequence):
            raise UsageError(
                f"coordinates of {slot.name} are index tuples, such as {[(0,) * len(slot.shape)]}, got {index!r}"
            )
        inside = len(index) == len(slot.shape) and all(0 <= i < n for i, n in zip(index, slot.shape, strict=True))
        if not inside:
            raise UsageError(f"{slot.name} has no coordinate {list(index)}: its shape is {slot.shape}")
    return [list(index) for index in indices]


def _random(found: Sequence[Slot], count: int, seed: int) -> Chosen:
    """Coordinates drawn from all weights alike, by a generator of their own."""
    total = sum(slot.size for slot in found)
    drawn = torch.randperm(total, generator=torch.Generator().manual_seed(seed))[:count].sort().values.tolist()
    chosen: Chosen = []
    begun = 0
    for slot in found:
        chosen += [(slot, unravel(slot, i - begun)) for i in drawn if begun <= i < begun + slot.size]
        begun += slot.size
    return chosen
