"""The parts that one step of one weight is taken into: each an equation with its numbers, and the value that it gives.

Numbers stand in an equation only where it gives the recorded value: a schedule may have changed β since it was written
down, and then the equation stands in symbols alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from passo.analysis.stages import stage
from passo.analysis.words import significant

_NEAR = 2e-4  # of the terms' size: recorded in float32, and m₋₁ is taken back from m


@dataclass(frozen=True)
class Part:
    """One operation on the way: what is done in words, its equation, and the value after it.

    factor: the value over the one of the part before; NaN at the start, and where the one before is 0.
    """

    stage: str
    words: str
    equation: str
    value: float
    factor: float = math.nan


@dataclass(frozen=True)
class Moment:
    """All that is known of one weight at one step: the value of each stage, now and at the step before if recorded."""

    values: Mapping[str, float]
    before: Mapping[str, float] | None
    lr: float
    options: Mapping[str, Any]

    def __getitem__(self, name: str) -> float:
        return self.values[name]

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def option(self, name: str) -> float:
        return float(self.options.get(name) or 0.0)

    def beta(self, which: int) -> float | None:
        """β₁ or β₂, where the optimiser has them."""
        betas = self.options.get("betas") or ()
        return float(betas[which]) if which < len(betas) else None

    @property
    def read(self) -> float:
        """What is averaged: the gradient with its decay, or as it was read."""
        return self["decayed"] if "decayed" in self else self["grad"]


def near(value: float, *terms: float) -> bool:
    """Whether the terms add up to the value, as closely as it was recorded."""
    return math.isfinite(value) and abs(sum(terms) - value) <= _NEAR * max(map(abs, terms))


def way(now: Moment) -> tuple[Part, ...]:
    """From the gradient to the update; a part that changed nothing (no clipping, no decay) is left out."""
    writers = {"grad": _read, "decayed": _decayed, "exp_avg": _averaged, "exp_avg_hat": _corrected}
    writers |= {"momentum_buffer": _buffer, "adapted": _adapted}
    first = "grad_raw" if "grad_raw" in now else "grad"
    parts = [Part(first, "gradient", "as backward left it", now[first])]
    for name, value in now.values.items():
        if name in writers and name != first and value != parts[-1].value:
            words, equation = writers[name](now)
            parts.append(_after(parts[-1], name, words, equation, value))
    for name, words, equation, value in _stepped(now):
        parts.append(_after(parts[-1], name, words, equation, value))
    return tuple(parts)


def scale(now: Moment) -> tuple[Part, ...]:
    """What the direction is divided by, from g² to √v̂ + ε; of other optimisers what else they hold, as it is."""
    if not divides(now):
        names = [name for name in now.values if not stage(name).way and name not in ("theta", "residual")]
        return tuple(Part(name, stage(name).words, stage(name).symbol, now[name]) for name in names)
    g, beta, eps = now.read, now.beta(1), now.option("eps")
    v, v_hat = now["exp_avg_sq"], now["exp_avg_sq_hat"]
    parts = [Part("grad", "gradient, squared", "g²", g * g)]
    equation = "β₂·v₋₁ + (1 − β₂)·g²" + _average(now, "exp_avg_sq", v, beta, g * g)
    parts.append(_after(parts[-1], "exp_avg_sq", "averaged", equation, v))
    if now.options.get("amsgrad"):
        parts.append(_after(parts[-1], "exp_avg_sq_hat", "largest so far, corrected", "max(v) / (1 − β₂ᵗ)", v_hat))
    else:
        parts.append(_after(parts[-1], "exp_avg_sq_hat", "corrected", "v / (1 − β₂ᵗ)" + _over(v, v_hat), v_hat))
    divisor = math.sqrt(v_hat) + eps
    parts.append(Part("divisor", "its root, and ε", f"√v̂ + ε = √{_root(v_hat)} + {_n(eps)}", divisor))
    return tuple(parts)


def divides(now: Moment) -> bool:
    """Whether the direction is Adam's m̂ / (√v̂ + ε), checked on the recorded numbers."""
    if not {"exp_avg_hat", "exp_avg_sq", "exp_avg_sq_hat", "adapted"} <= now.values.keys():
        return False
    divisor = math.sqrt(max(now["exp_avg_sq_hat"], 0.0)) + now.option("eps")
    return divisor > 0 and near(now["adapted"], now["exp_avg_hat"] / divisor)


# ── One writer for each stage: (words, equation) ──────────────────────────────────────────────────────────


def _read(now: Moment) -> tuple[str, str]:
    kept = now["grad"] / now["grad_raw"] if now["grad_raw"] else math.nan
    if 0 < kept < 1:
        return "clipped", f"{_n(kept)} of it is left"
    return "as the optimiser reads it", "changed since backward"


def _decayed(now: Moment) -> tuple[str, str]:
    rate, sign = now.option("weight_decay"), -1 if now.options.get("maximize") else 1
    words = (
        "turned to climb, with weight decay"
        if sign < 0 and rate
        else "turned to climb"
        if sign < 0
        else "with weight decay"
    )
    symbols = ("−g" if sign < 0 else "g") + (" + λ·θ" if rate or sign > 0 else "")
    terms = [sign * now["grad"], rate * now["theta"]] if "theta" in now and rate else [sign * now["grad"]]
    return words, symbols + (f" = {_sum(terms)}" if len(terms) > 1 and near(now["decayed"], *terms) else "")


