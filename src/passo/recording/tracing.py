"""Coordinates alone, without their tensors: a few numbers are gathered around each step, and explained when read.

A look at 64 weights then costs microseconds. What is gathered are the equations' ingredients (θ, gradients and state
before the step, θ after it); the stages are worked out when somebody reads them, by the same equations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from passo.optim.stages import Explanation
from passo.recording.bank import kept_number
from passo.recording.layout import Slot


class Facts(NamedTuple):
    """What the equations need beside tensors, for one traced parameter at one step."""

    group: Mapping[str, Any]
    step: float
    fresh: bool
    numbers: tuple[Any, ...]
    missing: bool


@dataclass
class _Place:
    """A traced parameter: its columns, the coordinates as positions in the order of its axes, and what is known of
    tensors that stay where they are (θ, state): a flat NumPy view and the positions in it."""

    number: int
    columns: slice
    flat: np.ndarray
    index: Tensor
    known: dict[int, tuple[int, np.ndarray, np.ndarray]]


class Tracer:
    """Takes the place of a `Bank` where only coordinates are wanted; see there for what the methods mean."""

    def __init__(self, slots: Sequence[Slot], explanation: Explanation | None) -> None:
        self.slots, self.explanation = slots, explanation
        self.explained = explanation is not None and explanation.equations is not None
        middle, last = (), ("update",)
        self._state: tuple[str, ...] = ()
        if explanation is not None and self.explained:
            middle, last, self._state = explanation.stages, ("update", "residual"), explanation.state
        self.stages = ("theta", "grad_raw", "grad", *middle, *last)
        self.names = ("theta", "grad_raw", "grad", *(f"state.{name}" for name in self._state), "after")
        like = slots[0].parameter
        self._dtype, self.kind = like.dtype, (like.dtype, like.device)
        self._places: list[_Place] = []
        self._at: dict[int, _Place] = {}
        self._roundings = [float("nan")] * len(slots)
        self.missing: list[int] = []
        self._values = np.zeros((len(self.names), 0))
        self._raw_seen: set[int] = set()
        self._facts: list[Facts] = []

    @property
    def rows(self) -> Mapping[str, Tensor]:
        raise NotImplementedError("coordinates that moved most are chosen among whole tensors")

    def follow(self, chosen: Sequence[tuple[Slot, list[int]]]) -> None:
        begun = 0
        for number, slot in enumerate(self.slots):
            mine = [index for owner, index in chosen if owner is slot]
            if mine:
                flat = np.array([np.ravel_multi_index(tuple(at), slot.shape) if at else 0 for at in mine])
                index = torch.from_numpy(flat).to(slot.parameter.device)
                place = _Place(number, slice(begun, begun + len(mine)), flat, index, {})
                self._places.append(place)
                self._at[number] = place
                begun += len(mine)
        wide = np.float64 if self._dtype == torch.float64 else np.float32
        self._blank = np.zeros((len(self.names), begun), wide)
        self._values = self._blank.copy()

    def looks_at(self, number: int) -> bool:
        return number in self._at

    def keep_raw(self, number: int, grad: Tensor) -> None:
        place = self._at.get(number)
        if place is not None:
            self._gather(place, grad, 1)
            self._raw_seen.add(number)

    def before(
        self,
        states: Mapping[Any, Mapping[str, Any]],
        groups: Sequence[Mapping[str, Any]],
        raw_scale: float = 1.0,
        grad_scale: float = 1.0,
    ) -> None:
        self._facts, self.missing = [], []
        numbers = self.explanation.numbers if self.explanation is not None else ()
        groups = [{key: value for key, value in group.items() if key != "params"} for group in groups]
        for place in self._places:
            slot = self.slots[place.number]
            grad, state = slot.parameter.grad, states.get(slot.parameter, {})
            self._gather(place, slot.parameter, 0, stays=True)
            if grad is None:
                self.missing.append(place.number)
            else:
                self._gather(place, (grad.to_dense() if grad.is_sparse else grad).detach(), 2)
            for row, name in enumerate(self._state, start=3):
                if state.get(name) is not None:
                    self._gather(place, state[name], row, stays=True)
            there = tuple(kept_number(state.get(n)) for n in numbers)
            fresh = not any(state.get(n) is not None for n in (*self._state, *numbers))
            step = float(state.get("step", 0)) + 1
            self._facts.append(Facts(groups[slot.group], step, fresh, there, grad is None))
            if grad_scale != 1.0:
                self._values[2, place.columns] /= grad_scale
            if place.number not in self._raw_seen:
                self._values[1, place.columns] = self._values[2, place.columns]
            elif raw_scale != 1.0:
                self._values[1, place.columns] /= raw_scale
        self._raw_seen.clear()

    def after(self, states: Mapping[Any, Mapping[str, Any]]) -> None:
        for place in self._places:
            self._gather(place, self.slots[place.number].parameter, -1, stays=True)

    def sums(self) -> None:
        return None

    def trace(self) -> Tensor:
        """The ingredients of this step: (R, K)."""
        values, self._values = self._values, self._blank.copy()
        return torch.from_numpy(values)

    def facts(self) -> tuple[Facts, ...]:
        return tuple(self._facts)

    def roundings(self) -> list[float]:
        return self._roundings

    # ── reading ──

    def develop(self, ingredients: Tensor, facts: Sequence[Facts]) -> Tensor:
        """The stages of one step: (S, K) from its ingredients (R, K)."""
        columns = ingredients.shape[1]
        names = (*self.stages, "explained")
        out = torch.zeros(len(names), columns, dtype=self._dtype)
        given = dict(zip(self.names, ingredients.to(self._dtype).unbind(0), strict=True))
        rows = dict(zip(names, out.unbind(0), strict=True))
        for name in ("theta", "grad_raw", "grad"):
            rows[name].copy_(given[name])
        torch.sub(given["after"], given["theta"], out=rows["update"])
        for place, fact in zip(self._places, facts, strict=True):
            if self.explained:
                self._explain(place, fact, given, rows)
            if fact.missing:
                out[1:, place.columns] = torch.nan
        return out[: len(self.stages)]

    def _explain(self, place: _Place, fact: Facts, given: Mapping[str, Tensor], rows: Mapping[str, Tensor]) -> None:
        explanation, at = self.explanation, place.columns
        assert explanation is not None and explanation.equations is not None
        mine = {name: row[at] for name, row in rows.items()}
        state: dict[str, Any] = {n: None if fact.fresh else given[f"state.{n}"][at] for n in explanation.state}
        state.update(zip(explanation.numbers, fact.numbers, strict=True))
        explanation.equations(mine["theta"], mine["grad"], state, fact.step, fact.group, mine)
        torch.sub(mine["update"], mine["explained"], out=mine["residual"])
        sizes = torch.stack([mine["theta"], given["after"][at], mine["update"]]).abs().amax(0)
        sizes.clamp_min_(torch.finfo(self._dtype).tiny)
        left = (mine["residual"].abs().nan_to_num(torch.inf, torch.inf) / sizes).nan_to_num(0.0, torch.inf)
        if not fact.missing and left.numel():
            largest = float(left.max()) / torch.finfo(self._dtype).eps
            self._roundings[place.number] = float(np.fmax(self._roundings[place.number], largest))

    # ── gathering ──

    def _gather(self, place: _Place, tensor: Tensor, row: int, stays: bool = False) -> None:
        """Write the place's coordinates of a tensor into a row; `stays` says that its memory will not be given away."""
        target = self._values[row, place.columns]
        if tensor.is_sparse:
            tensor, stays = tensor.to_dense(), False
        if tensor.device.type != "cpu" or tensor.dtype not in (torch.float32, torch.float64):
            target[:] = torch.take(tensor.detach(), place.index).float().cpu().numpy()
            return
        if not stays:
            values = tensor.detach().numpy()
            if values.flags.c_contiguous:
                values.reshape(-1).take(place.flat, out=target, mode="clip")
            else:
                _memory(values).take(_offsets(place.flat, values), out=target, mode="clip")
            return
        pointer = tensor.data_ptr()
        known = place.known.get(row)
        if known is None or known[0] != pointer:
            values = tensor.detach().numpy()
            known = (pointer, _memory(values), _offsets(place.flat, values))
            place.known[row] = known
        known[1].take(known[2], out=target, mode="clip")


def _memory(values: np.ndarray) -> np.ndarray:
    """An array's memory as one axis, from its first element on, as far as the array reaches."""
    reach = 1 + sum((n - 1) * (step // values.itemsize) for n, step in zip(values.shape, values.strides, strict=True))
    return np.lib.stride_tricks.as_strided(values, (reach,), (values.itemsize,), writeable=False)


def _offsets(flat: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Where in its memory the elements lie that come `flat`-th in the order of an array's axes."""
    if not values.shape:
        return flat
    index = np.unravel_index(flat, values.shape)
    return sum(i * (step // values.itemsize) for i, step in zip(index, values.strides, strict=True))  # type: ignore[return-value]
