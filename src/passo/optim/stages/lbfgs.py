"""What L-BFGS' state honestly tells after a step. Its update is measured, not explained.

One step is up to `max_iter` iterations, each with gradients of its own at points in between, and only what the last one
left is still there. `inside` tells:

    n_iter       iterations so far, over all steps
    func_evals   evaluations of the loss and its gradient so far
    t            the last iteration's step length: θ moved by t·d
    d_norm       the length of its direction d
    slope        g·d, where the last iteration began: below zero, or the loss would not fall along d
    cosine       between d and −g there: 1 is steepest descent
    H_diag       the size of the inverse Hessian before its memory, yᵀs / yᵀy
    history      how many pairs (s, y) the memory holds
    loss         at the beginning of the last iteration

NaN where there is nothing to tell yet.

Sources: torch 2.13 `torch/optim/lbfgs.py`; Nocedal & Wright 2006, algorithm 7.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.optim import Optimizer

from passo.optim.stages.explained import Explanation, of_torch


def inside(optimizer: Optimizer) -> Mapping[str, float]:
    """The facts above; the state is kept with the first parameter."""
    first = optimizer.param_groups[0]["params"][0]
    state: Mapping[str, Any] = optimizer.state.get(first, {})
    told = {name: _number(state.get(name)) for name in ("n_iter", "func_evals", "t")}
    d, g = state.get("d"), state.get("prev_flat_grad")
    told["d_norm"] = torch.nan if d is None else d.norm().item()
    told["slope"] = torch.nan if d is None or g is None else g.dot(d).item()
    told["cosine"] = torch.nan if d is None or g is None else _cosine(-g, d)
    told["H_diag"] = _number(state.get("H_diag"))
    told["history"] = float(len(state.get("old_dirs") or ()))
    told["loss"] = _number(state.get("prev_loss"))
    return told


def _number(value: Any) -> float:
    return torch.nan if value is None else float(value)


def _cosine(one: torch.Tensor, other: torch.Tensor) -> float:
    """0/0 is NaN: a direction of length 0 points nowhere."""
    return (one.dot(other) / (one.norm() * other.norm())).item()


def explain(optimizer: Optimizer) -> Explanation:
    return Explanation(equations=None, bound=None, inside=inside)


EXPLAINED = of_torch(LBFGS=explain)
