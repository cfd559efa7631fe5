"""The networks of the gallery: small, plain, each made of `features` and a `head`. They take images (N, 1, 28, 28)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import nn

from passo.registry import unknown

CLASSES = 10
DEPTH = 8  # hidden layers of a deep head
WIDTH = 64  # units of each of them

MODELS = ("mlp", "cnn", "allconv")
HELD_OUT = ("lenet", "wide")

RATES = {"mlp": 0.02, "cnn": 0.02, "allconv": 2e-3, "lenet": 2e-3, "wide": 0.02}
ADAM = ("allconv", "lenet")  # the others are trained by SGD with momentum


def network(kind: str) -> nn.Sequential:
    """A network by its name, with new weights. Raises `UnknownName`."""
    if kind not in _FEATURES:
        raise unknown("model of the gallery", kind, sorted(_FEATURES))
    features, width = _FEATURES[kind]()
    return _joined(features, [nn.Linear(width, CLASSES)])


def deep(kind: str, unit: Callable[[], nn.Module] = nn.ReLU, normed: bool = True) -> nn.Sequential:
    """The network with `DEPTH` hidden layers before its last one, and no dropout; `unit` makes their activation."""
    features, width = _FEATURES[kind]()
    features = [layer for layer in features if not isinstance(layer, nn.Dropout)]
    head: list[nn.Module] = []
    for _ in range(DEPTH):
        head += [nn.Linear(width, WIDTH), *([nn.BatchNorm1d(WIDTH)] if normed else []), unit()]
        width = WIDTH
    return _joined(features, [*head, nn.Linear(width, CLASSES)])


def own_optimizer(model: nn.Module, kind: str, rate: float = 1.0, decay: float = 0.0) -> torch.optim.Optimizer:
    """The optimizer that suits a network, with `rate` times its learning rate."""
    lr = RATES[kind] * rate
    if kind in ADAM:
        return torch.optim.Adam(model.parameters(), lr=lr, weight_decay=decay)
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=decay)


def _joined(features: list[nn.Module], head: list[nn.Module]) -> nn.Sequential:
    return nn.Sequential(OrderedDict(features=nn.Sequential(*features), head=nn.Sequential(*head)))


def _mlp() -> tuple[list[nn.Module], int]:
    return [nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 64), nn.ReLU()], 64


def _wide() -> tuple[list[nn.Module], int]:
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in ((784, 256), (256, 128), (128, 64)):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU(), nn.Dropout(0.3)]
    return layers, 64


def _cnn() -> tuple[list[nn.Module], int]:
    first = [nn.Conv2d(1, 8, 5, stride=2, padding=2), nn.BatchNorm2d(8), nn.ReLU()]
    second = [nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)]
    return [*first, *second, nn.Flatten(), nn.Dropout(0.3)], 16 * 7 * 7


def _allconv() -> tuple[list[nn.Module], int]:
    layers: list[nn.Module] = []
    for before, after in ((1, 16), (16, 32), (32, 32)):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
    return [*layers, nn.Flatten()], 32 * 4 * 4


def _lenet() -> tuple[list[nn.Module], int]:
    layers = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU()]
    return [*layers, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()], 84


_FEATURES: dict[str, Callable[[], tuple[list[nn.Module], int]]] = {
    "mlp": _mlp,
    "cnn": _cnn,
    "allconv": _allconv,
    "lenet": _lenet,
    "wide": _wide,
}
