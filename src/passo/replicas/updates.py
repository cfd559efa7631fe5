"""Steps of many replicas at once, each as its own optimizer would make it.

SGD, Adam and AdamW call torch's fused kernel once a row where rows are long; all else goes by `rules`. Which way is
taken depends on the number of parameters alone, never on a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from passo.errors import PassoError
from passo.optim import keras
from passo.replicas.rules import RULES, Flags, Numbers, State, columns

FLAGS = ("amsgrad", "centered", "nesterov", "maximize", "keep_start", "decoupled_weight_decay")
MOVED = ("lr", "momentum", "beta1")  # what schedules move


class NotStepped(PassoError):
    """An optimizer, or an option of one, that has no rule over rows; its run goes one by one."""


def numbers_of(optimizer: Optimizer) -> dict[str, float]:
    """An optimizer's options that are numbers, each β by its own name."""
    group = optimizer.param_groups[0]
    found = {name: float(value) for name, value in group.items()
             if isinstance(value, int | float) and not isinstance(value, bool)}  # fmt: skip
    if "betas" in group:
        found["beta1"], found["beta2"] = (float(one) for one in group["betas"])
    return found


class _Kind(NamedTuple):
    """What replicas of one block have in common."""

    cls: type[Optimizer]
    flags: tuple[tuple[str, bool], ...]


def check_rule(optimizer: Optimizer) -> None:
    """Raise `NotStepped` where there is no rule over rows for this optimizer and its options."""
    _kind(optimizer)


def _kind(optimizer: Optimizer) -> _Kind:
    cls, group = type(optimizer), optimizer.param_groups[0]
    if cls not in RULES:
        raise NotStepped(f"optimizer {cls.__name__} has no rule over rows")
    if group.get("capturable") or group.get("differentiable") or isinstance(group["lr"], Tensor):
        raise NotStepped(f"{cls.__name__} with capturable, differentiable or a tensor as lr has no rule over rows")
    flags = {name: bool(group.get(name)) for name in FLAGS} | {"momentum": bool(group.get("momentum"))}
    flags["decoupled_weight_decay"] |= cls in (torch.optim.AdamW, keras.Ftrl)
    return _Kind(cls, tuple(flags.items()))


class Updates:
    """Steps R rows of weights, each as its own optimizer would step that replica's model.

    `optimizers` are ordinary ones, each on the parameters of its own model. The weights are sheets (R, n); `decays` has
    for each sheet its weight decay in every replica, (R,). `long` takes torch's fused kernels where there are any.
    Raises `NotStepped` for what is not among `RULES`.
    """

    def __init__(
        self, optimizers: Sequence[Optimizer], sheets: Sequence[Tensor], decays: Sequence[np.ndarray], *, long: bool
    ) -> None:
        self.steps, self.sheets = 0, sheets
        found: dict[_Kind, list[int]] = {}
        for row, optimizer in enumerate(optimizers):
            found.setdefault(_kind(optimizer), []).append(row)
        self.blocks = [
            _Block(kind, rows, [optimizers[row] for row in rows], sheets, [decay[rows] for decay in decays], long)
            for kind, rows in found.items()
        ]

    @torch.no_grad()
    def step(self, moved: Mapping[str, np.ndarray]) -> None:
        """By the sheets' gradients, which may be written over. `moved` has what schedules say: option → (R,)."""
        self.steps += 1
        for block in self.blocks:
            block.step(self.sheets, moved, self.steps)

    def forget(self, row: int) -> None:
        """A replica has ended: its state is 0, so that nothing of it is ever not finite."""
        for block in self.blocks:
            if row in block.rows:
                for state in block.states:
                    for values in state.values():
                        values[block.rows.index(row)] = 0

    def keep(self, rows: Sequence[int], sheets: Sequence[Tensor]) -> None:
        """Go on with these rows alone, which are `sheets` now."""
        self.sheets = sheets
        for block in self.blocks:
            block.keep(rows)
        self.blocks = [block for block in self.blocks if block.rows]

    def kept(self, row: int) -> tuple[list[State], dict[str, float]]:
        """One replica's state, as its own optimizer would keep it: name → (n,) for each sheet, and its numbers."""
        block = next(block for block in self.blocks if row in block.rows)
        at = block.rows.index(row)
        begun = {name: float(block.numbers[option][at]) for name, option in BEGUN.items() if option in block.numbers}
        states = [
            {name: values[at] + begun[name] if name in begun else values[at].clone() for name, values in state.items()}
            for state in block.states
        ]
        carried = {name: float(block.numbers[name][at]) for name in CARRIED if name in block.numbers}
        return states, {"step": float(self.steps), **carried}

    def state(self) -> dict[str, Any]:
        """Every state, and what numbers are carried on, as a checkpoint keeps it."""
        blocks = [{"states": block.states, "carried": block.carried} for block in self.blocks]
        return {"steps": self.steps, "blocks": blocks}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.steps = state["steps"]
        for block, kept in zip(self.blocks, state["blocks"], strict=True):
            for own, other in zip(block.states, kept["states"], strict=True):
                for name, values in own.items():
                    values.copy_(other[name])
            block.numbers.update({name: values.numpy() for name, values in kept["carried"].items()})


CARRIED = ("mu_product",)  # of the numbers, those that a step takes from the one before
BEGUN = {"sum": "initial_accumulator_value", "accumulator": "initial_accumulator_value"}  # state → what it leaves out


