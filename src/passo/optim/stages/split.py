"""MuonAdamW's equations: Muon's for the groups of matrices, AdamW's for the others; the other's stages are NaN.

The stages are those of `muon.py` and of `adam.py`, and mean the same; `adapted` is either's.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

from passo.optim.split import MUON, MuonAdamW
from passo.optim.stages.adam import STAGES as ADAM_STAGES
from passo.optim.stages.adam import adam
from passo.optim.stages.explained import Explanation, Group, Rows, State
from passo.optim.stages.muon import STAGES as MUON_STAGES
from passo.optim.stages.muon import muon

STAGES = tuple(dict.fromkeys((*MUON_STAGES[:-1], *ADAM_STAGES)))  # Muon's, then Adam's, `adapted` once and last


def split(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """Muon or AdamW, as the group's `algorithm` says."""
    if group["algorithm"] == MUON:
        muon(theta, grad, state, step, {**group, "eps": group["ns_eps"]}, out)
        others = set(ADAM_STAGES) - set(MUON_STAGES)
    else:
        whole = {"amsgrad": False, "maximize": False, "decoupled_weight_decay": True}
        adam(theta, grad, state, step, {**group, **whole}, out)
        others = set(MUON_STAGES) - set(ADAM_STAGES)
    for stage in others:
        out[stage].fill_(torch.nan)


def explain(optimizer: Optimizer) -> Explanation:
    state = ("momentum_buffer", "exp_avg", "exp_avg_sq")
    return Explanation(
        equations=split,
        stages=STAGES,
        state=state,
        renewed={name: name for name in state},
        shaped=True,
    )


EXPLAINED = {MuonAdamW: explain}
