"""One step, explained and checked: the slow plain way, one parameter at a time, apart from the microscope.

    before   copies of θ, of the gradient and of the optimiser's state are taken
    step     the optimiser does its own work
    after    the equations run on the copies, and what they say is compared with what is there now

Differences are counted in roundings, per coordinate:

    of the update       |Δθ − explained| / (eps · max(|θ|, |θ′|, |Δθ|))
    of the new state    |s′ − stage|     / (eps · max(|s|, |s′|))

θ′ = θ + Δθ is rounded to the spacing of numbers as large as θ or θ′, and Δθ itself is computed to its own spacing:
nothing smaller can be asked. A state is a sum of two terms, such as βs and (1−β)g: where they cancel, s′ is small and
its error is that of the terms, which are then as large as s. Below the smallest normal number the spacing no longer
shrinks, so that this number is the least size that counts: 0 − 0 is 0 roundings off.

The microscope does the same in bulk; its tests hold it to this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from passo.errors import UsageError
from passo.optim.stages.explained import Explanation

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Account:
    """One parameter's step.

    before, update: θ before the step, and θ after it minus θ before; both shaped like the parameter.
    stages: what the equations say, `explained` among it, shaped alike.
    roundings: the largest residual. state: the largest difference of each new state from what it should be.
    """

    before: Tensor
    update: Tensor
    stages: Mapping[str, Tensor]
    roundings: float
    state: Mapping[str, float]


@dataclass(frozen=True)
class _Before:
    """Copies from before the step."""

    parameter: Tensor
    group: Mapping[str, Any]
    theta: Tensor
    grad: Tensor
    state: Mapping[str, Any]
    step: float


def roundings(difference: Tensor, *sizes: Tensor) -> float:
    """The largest |difference| in units of eps · size; size is the largest of |sizes|, coordinate by coordinate.

    >>> roundings(torch.tensor([2.0**-23, 0.0]), torch.tensor([1.0, 0.0]))
    1.0
    """
    kind = torch.finfo(difference.dtype)
    size = torch.full_like(difference, kind.tiny)
    for one in sizes:
        size = torch.maximum(size, one.abs())
    worst = (difference.abs() / size).max().item() / kind.eps if difference.numel() else 0.0
    return worst if worst == worst else float("inf")  # NaN: there is something on one side and not on the other


def explained_step(
    optimizer: Optimizer, explanation: Explanation | None, closure: Callable[[], Any] | None = None
) -> list[Account]:
    """Step the optimiser once and account for every parameter that has a gradient.

    Args:
        optimizer: any that is explained; its parameters carry their gradients, unless `closure` makes them.
        explanation: of `passo.optim.stages.explanation(optimizer)`.
        closure: computes the loss and the gradients, once, before the copies are taken.

    Raises UsageError where the optimiser's update is only measured.

    >>> from passo.optim.stages import explanation
    >>> w = torch.nn.Parameter(torch.tensor([3.0]))
    >>> w.grad = torch.tensor([2.0])
    >>> adam = torch.optim.Adam([w], lr=0.5)
    >>> account = explained_step(adam, explanation(adam))[0]
    >>> account.stages["adapted"].item(), account.roundings < 8, account.state
    (1.0, True, {'exp_avg': 0.0, 'exp_avg_sq': 0.0})
    """
    if explanation is None or explanation.equations is None:
        raise UsageError(f"{type(optimizer).__name__} has no equations here: its update can only be measured")
    if closure is not None:
        closure()
    with torch.no_grad():
        before = [_copy(optimizer, group, p, explanation) for group, p in _moving(optimizer)]
    with _in_place(optimizer):
        optimizer.step()
    with torch.no_grad():
        return [_account(optimizer, explanation, one) for one in before]


def _moving(optimizer: Optimizer) -> Iterator[tuple[dict[str, Any], Tensor]]:
    return ((group, p) for group in optimizer.param_groups for p in group["params"] if p.grad is not None)


@contextmanager
def _in_place(optimizer: Optimizer) -> Iterator[None]:
    """With `differentiable`, a step is recorded by autograd, which allows no change of a leaf that needs a gradient."""
    needing = [p for _, p in _moving(optimizer) if p.requires_grad] if optimizer.defaults.get("differentiable") else []
    for parameter in needing:
        parameter.requires_grad_(False)
    yield
    for parameter in needing:
        parameter.requires_grad_(True)


def _copy(optimizer: Optimizer, group: Mapping[str, Any], parameter: Tensor, explanation: Explanation) -> _Before:
    kept = optimizer.state.get(parameter, {})
    state = {name: _clone(kept.get(name)) for name in (*explanation.state, *explanation.numbers)}
    grad = parameter.grad
    assert grad is not None
    state["touched"] = grad.coalesce().indices()[0].clone() if grad.is_sparse else None
    dense = grad.to_dense() if grad.is_sparse else grad.clone()
    return _Before(parameter, dict(group), parameter.detach().clone(), dense, state, float(kept.get("step", 0)) + 1)


def _clone(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


def _account(optimizer: Optimizer, explanation: Explanation, was: _Before) -> Account:
    assert explanation.equations is not None
    out = {name: torch.empty_like(was.theta) for name in (*explanation.stages, "explained")}
    if explanation.shaped:
        explanation.equations(was.theta, was.grad, was.state, was.step, was.group, out)
    else:
        flat = {name: _flat(value) if name in explanation.state else value for name, value in was.state.items()}
        rows = {name: torch.empty(was.theta.numel(), dtype=was.theta.dtype, device=was.theta.device) for name in out}
        explanation.equations(_flat(was.theta), _flat(was.grad), flat, was.step, was.group, rows)
        out = {name: row.view(was.theta.shape) for name, row in rows.items()}
    update = was.parameter.detach() - was.theta
    off = roundings(update - out["explained"], was.theta, was.parameter, update)
    return Account(was.theta, update, out, off, _states(optimizer, explanation, was, out))


def _flat(tensor: Tensor | None) -> Any:
    return None if tensor is None else tensor.reshape(-1)


def _states(
    optimizer: Optimizer, explanation: Explanation, was: _Before, out: Mapping[str, Tensor]
) -> dict[str, float]:
    """How far each tensor and each number of the new state is from what the equations say."""
    kept, found = optimizer.state[was.parameter], {}
    for stage, name in explanation.renewed.items():
        if stage in out and (new := kept.get(name)) is not None:
            old = torch.zeros_like(new) if was.state[name] is None else was.state[name]
            found[name] = roundings(new - out[stage], old, new)
    if explanation.counted is not None:
        for name, value in explanation.counted(was.state, was.step, was.group).items():
            new = torch.as_tensor(kept[name])
            found[name] = roundings(new - value, new)
    return found