class _Block:
    """The rows of one kind of optimizer."""

    def __init__(
        self, kind: _Kind, rows: list[int], optimizers: Sequence[Optimizer], sheets: Sequence[Tensor],
        decays: Sequence[np.ndarray], long: bool,
    ) -> None:  # fmt: skip
        self.rule, self.has, self.rows, self.decays = RULES[kind.cls], dict(kind.flags), rows, decays
        self.all = len(rows) == len(sheets[0])
        options = [numbers_of(optimizer) for optimizer in optimizers]
        common = set.intersection(*map(set, options))  # a schedule leaves numbers of its own, as initial_lr
        self.numbers: Numbers = {name: np.array([one[name] for one in options]) for name in sorted(common)}
        names = self.rule.state(self.has)
        self.states: list[State] = [
            {name: sheet.new_zeros(len(rows), sheet.shape[1]) for name in names} for sheet in sheets
        ]
        self.kernel = KERNELS.get(kind.cls) if long and sheets[0].device.type == "cpu" else None

    def keep(self, rows: Sequence[int]) -> None:
        """Only those that are among these rows, by their new numbers."""
        places = [self.rows.index(row) for row in rows if row in self.rows]
        self.rows = [number for number, row in enumerate(rows) if row in self.rows]
        self.all = len(self.rows) == len(rows)
        self.numbers = {name: values[places] for name, values in self.numbers.items()}
        self.decays = [decay[places] for decay in self.decays]
        self.states = [{name: values[places] for name, values in state.items()} for state in self.states]

    @property
    def carried(self) -> dict[str, Tensor]:
        return {name: torch.from_numpy(self.numbers[name]) for name in CARRIED if name in self.numbers}

    def step(self, sheets: Sequence[Tensor], moved: Mapping[str, np.ndarray], t: int) -> None:
        self.numbers.update({name: values[self.rows] for name, values in moved.items() if name in self.numbers})
        pairs = [(sheet.detach(), sheet.grad) for sheet in sheets]
        parts = [(w, g) if self.all else (w[self.rows], g[self.rows]) for w, g in pairs if g is not None]
        for (w, g), state, decay in zip(parts, self.states, self.decays, strict=True):
            if self.has["maximize"]:
                g.neg_()
            if t == 1:
                self.rule.begin(w, state, self.numbers, self.has)
            self._decay(w, g, decay)
        if self.kernel is not None:
            self._by_kernel(parts, t)
        else:
            with np.errstate(all="ignore"):
                factors = columns(self.rule.numbers(self.numbers, t), parts[0][0])
            for (w, g), state in zip(parts, self.states, strict=True):
                self.rule.apply(w, g, state, factors, self.has)
        if not self.all:
            for sheet, (w, _) in zip(sheets, parts, strict=True):
                sheet.detach()[self.rows] = w

    def _decay(self, w: Tensor, g: Tensor, decay: np.ndarray) -> None:
        if not decay.any():
            return
        if self.has["decoupled_weight_decay"]:
            w.mul_(columns([1 - self.numbers["lr"] * decay], w)[0])
        else:
            g.add_(w * columns([decay], w)[0])

    def _by_kernel(self, parts: Sequence[tuple[Tensor, Tensor]], t: int) -> None:
        assert self.kernel is not None
        weights, grads = ([one.unbind() for one in both] for both in zip(*parts, strict=True))
        states = {name: [state[name].unbind() for state in self.states] for name in self.states[0]}
        for row in range(len(self.rows)):
            own = {name: float(values[row]) for name, values in self.numbers.items()}
            kept = {name: [one[row] for one in sheets] for name, sheets in states.items()}
            self.kernel([w[row] for w in weights], [g[row] for g in grads], kept, own, self.has, t)


# ── torch's own fused kernels, a row at a time ──

Rows = list[Tensor]  # one replica's, of every sheet
Kernel = Callable[[Rows, Rows, dict[str, Rows], Mapping[str, float], Flags, int], None]


def _adam_kernel(w: Rows, g: Rows, state: dict[str, Rows], h: Mapping[str, float], has: Flags, t: int) -> None:
    torch._fused_adam_(  # pyright: ignore[reportPrivateImportUsage]
        w, g, state["exp_avg"], state["exp_avg_sq"], state.get("max_exp_avg_sq", []), [torch.tensor(float(t))] * len(w),
        lr=h["lr"], beta1=h["beta1"], beta2=h["beta2"], weight_decay=0.0, eps=h["eps"], amsgrad=has["amsgrad"],
        maximize=False,
    )  # fmt: skip


def _sgd_kernel(w: Rows, g: Rows, state: dict[str, Rows], h: Mapping[str, float], has: Flags, t: int) -> None:
    torch._fused_sgd_(  # pyright: ignore[reportPrivateImportUsage]
        w, g, state.get("momentum_buffer", []), weight_decay=0.0, momentum=h["momentum"], lr=h["lr"],
        dampening=h["dampening"], nesterov=has["nesterov"], maximize=False, is_first_step=t == 1,
    )  # fmt: skip


KERNELS: dict[type[Optimizer], Kernel] = {
    torch.optim.SGD: _sgd_kernel,
    torch.optim.Adam: _adam_kernel,
    torch.optim.AdamW: _adam_kernel,
}
