"""Each optimiser's equations, stage by stage; `explanation(optimizer)` finds those of an optimiser."""

from __future__ import annotations

from collections.abc import Callable

from torch.optim import Optimizer

from passo.optim.stages import (
    adadelta,
    adafactor,
    adagrad,
    adam,
    adamax,
    asgd,
    ftrl,
    keras,
    lbfgs,
    muon,
    nadam,
    radam,
    rmsprop,
    rprop,
    sgd,
    sparse_adam,
    split,
)
from passo.optim.stages.explained import Explanation

_EXPLAINED: dict[type[Optimizer], Callable[[Optimizer], Explanation]] = {
    **sgd.EXPLAINED,
    **adam.EXPLAINED,
    **adamax.EXPLAINED,
    **nadam.EXPLAINED,
    **radam.EXPLAINED,
    **adagrad.EXPLAINED,
    **adadelta.EXPLAINED,
    **rmsprop.EXPLAINED,
    **rprop.EXPLAINED,
    **asgd.EXPLAINED,
    **sparse_adam.EXPLAINED,
    **adafactor.EXPLAINED,
    **muon.EXPLAINED,
    **split.EXPLAINED,
    **lbfgs.EXPLAINED,
    **keras.EXPLAINED,
    **ftrl.EXPLAINED,
}


def explanation(optimizer: Optimizer) -> Explanation | None:
    """The equations of an optimiser, chosen by its exact class; None where none are written here."""
    explain = _EXPLAINED.get(type(optimizer))
    return None if explain is None else explain(optimizer)


__all__ = ["Explanation", "explanation"]
