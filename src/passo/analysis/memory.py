"""How long an optimiser's averages remember: β as a half-life and as a mean age, in steps; and whether it changed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from passo.analysis.recorded import Recorded, hyper, recorded
from passo.analysis.words import amount
from passo.language import t

SAME = 1e-5
"""So far apart are two β that float32 numbers tell."""
_HOLDS = 2e-4  # an equation, in shares of its largest term
_NAMES = {"momentum": "μ", "alpha": "α", "rho": "ρ"}


def half_life(beta: float) -> float:
    """ln ½ / ln β: after so many steps a gradient's weight in the average is half of what it was.

    >>> round(half_life(0.9), 2), half_life(0.0)
    (6.58, 0.0)
    """
    return math.log(0.5) / math.log(beta) if 0 < beta < 1 else math.inf if beta >= 1 else 0.0


def mean_age(beta: float) -> float:
    """β / (1 − β): how many steps old what the average holds is on average; today's gradient has age 0.

    `Smoothing.average_age` is one more: there, as with a moving average of one value, today's has age 1.

    >>> round(mean_age(0.9), 9)
    9.0
    """
    return beta / (1 - beta) if beta < 1 else math.inf


@dataclass(frozen=True)
class Memory:
    """One average of an optimiser: its symbol, its β, and how long it remembers, in steps."""

    symbol: str
    beta: float
    moved: float | None = None
    """What a schedule has made of it: the value that is furthest from `beta`, the first one."""

    @property
    def half_life(self) -> float:
        return half_life(self.beta)

    @property
    def mean_age(self) -> float:
        return mean_age(self.beta)

    def __str__(self) -> str:
        if self.moved is not None:
            return t(
                "{symbol} went from {first} to {moved}, by a schedule, and halves a gradient's weight in {low} to "
                "{high} steps",
                symbol=self.symbol,
                first=amount(self.beta),
                moved=amount(self.moved),
                low=amount(self.half_life),
                high=amount(half_life(self.moved)),
            )
        return t(
            "{symbol} = {beta:g} halves a gradient's weight in {n} steps (mean age {age})",
            symbol=self.symbol,
            beta=self.beta,
            n=amount(self.half_life),
            age=amount(self.mean_age),
        )


def memories(run: Recorded) -> tuple[Memory, ...]:
    """The averages of a run's first parameter group, from its β₁ and β₂, momentum, α or ρ; those of 0 are left out."""
    options = hyper(run)
    found = [_memory(run, f"β{'₁₂₃'[i]}", float(beta), f"beta{i + 1}") for i, beta in enumerate(_betas(run, 0))]
    for name, symbol in _NAMES.items():
        if options.get(name):
            found.append(_memory(run, symbol, float(options[name]), name))
    return tuple(memory for memory in found if 0 < memory.beta < 1)


def _memory(run: Recorded, symbol: str, beta: float, name: str) -> Memory:
    """With the furthest that a schedule has moved β from where it began, if it did."""
    moved = decays(run, name) if name in _AVERAGES else np.zeros(0)
    moved = moved[np.isfinite(moved)]
    away = np.abs(moved - beta)
    return Memory(symbol, beta, float(moved[away.argmax()]) if away.max(initial=0.0) > 100 * SAME else None)


# ── β at each step ────────────────────────────────────────────────────────────────────────────────────────


def _betas(run: Recorded, group: int) -> tuple[float, ...]:
    return tuple(float(beta) for beta in hyper(run, group).get("betas") or ())


def _plain(values: np.ndarray) -> np.ndarray:
    return values


_AVERAGES: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "beta1": ("exp_avg", _plain),
    "beta2": ("exp_avg_sq", np.square),
    "momentum": ("momentum_buffer", _plain),
}


def written(run: Recorded, name: str, group: int = 0) -> float:
    """β₁ (`beta1`), β₂ or μ (`momentum`) of a parameter group as written down at the first recorded step; or NaN."""
    if name == "momentum":
        return float(hyper(run, group).get(name) or math.nan)
    betas, which = _betas(run, group), int(name[-1]) - 1
    return betas[which] if which < len(betas) else math.nan


