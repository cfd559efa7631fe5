"""A model's loss of one batch, computed again and again beside the training, so that nothing of it is left."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from passo import seeding

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class Resting:
    """The loss at leaves that share the weights' memory, with copies of the buffers; the model's gradients stay as
    they are.

    Random numbers and dropouts' counters are the same each time. `penalty` is what is trained beside the loss.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: Callable[[Any, Any], Tensor],
        weights: Sequence[tuple[str, nn.Parameter]],
        penalty: Callable[[], Tensor] | None,
        random: Mapping[str, Any],
        drawn: Sequence[tuple[Any, int]],
    ) -> None:
        self._model, self._loss_fn, self._penalty = model, loss_fn, penalty
        self._random, self._drawn = dict(random), drawn
        self._own = [p for _, p in weights]
        self._leaves = {name: p.detach().requires_grad_() for name, p in weights}

    def loss(self, x: Sequence[Any], y: Any) -> Tensor:
        """The loss of these inputs and targets, with its graph."""
        seeding.restore(self._random)
        for module, count in self._drawn:
            module.micro_batch = max(0, count - 1)
        buffers = {name: buffer.clone() for name, buffer in self._model.named_buffers()}
        return self._loss_fn(functional_call(self._model, {**self._leaves, **buffers}, tuple(x)), y)

    def gradient(self, x: Sequence[Any], y: Any) -> list[Tensor]:
        """The gradient of the loss and the penalty with respect to each weight; 0 where a weight has none."""
        loss = _gradient(self.loss(x, y), list(self._leaves.values()))
        return loss if self._penalty is None else _sum(loss, _gradient(self._penalty(), self._own))

    def products(self, loss: Tensor) -> tuple[Callable[[Sequence[Tensor]], list[Tensor]], list[Tensor]]:
        """v ↦ Hv, with H the Hessian of this loss and the penalty, and their gradient; all in the weights' shapes."""
        parts = [_Twice(loss, list(self._leaves.values()))]
        if self._penalty is not None:
            parts.append(_Twice(self._penalty(), self._own))

        def product(v: Sequence[Tensor]) -> list[Tensor]:
            first, *others = (part(v) for part in parts)
            return _sum(first, others[0]) if others else first

        first, *others = (part.gradient for part in parts)
        return product, _sum(first, others[0]) if others else first


class _Twice:
    """A gradient with its graph, so that it can be differentiated again and again (Pearlmutter 1994)."""

    def __init__(self, value: Tensor, leaves: Sequence[Tensor]) -> None:
        self._leaves = leaves
        self.gradient = _gradient(value, leaves, create_graph=True)
        if _ends(self.gradient):
            raise RuntimeError("a part of the model can be differentiated once only")

    def __call__(self, v: Sequence[Tensor]) -> list[Tensor]:
        bent = [(g, one) for g, one in zip(self.gradient, v, strict=True) if g.requires_grad]
        if not bent:  # it is linear in all of them
            return [torch.zeros_like(one) for one in v]
        outputs, along = zip(*bent, strict=True)
        found = torch.autograd.grad(
            outputs, self._leaves, along, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        return list(found)


def _ends(gradient: Sequence[Tensor]) -> bool:
    """Whether a `once_differentiable` part is in the graph: from there nothing would come, without an error."""
    waiting = [g.grad_fn for g in gradient if g.grad_fn is not None]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        if "Error" in node.name():
            return True
        for inner, _ in node.next_functions:
            if inner is not None and inner not in seen:
                seen.add(inner)
                waiting.append(inner)
    return False


def _gradient(value: Tensor, leaves: Sequence[Tensor], *, create_graph: bool = False) -> list[Tensor]:
    found = torch.autograd.grad(value, leaves, create_graph=create_graph, allow_unused=True, materialize_grads=True)
    return list(found)


def _sum(one: Sequence[Tensor], other: Sequence[Tensor]) -> list[Tensor]:
    return [a + b for a, b in zip(one, other, strict=True)]


@contextmanager
def resting(
    model: nn.Module,
    loss_fn: Callable[[Any, Any], Tensor],
    weights: Sequence[tuple[str, nn.Parameter]],
    penalty: Callable[[], Tensor] | None = None,
) -> Iterator[Resting]:
    """While the block runs, hooks rest (those of torch.nn.utils, which make weights, work), and all is put back after.

    Arithmetic is that of the weights' own precision, and attention and recurrent layers take the way that can be
    differentiated twice.
    """
    random = seeding.capture()
    modules: list[Any] = list(model.modules())
    if isinstance(loss_fn, nn.Module):
        modules += loss_fn.modules()
    drawn = [(module, module.micro_batch) for module in modules if hasattr(module, "micro_batch")]
    kept = [(module, {name: getattr(module, name) for name in _HOOKS}) for module in modules]
    device = weights[0][1].device.type
    try:
        for module, hooks in kept:
            for name in _HOOKS:
                setattr(module, name, _makers(hooks[name]))
        with ExitStack() as stack:
            stack.enter_context(torch.enable_grad())
            stack.enter_context(torch.autocast(device, enabled=False))
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
            yield Resting(model, loss_fn, weights, penalty, random, drawn)
    finally:
        for module, hooks in kept:
            for name in _HOOKS:
                setattr(module, name, hooks[name])
        for module, count in drawn:
            module.micro_batch = count
        seeding.restore(random)


def _makers(hooks: Mapping[int, Any]) -> OrderedDict[int, Any]:
    return OrderedDict((key, hook) for key, hook in hooks.items() if type(hook).__module__.startswith("torch.nn.utils"))
