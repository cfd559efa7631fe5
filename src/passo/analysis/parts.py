"""The parts that one step of one weight is taken into: each an equation in numbers, and the value that it gives."""

from __future__ import annotations

import math
from dataclasses import dataclass

from passo.analysis.equations import OWN, equation
from passo.analysis.moment import Moment, exact, factor, near, number, total, under_root
from passo.analysis.stages import stage
from passo.language import later, t

GRADIENT, EXPLAINED, MEASURED = later("gradient"), later("explained"), later("measured")
OWN_STEP = "own_step"
"""The stage of a step that an optimiser has sized by itself; else it is "step"."""


@dataclass(frozen=True)
class Part:
    """One operation on the way: what is done in words, its equation, and the value after it.

    The words are in the language that was spoken when the step was taken apart.
    factor: the value over the one of the part before; NaN at the start, and where the one before is 0.
    """

    stage: str
    words: str
    equation: str
    value: float
    factor: float = math.nan


def way(now: Moment) -> tuple[Part, ...]:
    """From the gradient to the update; a part that changed nothing (no clipping, no decay) is left out."""
    first = "grad_raw" if "grad_raw" in now else "grad"
    parts = [Part(first, t(GRADIENT), t("as backward left it"), now[first])]
    if not math.isfinite(now["grad"]):  # then nothing after it is a number either
        return (*parts, Part("update", t(MEASURED), t("θ after − θ before"), now["update"]))
    for name, value in now.values.items():
        if stage(name).way and name not in (first, "update") and value != parts[-1].value:
            parts.append(_after(parts[-1], name, *_told(now, name), value))
    for name, words, told, value in _stepped(now):
        parts.append(_after(parts[-1], name, words, told, value))
    return tuple(parts)


def penalty(now: Moment, l1: float, l2: float) -> Part:
    """The part of the gradient that is the penalty's, of l1 · Σ|θ| + l2 · Σθ²."""
    theta = now["theta"]
    terms = {t("λ₁·sign θ"): l1 * ((theta > 0) - (theta < 0)), "2·λ₂·θ": 2 * l2 * theta}
    kept = {symbols: value for (symbols, value), given in zip(terms.items(), (l1, l2), strict=True) if given}
    told = f"{' + '.join(kept)} = {total(*kept.values())}"
    return Part("penalty", t("of which the penalty"), told, sum(kept.values()))


def scale(now: Moment) -> tuple[Part, ...]:
    """What the direction is divided by, from g² to √v̂ + ε; of other optimisers what else they hold, as it is."""
    if not math.isfinite(now["grad"]):
        return ()
    if not divides(now):
        names = [name for name in now.values if not stage(name).way and name not in ("theta", "residual")]
        return tuple(Part(name, stage(name).words, stage(name).symbol, now[name]) for name in names)
    parts = [Part("grad", t("gradient, squared"), "g²", now.read**2)]
    parts.append(_after(parts[-1], "exp_avg_sq", t("averaged"), equation(now, "exp_avg_sq"), now["exp_avg_sq"]))
    words, told, v_hat = t("corrected"), equation(now, "exp_avg_sq_hat"), now["exp_avg_sq_hat"]
    if now.options.get("amsgrad"):
        words, told = t("largest so far, corrected"), "max(v) / (1 − β₂ᵗ)"
    parts.append(_after(parts[-1], "exp_avg_sq_hat", words, told, v_hat))
    root = f"√v̂ + ε = {under_root(v_hat)} + {number(now.option('eps'))}"
    return (*parts, Part("divisor", t("its root, and ε"), root, math.sqrt(v_hat) + now.option("eps")))


def divides(now: Moment) -> bool:
    """Whether the direction is Adam's m̂ / (√v̂ + ε), checked on the recorded numbers."""
    if not {"exp_avg_hat", "exp_avg_sq", "exp_avg_sq_hat", "adapted"} <= now.values.keys():
        return False
    divisor = math.sqrt(max(now["exp_avg_sq_hat"], 0.0)) + now.option("eps")
    return divisor > 0 and near(now["adapted"], now["exp_avg_hat"] / divisor)


def clipped(now: Moment) -> float:
    """The share of the gradient that clipping left; NaN where it did not clip."""
    kept = now["grad"] / now["grad_raw"] if now.get("grad_raw") else math.nan
    return kept if 0 < kept < 1 else math.nan


def _told(now: Moment, name: str) -> tuple[str, str]:
    """What is done at a stage on the way, in words and as an equation."""
    if name == "grad":
        if math.isnan(kept := clipped(now)):
            return t("as read"), t("changed since backward")
        return t("clipped"), t("{share} of it is left", share=number(kept))
    told = equation(now, name)
    if name == "decayed":
        if not now.options.get("maximize"):
            return t("with weight decay"), told
        return (t("turned to climb, with weight decay") if now.option("weight_decay") else t("turned to climb")), told
    if name == "adapted":
        if "orthogonal" in now:
            return t("scaled by its shape"), told
        words = t("scaled") if divides(now) else t("looking ahead") if told.startswith("g + μ·b") else t("adapted")
        return words, t("what the learning rate multiplies") if told == t(OWN) else told
    return stage(name).words, told


def _stepped(now: Moment) -> list[tuple[str, str, str, float]]:
    """The last parts: times −lr, decoupled decay, and what was measured."""
    parts, update = [], now["update"]
    if "adapted" in now:
        parts += _explained(now, now["adapted"], update - now.values.get("residual", 0.0))
    told = t("θ after − θ before")
    if "theta" in now:
        after, before = exact(now["theta"] + update, update), exact(now["theta"], update)
        told = f"{told}: {after} − {f'({before})' if now['theta'] < 0 else before}"
    return [*parts, ("update", t(MEASURED), told, update)]


def _explained(now: Moment, direction: float, explained: float) -> list[tuple[str, str, str, float]]:
    """The direction times what multiplies it; then the decoupled decay, or whatever else the equations give."""
    step, own = -now.lr * direction + 0.0, -now.get("step_size") * direction
    if near(explained, own):
        told = t("−η · direction = {numbers}", numbers=f"{factor(-now.get('step_size'))} · {factor(direction)}")
        return [(OWN_STEP, t("times −its own step size"), told, own)]
    told = t("−lr · direction = {numbers}", numbers=f"{factor(-now.lr)} · {factor(direction)}")
    parts = [("step", t("times −lr"), told, step)]
    if near(explained, step) or explained == step or "residual" not in now:
        return parts
    shrunk = -now.lr * now.option("weight_decay") * now.get("theta")
    if near(explained, step, shrunk):
        told = t("−lr·direction − lr·λ·θ = {numbers}", numbers=total(step, shrunk))
        return [*parts, ("decay", t("weight decayed"), told, explained)]
    return [("explained", t(EXPLAINED), t("what the equations give"), explained)]


def _after(last: Part, name: str, words: str, told: str, value: float) -> Part:
    return Part(name, words, told, value, value / last.value if last.value else math.nan)
