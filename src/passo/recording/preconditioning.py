"""How large a curvature an optimiser bears: what it divides gradients by, and where its steps begin to diverge.

On a quadratic of curvature λ a gradient step θ ← θ − ηλθ shrinks θ while λ < 2/η. An optimiser that divides gradients
by P, one number for each weight, does so while the largest eigenvalue of P^(−1/2) H P^(−1/2) is below its limit; with
momentum β the limit is another (Cohen et al. 2021, section 2 and appendix B; for Adam Cohen et al. 2022, section 2):

    heavy ball  m ← βm + g          (2 + 2β) / η
    averaged    m ← βm + (1 − β)g   (2 + 2β) / ((1 − β) η)
    Nesterov                        (2 + 2β) / ((1 + 2β) η)

Weight decay is no part of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

PRECONDITIONED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop, torch.optim.Adagrad)


class Limit(NamedTuple):
    """`divisors`: P of each parameter, or None where gradients are not divided; the curvature that is borne, `most`."""

    divisors: list[Tensor] | None
    most: float


def limit(
    optimizer: torch.optim.Optimizer, parameters: Sequence[nn.Parameter], gradients: Sequence[Tensor]
) -> Limit | None:
    """What this optimiser bears at a step with these `gradients`; None of one whose limit is not written here.

    P is what it would divide them by: they count in its squares (Cohen et al. 2022, equation 2).

    Where learning rates differ between groups, P is made larger where the rate is smaller, and the limit is that of
    the largest rate. None, too, where groups differ in momentum.
    """
    kind = type(optimizer)
    if kind is not torch.optim.SGD and kind not in PRECONDITIONED:
        return None
    groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    own = [groups[id(p)] for p in parameters]
    if any(group.get("maximize") for group in own):
        return None
    bounds = {_bound(kind, group) for group in own}
    if len(bounds) != 1:
        return None
    rates = [_rate(kind, group, optimizer.state.get(p, {})) for p, group in zip(parameters, own, strict=True)]
    top = max(rates)
    if min(rates) <= 0:
        return None
    if kind is torch.optim.SGD and min(rates) == top:
        return Limit(None, bounds.pop() / top)
    divided = [
        _divisor(kind, group, optimizer.state.get(p, {}), g.detach())
        for p, g, group in zip(parameters, gradients, own, strict=True)
    ]
    if any(one is None for one in divided):
        return None
    scaled = [one * (top / rate) for one, rate in zip(divided, rates, strict=True) if one is not None]
    return Limit(scaled, bounds.pop() / top)


def _bound(kind: type, group: Mapping[str, Any]) -> float:
    """η times the largest curvature that is borne."""
    if "betas" in group:
        beta = float(group["betas"][0])
        return (2 + 2 * beta) / (1 - beta)
    beta = float(group.get("momentum", 0.0))
    if group.get("nesterov"):
        return (2 + 2 * beta) / (1 + 2 * beta)
    return (2 + 2 * beta) / (1 - (float(group.get("dampening", 0.0)) if beta else 0.0))


def _rate(kind: type, group: Mapping[str, Any], state: Mapping[str, Any]) -> float:
    rate = float(group["lr"])
    if kind is torch.optim.Adagrad and "step" in state:
        return rate / (1 + float(state["step"]) * float(group["lr_decay"]))
    return rate


def _divisor(kind: type, group: Mapping[str, Any], state: Mapping[str, Any], gradient: Tensor) -> Tensor | None:
    """What a step with this gradient divides it by; None before the first step."""
    if kind is torch.optim.SGD:
        return torch.ones_like(gradient)
    if kind is torch.optim.Adagrad:
        return (state["sum"] + gradient.square()).sqrt() + group["eps"] if "sum" in state else None
    if kind is torch.optim.RMSprop:
        if "square_avg" not in state:
            return None
        share = 1 - group["alpha"]
        squares = torch.lerp(state["square_avg"], gradient.square(), share)
        if group["centered"]:
            squares = squares - torch.lerp(state["grad_avg"], gradient, share).square()
        return squares.sqrt() + group["eps"]
    if "exp_avg_sq" not in state:
        return None
    step, (first, second) = float(state["step"]) + 1, group["betas"]
    squares = torch.lerp(state["exp_avg_sq"], gradient.square(), 1 - float(second))
    if group["amsgrad"]:
        squares = torch.maximum(squares, state["max_exp_avg_sq"])
    root = (squares / (1 - float(second) ** step)).sqrt() + group["eps"]
    return root * (1 - float(first) ** step)
