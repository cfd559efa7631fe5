"""Recurrent networks: `rnn`, `lstm` and `gru`, over sequences, or over images that are read row by row.

Every layer is one of torch's own with passo's dropout between: torch's `dropout=` draws from the global generator,
and only between layers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

from torch import Tensor, nn

from passo.models.dropout import Dropout
from passo.models.networks import Shape
from passo.models.options import Count, Flag, Share


class Rows(nn.Module):
    """An image as a sequence of its rows: (B, C, H, W) → (B, H, C·W), H steps from top to bottom."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(2)


class Recurrent(nn.Module):
    """Recurrent layers, one over the states of the other; the last one's final state goes to a linear layer.

    Children: `rows` (where images come in), `rnn1`, `drop1`, `rnn2`, …, `out`. Read in both directions, a final state
    is the forward one, after the last step, beside the backward one, after the first: both have read everything.
    """

    def __init__(self, layers: list[nn.RNNBase], classes: int, *, dropout: float = 0.0, images: bool = False) -> None:
        super().__init__()
        if images:
            self.rows = Rows()
        self.depth, self.images = len(layers), images
        for number, layer in enumerate(layers, start=1):
            self.add_module(f"rnn{number}", layer)
            if dropout:
                self.add_module(f"drop{number}", Dropout(dropout, layer=number))
        width = layers[-1].hidden_size * (2 if layers[-1].bidirectional else 1)
        self.out = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:  # (B, T, F), or (B, C, H, W), → (B, classes)
        x, last = self.states(x)
        return self.out(self._dropped(last, self.depth))

    def states(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The last layer's hidden state at every step, (B, T, D·H), and its final one, (B, D·H); D directions."""
        last = x = self.rows(x) if self.images else x
        for number in range(1, self.depth + 1):
            x = x if number == 1 else self._dropped(x, number - 1)
            x, final = self.get_submodule(f"rnn{number}")(x)
            hidden = final[0] if isinstance(final, tuple) else final  # (D, B, H); an LSTM's cell state is beside it
            last = hidden.transpose(0, 1).flatten(1)
        return x, last

    def _dropped(self, x: Tensor, number: int) -> Tensor:
        drop = getattr(self, f"drop{number}", None)
        return x if drop is None else drop(x)


def recurrent(
    in_shape: Shape,
    classes: int,
    *,
    cell: Callable[..., nn.RNNBase],
    hidden: int,
    layers: int,
    bidirectional: bool,
    dropout: float,
) -> nn.Module:
    """Layers of one kind of cell, for sequences (T, F) or images (C, H, W)."""
    if len(in_shape) not in (2, 3):
        raise ValueError("it takes sequences (steps, features) or images (channels, height, width)")
    images = len(in_shape) == 3
    features = in_shape[0] * in_shape[2] if images else in_shape[1]
    stack: list[nn.RNNBase] = []
    for _ in range(layers):
        stack.append(cell(features, hidden, batch_first=True, bidirectional=bidirectional))
        features = 2 * hidden if bidirectional else hidden
    return Recurrent(stack, classes, dropout=dropout, images=images)


def rnn(
    in_shape: Shape,
    classes: int,
    *,
    hidden: Count = 64,
    layers: Count = 1,
    bidirectional: Flag = False,
    dropout: Share = 0.0,
    activation: Literal["tanh", "relu"] = "tanh",
) -> nn.Module:
    """Elman's network: hₜ = f(W xₜ + b + U hₜ₋₁ + c), h₀ = 0, with `hidden` units, in each of `layers` layers.

    `dropout` is on what a layer hands to the next, and on the final state before the linear layer. Images are read row
    by row: 28 steps of 28 for one channel of 28 × 28. Raises `ValueError` for any other shape than (T, F) or (C, H, W).

    Source: Elman 1990; torch 2.13, nn/modules/rnn.py.
    """
    cell = partial(nn.RNN, nonlinearity=activation)
    return recurrent(in_shape, classes, cell=cell, hidden=hidden, layers=layers, bidirectional=bidirectional,
                     dropout=dropout)  # fmt: skip


def lstm(
    in_shape: Shape,
    classes: int,
    *,
    hidden: Count = 64,
    layers: Count = 1,
    bidirectional: Flag = False,
    dropout: Share = 0.0,
) -> nn.Module:
    """Long short-term memory; options as in `rnn`. Source: Hochreiter & Schmidhuber 1997, with Gers' forget gate."""
    return recurrent(in_shape, classes, cell=nn.LSTM, hidden=hidden, layers=layers, bidirectional=bidirectional,
                     dropout=dropout)  # fmt: skip


def gru(
    in_shape: Shape,
    classes: int,
    *,
    hidden: Count = 64,
    layers: Count = 1,
    bidirectional: Flag = False,
    dropout: Share = 0.0,
) -> nn.Module:
    """Gated recurrent units; options as in `rnn`. Source: Cho et al. 2014, with torch's reset after the product."""
    return recurrent(in_shape, classes, cell=nn.GRU, hidden=hidden, layers=layers, bidirectional=bidirectional,
                     dropout=dropout)  # fmt: skip
