"""Adafactor's equations: a matrix's second moment as one row and one column; steps relative to the size of the weights.

    row_var      running average of the mean of g² over each row           R ← (1−w)R + w·mean(g²), w = t^τ, τ < 0
    col_var      the same over each column                                 C ← (1−w)C + w·mean(g²)
    variance     the second moment: of a matrix, and of a vector           V = R·C / mean(R);  V ← (1−w)V + w·g²
    normalized   the gradient over its usual size                          U = g / √V
    adapted      U, clipped, times the weights' own size                   max(ε₂, rms(θ)) · U / max(1, rms(U)/d)
    explained    the update                                                θ′ − θ = −min(lr, 1/√t) · adapted (− lr·λθ)

With more than two axes the last two are the rows and columns. `row_var` and `col_var` are told at every weight of their
row or column, and are NaN for a vector. V is kept above ε₁², and mean(R) above ε₁ (left out: the type's eps).

Sources: torch 2.13 `torch/optim/_adafactor.py`; Shazeer & Stern 2018, algorithms 4 and 5 (which add ε₁ to g² instead).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

from passo.optim.stages.explained import Explanation, Group, Rows, State, average, of_torch


def second_moment(grad: Tensor, state: State, weight: float, least: float, out: Rows) -> None:
    """V of a parameter of any shape into `variance`; a matrix's as R·C / mean(R)."""
    if grad.dim() < 2:
        average(state["variance"], grad * grad, weight, out["variance"])
        out["row_var"].fill_(torch.nan)
        out["col_var"].fill_(torch.nan)
        return
    factors = []
    for name, axis in (("row_var", -1), ("col_var", -2)):
        mean = torch.norm(grad, dim=axis, keepdim=True).square_().div_(grad.size(axis))
        factor = torch.empty_like(mean)
        average(state[name], mean, weight, factor)
        out[name].copy_(factor)
        factors.append(factor)
    rows, columns = factors
    out["variance"].copy_(rows @ columns).div_(rows.mean(dim=-2, keepdim=True).clamp_(min=least))


def adafactor(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """Adafactor: the direction is U, clipped to rms d, times the rms of the weights; min(lr, 1/√t) multiplies it."""
    lr, rate, (least, smallest) = float(group["lr"]), float(group["weight_decay"]), group["eps"]
    least = torch.finfo(theta.dtype).eps if least is None else least
    grad = -grad if group["maximize"] else grad
    direction = out["normalized"]
    second_moment(grad, state, step ** group["beta2_decay"], least, out)
    torch.clamp(out["variance"], min=least * least, out=direction).rsqrt_().mul_(grad)
    clip = max(1.0, _rms(direction) / group["d"])
    torch.mul(direction, max(smallest, _rms(theta)) / clip, out=out["adapted"])
    torch.mul(out["adapted"], -min(lr, 1 / step**0.5), out=out["explained"])
    if rate:
        out["explained"].add_(theta, alpha=-lr * rate)


def _rms(tensor: Tensor) -> float:
    return tensor.norm(2).item() / tensor.numel() ** 0.5


def explain(optimizer: Optimizer) -> Explanation:
    state = ("row_var", "col_var", "variance")
    return Explanation(
        equations=adafactor,
        stages=(*state, "normalized", "adapted"),
        state=state,
        renewed={name: name for name in state},
        shaped=True,
    )


EXPLAINED = of_torch(Adafactor=explain)
