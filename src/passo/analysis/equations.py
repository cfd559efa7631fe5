"""The equations of a step as they are told: each stands, in symbols and numbers, only where it holds.

Optimisers share the names of their stages, not always their equations. So a stage has candidates here, and the first
that holds on the numbers is the one that is told.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from passo.analysis.moment import Moment, factor, near, number, total, under_root
from passo.language import later, t

OWN = later("by a rule of its own")
WHOLE = later("by Newton–Schulz: depends on the whole matrix")

Told = tuple[str, str, tuple[float, ...]]
"""Symbols, the same in numbers, and the terms whose sum must be the value."""


def equation(now: Moment, stage: str) -> str:
    """The first candidate of a stage that gives its recorded value; words are in the language that is spoken."""
    if stage == "orthogonal":
        return t(WHOLE)
    for symbols, numbers, terms in _CANDIDATES[stage](now):
        if near(now[stage], *terms):
            return f"{t(symbols)} = {numbers}"
    return t(OWN)


def _decayed(now: Moment) -> Iterator[Told]:
    sign, rate = (-1 if now.options.get("maximize") else 1), now.option("weight_decay")
    g, shrunk = sign * now["grad"], rate * now.get("theta")
    symbol = "−g" if sign < 0 else "g"
    yield f"{symbol} + λ·θ", total(g, shrunk), (g, shrunk)
    yield symbol, number(g), (g,)


def _averaged(now: Moment) -> Iterator[Told]:
    yield from _average(now, "exp_avg", "β₁·m₋₁ + (1 − β₁)·g", now.beta(0), now.read)


def _squares(now: Moment) -> Iterator[Told]:
    yield from _average(now, "exp_avg_sq", "β₂·v₋₁ + (1 − β₂)·g²", now.beta(1), now.read**2)


def _average(now: Moment, stage: str, symbols: str, beta: float, new: float) -> Iterator[Told]:
    """β times what the step before has left, or, where that was not recorded, what must have been there."""
    before = now.previous(stage)
    if math.isnan(before) and beta:
        before = (now[stage] - (1 - beta) * new) / beta
    numbers = f"{number(beta)} · {factor(before)} + {number(1 - beta)} · {factor(new)}"
    yield symbols, numbers, (beta * before, (1 - beta) * new)


def _corrected(now: Moment) -> Iterator[Told]:
    yield from _correction(now, "exp_avg", "m / (1 − β₁ᵗ)", now.beta(0))


def _squares_corrected(now: Moment) -> Iterator[Told]:
    yield from _correction(now, "exp_avg_sq", "v / (1 − β₂ᵗ)", now.beta(1))


def _correction(now: Moment, stage: str, symbols: str, beta: float) -> Iterator[Told]:
    for steps in (now.step, _count(now)):
        given = 1 - beta**steps
        if given:
            yield symbols, f"{factor(now.get(stage))} / {number(given)}", (now.get(stage) / given,)


def _count(now: Moment) -> float:
    """t of this weight, which may have moved more or less often than steps were counted: from v̂ / v."""
    v, v_hat, beta = now.get("exp_avg_sq"), now.get("exp_avg_sq_hat"), now.beta(1)
    left = 1 - v / v_hat if v_hat else math.nan
    return round(math.log(left) / math.log(beta)) if left > 0 and 0 < beta < 1 else math.nan


def _buffer(now: Moment) -> Iterator[Told]:
    mu, before, g = now.option("momentum"), now.previous("momentum_buffer"), now.read
    kinds = {
        "g": g,
        "(1 − d)·g": (1 - now.option("dampening")) * g,
        "(1 − μ)·g": (1 - mu) * g,
        "g / (√v + ε)": now.get("normalized"),
    }
    trusted = math.isnan(before) and not now.values.keys() & {"normalized", "orthogonal"}
    for symbols, new in kinds.items():
        kept = now["momentum_buffer"] - new if trusted else mu * before
        yield f"μ·b₋₁ + {symbols}", total(kept, new), (kept, new)
        trusted = trusted and now.option("dampening") != 0 and symbols == "g"


def _ahead(now: Moment) -> Iterator[Told]:
    mu, g, buffer = now.option("momentum"), now.read, now.get("momentum_buffer")
    yield "(1 − μ)·g + μ·b", total((1 - mu) * g, mu * buffer), ((1 - mu) * g, mu * buffer)


def _shaped(now: Moment) -> Iterator[Told]:
    """Muon's factor for the matrix's shape, which is read from the two numbers: Moonshot's, or Jordan's."""
    o = now.get("orthogonal")
    times = now["adapted"] / o if o else math.nan
    most = (times / 0.2) ** 2
    if now.options.get("adjust_lr_fn") == "match_rms_adamw" and near(most, round(most) if most > 0 else math.nan):
        yield later("0.2 · √max(rows, columns) · O"), f"{number(times)} · {factor(o)}", (times * o,)
    elif times >= 1:
        yield later("√max(1, rows/columns) · O"), f"{number(times)} · {factor(o)}", (times * o,)


def _adapted(now: Moment) -> Iterator[Told]:
    if "orthogonal" in now:
        yield from _shaped(now)
        return
    m, g, eps, value = now.get("exp_avg_hat"), now.read, now.option("eps"), now["adapted"]
    ahead = now.option("momentum") * now.get("momentum_buffer")
    if now.options.get("nesterov"):
        yield "g + μ·b", total(g, ahead), (g, ahead)
    roots = {name: math.sqrt(max(now.get(name), 0.0)) for name in ("exp_avg_sq_hat", "square_avg", "sum")}
    below = {
        "m̂ / (√v̂ + ε)": (m, roots["exp_avg_sq_hat"] + eps),
        "m̂ / u": (m, now.get("exp_inf")),
        "m̂ / (u + ε)": (m, now.get("exp_inf") + eps),
        "g / (√v + ε)": (g, roots["square_avg"] + eps),
        "g / √(v + ε)": (g, math.sqrt(max(now.get("square_avg") + eps, 0.0))),
        "g / (√Σg² + ε)": (g, roots["sum"] + eps),
        "g / √(Σg² + ε)": (g, math.sqrt(max(now.get("sum") + eps, 0.0))),
    }
    for symbols, (above, divisor) in below.items():
        if divisor > 0:
            yield symbols, f"{factor(above)} / {number(divisor)}", (above / divisor,)
    v, u = now.get("square_avg") + eps, now.previous("acc_delta") + eps
    if v > 0 and u > 0:
        numbers = f"{under_root(u)} / {under_root(v)} · {factor(g)}"
        yield "√(u₋₁ + ε) / √(v + ε) · g", numbers, (math.sqrt(u / v) * g,)
    if pull := now.option("lambd"):
        yield "g + λ·θ", total(g, pull * now.get("theta")), (g, pull * now.get("theta"))
    if "step_size" in now:
        yield later("sign of g"), number(value), (math.copysign(1.0, g),)


_CANDIDATES: dict[str, Callable[[Moment], Iterator[Told]]] = {
    "decayed": _decayed,
    "exp_avg": _averaged,
    "exp_avg_hat": _corrected,
    "exp_avg_sq": _squares,
    "exp_avg_sq_hat": _squares_corrected,
    "momentum_buffer": _buffer,
    "look_ahead": _ahead,
    "adapted": _adapted,
}
