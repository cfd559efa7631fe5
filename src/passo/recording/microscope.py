"""The microscope: watch any optimiser in any training loop, in two lines, without disturbing it.

    lens = passo.watch(optimizer, model)

It uses the optimiser's own step hooks. Before a step it copies θ, the gradient and the state; after it, it
measures the update (θ after minus θ before), explains it with the equations of `passo.optim.stages` and keeps, for
each watched parameter tensor and stage, the mean and the root mean square, and full traces of chosen coordinates.
It only reads: a watched run ends bit for bit like an unwatched one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from passo.errors import UsageError
from passo.optim.stages import explanation
from passo.recording.layout import Slot, gather, slots, spread
from passo.recording.lens import QUANTITIES, Lens, Records

Trace = int | Mapping[str, int | Sequence[Sequence[int]]]


def watch(
    optimizer: torch.optim.Optimizer,
    model: nn.Module | None = None,
    *,
    parameters: Sequence[str] | None = None,
    every: int = 1,
    trace: Trace = 3,
) -> Lens:
    """Put a microscope on an optimiser; call it after building both and before training.

    `model` gives the parameters their names. `parameters` narrows to some of them. `every` records each n-th
    step. `trace` says which coordinates to follow in full: a number for each parameter, or a mapping from
    parameter to a number or to index tuples.

    SGD, Adam and AdamW are explained, with a residual; of any other optimiser the gradient and the update are
    measured. Raises `UnknownName` for a parameter that is not there.

    >>> model = torch.nn.Linear(2, 1)
    >>> optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    >>> lens = watch(optimizer, model)
    >>> model(torch.ones(4, 2)).sum().backward(); optimizer.step()
    >>> lens.steps, lens.residual().within(8)
    (array([1]), True)
    """
    if every < 1:
        raise UsageError(f"every must be ≥ 1, got {every}")
    return Lens(_Probe(optimizer, slots(optimizer, model, parameters), every, trace))


class _Probe:
    """The hooks and the buffers; what was recorded is in `records`."""

    def __init__(self, optimizer: torch.optim.Optimizer, found: tuple[Slot, ...], every: int, trace: Trace) -> None:
        self.optimizer, self.slots, self.every = optimizer, found, every
        self.explanation = explanation(optimizer)
        middle = self.explanation.stages if self.explanation else ()
        last = ("update", "residual") if self.explanation else ("update",)
        self.stages = ("grad_raw", "grad", *middle, *last)
        size, like = found[-1].stop, found[0].parameter
        self._flat = torch.zeros(len(self.stages), size, dtype=like.dtype, device=like.device)
        self.rows = dict(zip(self.stages, self._flat.unbind(0), strict=True))
        names = ("before", "after", "explained", *(f"state.{s}" for s in self._state_names()))
        self._more = {name: torch.zeros_like(self.rows["grad"]) for name in names}
        self.worst = torch.zeros_like(self.rows["grad"])  # largest |residual| so far, in roundings of θ
        self._coordinates, self.coordinates = self._traced(trace)
        self.records = Records(self.stages, [s.name for s in found], self.coordinates, every)
        self.step = 0
        self._due = every == 1
        self._raw_seen: set[int] = set()
        self._handles = [
            optimizer.register_step_pre_hook(self._before),
            optimizer.register_step_post_hook(self._after),
        ]
        for number, slot in enumerate(found):
            if slot.parameter.requires_grad:
                hook = self._raw_hook(number, slot)
                self._handles.append(slot.parameter.register_post_accumulate_grad_hook(hook))

    def _state_names(self) -> tuple[str, ...]:
        return self.explanation.state if self.explanation else ()

    def _traced(self, trace: Trace) -> tuple[Tensor, list[tuple[str, list[int]]]]:
        """Flat positions (K,) of the traced coordinates, and their names with index tuples."""
        if not isinstance(trace, int):
            for name in trace:
                if name not in {slot.name for slot in self.slots}:
                    raise UsageError(f"cannot trace {name!r}: it is not a watched parameter")
        flat, told = [], []
        for slot in self.slots:
            wanted = trace if isinstance(trace, int) else trace.get(slot.name, 0)
            inside = (
                spread(slot, wanted)
                if isinstance(wanted, int)
                else [int(np.ravel_multi_index(tuple(index), slot.shape)) for index in wanted]
            )
            flat += [slot.start + i for i in inside]
            told += [(slot.name, [int(k) for k in np.unravel_index(i, slot.shape)]) for i in inside]
        return torch.tensor(flat, dtype=torch.int64, device=self._flat.device), told

    # ── during backward ──

    def _raw_hook(self, number: int, slot: Slot) -> Any:
        target = self.rows["grad_raw"][slot.start : slot.stop].view(slot.shape)

        def keep(parameter: Tensor) -> None:
            grad = parameter.grad
            if self._due and grad is not None and not grad.is_sparse:
                target.copy_(grad)
                self._raw_seen.add(number)

        return keep

    # ── around the step ──

    def _before(self, optimizer: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if not self._due:
            return None
        closure = args[1] if len(args) > 1 else kwargs.get("closure")  # args[0] is the optimiser itself
        if closure is None:
            self._snapshot()
            return None

        def closure_then_snapshot() -> Any:  # with a closure, the gradients exist only once it has run
            loss = closure()
            self._snapshot()
            return loss

        return (args[0], closure_then_snapshot), {}

    @torch.no_grad()
    def _snapshot(self) -> None:
        """Copy θ, the gradient and the state as they are before the step."""
        gather([s.parameter for s in self.slots], self._more["before"])
        self._missing = [n for n, s in enumerate(self.slots) if s.parameter.grad is None]
        grads = [s.parameter if s.parameter.grad is None else s.parameter.grad for s in self.slots]
        gather([g.to_dense() if g.is_sparse else g for g in grads], self.rows["grad"])
        for number, slot in enumerate(self.slots):
            if number not in self._raw_seen:
                self.rows["grad_raw"][slot.start : slot.stop] = self.rows["grad"][slot.start : slot.stop]
        self._raw_seen.clear()
        states = [self.optimizer.state.get(s.parameter, {}) for s in self.slots]
        self._fresh = [not any(state.get(n) is not None for n in self._state_names()) for state in states]
        if not all(self._fresh):
            for name in self._state_names():
                zeros = [
                    state[name] if state.get(name) is not None else torch.zeros_like(slot.parameter)
                    for slot, state in zip(self.slots, states, strict=True)
                ]
                gather(zeros, self._more[f"state.{name}"])
        self._count = [float(state.get("step", 0)) + 1 for state in states]

    @torch.no_grad()
    def _after(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        self.step += 1
        if self._due:
            before, after = (
                self._more["before"],
                gather([s.parameter for s in self.slots], self._more["after"]),
            )
            torch.sub(after, before, out=self.rows["update"])
            if self.explanation is not None:
                self._explain()
                torch.sub(self.rows["update"], self._more["explained"], out=self.rows["residual"])
            for number in self._missing:  # no gradient, so no step: nothing to tell
                slot = self.slots[number]
                self._flat[:, slot.start : slot.stop] = torch.nan
            if self.explanation is not None:
                self._weigh_residual(before, after)
            self._record()
        self._due = (self.step + 1) % self.every == 0

    def _explain(self) -> None:
        """Fill the rows between the gradient and the update, over runs of slots that share their equations."""
        assert self.explanation is not None
        for first, last in self._stretches():
            place = slice(self.slots[first].start, self.slots[last].stop)
            rows = {name: row[place] for name, row in self.rows.items()}
            rows["explained"] = self._more["explained"][place]
            state = {
                name: None if self._fresh[first] else self._more[f"state.{name}"][place] for name in self._state_names()
            }
            group = self.optimizer.param_groups[self.slots[first].group]
            self.explanation.equations(
                self._more["before"][place], rows["grad"], state, self._count[first], group, rows
            )

    def _stretches(self) -> list[tuple[int, int]]:
        """First and last slot of each run of neighbours with the same group, step count and freshness."""
        keys = [(s.group, c, f) for s, c, f in zip(self.slots, self._count, self._fresh, strict=True)]
        starts = [n for n, key in enumerate(keys) if n == 0 or key != keys[n - 1]]
        return list(zip(starts, [n - 1 for n in starts[1:]] + [len(keys) - 1], strict=True))

    def _weigh_residual(self, before: Tensor, after: Tensor) -> None:
        """Keep the largest |residual| / (eps · max(|θ|, |θ′|, |update|)) that each coordinate has shown."""
        scale = self._more["explained"]  # free to be written over: its residual is taken
        torch.abs(before, out=scale)
        torch.maximum(scale, after.abs_(), out=scale)
        torch.maximum(scale, torch.abs(self.rows["update"], out=before), out=scale)
        scale.mul_(torch.finfo(scale.dtype).eps).clamp_(min=torch.finfo(scale.dtype).tiny)
        torch.div(torch.abs(self.rows["residual"], out=before), scale, out=before)
        torch.fmax(self.worst, before, out=self.worst)

    def _record(self) -> None:
        parts = [self._flat[:, s.start : s.stop] for s in self.slots]
        means = torch.stack([part.mean(1) for part in parts], 1)  # (S, P)
        rms = torch.stack([torch.linalg.vector_norm(part, dim=1) for part in parts], 1)
        statistics = torch.stack((means, rms / self._root_sizes()), -1)  # (S, P, 2)
        assert statistics.shape[-1] == len(QUANTITIES)
        lrs = [float(group["lr"]) for group in self.optimizer.param_groups]
        trace = self._flat.index_select(1, self._coordinates)  # (S, K)
        self.records.add(self.step, lrs[0], statistics, trace)

    def _root_sizes(self) -> Tensor:
        if not hasattr(self, "_roots"):
            sizes = [s.stop - s.start for s in self.slots]
            self._roots = torch.tensor(sizes, dtype=self._flat.dtype, device=self._flat.device).sqrt()
        return self._roots

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