def _averaged(now: Moment) -> tuple[str, str]:
    return "averaged", "β₁·m₋₁ + (1 − β₁)·g" + _average(now, "exp_avg", now["exp_avg"], now.beta(0), now.read)


def _corrected(now: Moment) -> tuple[str, str]:
    return "corrected", "m / (1 − β₁ᵗ)" + _over(now["exp_avg"], now["exp_avg_hat"])


def _buffer(now: Moment) -> tuple[str, str]:
    momentum, damping = now.option("momentum"), now.option("dampening")
    symbols = "μ·b₋₁ + (1 − d)·g" if damping else "μ·b₋₁ + g"
    new = (1 - damping) * now.read
    kept = now["momentum_buffer"] - new
    known = momentum and _continues(now, "momentum_buffer", kept, momentum)
    return "with momentum", symbols + (f" = {_sum([kept, new])}" if known else "")


def _adapted(now: Moment) -> tuple[str, str]:
    value = now["adapted"]
    if divides(now):
        return "scaled", "m̂ / (√v̂ + ε)" + _over(now["exp_avg_hat"], value)
    ahead = now.option("momentum") * now.values.get("momentum_buffer", math.nan)
    if now.options.get("nesterov") and near(value, now.read, ahead):
        return "looking ahead", f"g + μ·b = {_sum([now.read, ahead])}"
    return "adapted", "what the learning rate multiplies"


def _stepped(now: Moment) -> list[tuple[str, str, str, float]]:
    """The last parts: times −lr, decoupled decay, and what was measured."""
    parts = []
    if "adapted" in now:
        step, explained = -now.lr * now["adapted"] + 0.0, now["update"] - now.values.get("residual", 0.0)
        parts.append(("step", "times −lr", f"−lr · direction = {_in(-now.lr)} · {_in(now['adapted'])}", step))
        if not near(explained, step) and "residual" in now:
            shrunk = -now.lr * now.option("weight_decay") * now.values.get("theta", math.nan)
            numbers = f" = {_sum([step, shrunk])}" if near(explained, step, shrunk) else ""
            symbols = "−lr·direction − lr·λ·θ" if numbers else "and what else the equations add"
            parts.append(("decay", "weight decayed" if numbers else "explained", symbols + numbers, explained))
    told = ""
    if "theta" in now:
        theta = now["theta"]
        told = f": {_long(theta + now['update'], now['update'])} − {_long(theta, now['update'], bracket=True)}"
    parts.append(("update", "measured", f"θ after − θ before{told}", now["update"]))
    return parts


def _after(last: Part, name: str, words: str, equation: str, value: float) -> Part:
    return Part(name, words, equation, value, value / last.value if last.value else math.nan)


# ── Numbers in equations ──────────────────────────────────────────────────────────────────────────────────


def _average(now: Moment, name: str, value: float, beta: float | None, new: float) -> str:
    """` = 0.9 · m₋₁ + 0.1 · new` in numbers, where β is known and continues what the step before has left."""
    if not beta:
        return ""
    kept = value - (1 - beta) * new
    kept = kept if abs(kept) > 1e-6 * abs(value) else 0.0  # the first step: nothing but rounding is left
    if not _continues(now, name, kept, beta):
        return ""
    return f" = {_n(beta)} · {_in(kept / beta)} + {_n(1 - beta)} · {_in(new)}"


def _continues(now: Moment, name: str, kept: float, beta: float) -> bool:
    """Whether what an average kept is β times what the step before left; taken on trust where that was not recorded."""
    if now.before is None or not math.isfinite(now.before.get(name, math.nan)):
        return math.isfinite(kept)
    return abs(kept - beta * now.before[name]) <= _NEAR * max(abs(now[name]), abs(kept), abs(beta * now.before[name]))


def _over(above: float, value: float) -> str:
    """` = above / divisor`, the divisor taken from the recorded values."""
    return f" = {_in(above)} / {_n(above / value)}" if value and math.isfinite(above) else ""


def _sum(terms: list[float]) -> str:
    first, *others = terms
    return _n(first) + "".join(f" {'−' if term < 0 else '+'} {_n(abs(term))}" for term in others)


def _n(value: float) -> str:
    return significant(value).replace("1 × 10", "10") if significant(value).startswith("1 × ") else significant(value)


def _in(value: float) -> str:
    """A number as it stands in a product: negative ones in brackets."""
    return f"({_n(value)})" if value < 0 else _n(value)


def _root(value: float) -> str:
    """A number below a root sign."""
    return f"({_n(value)})" if "×" in _n(value) else _n(value)


def _long(value: float, difference: float, bracket: bool = False) -> str:
    """A weight with so many digits that the difference shows in three of them."""
    places = 2 - math.floor(math.log10(abs(difference))) if difference and math.isfinite(difference) else 4
    text = (
        f"{value:.{min(places, 12)}f}".replace("-", "−") if places >= 0 and abs(value) < 1e6 else significant(value, 4)
    )
    return f"({text})" if bracket and value < 0 else text
