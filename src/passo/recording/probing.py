"""Instruments for chosen steps of anybody's loop, dearer than the microscope: curvature, noise, ranks and drift.

    probes = passo.probe(model, optimizer, loss_fn, total=2000)   # before training; loss_fn is the loop's nn.Module
    ...                                                           # the training, unchanged
    passo.draw_run("curvature", probes.run())

After a chosen step it measures, at the weights that the step led to, on the step's own batch, and leaves no trace: a
probed run ends bit for bit as it would have without.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from passo.errors import StoreError, UsageError
from passo.recording.held import HeldRun
from passo.recording.looks import LOOK, Look, measure
from passo.recording.remeasured import LastBatch

LOOKS = 20
PARTS = 8

Arrays = dict[str, tuple[np.ndarray, dict[str, Any]]]


def probe(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_fn: nn.Module,
    *,
    looks: int = LOOKS,
    total: int | None = None,
    steps: Iterable[int] | None = None,
    penalty: Callable[[], Tensor] | None = None,
    sink: Any = None,
) -> Probes:
    """Measure at chosen steps what is too dear for every step; call it before training.

    Args:
        loss_fn: the module that the loop calls as `loss_fn(model(x), y)`, a mean over examples, such as
            `nn.CrossEntropyLoss()`.
        looks: at so many steps at most.
        total: how many steps the training will have, where that is known: the looks are spread evenly over them.
            Without it the first steps are looked at, then every second, fourth, … and those between are dropped.
        steps: look after these steps (from 1), and no others.
        penalty: what is trained beside the loss, called without arguments.
        sink: where arrays are written after each look (an object with `chunk`), where `total` or `steps` is given.

    Of a step that accumulates several mini-batches, the last one is measured. Raises `UsageError` for what cannot be.

    >>> model, loss_fn = nn.Linear(2, 1), nn.MSELoss()
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> probes = probe(model, optimizer, loss_fn, steps=[2])
    >>> for _ in range(3):
    ...     optimizer.zero_grad(); loss_fn(model(torch.eye(2)), torch.ones(2, 1)).backward(); optimizer.step()
    >>> probes.arrays()["probes/steps"][0]
    array([2])
    """
    if not (isinstance(model, nn.Module) and isinstance(optimizer, torch.optim.Optimizer)):
        got = f"{type(model).__name__}, {type(optimizer).__name__}"
        raise UsageError(f"probe(model, optimizer, loss_fn): expected a module and a torch optimizer, got {got}")
    if not isinstance(loss_fn, nn.Module):
        raise UsageError(
            "probe(model, optimizer, loss_fn): loss_fn must be the module that the loop calls, such as "
            f"nn.CrossEntropyLoss(), got {type(loss_fn).__name__}"
        )
    if isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
        raise UsageError("a probe looks at a model on one device: give the model within, before it is shared out")
    for name, value, least in (("looks", looks, 2), ("total", total, 1)):
        if value is not None and value < least:
            raise UsageError(f"{name} must be ≥ {least}, got {value}")
    chosen = None if steps is None else frozenset(steps)
    if chosen is not None and (not chosen or min(chosen) < 1):
        raise UsageError(f"steps must be whole numbers ≥ 1, got {sorted(chosen)}")
    return Probes(model, optimizer, loss_fn, looks=looks, total=total, steps=chosen, penalty=penalty, sink=sink)


class Probes:
    """Measures after chosen steps. Read it at any time with `arrays()` or `run()`; `close()` takes it off."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss_fn: nn.Module,
        *,
        looks: int,
        total: int | None,
        steps: frozenset[int] | None,
        penalty: Callable[[], Tensor] | None,
        sink: Any,
    ) -> None:
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        self._weights = [(n, p) for n, p in model.named_parameters() if p.requires_grad and id(p) in held]
        if not self._weights:
            raise UsageError("none of the optimizer's parameters are the model's: was it built on another model?")
        if any(p.is_complex() for _, p in self._weights):
            raise UsageError("complex weights cannot be probed")
        self._model, self._loss_fn, self._optimizer, self._penalty = model, loss_fn, optimizer, penalty
        self._start = {name: p.detach().to("cpu", copy=True) for name, p in self._weights}
        self._most, self._every, self._sink = looks, 1, sink
        self._at = steps
        if steps is None and total is not None:
            self._at = frozenset(np.linspace(1, total, min(looks, total)).round().astype(int).tolist())
        self.step = 0
        self.notices: list[str] = []
        self._kept: list[Look] = []
        self._written = 0  # of `_kept`
        self._looked = self._first = self._last = 0.0  # seconds in looks; when the first step ended, and the last
        self._count = self._before = 0  # looks so far; the steps before this process took over
        self._batch = LastBatch(model, loss_fn)
        self._handle: Any = optimizer.register_step_post_hook(self._after)

    @property
    def due(self) -> bool:
        """Whether it looks after the next step."""
        step = self.step + 1
        return step in self._at if self._at is not None else step % self._every == 0

    def arrays(self) -> Arrays:
        """What was measured, with its meaning; see docs/instruments.md."""
        return self._arrays(self._kept)

    def run(self) -> HeldRun:
        """What was measured, as figures and analysis read it."""
        return HeldRun("watched", self.arrays(), {"probes": self.facts()})

    def facts(self) -> dict[str, Any]:
        """What looking costs: seconds for a look and for a step without one, and the share of the time so far."""
        steps = self.step - self._before - 1  # between the first step's end and the last's
        spent = self._last - self._first
        told: dict[str, Any] = {"looks": self._count, "optimizer": type(self._optimizer).__name__}
        if self._count:
            told["seconds_per_look"] = self._looked / self._count
        if steps > 0 and spent > 0:
            told |= {"seconds_per_step": max(0.0, spent - self._looked) / steps, "share": self._looked / spent}
        return {**told, "notices": list(self.notices)}

    def state_dict(self) -> dict[str, Any]:
        """What was measured and is not written yet, the weights at the start, and where it stands, as plain data."""
        kept = self._kept if self._sink is None or self._at is None else []
        return {
            "step": self.step,
            "every": self._every,
            "count": self._count,
            "notices": list(self.notices),
            "names": [name for name, _ in self._weights],
            "start": [self._start[name].numpy().copy() for name, _ in self._weights],
            "kept": [look.plain() for look in kept],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave, once the weights are put back. Raises `UsageError` where others were."""
        if state["names"] != [name for name, _ in self._weights]:
            raise UsageError("the state is not of probes like these: other weights were measured")
        self.step, self._every, self.notices = state["step"], state["every"], list(state["notices"])
        self._before, self._count, self._looked = self.step, 0, 0.0
        self._start = {
            name: torch.as_tensor(start) for (name, _), start in zip(self._weights, state["start"], strict=True)
        }
        self._kept = [Look.of(plain) for plain in state["kept"]]
        self._written = 0

    def close(self) -> None:
        """Take it off; what it has measured stays readable, and what is not written yet is written."""
        if self._handle is None:
            return
        self._handle.remove()
        self._batch.close()
        self._handle = None
        self._write()

    def __enter__(self) -> Probes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _after(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        due, self.step = self.due, self.step + 1
        begun = time.perf_counter()
        if self.step == self._before + 1:
            self._first = begun
        if due:
            self._look()
        self._last = time.perf_counter()
        if due:
            self._looked += self._last - begun

    def _look(self) -> None:
        x, y = self._batch.latest()
        if y is None:
            self._say("a step was to be looked at, but no loss was computed with loss_fn: is it the loop's own?")
            return
        model = getattr(self._model, "_orig_mod", self._model)  # a compiled one cannot be differentiated twice
        weights = [(name.removeprefix("_orig_mod."), p) for name, p in self._weights]
        start = list(self._start.values())
        look = measure(
            self.step, model, self._loss_fn, self._optimizer, weights, start, x, y, self._penalty, PARTS, self._say
        )
        self._count += 1
        self._kept.append(look)
        if self._at is not None:
            self._write()
        elif len(self._kept) > self._most:
            self._every *= 2
            self._kept = [kept for kept in self._kept if kept.step % self._every == 0]

    def _write(self) -> None:
        fresh = self._kept[self._written :]
        self._written = len(self._kept)
        if not fresh or self._sink is None:
            return
        try:
            self._sink.chunk(self._arrays(fresh), first_step=fresh[0].step)
        except StoreError as error:  # a run that trains is not ended by what watches it
            self._say(f"what was probed could not be written: {error}")
            self._sink = None

    def _arrays(self, looks: list[Look]) -> Arrays:
        names = [name for name, _ in self._weights]
        count = len(names)
        layers = looks[0].layers if looks else ()
        norms = [float(torch.linalg.vector_norm(one.double())) for one in self._start.values()]

        def stacked(rows: list[np.ndarray], *shape: int) -> np.ndarray:
            return np.stack(rows) if rows else np.zeros((0, *shape))

        of = {"names": names, "sizes": [p.numel() for _, p in self._weights]}
        return {
            "probes/steps": (np.array([look.step for look in looks], np.int64), {}),
            "probes": (stacked([look.values for look in looks], len(LOOK)), {"quantities": list(LOOK)}),
            "probes/gradients": (
                stacked([look.gradients for look in looks], count, 2),
                {**of, "quantities": ["noise", "signal"]},
            ),
            "probes/drift": (stacked([look.drift for look in looks], count), {**of, "start": norms}),
            "probes/ranks": (
                stacked([look.ranks for look in looks], len(layers), 2),
                {"layers": list(layers), "quantities": ["rank", "most"]},
            ),
        }

    def _say(self, message: str) -> None:
        if message not in self.notices:
            self.notices.append(message)
            warnings.warn(message, stacklevel=2)
