"""Adagrad's equations: each weight's step shrinks with the sum of all its squared gradients.

    decayed     g with the weight decay that enters the gradient      g ← g + λθ
    sum         of all squares so far, from an initial value          s ← s + g²
    adapted     the direction that the learning rate multiplies       g / (√s + ε) / (1 + (t−1)η), η the decay of lr
    explained   the update                                            θ′ − θ = −lr · adapted

Sources: torch 2.13 `torch/optim/adagrad.py`; Duchi, Hazan & Singer 2011, figure 1 (diagonal).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

from passo.optim.stages.explained import Explanation, Group, Rows, State, decay, of_torch, told


def adagrad(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """Adagrad: the direction is g / (√s + ε), divided by 1 + (t−1)η where lr itself decays."""
    total, adapted = out["sum"], out["adapted"]
    decayed = decay(grad, theta, float(group["weight_decay"]), group["maximize"], out)
    if state["sum"] is None:
        total.fill_(group["initial_accumulator_value"]).addcmul_(decayed, decayed)
    else:
        torch.addcmul(state["sum"], decayed, decayed, out=total)
    slower = 1 + (step - 1) * group["lr_decay"]
    torch.sqrt(total, out=adapted).add_(group["eps"])
    torch.mul(decayed, -float(group["lr"]) / slower, out=out["explained"]).div_(adapted)
    torch.div(decayed, adapted, out=adapted).div_(slower)


def explain(optimizer: Optimizer) -> Explanation:
    return Explanation(
        equations=adagrad,
        stages=told(optimizer, ("decayed", "sum", "adapted")),
        state=("sum",),
        renewed={"sum": "sum"},
    )


EXPLAINED = of_torch(Adagrad=explain)
