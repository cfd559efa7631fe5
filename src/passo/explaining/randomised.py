"""A model that forgets layer by layer: its weights drawn anew, from the output down to the first layer."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from passo.explaining.layers import passed
from passo.seeding import derive, isolated


def weighted(model: nn.Module, images: Tensor) -> tuple[str, ...]:
    """The modules with parameters of their own, from the output down: in the reverse order of one pass.

    What holds parameters and is not called itself (a parameter of the whole model, "") comes last.

    >>> weighted(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)), torch.ones(1, 1, 4, 4))
    ('3', '0')
    """
    own = [name for name, module in model.named_modules() if any(True for _ in module.parameters(recurse=False))]
    called = [name for name in passed(model, images[:1]).outputs if name in own]
    return (*reversed(called), *(name for name in own if name not in called))


def cascade(model: nn.Module, images: Tensor, seed: int) -> Iterator[tuple[str, nn.Module]]:
    """(layer, model) for each layer of `weighted`: a copy in which that layer and all above it have random weights.

    The copy is one and the same throughout; after the last layer nothing of the training is left in it. Weights are
    drawn as the layer's own class draws them (`reset_parameters`); where it has no such method, from a normal
    distribution with each parameter's own mean and standard deviation. Source: Adebayo et al. 2018, section 3.1.
    """
    copied = copy.deepcopy(model)
    for number, name in enumerate(weighted(model, images)):
        with isolated(derive(seed, "randomised", number)):
            _draw(copied.get_submodule(name))
        yield name, copied


def _draw(module: nn.Module) -> None:
    own = getattr(module, "reset_parameters", None)
    if callable(own):
        own()
        return
    with torch.no_grad():
        for parameter in module.parameters(recurse=False):
            spread = parameter.std(correction=0)
            parameter.copy_(parameter.mean() + spread * torch.randn(parameter.shape).to(parameter))
