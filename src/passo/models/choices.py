"""Activations, normalisations and initialisations by name, and the style in which a network's layers are made.

Normalisation stands between a layer and its activation. Neither normalisation nor dropout draws anything when it is
made: with the same seed, networks that differ only in those start from the same weights, so that what differs after
training is their doing. A bias whose every value normalisation subtracts again (batch normalisation; a group of one
channel) is drawn and then left out: its gradient would be rounding alone, which Adam and Adagrad blow up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from passo.models.dropout import Dropout, dropouts
from passo.registry import Registry

ACTIVATIONS: Registry[type[nn.Module]] = Registry("activation")
for _name, _class in (("relu", nn.ReLU), ("tanh", nn.Tanh), ("sigmoid", nn.Sigmoid), ("gelu", nn.GELU),
                      ("silu", nn.SiLU), ("elu", nn.ELU), ("leaky-relu", nn.LeakyReLU)):  # fmt: skip
    ACTIVATIONS.add(_name, _class)

NORMS: Registry[Callable[[int, int, bool], nn.Module | None]] = Registry("normalisation")
"""(channels or units, groups, whether they are channels of images) → the layer, or None."""

INITS: Registry[Callable[[Tensor, str, float], object] | None] = Registry("initialisation")
"""(weight, nonlinearity that follows, constant) → the weight, filled in place. None leaves PyTorch's own."""

Activation = Annotated[str, ACTIVATIONS]
Norm = Annotated[str, NORMS]
Init = Annotated[str, INITS]


# ── Normalisation ──────────────────────────────────────────────────────────────────────────────────────────


def _batch(channels: int, groups: int, images: bool) -> nn.Module:
    return nn.BatchNorm2d(channels) if images else nn.BatchNorm1d(channels)


def _layer(channels: int, groups: int, images: bool) -> nn.Module:
    """Of images: mean and variance over (C, H, W), one γ and β a channel, so that any size of image will do."""
    return nn.GroupNorm(1, channels) if images else nn.LayerNorm(channels)


def _group(channels: int, groups: int, images: bool) -> nn.Module:
    if channels % groups:
        raise ValueError(f"groups={groups} does not divide a layer of {channels} {'filters' if images else 'units'}")
    return nn.GroupNorm(groups, channels)


for _name, _norm in (("none", lambda *_: None), ("batch", _batch), ("layer", _layer), ("group", _group)):
    NORMS.add(_name, _norm)


# ── Initialisation ─────────────────────────────────────────────────────────────────────────────────────────

SLOPE = 0.01  # of nn.LeakyReLU below zero
GAINS = {"tanh": "tanh", "sigmoid": "sigmoid", "leaky-relu": "leaky_relu", "linear": "linear"}  # all others: ReLU's

for _name, _fill in (
    ("pytorch", None),
    ("kaiming", lambda w, f, _: nn.init.kaiming_normal_(w, SLOPE, nonlinearity=f)),
    ("kaiming-uniform", lambda w, f, _: nn.init.kaiming_uniform_(w, SLOPE, nonlinearity=f)),
    ("xavier", lambda w, *_: nn.init.xavier_uniform_(w)),
    ("xavier-normal", lambda w, *_: nn.init.xavier_normal_(w)),
    ("orthogonal", lambda w, *_: nn.init.orthogonal_(w)),
    ("zeros", lambda w, *_: nn.init.zeros_(w)),
    ("constant", lambda w, _, constant: nn.init.constant_(w, constant)),
):
    INITS.add(_name, _fill)


def initialise(model: nn.Module, init: str, activation: str, constant: float = 0.1) -> None:
    """Draw the weights of every linear layer and convolution anew, and set their biases to 0; "pytorch" does nothing.

        kaiming          N(0, g²/fan_in)                        He et al. 2015, eq. 10
        kaiming-uniform  U(−b, b), b = g √(3/fan_in)
        xavier           U(−b, b), b = √(6/(fan_in + fan_out))  Glorot & Bengio 2010, eq. 16
        xavier-normal    N(0, 2/(fan_in + fan_out))
        orthogonal       W Wᵀ = 1 or Wᵀ W = 1                   Saxe et al. 2014
        zeros, constant  every weight the same: units of a layer then stay equal to each other
        pytorch          U(−b, b), b = 1/√fan_in, biases too    torch 2.13, nn/modules/linear.py

    g is torch's gain for the activation: √2 for ReLU (taken for gelu, silu and elu too), 5/3 for tanh, 1 for sigmoid;
    1 for the layer named `out`, which no activation follows. Normalising layers keep γ = 1 and β = 0.

    >>> layer = nn.Linear(3, 2)
    >>> initialise(layer, "constant", "relu", 0.5)
    >>> layer.weight.tolist(), layer.bias.tolist()
    ([[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]], [0.0, 0.0])
    """
    if (fill := INITS[init]) is None:
        return
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            fill(module.weight, GAINS.get("linear" if name == "out" else activation, "relu"), constant)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


# ── Layers in one style ────────────────────────────────────────────────────────────────────────────────────


def add_dropout(model: nn.Sequential, p: float, kind: type[Dropout] = Dropout) -> None:
    """Append dropout, numbered as the model's next one, where `p` is not 0."""
    if p:
        number = len(dropouts(model)) + 1
        model.add_module(f"drop{number}", kind(p, layer=number))


@dataclass(frozen=True)
class Style:
    """What stands between the layers of a network: normalisation, activation, dropout."""

    activation: str = "relu"
    norm: str = "none"
    groups: int = 4
    dropout: float = 0.0

    def act(self) -> nn.Module:
        return ACTIVATIONS[self.activation]()

    def add_norm(self, model: nn.Sequential, number: int, channels: int, *, images: bool) -> None:
        """Append normalisation over `channels` as `norm<number>`, where the style has one."""
        layer = NORMS[self.norm](channels, self.groups, images)
        if layer is None:
            return
        before = model[-1] if len(model) else None
        alone = isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) or getattr(layer, "num_groups", 0) == channels
        if alone and isinstance(before, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            before.register_parameter("bias", None)
        model.add_module(f"norm{number}", layer)

    def add_dense(self, model: nn.Sequential, width: int, hidden: Sequence[int], after: int = 0) -> int:
        """Append `hidden` layers (linear, normalisation, activation, dropout) to `width` values; returns their width.

        `after` is the number of layers with an activation that come before: `fc1` is followed by `act<after + 1>`.
        """
        for number, units in enumerate(hidden, start=1):
            model.add_module(f"fc{number}", nn.Linear(width, units))
            self.add_norm(model, after + number, units, images=False)
            model.add_module(f"act{after + number}", self.act())
            add_dropout(model, self.dropout)
            width = units
        return width
