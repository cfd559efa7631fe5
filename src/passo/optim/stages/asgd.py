"""ASGD's equations: plain steps of a shrinking size, and an average of the weights kept beside them.

    decayed     g with the weight decay that enters the gradient      g ← g + λ_w·θ
    adapted     the direction that the learning rate multiplies       g + λθ, λ the argument `lambd`
    explained   the update                                            θ′ − θ = −η · adapted
    ax          the average of the weights so far                     a ← a + μ(θ′ − a)

The learning rate η and the weight μ are numbers of the state, renewed at the end of a step for the next one:
η = lr / (1 + λ·lr·t)^α and μ = 1 / max(1, t − t₀). A schedule's new lr is therefore felt one step later.

Sources: torch 2.13 `torch/optim/asgd.py`; Polyak & Juditsky 1992; Bottou's `lambd`, `alpha` and `t0`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim import Optimizer

from passo.optim.stages.explained import (
    Explanation,
    Group,
    Rows,
    State,
    counter,
    decay,
    of_torch,
    runs_foreach,
    scalar,
    told,
)


def counted(state: State, step: float, group: Group) -> Mapping[str, float]:
    """η and μ of the next step."""
    lr, t = float(group["lr"]), counter(step, group["capturable"])
    eta = lr / (1 + group["lambd"] * lr * t) ** group["alpha"]
    return {"eta": scalar(None, float(eta)).item(), "mu": scalar(None, 1 / max(1.0, step - group["t0"])).item()}


def asgd(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """ASGD: the direction is g + λθ; η multiplies it."""
    eta, mu = scalar(state["eta"], float(group["lr"])).item(), scalar(state["mu"], 1.0).item()
    adapted, ax = out["adapted"], out["ax"]
    decayed = decay(grad, theta, float(group["weight_decay"]), group["maximize"], out)
    torch.add(decayed, theta, alpha=group["lambd"], out=adapted)
    torch.mul(adapted, -eta, out=out["explained"])
    if runs_foreach(group, theta):  # θ′, rounded in the order of either implementation
        after = torch.addcmul(theta, adapted, torch.full_like(adapted, eta), value=-1)
    else:
        after = torch.mul(theta, 1 - group["lambd"] * eta).add_(decayed, alpha=-eta)
    if mu != 1 and state["ax"] is not None:
        torch.lerp(state["ax"], after, mu, out=ax)
    else:
        ax.copy_(after)


def explain(optimizer: Optimizer) -> Explanation:
    return Explanation(
        equations=asgd,
        stages=told(optimizer, ("decayed", "adapted", "ax")),
        state=("ax",),
        numbers=("eta", "mu"),
        renewed={"ax": "ax"},
        counted=counted,
    )


EXPLAINED = of_torch(ASGD=explain)
