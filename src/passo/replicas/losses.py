"""A loss for each replica: means over a mini-batch's images, never over replicas."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from passo.replicas.layers import NotFused

VALUED = (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.BCEWithLogitsLoss)


def check_loss(loss_fn: Any) -> None:
    """Raise `NotFused` for a loss that is not computed for replicas."""
    if getattr(loss_fn, "reduction", None) != "mean":
        raise NotFused(f"loss {type(loss_fn).__name__} is no mean of torch's over images")
    if not isinstance(loss_fn, (nn.CrossEntropyLoss, *VALUED)):
        raise NotFused(f"loss {type(loss_fn).__name__} is not computed for replicas")


def losses(loss_fn: Any, output: Tensor, y: Tensor, smoothing: Tensor | None = None) -> Tensor:
    """loss_fn's mean for each replica: output (R, B, …), y (R, B, …) → (R,).

    `smoothing` (R,) takes the place of cross-entropy's own label smoothing.
    """
    check_loss(loss_fn)
    if isinstance(loss_fn, nn.CrossEntropyLoss) and not y.is_floating_point() and output.dim() == 3:
        return _cross_entropy(loss_fn, output, y, smoothing)
    for kind in VALUED:
        if isinstance(loss_fn, kind):
            options = {
                name: getattr(loss_fn, name) for name in ("beta", "delta", "pos_weight") if hasattr(loss_fn, name)
            }
            each = kind(reduction="none", **options)(output, y)
            return each.flatten(1).mean(1)
    raise NotFused(f"loss {type(loss_fn).__name__} is not computed for replicas")


def _cross_entropy(loss_fn: nn.CrossEntropyLoss, output: Tensor, y: Tensor, smoothing: Tensor | None) -> Tensor:
    """With s the smoothing, C classes, w their weights: ((1 − s) Σ wᵧ·(−log pᵧ) + s/C Σ Σ_c w_c·(−log p_c)) / Σ wᵧ."""
    log_p = output.log_softmax(-1)  # (R, B, C)
    weight = loss_fn.weight
    own = -log_p.gather(-1, y[..., None])[..., 0]  # (R, B)
    counted = torch.ones_like(own) if weight is None else weight[y]
    found = (own * counted).sum(1) / counted.sum(1)
    if smoothing is None and loss_fn.label_smoothing:
        smoothing = output.new_full((len(output),), loss_fn.label_smoothing)
    if smoothing is None:
        return found
    every = -(log_p if weight is None else log_p * weight).sum(-1)  # (R, B)
    return (1 - smoothing) * found + smoothing / output.shape[-1] * every.sum(1) / counted.sum(1)
