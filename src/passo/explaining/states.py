"""A recurrent network's states over time: what each unit holds after each step of one sequence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from passo.errors import UsageError
from passo.explaining.layers import array, chosen, one, passed
from passo.models import Recurrent
from passo.training.evaluate import evaluating


@dataclass(frozen=True)
class States:
    """The hidden states h₁ … h_T of one recurrent layer while it reads one sequence.

    inputs: (T, F), what the first layer reads. hidden: (T, H), of the direction that reads from the first step on;
    backward: (T, H) of the other one, where there is one: its state at t has read the steps from the last down to t.
    cell: (T, H), an LSTM's c; None for other cells, and in networks that read both ways. outputs: (T, C), what the
    model would answer if the sequence ended at that step; its last row is the model's answer; None where the layer is
    not the last, or reads both ways. `cells` names the kind: RNN, LSTM, GRU.
    """

    layer: str
    cells: str
    inputs: np.ndarray
    hidden: np.ndarray
    backward: np.ndarray | None = None
    cell: np.ndarray | None = None
    outputs: np.ndarray | None = None


def hidden_states(model: nn.Module, x: Tensor, layer: str | None = None) -> States:
    """The states of a recurrent layer (by default the last) over one sequence (T, F), or image (C, H, W).

    Any model that calls `nn.RNN`, `nn.LSTM` or `nn.GRU` has them. Raises `UnknownName` for a layer that is not there,
    `UsageError` where a layer, or the model, is not recurrent.

    >>> states = hidden_states(nn.Sequential(nn.GRU(2, 3, batch_first=True)), torch.zeros(4, 2))
    >>> states.hidden.shape, states.cells
    ((4, 3), 'GRU')
    """
    there = {name: module for name, module in model.named_modules() if isinstance(module, nn.RNNBase)}
    last = next(reversed(there), None)
    name = chosen(model, last if layer is None else layer, there, "recurrent state")
    module, batch = there[name], one(x)
    given, made, _ = passed(model, batch)
    if name not in made:
        raise UsageError(f"the model never calls layer {name!r} on this input")
    read, states = (_steps(module, found[name]) for found in (given, made))  # (T, F), (T, D·H)
    size = module.proj_size or module.hidden_size
    both = module.bidirectional
    first = _steps(there[next(iter(there))], given[next(iter(there))])
    return States(
        layer=name,
        cells=module.mode.partition("_")[0],
        inputs=array(first),
        hidden=array(states[:, :size]),
        backward=array(states[:, size:]) if both else None,
        cell=_cells(module, read) if isinstance(module, nn.LSTM) and not both and module.num_layers == 1 else None,
        outputs=_outputs(model, states) if isinstance(model, Recurrent) and name == last and not both else None,
    )


def _steps(module: nn.RNNBase, x: Tensor) -> Tensor:
    """A batch of one sequence, in the order that the layer reads, as (T, F)."""
    return x[0] if x.dim() == 2 or module.batch_first else x[:, 0]


def _cells(module: nn.LSTM, read: Tensor) -> np.ndarray:
    """c₁ … c_T: torch gives the last alone, so the layer is walked step by step."""
    state, cells = None, []
    with evaluating(module):
        for step in read:
            _, state = module(step[None], state)  # without a batch: (1, F), ((1, H), (1, H))
            cells.append(state[1][0])
    return array(torch.stack(cells))


def _outputs(model: Recurrent, states: Tensor) -> np.ndarray:
    """The output layer on every state, as if each were the last: (T, C). In evaluation, dropout does nothing."""
    with evaluating(model):
        return array(model.out(states))
