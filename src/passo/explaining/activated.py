"""Where a convolution's feature maps stand as the rest of the network reads them: after its activation."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.modules import activation as activations

from passo.models.dropout import Dropout
from passo.models.networks import PooledReLU
from passo.training.evaluate import evaluating

_BETWEEN = (nn.BatchNorm2d, nn.SyncBatchNorm, nn.InstanceNorm2d, nn.GroupNorm, nn.LayerNorm, nn.LocalResponseNorm,
            nn.MaxPool2d, nn.AvgPool2d, nn.Identity, nn.Dropout, nn.Dropout2d, Dropout)  # fmt: skip
_NO_ACTIVATION = (nn.Softmax, nn.Softmax2d, nn.LogSoftmax, nn.Softmin, nn.MultiheadAttention)


def activated(model: nn.Module, images: Tensor) -> dict[str, str]:
    """Each convolution that the model calls, in the order of its calls → the module whose output is its activations.

    That is the activation that follows, maybe after normalisation or pooling (`PooledReLU` is both). Where none follows
    as a module of its own, called once (a function, a sum before it, one module for several places), it is the
    convolution itself. images (N, C, H, W): the first is shown to the model.

    >>> import torch
    >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 2, 3), nn.Flatten())
    >>> activated(model, torch.ones(1, 1, 8, 8))
    {'0': '2', '3': '3'}
    """
    calls = _calls(model, images[:1])
    found: dict[str, str] = {}
    for at, name in enumerate(calls):
        if isinstance(model.get_submodule(name), nn.Conv2d) and name not in found:
            found[name] = _following(model, calls, at)
    return found


def _following(model: nn.Module, calls: list[str], at: int) -> str:
    for name in calls[at + 1 :]:
        module = model.get_submodule(name)
        if _activates(module):
            return name if calls.count(name) == 1 else calls[at]
        if not isinstance(module, _BETWEEN):
            break
    return calls[at]


def _activates(module: nn.Module) -> bool:
    own = type(module).__module__ == activations.__name__ and not isinstance(module, _NO_ACTIVATION)
    return own or isinstance(module, PooledReLU)


def _calls(model: nn.Module, images: Tensor) -> list[str]:
    """The innermost modules by name, in the order in which they are called, as often as they are called."""
    calls: list[str] = []

    def noting(name: str) -> Any:
        return lambda *_: calls.append(name)

    inner = [(name, module) for name, module in model.named_modules() if not any(True for _ in module.children())]
    handles = [module.register_forward_hook(noting(name)) for name, module in inner]
    try:
        with evaluating(model):
            model(images)
    finally:
        for handle in handles:
            handle.remove()
    return calls
