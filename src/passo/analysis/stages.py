"""What each stage of a step is called: its symbol, its words, and whether it lies on the way to the update."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A stage in words. `way`: it lies on the way from gradient to update; `square`: it holds squared gradients."""

    symbol: str
    words: str
    way: bool = False
    square: bool = False


STAGES = {
    "theta": Stage("θ", "weight before"),
    "grad_raw": Stage("g raw", "gradient", way=True),
    "grad": Stage("g", "gradient as read", way=True),
    "decayed": Stage("g + λθ", "with decay", way=True),
    "exp_avg": Stage("m", "averaged", way=True),
    "exp_avg_hat": Stage("m̂", "corrected", way=True),
    "momentum_buffer": Stage("b", "with momentum", way=True),
    "look_ahead": Stage("N", "looking ahead", way=True),
    "orthogonal": Stage("O", "made orthogonal", way=True),
    "adapted": Stage("direction", "adapted", way=True),
    "exp_avg_sq": Stage("v", "squares averaged", square=True),
    "exp_avg_sq_hat": Stage("v̂", "squares corrected", square=True),
    "square_avg": Stage("v", "squares averaged", square=True),
    "sum": Stage("Σg²", "squares added up", square=True),
    "acc_delta": Stage("u", "squared updates averaged", square=True),
    "exp_inf": Stage("u", "decayed maximum of |g|"),
    "grad_avg": Stage("ḡ", "gradient averaged"),
    "step_size": Stage("η", "its own step size"),
    "update": Stage("Δθ", "measured update", way=True),
    "residual": Stage("residual", "unexplained"),
}


def stage(name: str) -> Stage:
    """A stage's words; one that has none here goes by its own name.

    >>> stage("exp_avg").symbol, stage("row_var").words
    ('m', 'row var')
    """
    return STAGES.get(name) or Stage(name, name.replace("_", " "))