def decays(run: Recorded, name: str, group: int = 0, rows: slice = slice(None)) -> np.ndarray:
    """β₁, β₂ or μ of a parameter group at each recorded step (T,), from the numbers where a schedule has moved it.

    Each step is m = β·m₋₁ + (1 − β)·g (a momentum: b = μ·b₋₁ + (1 − d)·g), with all but β recorded. Solved by least
    squares over the group's traced weights; NaN where no β in [0, 1) holds for all of them, or the step before was not
    recorded. Where what was written down holds as well as that, it is the answer. `rows` are a stretch of the steps,
    whose first has no step before it unless it is step 1.
    """
    own, (stage, of) = written(run, name, group), _AVERAGES[name]
    values, meta = recorded(run, "trace")  # (T, S, K)
    values, steps, stages = values[rows], recorded(run, "trace/steps")[0][rows], list(meta["stages"])
    if stage not in stages or math.isnan(own) or not len(steps):
        return np.full(len(steps), math.nan)
    columns = _columns(run, group, [parameter for parameter, _ in meta["coordinates"]])
    m, g = (values[:, stages.index(s)][:, columns].astype(np.float64) for s in (stage, _read(stages)))
    before = np.vstack([np.zeros_like(m[:1]) if steps[0] == 1 else np.full_like(m[:1], np.nan), m[:-1]])
    before[1:][np.diff(steps) != 1] = np.nan
    if name != "momentum":
        new, kept = of(g), before - of(g)  # m − g = β·(m₋₁ − g)
    else:
        new = (1 - float(hyper(run, group).get("dampening") or 0.0)) * g  # b − g = μ·b₋₁
        kept = before
    return np.array([_solved(m[t] - new[t], kept[t], m[t], own) for t in range(len(steps))])


def moved_at(run: Recorded, step: int, group: int = 0) -> dict[str, float]:
    """β₁, β₂ and μ of a parameter group at a recorded step, by symbol, where a schedule has moved them."""
    found = np.flatnonzero(recorded(run, "trace/steps")[0] == step)
    if not len(found):
        return {}
    rows = slice(max(0, int(found[0]) - 1), int(found[0]) + 1)  # the step, and the one before it
    moved = {}
    for name, symbol in {"beta1": "β₁", "beta2": "β₂", "momentum": "μ"}.items():
        now = float(decays(run, name, group, rows)[-1])
        if np.isfinite(now) and now != written(run, name, group):
            moved[symbol] = now
    return moved


def _columns(run: Recorded, group: int, parameters: list[str]) -> list[int]:
    """Which traced weights stand in a parameter group."""
    meta = run.meta("statistics")
    groups = dict(zip(meta.get("parameters", ()), meta.get("groups", ()), strict=False))
    return [k for k, parameter in enumerate(parameters) if int(groups.get(parameter, 0)) == group]


def _read(stages: list[str]) -> str:
    return "decayed" if "decayed" in stages else "grad"


def _solved(left: np.ndarray, kept: np.ndarray, size: np.ndarray, own: float) -> float:
    """β of left = β·kept over some weights (K,): the least squares', or `own` where that leaves hardly more."""
    there = np.isfinite(left) & np.isfinite(kept)
    left, kept = left[there], kept[there]
    below = float(kept @ kept)
    if not below:
        return math.nan
    beta = float(left @ kept) / below
    allowed = _HOLDS * np.maximum(np.abs(size[there]), np.abs(kept))
    if abs(beta - own) < SAME or _off(left, kept, own) <= 2 * _off(left, kept, beta):
        return own
    holds = bool((np.abs(left - beta * kept) <= allowed).all())
    return beta if 0 <= beta < 1 and holds else math.nan


def _off(left: np.ndarray, kept: np.ndarray, beta: float) -> float:
    return float(np.linalg.norm(left - beta * kept))
