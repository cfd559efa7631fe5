"""SparseAdam's equations: Adam for the rows that a sparse gradient names; all others stay as they are.

    decayed          g, with its sign for maximisation
    exp_avg          first moment                                          m ← m + (1−β₁)(g − m)
    exp_avg_sq       second moment                                         v ← v + (1−β₂)(g² − v)
    exp_avg_hat      bias-corrected first moment                           m̂ = m / (1−β₁ᵗ)
    exp_avg_sq_hat   bias-corrected second moment                          v̂ = v / (1−β₂ᵗ)
    adapted          the direction that the learning rate multiplies       √(1−β₂ᵗ)/(1−β₁ᵗ) · m / (√v + ε); 0 elsewhere
    explained        the update                                            θ′ − θ = −lr · adapted

t counts the steps of the whole parameter, not of a row: a row's first gradient is corrected as if it were its t-th.
ε is added to √v before the bias is corrected, so that it counts 1/√(1−β₂ᵗ) times as much as Adam's.

Source: torch 2.13 `torch/optim/sparse_adam.py` and `_functional.py`; Adam: Kingma & Ba 2015, end of section 2.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

from passo.optim.stages.explained import Explanation, Group, Rows, State, decay, of_torch, told


def sparse_adam(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """SparseAdam: Adam on the rows `state["touched"]`, and nothing on the others."""
    (beta1, beta2), rows = group["betas"], state["touched"]
    correction1, correction2 = 1 - beta1**step, 1 - beta2**step
    read = decay(grad, theta, 0.0, group["maximize"], out)
    for name, before in (("exp_avg", state["exp_avg"]), ("exp_avg_sq", state["exp_avg_sq"])):
        out[name].zero_() if before is None else out[name].copy_(before)
    g, m, v = read[rows], out["exp_avg"][rows], out["exp_avg_sq"][rows]
    m = m + (g - m) * (1 - beta1)
    v = v + (g * g - v) * (1 - beta2)
    out["exp_avg"][rows], out["exp_avg_sq"][rows] = m, v
    torch.div(out["exp_avg"], correction1, out=out["exp_avg_hat"])
    torch.div(out["exp_avg_sq"], correction2, out=out["exp_avg_sq_hat"])
    out["adapted"].zero_()
    out["adapted"][rows] = m / (v.sqrt() + group["eps"]) * (correction2**0.5 / correction1)
    torch.mul(out["adapted"], -float(group["lr"]), out=out["explained"])


def explain(optimizer: Optimizer) -> Explanation:
    return Explanation(
        equations=sparse_adam,
        stages=told(optimizer, ("decayed", "exp_avg", "exp_avg_sq", "exp_avg_hat", "exp_avg_sq_hat", "adapted")),
        state=("exp_avg", "exp_avg_sq"),
        renewed={"exp_avg": "exp_avg", "exp_avg_sq": "exp_avg_sq"},
        shaped=True,
    )


EXPLAINED = of_torch(SparseAdam=explain)
