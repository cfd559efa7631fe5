"""Coordinates alone, without their tensors: a few numbers are gathered around each step, and explained when read.

A look at 64 weights then costs microseconds. What is gathered are the equations' ingredients (θ, gradients and state
before the step, θ after it); the stages are worked out when somebody reads them, by the same equations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from passo.optim.stages import Explanation
from passo.optim.stages.oracle import roundings
from passo.recording.bank import kept_number
from passo.recording.layout import Slot


class Facts(NamedTuple):
    """What the equations need beside tensors, for one traced parameter at one step.

    `there` are the state's tensors that it had.
    """

    group: Mapping[str, Any]
    step: float
    there: tuple[str, ...]
    numbers: tuple[Any, ...]
    missing: bool


class Ingredients(NamedTuple):
    """Of one step: the gathered rows (R, K), and the facts of each traced parameter."""

    values: np.ndarray
    facts: Sequence[Facts]


class Tracer:
    """Takes the place of a `Bank` where only coordinates are wanted; see there for what the methods mean."""

    def __init__(self, slots: Sequence[Slot], explanation: Explanation | None) -> None:
        self.slots, self.explanation = slots, explanation
        self.explained = explanation is not None and explanation.equations is not None
        middle, last = (), ("update",)
        self._state: tuple[str, ...] = ()
        self._numbers: tuple[str, ...] = ()
        if explanation is not None and self.explained:
            middle, last = explanation.stages, ("update", "residual")
            self._state, self._numbers = explanation.state, explanation.numbers
        self.stages = ("theta", "grad_raw", "grad", *middle, *last)
        self.names = ("theta", "grad_raw", "grad", *(f"state.{name}" for name in self._state), "after")
        like = slots[0].parameter
        self._dtype, self._device = like.dtype, like.device
        self._places: dict[int, _Place] = {}
        self._roundings = [float("nan")] * len(slots)
        self.missing: list[int] = []
        self._values = np.zeros((len(self.names), 0))
        self._raw_seen: set[int] = set()
        self._facts: list[Facts] = []

    def follow(self, chosen: Sequence[tuple[Slot, list[int]]]) -> None:
        wide = np.float64 if self._dtype == torch.float64 else np.float32
        self._values = np.zeros((len(self.names), len(chosen)), wide)
        begun = 0
        for number, slot in enumerate(self.slots):
            mine = [index for owner, index in chosen if owner is slot]
            if mine:
                columns = slice(begun, begun + len(mine))
                self._places[number] = _Place(slot, mine, columns, self._values[:, columns])
                begun += len(mine)

    def looks_at(self, number: int) -> bool:
        return number in self._places

    @property
    def converted(self) -> bool:
        kinds = ((place.parameter.dtype, place.parameter.device) for place in self._places.values())
        return any(dtype is not self._dtype or device != self._device for dtype, device in kinds)

    def keep_raw(self, number: int, grad: Tensor) -> None:
        self._places[number].gather(grad, 1)
        self._raw_seen.add(number)

    def before(
        self,
        states: Mapping[Any, Mapping[str, Any]],
        groups: Sequence[Mapping[str, Any]],
        raw_scale: float = 1.0,
        grad_scale: float = 1.0,
    ) -> None:
        self._facts, self.missing = [], []
        groups = [{key: kept_number(value) for key, value in group.items() if key != "params"} for group in groups]
        for number, place in self._places.items():
            grad, state = place.parameter.grad, states.get(place.parameter, {})
            place.gather_again(place.parameter, 0)
            if grad is None:
                self.missing.append(number)
            else:
                place.gather(grad, 2)
            there: list[str] = []
            for row, name in enumerate(self._state, start=3):
                if (value := state.get(name)) is not None:
                    place.gather_again(value, row)
                    there.append(name)
            numbers = tuple([kept_number(state.get(name)) for name in self._numbers]) if self._numbers else ()
            step = float(state.get("step", 0)) + 1
            self._facts.append(Facts(groups[place.group], step, tuple(there), numbers, grad is None))
            if grad_scale != 1.0:
                place.rows[2] /= grad_scale
            if number not in self._raw_seen:
                place.rows[1][:] = place.rows[2]
            elif raw_scale != 1.0:
                place.rows[1] /= raw_scale
        self._raw_seen.clear()

    def after(self, states: Mapping[Any, Mapping[str, Any]]) -> None:
        for place in self._places.values():
            place.gather_again(place.parameter, -1)

    def ingredients(self) -> Ingredients:
        """What the stages of this step can be worked out from."""
        return Ingredients(self._values.copy(), self._facts)

    def roundings(self) -> list[float]:
        return self._roundings

    def state_dict(self) -> dict[str, Any]:
        """The largest residual of each parameter, in roundings."""
        return {"roundings": list(self._roundings)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self._roundings = list(state["roundings"])

    # ── reading ──

    def develop(self, ingredients: Ingredients) -> Tensor:
        """The stages of one step: (S, K)."""
        values, facts = ingredients
        names = (*self.stages, "explained")
        out = torch.zeros(len(names), values.shape[1], dtype=self._dtype)
        given = dict(zip(self.names, torch.from_numpy(values).to(self._dtype).unbind(0), strict=True))
        rows = dict(zip(names, out.unbind(0), strict=True))
        for name in ("theta", "grad_raw", "grad"):
            rows[name].copy_(given[name])
        torch.sub(given["after"], given["theta"], out=rows["update"])
        for (number, place), fact in zip(self._places.items(), facts, strict=True):
            if self.explained:
                self._explain(number, place.columns, fact, given, rows)
            if fact.missing:
                out[1:, place.columns] = torch.nan
        return out[: len(self.stages)].to(torch.float64 if self._dtype == torch.float64 else torch.float32)

    def _explain(
        self, number: int, at: slice, fact: Facts, given: Mapping[str, Tensor], rows: Mapping[str, Tensor]
    ) -> None:
        explanation = self.explanation
        assert explanation is not None and explanation.equations is not None
        mine = {name: row[at] for name, row in rows.items()}
        state: dict[str, Any] = {n: given[f"state.{n}"][at] if n in fact.there else None for n in explanation.state}
        state.update(zip(explanation.numbers, fact.numbers, strict=True))
        explanation.equations(mine["theta"], mine["grad"], state, fact.step, fact.group, mine)
        torch.sub(mine["update"], mine["explained"], out=mine["residual"])
        told = mine["update"].isfinite()  # an update that is NaN asks for no explanation
        if not fact.missing and told.any():
            sizes = (mine["theta"][told], given["after"][at][told], mine["update"][told])
            largest = roundings(mine["residual"][told], *sizes)
            self._roundings[number] = float(np.fmax(self._roundings[number], largest))


class _Place:
    """The coordinates of one parameter, and their part (R, k) of the rows that they are gathered into."""

    def __init__(self, slot: Slot, indices: Sequence[list[int]], columns: slice, rows: np.ndarray) -> None:
        self.parameter, self.group, self.columns, self.rows = slot.parameter, slot.group, columns, list(rows)
        self._shape, self._at = slot.shape, tuple(np.array(indices, np.int64).reshape(len(indices), -1).T)
        self._index = tuple(torch.from_numpy(axis).to(slot.parameter.device) for axis in self._at)
        self._all = np.arange(len(indices))
        self._kind = torch.float64 if rows.dtype == np.float64 else torch.float32
        self._positions: dict[tuple[int, ...], np.ndarray] = {}
        self._known: dict[int, tuple[int, np.ndarray, np.ndarray]] = {}  # row → address, memory, positions in it

    def gather(self, tensor: Tensor, row: int) -> None:
        """Write the coordinates of a tensor into a row."""
        memory, positions = self._memory(tensor)
        memory.take(positions, out=self.rows[row], mode="clip")

    def gather_again(self, tensor: Tensor, row: int) -> None:
        """The same, of a tensor that mostly stays where it is: then its memory need not be asked for again.

        (One that is given other strides at the same address is not noticed; the residual then tells.)
        """
        if tensor.is_sparse:  # has no address
            self.gather(tensor, row)
            return
        address, known = tensor.data_ptr(), self._known.get(row)
        if known is None or known[0] != address:
            known = (address, *self._memory(tensor))
            if known[1].base is not None:  # the tensor's own memory, not a copy
                self._known[row] = known
        known[1].take(known[2], out=self.rows[row], mode="clip")

    def _memory(self, tensor: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """An array of one axis that holds the coordinates, and where: the tensor's own memory where that can be."""
        if not tensor.is_cpu or tensor.dtype is not self._kind or tensor.is_sparse or tensor.is_neg():
            dense = tensor.to_dense() if tensor.is_sparse else tensor
            taken = dense.detach()[self._index].to("cpu", self._kind).resolve_neg()
            return taken.reshape(-1).numpy().copy(), self._all
        values = (tensor.detach() if tensor.requires_grad else tensor).numpy()
        memory = values.ravel("K")
        if memory.base is None:  # gaps or repeats: no one axis runs through it
            return np.atleast_1d(values[self._at]), self._all
        positions = self._positions.get(values.strides)
        if positions is None:
            order = sorted(range(values.ndim), key=lambda axis: -values.strides[axis])  # as its memory goes
            sizes, at = [self._shape[axis] for axis in order], [self._at[axis] for axis in order]
            positions = np.ravel_multi_index(at, sizes) if sizes else self._all
            self._positions[values.strides] = positions
        return memory, positions
