"""What each stage of a step is called: its symbol, its words, and whether it lies on the way to the update."""

from __future__ import annotations

from dataclasses import dataclass, replace

from passo.language import later, t


@dataclass(frozen=True)
class Stage:
    """A stage in words. `way`: it lies on the way from gradient to update; `square`: it holds squared gradients."""

    symbol: str
    words: str
    way: bool = False
    square: bool = False


STAGES = {
    "theta": Stage("θ", later("weight before")),
    "grad_raw": Stage(later("g raw"), later("gradient"), way=True),
    "grad": Stage("g", later("gradient as read"), way=True),
    "decayed": Stage("g + λθ", later("with decay"), way=True),
    "exp_avg": Stage("m", later("averaged"), way=True),
    "exp_avg_hat": Stage("m̂", later("corrected"), way=True),
    "momentum_buffer": Stage("b", later("with momentum"), way=True),
    "look_ahead": Stage("N", later("looking ahead"), way=True),
    "orthogonal": Stage("O", later("made orthogonal"), way=True),
    "adapted": Stage(later("direction"), later("adapted"), way=True),
    "exp_avg_sq": Stage("v", later("squares averaged"), square=True),
    "exp_avg_sq_hat": Stage("v̂", later("squares corrected"), square=True),
    "square_avg": Stage("v", later("squares averaged"), square=True),
    "sum": Stage("Σg²", later("squares added up"), square=True),
    "acc_delta": Stage("u", later("squared updates averaged"), square=True),
    "exp_inf": Stage("u", later("decayed maximum of |g|")),
    "grad_avg": Stage("ḡ", later("gradient averaged")),
    "step_size": Stage("η", later("its own step size")),
    "update": Stage("Δθ", later("measured update"), way=True),
    "residual": Stage(later("residual"), later("unexplained")),
}


def stage(name: str) -> Stage:
    """A stage's words in the language that is spoken; one that has none here goes by its own name.

    >>> stage("exp_avg").symbol, stage("row_var").words
    ('m', 'row var')
    """
    found = STAGES.get(name) or Stage(name, name.replace("_", " "))
    return replace(found, symbol=t(found.symbol), words=t(found.words))
