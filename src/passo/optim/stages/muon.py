"""Muon's equations: momentum whose matrix is made orthogonal, so that every direction in it counts the same.

    momentum_buffer   running average of gradients                         B ← μB + (1−μ)g
    look_ahead        with Nesterov a part of this gradient again          N = (1−μ)g + μB, or B
    orthogonal        N with singular values near 1                        O ≈ UVᵀ, where N = USVᵀ
    adapted           the direction that the learning rate multiplies      √max(1, rows/columns) · O, or as adjusted
    explained         the update                                           θ′ − θ = −lr · adapted − lr · λθ

Newton and Schulz find O without a decomposition: from X = N/‖N‖, k times X ← aX + (bA + cA²)X with A = XXᵀ. Torch does
it in bfloat16, whose 8 bits make it rough: it is repeated here operation by operation, so that nothing is left over.

Sources: torch 2.13 `torch/optim/_muon.py`; Jordan et al. 2024; Liu et al. 2025, arXiv 2502.16982 ("match_rms_adamw").
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.optim import Optimizer

from passo.optim.stages.explained import Explanation, Group, Rows, State, average, of_torch


def newton_schulz(matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """A matrix's orthogonal part in bfloat16: its singular vectors, with singular values from about 0.7 to 1.2."""
    a, b, c = coefficients
    tall = matrix.size(0) > matrix.size(1)
    x = matrix.bfloat16().T if tall else matrix.bfloat16()  # the smaller of XXᵀ and XᵀX
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


def adjustment(rule: str | None, rows: int, columns: int) -> float:
    """By how much a matrix's shape scales its step: Jordan's rule, or Moonshot's, which gives AdamW's usual rms."""
    return 0.2 * math.sqrt(max(rows, columns)) if rule == "match_rms_adamw" else math.sqrt(max(1, rows / columns))


def muon(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """Muon: the direction is the momentum made orthogonal, scaled by the matrix's shape."""
    lr, momentum = float(group["lr"]), group["momentum"]
    buffer, ahead = out["momentum_buffer"], out["look_ahead"]
    average(state["momentum_buffer"], grad, 1 - momentum, buffer)
    if group["nesterov"]:
        torch.lerp(grad, buffer, momentum, out=ahead)
    else:
        ahead.copy_(buffer)
    out["orthogonal"].copy_(newton_schulz(ahead, group["ns_coefficients"], group["ns_steps"], group["eps"]))
    torch.mul(out["orthogonal"], adjustment(group["adjust_lr_fn"], *theta.shape), out=out["adapted"])
    torch.mul(out["adapted"], -lr, out=out["explained"])
    if group["weight_decay"]:
        out["explained"].add_(theta, alpha=-lr * group["weight_decay"])


STAGES = ("momentum_buffer", "look_ahead", "orthogonal", "adapted")


def explain(optimizer: Optimizer) -> Explanation:
    return Explanation(
        equations=muon,
        stages=STAGES,
        state=("momentum_buffer",),
        renewed={"momentum_buffer": "momentum_buffer"},
        shaped=True,
    )


EXPLAINED = of_torch(Muon=explain)
