"""Rprop's equations: of a gradient only the sign counts, and each weight has a step size of its own.

    prev        the gradient, 0 where its sign turned                 p′ = 0 if g·p < 0 else g
    step_size   each weight's own learning rate, from lr              s ← clamp(s·η₊) if g·p > 0, clamp(s·η₋) if g·p < 0
    adapted     the direction that it multiplies                      sign(p′)
    explained   the update                                            θ′ − θ = −step_size · adapted

The step size grows while the sign stays and shrinks when it turns. p is the previous step's p′, so that a weight whose
gradient has just turned rests for one step, and then goes on with the smaller step.

Sources: torch 2.13 `torch/optim/rprop.py`; Riedmiller & Braun 1993 (the variant without weight backtracking).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

from passo.optim.stages.explained import Explanation, Group, Rows, State, decay, of_torch


def rprop(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """Rprop: every weight moves by its own step size, against the sign of its gradient."""
    (shrink, grow), (least, most) = group["etas"], group["step_sizes"]
    size, prev, adapted = out["step_size"], out["prev"], out["adapted"]
    g = decay(grad, theta, 0.0, group["maximize"], out)
    if state["step_size"] is None:  # there is no gradient before the first: nothing grows or shrinks
        size.fill_(float(group["lr"])).clamp_(least, most)
        prev.copy_(g)
    else:
        product = torch.mul(g, state["prev"], out=adapted)
        stayed, turned = product > 0, product < 0
        factor = adapted.fill_(1.0).masked_fill_(stayed, grow).masked_fill_(turned, shrink)
        torch.mul(state["step_size"], factor, out=size).clamp_(least, most)
        prev.copy_(g).masked_fill_(turned, 0.0)
    torch.sign(prev, out=adapted)
    torch.mul(adapted, size, out=out["explained"]).neg_()


def explain(optimizer: Optimizer) -> Explanation:
    return Explanation(
        equations=rprop,
        stages=("prev", "step_size", "adapted"),
        state=("prev", "step_size"),
        renewed={"prev": "prev", "step_size": "step_size"},
    )


EXPLAINED = of_torch(Rprop=explain)
