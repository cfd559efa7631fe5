"""What Adam's averages would have been for other β₁, β₂ and ε, on recorded gradients. Recomputed, not measured.

    m_t = β₁·m_{t−1} + (1 − β₁)·g_t        m̂_t = m_t / (1 − β₁ᵗ)
    v_t = β₂·v_{t−1} + (1 − β₂)·g_t²       v̂_t = v_t / (1 − β₂ᵗ)        adapted_t = m̂_t / (√v̂_t + ε)

Nothing is trained: with another β the weights would have gone another way, and their gradients would be others.

Source: Kingma & Ba 2015, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from passo.analysis.averages import Smoothing, correction, ewma
from passo.analysis.recorded import Recorded, hyper, recorded
from passo.analysis.updates import Traces, find_coordinate, traces
from passo.analysis.words import joined, significant
from passo.errors import ConfigError, StoreError
from passo.language import t

BETAS, EPS = (0.9, 0.999), 1e-8
"""Adam's own defaults, for runs of other optimisers."""


@dataclass(frozen=True)
class Recomputed:
    """Adam's averages of given gradients (T,), under given β₁, β₂ and ε: each stage (T,), float64."""

    betas: tuple[float, float]
    eps: float
    grad: np.ndarray
    exp_avg: np.ndarray
    exp_avg_sq: np.ndarray
    exp_avg_hat: np.ndarray
    exp_avg_sq_hat: np.ndarray
    adapted: np.ndarray

    @property
    def size(self) -> float:
        """The mean size of the adapted gradient."""
        return float(np.abs(self.adapted).mean())

    @property
    def turns(self) -> float:
        """The share of steps at which the adapted gradient has another sign than at the step before."""
        signs = np.sign(self.adapted)
        return float((signs[1:] != signs[:-1]).mean()) if len(signs) > 1 else 0.0

    def differs(self, other: Recomputed) -> str:
        """What changed from the other one to this one, in a sentence."""
        names = ("β₁", "β₂", "ε")
        pairs = list(zip((*self.betas, self.eps), (*other.betas, other.eps), strict=True))
        changes = [
            t("{symbol} = {value} instead of {other}", symbol=n, value=significant(a, 6), other=significant(b, 6))
            for n, (a, b) in zip(names, pairs, strict=True)
            if a != b
        ]
        if not changes:
            return t("Nothing was changed.")
        return t(
            "With {changes}, on the same {n:,} gradients, the adapted gradient would have a mean size of {size} "
            "instead of {other_size} and turn its sign at {turns:.0f} % of the steps instead of {other_turns:.0f} %: "
            "recomputed, not measured.",
            changes=joined(changes),
            n=len(self.grad),
            size=significant(self.size),
            other_size=significant(other.size),
            turns=100 * self.turns,
            other_turns=100 * other.turns,
        )


def recompute(gradients: Any, betas: Sequence[float] = BETAS, eps: float = EPS) -> Recomputed:
    """Adam's averages of a series of gradients (T,), from its first step on.

    >>> found = recompute([1.0, -1.0], betas=(0.5, 0.5))
    >>> found.exp_avg, found.exp_avg_hat.round(3)
    (array([ 0.5 , -0.25]), array([ 1.   , -0.333]))

    Raises `ConfigError` for a β outside [0, 1), an ε below 0, and gradients that are not one finite series.
    """
    series = np.asarray(gradients, np.float64)
    if series.ndim != 1 or not len(series) or not np.isfinite(series).all():
        raise ConfigError(f"gradients must be one series of finite numbers, got shape {series.shape}")
    if len(betas) != 2:
        raise ConfigError(f"betas must be two numbers, β₁ and β₂, got {tuple(betas)}")
    if not eps >= 0:
        raise ConfigError(f"eps must be ≥ 0, got {eps}")
    first, second = (Smoothing(beta=float(beta)) for beta in betas)
    m, v = ewma(series, first), ewma(series**2, second)
    m_hat, v_hat = m / correction(first, len(series)), v / correction(second, len(series))
    below = np.sqrt(v_hat) + eps
    adapted = np.divide(m_hat, below, out=np.zeros_like(m_hat), where=below > 0)
    return Recomputed((float(betas[0]), float(betas[1])), float(eps), series, m, v, m_hat, v_hat, adapted)


@dataclass(frozen=True)
class Series:
    """The gradients of one traced weight from the first step on, with what the run itself made of them.

    grad: (T,), with the weight decay that enters it: what is averaged. betas, eps: the run's own, and measured: its
    traces at the same steps, where it was trained with plain Adam or AdamW; else Adam's usual values, and None.
    """

    coordinate: str
    run: str
    steps: np.ndarray
    grad: np.ndarray
    betas: tuple[float, float]
    eps: float
    measured: Traces | None

    def recompute(self, betas: Sequence[float] | None = None, eps: float | None = None) -> Recomputed:
        """The averages under other values; those of the run where none are given."""
        return recompute(self.grad, self.betas if betas is None else betas, self.eps if eps is None else eps)


def series(run: Recorded, parameter: str | None = None, index: Sequence[int] | None = None) -> Series:
    """The recorded gradients of a traced weight, ready to be averaged anew.

    An average starts at nothing, so every step from the first must be there. Steps at which the weight had no gradient
    are left out, as Adam leaves them out. Raises `StoreError` where steps are missing, or a gradient is not finite.
    """
    seen = traces(run, find_coordinate(run, parameter, index))
    expected = np.arange(1, len(seen.steps) + 1)
    if not len(seen.steps) or not np.array_equal(seen.steps, expected):
        every = recorded(run, "trace")[1].get("every")
        raise StoreError(
            f"to recompute an average every step from the first is needed; run {run.id} recorded {len(seen.steps):,} "
            f"steps{f', with every={every}' if every else ''}: watch it with every=1"
        )
    if any("decayed" in data.get("stages", ()) for _, _, _, data in run.events()):
        raise StoreError(
            f"a weight decay was switched on while {run.id} was watched, so that what was averaged is not recorded: "
            "watch the optimizer anew after that"
        )
    read = seen["decayed"] if "decayed" in seen else seen["grad"]
    there = np.isfinite(seen["theta"]) if "theta" in seen else ~np.isnan(seen["update"])
    if not there.any():
        raise StoreError(f"{seen.coordinate} had no gradient at any recorded step of {run.id}")
    bad = np.flatnonzero(there & ~np.isfinite(read))
    if len(bad):
        raise StoreError(f"the gradient of {seen.coordinate} is not finite at step {seen.steps[bad[0]]} of {run.id}")
    return _of(run, seen, read, there)


def _of(run: Recorded, seen: Traces, read: np.ndarray, there: np.ndarray) -> Series:
    steps, grad = seen.steps[there], read[there]
    usual = Series(seen.coordinate, run.id, steps, grad, BETAS, EPS, None)
    options = hyper(run) or getattr(run, "config", {}).get("optimizer", {})
    if not {"exp_avg_hat", "exp_avg_sq_hat", "adapted"} <= set(seen.stages):
        return usual
    kept = {name: column[there] for name, column in seen.stages.items()}
    measured = Traces(seen.run, seen.parameter, seen.index, steps, seen.lr[there], kept, seen.eps)
    beta1, beta2 = options.get("betas") or BETAS
    own = replace(usual, betas=(beta1, beta2), eps=float(options.get("eps", EPS)), measured=measured)
    # Others have stages of Adam's names: NAdam looks ahead, amsgrad keeps the largest v, a schedule may move β.
    return own if np.allclose(own.recompute().adapted, measured["adapted"], rtol=1e-3, atol=1e-3) else usual
