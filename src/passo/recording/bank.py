"""The flat buffers of one kind of memory: what a step was before it, what its equations say, what they leave.

All buffers are rows of one (R, P) tensor over the P watched weights: the stages in their order (θ first; update and
residual last), then what is summed with them (g·Δθ, and whether a weight went uphill), then the sizes that a residual
is weighed against. Rows are few, since each look pushes as much of the training's own memory out of the caches: a state
is copied to where its successor will be, and what is explained to where the residual will be. A parameter is seen in a
row in its own shape and memory format (`layout.views`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from passo.optim.stages import Explanation
from passo.recording.layout import Slot, position, views

_copy_all = torch._foreach_copy_  # type: ignore[attr-defined]  # one call for all parameters
_SUMMED = ("predicted", "uphill")


class Bank:
    """One flat tensor, and what is done with it around a step: `keep_raw`, `before`, `after`, `sums`, `trace`."""

    def __init__(self, slots: Sequence[Slot], explanation: Explanation | None, measured: Sequence[str] = ()) -> None:
        self.slots, self.explanation, self.measured = slots, explanation, tuple(measured)
        self.explained = explanation is not None and explanation.equations is not None
        last = ("update", "residual") if self.explained else ("update",)
        middle = explanation.stages if explanation is not None else ()
        self.stages = ("theta", "grad_raw", "grad", *middle, *self.measured, *last)
        shaped = explanation is not None and explanation.shaped
        self.state = () if explanation is None or shaped else explanation.state
        renewing = {} if explanation is None else {state: stage for stage, state in explanation.renewed.items()}
        same = {f"state.{n}": renewing[n] for n in self.state if renewing.get(n) in self.stages}
        own = [row for n in self.state if (row := f"state.{n}") not in same]
        names = (*self.stages, *_SUMMED, "size", *own)
        place = {name: n for n, name in enumerate(names)}
        place.update({name: place[row] for name, row in {"explained": last[-1], **same}.items()})
        like = slots[0].parameter
        self._parameters = [slot.parameter for slot in slots]
        self._flat = torch.zeros(len(names), slots[-1].stop, dtype=like.dtype, device=like.device)
        self.rows = {name: self._flat[n] for name, n in place.items()}
        seen = [views(slot, self._flat) for slot in slots]
        self._views = {name: [view[n] for view in seen] for name, n in place.items()}
        told = self._flat[: len(self.stages) + len(_SUMMED)]
        self._parts = [told[:, slot.start : slot.stop] for slot in slots]
        self.worst = torch.zeros_like(self.rows["theta"])  # largest |residual| / max(|θ|, |θ′|, |update|) so far
        self._wide = torch.float32 if like.dtype in (torch.float16, torch.bfloat16) else like.dtype
        self.missing: list[int] = []
        self._slices: dict[tuple[int, int], dict[str, Tensor]] = {}
        self._raw_seen: set[int] = set()
        self._traced = torch.zeros(0, dtype=torch.long, device=like.device)
        self._kept: list[dict[str, Any]] = []

    def follow(self, chosen: Sequence[tuple[Slot, list[int]]]) -> None:
        """Trace these coordinates from now on."""
        places = [position(slot, index) for slot, index in chosen]
        self._traced = torch.tensor(places, dtype=torch.long, device=self._traced.device)

    def looks_at(self, number: int) -> bool:
        return True

    @property
    def device(self) -> torch.device:
        return self._flat.device

    @property
    def converted(self) -> bool:
        """Whether a parameter has another dtype or device than when it was watched."""
        dtype, device = self._flat.dtype, self._flat.device
        return any(p.dtype is not dtype or p.device != device for p in self._parameters)

    def keep_raw(self, number: int, grad: Tensor) -> None:
        """The gradient of one parameter as backward has just left it."""
        self._views["grad_raw"][number].copy_(grad.detach())
        self._raw_seen.add(number)

    # ── before the step ──

    @torch.no_grad()
    def before(
        self,
        states: Mapping[Any, Mapping[str, Any]],
        groups: Sequence[Mapping[str, Any]],
        raw_scale: float = 1.0,
        grad_scale: float = 1.0,
    ) -> None:
        """Copy θ, the gradient and the state as they are before the step; gradients are divided by their scales."""
        self._groups = groups
        parameters = self._parameters
        self.missing = [n for n, p in enumerate(parameters) if p.grad is None]
        grads = [p if p.grad is None else p.grad.to_dense() if p.grad.is_sparse else p.grad for p in parameters]
        _copy_all(self._views["theta"], parameters)
        _copy_all(self._views["grad"], grads)
        for name, scale in (("grad_raw", raw_scale), ("grad", grad_scale)):
            if scale != 1.0:
                self.rows[name].div_(scale)
        for number in range(len(parameters)):
            if number not in self._raw_seen:  # no hook saw it: what the optimiser reads is all that is known
                self._views["grad_raw"][number].copy_(self._views["grad"][number])
        self._raw_seen.clear()
        if self.explained:
            self._copy_state([states.get(p, {}) for p in parameters])

    def _copy_state(self, states: list[Mapping[str, Any]]) -> None:
        assert self.explanation is not None
        names, numbers = self.explanation.state, self.explanation.numbers
        self._count = [float(state.get("step", 0)) + 1 for state in states]
        self._numbers = [tuple(kept_number(state.get(n)) for n in numbers) for state in states]
        if self.explanation.shaped:  # whole, in shapes of their own
            self._kept = [{n: state[n].clone() for n in names if state.get(n) is not None} for state in states]
            return
        self._there = [tuple(n for n in names if state.get(n) is not None) for state in states]
        for name in names:
            there = [n for n, state in enumerate(states) if state.get(name) is not None]
            if there:
                targets = self._views[f"state.{name}"]
                values = [states[n][name] for n in there]
                _copy_all([targets[n] for n in there], [v.to_dense() if v.is_sparse else v for v in values])

    # ── after the step ──

    @torch.no_grad()
    def after(self, states: Mapping[Any, Mapping[str, Any]]) -> None:
        """Measure the update, and explain it."""
        theta, update, size, scratch = (self.rows[name] for name in ("theta", "update", "size", "predicted"))
        _copy_all(self._views["update"], self._parameters)
        if self.explained:
            torch.abs(update, out=size)  # |θ′|
        update.sub_(theta)
        if self.explained:
            self._explain()
            torch.sub(update, self.rows["explained"], out=self.rows["residual"])
            for one in (theta, update):
                torch.maximum(size, torch.abs(one, out=scratch), out=size)
            size.clamp_min_(torch.finfo(size.dtype).tiny)
        for name in self.measured:
            for slot, target in zip(self.slots, self._views[name], strict=True):
                value = states.get(slot.parameter, {}).get(name)
                if value is None:
                    target.fill_(torch.nan)
                else:
                    target.copy_(value)
        torch.mul(self.rows["grad"], self.rows["update"], out=self.rows["predicted"])
        torch.gt(self.rows["predicted"], 0, out=self.rows["uphill"])
        for number in self.missing:  # no gradient, so no step: nothing to tell but θ
            self._parts[number][1:].fill_(torch.nan)
            self._views["size"][number].fill_(torch.nan)

    def _explain(self) -> None:
        """Fill the rows between the gradient and the update."""
        assert self.explanation is not None and self.explanation.equations is not None
        if self.explanation.shaped:
            for number in range(len(self.slots)):
                if number not in self.missing:
                    self._explain_shaped(number)
            return
        for first, last in self._stretches():
            rows = self._stretch(first, last)
            there = self._there[first]
            state: dict[str, Any] = {n: rows[f"state.{n}"] if n in there else None for n in self.explanation.state}
            state.update(zip(self.explanation.numbers, self._numbers[first], strict=True))
            group = self._groups[self.slots[first].group]
            self.explanation.equations(rows["theta"], rows["grad"], state, self._count[first], group, rows)

    def _stretch(self, first: int, last: int) -> dict[str, Tensor]:
        """The rows over some neighbouring slots; mostly the same ones at every step."""
        if (first, last) not in self._slices:
            place = slice(self.slots[first].start, self.slots[last].stop)
            self._slices[first, last] = {name: row[place] for name, row in self.rows.items()}
        return self._slices[first, last]

    def _explain_shaped(self, number: int) -> None:
        """One parameter in its own shape."""
        explanation, slot = self.explanation, self.slots[number]
        assert explanation is not None and explanation.equations is not None
        rows = {name: seen[number] for name, seen in self._views.items()}
        kept: dict[str, Any] = {n: self._kept[number].get(n) for n in explanation.state}
        kept.update(zip(explanation.numbers, self._numbers[number], strict=True))
        grad = slot.parameter.grad
        sparse = grad is not None and grad.is_sparse
        kept["touched"] = grad.coalesce().indices()[0] if sparse and grad is not None else None
        group = self._groups[slot.group]
        explanation.equations(rows["theta"], rows["grad"], kept, self._count[number], group, rows)

    def _stretches(self) -> list[tuple[int, int]]:
        """First and last slot of each run of neighbours with the same group, step count, state and numbers."""
        facts = zip(self.slots, self._count, self._there, self._numbers, strict=True)
        keys = [
            (slot.group, count, there, [n if n is None else float(n) for n in numbers])
            for slot, count, there, numbers in facts
        ]
        starts = [n for n, key in enumerate(keys) if n == 0 or key != keys[n - 1]]
        return list(zip(starts, [n - 1 for n in starts[1:]] + [len(keys) - 1], strict=True))

    # ── what is recorded ──

    def sums(self) -> Tensor:
        """For each parameter the sums of all stages, of g·Δθ and of the uphill weights, then the stages' norms."""
        pieces: list[Tensor] = []
        for part in self._parts:
            pieces += [
                part.sum(1, dtype=self._wide),
                torch.linalg.vector_norm(part[: len(self.stages)], dim=1, dtype=self._wide),
            ]
        return torch.cat(pieces)

    def weigh(self, sums: Tensor) -> None:
        """Keep the largest |residual| / max(|θ|, |θ′|, |update|) that each coordinate has shown.

        `sums` are this look's. Comes last: a row that is not needed any more is used for it.
        """
        if not self.explained:
            return
        finite = sums.device.type == "cpu" and isfinite(float(sums.sum()))  # then all rows are
        worst = torch.abs(self.rows["residual"], out=self.rows["predicted"])
        if not finite:
            worst.nan_to_num_(torch.inf, torch.inf)  # equations that say nothing are no proof …
        worst.div_(self.rows["size"])
        if not finite:
            worst.nan_to_num_(0.0, torch.inf)  # … and an update that is NaN asks none
        torch.maximum(self.worst, worst, out=self.worst)  # (fmax takes NaN for nothing, and ten times as long)

    def trace(self) -> Tensor:
        """The followed coordinates: (S, K)."""
        return self._flat[: len(self.stages)].index_select(1, self._traced).to(self._wide)

    def whole(self, stage: str, number: int) -> Tensor:
        """A stage of the last recorded step in a parameter's own shape."""
        return self._views[stage][number].clone(memory_format=torch.contiguous_format)

    def roundings(self) -> list[float]:
        """The largest residual that each parameter has shown, in roundings: eps · max(|θ|, |θ′|, |update|)."""
        eps = torch.finfo(self.worst.dtype).eps
        return [float(self.worst[slot.start : slot.stop].max()) / eps for slot in self.slots]

    def state_dict(self) -> dict[str, Any]:
        """What outlives a step: the rows that are measured, and the largest residual of each parameter (P,)."""
        worst = torch.stack([self.worst[slot.start : slot.stop].max() for slot in self.slots])
        return {"measured": list(self.measured), "worst": worst}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse, on a bank that measures the same. Which coordinate was the worst is not told, so not kept."""
        for slot, worst in zip(self.slots, state["worst"], strict=True):
            self.worst[slot.start] = worst

    def widened(self, measured: Sequence[str]) -> Bank:
        """A bank with more rows, for state that is measured after the step; it takes in what this one saw before it."""
        wide = Bank(self.slots, self.explanation, measured)
        for name in ("theta", "grad_raw", "grad"):
            wide.rows[name].copy_(self.rows[name])
        wide.missing = self.missing
        return wide


def kept_number(value: Any) -> Any:
    """A scalar of the state as it is now: a tensor keeps its dtype, which a resumed optimiser computes with."""
    return value.detach().clone() if isinstance(value, Tensor) else value


def discovered(optimizer: torch.optim.Optimizer, slots: Sequence[Slot]) -> tuple[str, ...]:
    """The names of state tensors that are shaped like their parameter: what an unexplained optimiser keeps."""
    names: dict[str, None] = {}
    for slot in slots:
        for name, value in optimizer.state.get(slot.parameter, {}).items():
            if isinstance(value, Tensor) and value.shape == slot.parameter.shape and value.is_floating_point():
                names[str(name)] = None
    return tuple(names)
