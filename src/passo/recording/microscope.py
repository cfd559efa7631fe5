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

import torch
from torch import Tensor, nn

from passo.errors import UnknownName, UsageError
from passo.optim.stages import explanation
from passo.recording.layout import Slot, position, slots, spread, views
from passo.recording.lens import Lens, Records
from passo.registry import unknown

_copy_all = torch._foreach_copy_  # type: ignore[attr-defined]  # one call for all parameters

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
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise UsageError(
            f"watch(optimizer, model): the first must be a torch optimizer, got {type(optimizer).__name__}"
        )
    if every < 1:
        raise UsageError(f"every must be ≥ 1, got {every}")
    return Lens(_Probe(optimizer, slots(optimizer, model, parameters), every, trace))


class _Probe:
    """The hooks and the buffers; what was recorded is in `records`.

    All buffers are rows of one flat (R, P) tensor: the stages in their order (the last two are update and
    residual), then θ before and after, what is explained, and the state before the step.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, found: tuple[Slot, ...], every: int, trace: Trace) -> None:
        self.optimizer, self.slots, self.every = optimizer, found, every
        self.explanation = explanation(optimizer)
        self.state_names = self.explanation.state if self.explanation else ()
        middle = self.explanation.stages if self.explanation else ()
        last = ("update", "residual") if self.explanation else ("update",)
        self.stages = ("grad_raw", "grad", *middle, *last)
        untold = [row for row in (self.explanation.rows if self.explanation else ()) if row not in self.stages]
        names = [*self.stages, "before", "after", "explained", *(f"state.{s}" for s in self.state_names), *untold]
        size, like = found[-1].stop, found[0].parameter
        self._flat = torch.zeros(len(names), size, dtype=like.dtype, device=like.device)
        self.rows = dict(zip(names, self._flat.unbind(0), strict=True))
        seen = [views(slot, self._flat) for slot in found]
        self._views = {name: [view[n] for view in seen] for n, name in enumerate(names)}
        self._scratch = torch.zeros(4, size, dtype=like.dtype, device=like.device)
        self.worst = torch.zeros_like(self.rows["grad"])  # largest |residual| / max(|θ|, |θ′|, |update|) so far
        self._parts = [self._flat[: len(self.stages), s.start : s.stop] for s in found]
        self.coordinates = _coordinates(found, trace)
        self._traced = torch.tensor([position(s, at) for s, at in self.coordinates], device=like.device).long()
        told = [(slot.name, list(at)) for slot, at in self.coordinates]
        self.records = Records(self.stages, found, told, every)
        self.step = 0
        self._due = False
        self._raw_seen: set[int] = set()
        self._handles = [
            optimizer.register_step_pre_hook(self._before),
            optimizer.register_step_post_hook(self._after),
        ]
        self._gradient_handles: list[Any] = []
        self._look_forward()

    # ── during backward ──

    def _look_forward(self) -> None:
        """Decide whether the next step is due; only then do its gradients carry hooks, which cost a little each."""
        self._due = (self.step + 1) % self.every == 0
        if self._due and not self._gradient_handles:
            self._gradient_handles = [
                slot.parameter.register_post_accumulate_grad_hook(self._raw_hook(number))
                for number, slot in enumerate(self.slots)
                if slot.parameter.requires_grad
            ]
        elif not self._due:
            self._release_gradients()

    def _release_gradients(self) -> None:
        for handle in self._gradient_handles:
            handle.remove()
        self._gradient_handles = []

    def _raw_hook(self, number: int) -> Any:
        target = self._views["grad_raw"][number]

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

        taken = False

        def closure_then_snapshot() -> Any:  # with a closure, the gradients exist only once it has run
            nonlocal taken
            loss = closure()
            if not taken:  # LBFGS calls it several times and moves θ in between: the first call is the step's start
                self._snapshot()
                taken = True
            return loss

        return (args[0], closure_then_snapshot), {}

    @torch.no_grad()
    def _snapshot(self) -> None:
        """Copy θ, the gradient and the state as they are before the step."""
        parameters = [slot.parameter for slot in self.slots]
        self._missing = [n for n, p in enumerate(parameters) if p.grad is None]
        grads = [p if p.grad is None else p.grad.to_dense() if p.grad.is_sparse else p.grad for p in parameters]
        _copy_all(self._views["before"], parameters)
        _copy_all(self._views["grad"], grads)
        for number in range(len(parameters)):
            if number not in self._raw_seen:
                self._views["grad_raw"][number].copy_(grads[number])
        self._raw_seen.clear()
        states = [self.optimizer.state.get(p, {}) for p in parameters]
        self._fresh = [not any(state.get(n) is not None for n in self.state_names) for state in states]
        self._count = [float(state.get("step", 0)) + 1 for state in states]
        for name in self.state_names:
            there = [n for n, state in enumerate(states) if state.get(name) is not None]
            if there:
                targets = self._views[f"state.{name}"]
                _copy_all([targets[n] for n in there], [states[n][name] for n in there])

    @torch.no_grad()
    def _after(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        self.step += 1
        if self._due:
            _copy_all(self._views["after"], [slot.parameter for slot in self.slots])
            torch.sub(self.rows["after"], self.rows["before"], out=self.rows["update"])
            if self.explanation is not None:
                self._explain()
                torch.sub(self.rows["update"], self.rows["explained"], out=self.rows["residual"])
            for number in self._missing:  # no gradient, so no step: nothing to tell
                self._parts[number].fill_(torch.nan)
            if self.explanation is not None:
                self._weigh_residual()
            self._record()
        self._look_forward()

    def _explain(self) -> None:
        """Fill the rows between the gradient and the update, over runs of slots that share their equations."""
        assert self.explanation is not None and self.explanation.equations is not None
        for first, last in self._stretches():
            place = slice(self.slots[first].start, self.slots[last].stop)
            rows = {name: row[place] for name, row in self.rows.items()}
            state = {n: None if self._fresh[first] else rows[f"state.{n}"] for n in self.state_names}
            group = self.optimizer.param_groups[self.slots[first].group]
            self.explanation.equations(rows["before"], rows["grad"], state, self._count[first], group, rows)

    def _stretches(self) -> list[tuple[int, int]]:
        """First and last slot of each run of neighbours with the same group, step count and freshness."""
        keys = [(s.group, c, f) for s, c, f in zip(self.slots, self._count, self._fresh, strict=True)]
        starts = [n for n, key in enumerate(keys) if n == 0 or key != keys[n - 1]]
        return list(zip(starts, [n - 1 for n in starts[1:]] + [len(keys) - 1], strict=True))

    def _weigh_residual(self) -> None:
        """Keep the largest |residual| / max(|θ|, |θ′|, |update|) that each coordinate has shown."""
        last = len(self.stages)
        torch.abs(self._flat[last - 2 : last + 2], out=self._scratch)  # update, residual, before, after
        update, residual, before, after = self._scratch.unbind(0)
        torch.maximum(before, after, out=before)
        torch.maximum(before, update, out=before)
        torch.div(residual, before, out=residual)  # 0/0 where nothing was and nothing moved: fmax passes it over
        torch.fmax(self.worst, residual, out=self.worst)

    def _record(self) -> None:
        """Sums and norms of every stage and slot, in one small tensor; means and rms are taken when read."""
        pieces = []
        for part in self._parts:
            pieces += [part.sum(1), torch.linalg.vector_norm(part, dim=1)]
        trace = self._flat[: len(self.stages)].index_select(1, self._traced)  # (S, K)
        lr = float(self.optimizer.param_groups[0]["lr"])
        self.records.add(self.step, lr, torch.cat(pieces), trace)

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._release_gradients()

    def whole(self, stage: str, number: int) -> Tensor:
        """A stage of the last recorded step in a parameter's own shape."""
        return self._views[stage][number].clone(memory_format=torch.contiguous_format)


def _coordinates(found: tuple[Slot, ...], trace: Trace) -> list[tuple[Slot, list[int]]]:
    """The coordinates to follow, as (slot, index)."""
    if not isinstance(trace, int):
        known = {slot.name for slot in found}
        for name in trace:
            if name not in known:
                raise UnknownName(str(unknown("watched parameter", name, known)))
    chosen: list[tuple[Slot, list[int]]] = []
    for slot in found:
        wanted = trace if isinstance(trace, int) else trace.get(slot.name, 0)
        places = spread(slot, wanted) if isinstance(wanted, int) else [list(index) for index in wanted]
        for index in places:
            if len(index) != len(slot.shape) or not all(0 <= i < n for i, n in zip(index, slot.shape, strict=True)):
                raise UsageError(f"{slot.name} has no coordinate {index}: its shape is {slot.shape}")
        chosen += [(slot, index) for index in places]
    return chosen
