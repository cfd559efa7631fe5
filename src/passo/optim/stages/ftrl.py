"""Ftrl's equations, as Keras has them: every step computes the weights anew, from sums over all gradients so far.

    accumulator   sum of squared gradients, from a₀             n′ = n + g²
    sigma         how much the new squares tie θ to where it is  σ = (n′^−p − n^−p)/lr
    linear        sum of gradients, less the ties               z′ = z + g + 2·l2_shrinkage·θ − σθ
    quadratic     the curvature of what is minimised            q = n′^−p/lr + 2·l2 + β/lr
    leader        the minimiser, in closed form                 w = (clip(z′, −l1, l1) − z′)/q
    explained     the update                                    w − θ

p is learning_rate_power, −0.5 unless told otherwise. Weight decay comes first: θ above is (1 − lr·λ)·θ. No row is
called `adapted`: the learning rate multiplies no direction here, it divides σ and q.

Source: keras 3.15 `ftrl.py`; McMahan et al. 2013, algorithm 1.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

from passo.optim.keras import Ftrl
from passo.optim.stages.explained import Explain, Explanation, Group, Rows, State


def ftrl(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """The minimiser of all that was seen so far, regularised; minus θ, it is the update."""
    lr, power = float(group["lr"]), -group["learning_rate_power"]
    n, sigma, z, q, w = (out[name] for name in ("accumulator", "sigma", "linear", "quadratic", "leader"))

    n.fill_(group["initial_accumulator_value"]) if state["accumulator"] is None else n.copy_(state["accumulator"])
    torch.pow(n, power, out=sigma)  # the root before this step
    n.add_(torch.mul(grad, grad, out=q))
    torch.pow(n, power, out=q)
    torch.sub(q, sigma, out=sigma).div_(lr)
    q.div_(lr).add_(2 * group["l2"] + group["beta"] / lr)

    start(theta, group, z) if state["linear"] is None else z.copy_(state["linear"])
    torch.mul(theta, 1 - lr * group["weight_decay"], out=w)  # θ as the step reads it
    tied = out["explained"]  # a row that is not needed yet
    z.add_(torch.mul(w, 2 * group["l2_shrinkage"], out=tied).add_(grad).sub_(w.mul_(sigma)))

    torch.clamp(z, -group["l1"], group["l1"], out=w).sub_(z).div_(q)
    torch.sub(w, theta, out=out["explained"])


def start(theta: Tensor, group: Group, z: Tensor) -> None:
    """z before the first step: 0, or, to keep the start, −(a₀^−p + β)/lr·θ."""
    if not group["keep_start"]:
        z.zero_()
        return
    root = group["initial_accumulator_value"] ** -group["learning_rate_power"]
    torch.mul(theta, -(root + group["beta"]) / float(group["lr"]), out=z)


def explain(optimizer: Optimizer) -> Explanation:
    state = ("accumulator", "linear")
    return Explanation(
        equations=ftrl,
        stages=("accumulator", "sigma", "linear", "quadratic", "leader"),
        state=state,
        renewed={name: name for name in state},
    )


EXPLAINED: dict[type[Optimizer], Explain] = {Ftrl: explain}
