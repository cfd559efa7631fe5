"""Keras' equations for the seven names that it shares with PyTorch, in the order of PyTorch's own stages.

    exp_avg, grad_avg      first moment, or running average of g        m ← βm + (1−β)g
    exp_avg_sq,            second moment, or running average of g²      v ← βv + (1−β)g²
      square_avg, sum        (Adagrad: a sum, from a₀)                  a ← a + g²
    max_exp_avg_sq         the largest second moment, with amsgrad      v̄ ← max(v̄, v)
    exp_inf                the largest gradient, fading                 u ← max(β₂u, |g|)
    exp_avg_hat            bias-corrected                               m̂ = m/(1−β₁ᵗ); Nadam: with its look-ahead
    exp_avg_sq_hat         bias-corrected                               v̂ = v/(1−β₂ᵗ)
    delta, acc_delta       Adadelta's step, and its averaged square     Δ = √(d+ε)/√(v+ε)·g,  d ← ρd + (1−ρ)Δ²
    adapted                the direction that the learning rate multiplies:
                             SGD g · RMSprop g/√(v+ε) · Adam m̂/(√v̂ + ε/√(1−β₂ᵗ)) · Adadelta Δ
                             Adagrad g/√(a+ε) · Adamax m̂/(u+ε) · Nadam m̂/(√v̂+ε)
    velocity               momentum, the learning rate included         SGD v ← μv − lr·g · RMSprop b ← μb + lr·adapted
    explained              the update                                   −lr·adapted, or by the velocity; − lr·λθ

Weight decay never enters the gradient: there is no stage `decayed`. Source: keras 3.15 `keras/src/optimizers/`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim import Optimizer

from passo.optim import keras
from passo.optim.stages.explained import (
    Equations,
    Explain,
    Explanation,
    Group,
    Rows,
    State,
    absent,
    average,
    average_square,
    row,
    told,
)


def sgd(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """θ moves by v ← μv − lr·g, with Nesterov's look-ahead by μv − lr·g, without momentum by −lr·g."""
    lr, momentum, moved = float(group["lr"]), group["momentum"], out["explained"]
    out["adapted"].copy_(grad)
    if momentum:
        moved.copy_(_fade(state["velocity"], momentum, row(out, "velocity", grad)).add_(grad, alpha=-lr))
    else:
        absent(out, "velocity")
        torch.mul(grad, -lr, out=moved)
    if group["nesterov"]:
        moved.mul_(momentum).add_(grad, alpha=-lr)
    _decay(theta, group, moved)


def rmsprop(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """θ moves by −lr·g/√(v + ε), centred by −lr·g/√(v − m² + ε), with momentum by −b ← −(μb + lr·g/√…)."""
    lr, alpha, momentum = float(group["lr"]), group["alpha"], group["momentum"]
    v, adapted, moved = out["square_avg"], out["adapted"], out["explained"]
    average_square(state["square_avg"], grad, alpha, v)
    torch.add(v, group["eps"], out=adapted)
    if group["centered"]:
        m = row(out, "grad_avg", v)
        average(state["grad_avg"], grad, 1 - alpha, m)
        adapted.addcmul_(m, m, value=-1)
    else:
        absent(out, "grad_avg")
    torch.div(grad, adapted.sqrt_(), out=adapted)
    if momentum:
        b = _fade(state["velocity"], momentum, row(out, "velocity", v)).add_(adapted, alpha=lr)
        torch.neg(b, out=moved)
    else:
        absent(out, "velocity")
        torch.mul(adapted, -lr, out=moved)
    _decay(theta, group, moved)


def adam(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """θ moves by −lr·m̂/(√v̂ + ε/√(1−β₂ᵗ)): Adam with an ε that shrinks to its value."""
    (beta1, beta2), v_hat, adapted = group["betas"], out["exp_avg_sq_hat"], out["adapted"]
    average(state["exp_avg"], grad, 1 - beta1, out["exp_avg"])
    average_square(state["exp_avg_sq"], grad, beta2, out["exp_avg_sq"])
    largest = out["exp_avg_sq"]
    if group["amsgrad"]:
        before, newest, largest = state["max_exp_avg_sq"], largest, row(out, "max_exp_avg_sq", largest)
        largest.copy_(newest) if before is None else torch.maximum(before, newest, out=largest)
    else:
        absent(out, "max_exp_avg_sq")
    torch.div(out["exp_avg"], 1 - beta1**step, out=out["exp_avg_hat"])
    torch.div(largest, 1 - beta2**step, out=v_hat)
    torch.sqrt(v_hat, out=adapted).add_(group["eps"] / math.sqrt(1 - beta2**step))
    torch.div(out["exp_avg_hat"], adapted, out=adapted)
    _move(theta, group, out)


def adamax(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """θ moves by −lr·m̂/(u + ε), with u ← max(β₂u, |g|)."""
    (beta1, beta2), u, m_hat, adapted = group["betas"], out["exp_inf"], out["exp_avg_hat"], out["adapted"]
    average(state["exp_avg"], grad, 1 - beta1, out["exp_avg"])
    size = torch.abs(grad, out=adapted)  # a row that is not needed yet holds |g|
    if state["exp_inf"] is None:
        u.copy_(size)
    else:
        torch.maximum(torch.mul(state["exp_inf"], beta2, out=u), size, out=u)
    torch.div(out["exp_avg"], 1 - beta1**step, out=m_hat)
    torch.add(u, group["eps"], out=adapted)
    torch.div(m_hat, adapted, out=adapted)
    _move(theta, group, out)


def momentum(step: float, group: Group) -> float:
    """Nadam's μₜ = β₁(1 − ½·0.96ᵗ)."""
    return group["betas"][0] * (1 - 0.5 * 0.96**step)


def counted(state: State, step: float, group: Group) -> Mapping[str, float]:
    """Nadam's Πₜ = Πₜ₋₁·μₜ."""
    before = state["mu_product"]
    return {"mu_product": (1.0 if before is None else float(before)) * momentum(step, group)}


def nadam(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """θ moves by −lr·m̂/(√v̂ + ε), with m̂ = μₜ₊₁·m/(1−Πₜ₊₁) + (1−μₜ)·g/(1−Πₜ)."""
    (beta1, beta2), m_hat, adapted = group["betas"], out["exp_avg_hat"], out["adapted"]
    now, following = momentum(step, group), momentum(step + 1, group)
    product = counted(state, step, group)["mu_product"]
    average(state["exp_avg"], grad, 1 - beta1, out["exp_avg"])
    average_square(state["exp_avg_sq"], grad, beta2, out["exp_avg_sq"])
    torch.mul(out["exp_avg"], following / (1 - product * following), out=m_hat)
    m_hat.add_(grad, alpha=(1 - now) / (1 - product))
    torch.div(out["exp_avg_sq"], 1 - beta2**step, out=out["exp_avg_sq_hat"])
    torch.sqrt(out["exp_avg_sq_hat"], out=adapted).add_(group["eps"])
    # In the step's own order: near the smallest number lr·m̂ has few bits left, and another order other ones.
    torch.mul(m_hat, -float(group["lr"]), out=out["explained"]).div_(adapted)
    torch.div(m_hat, adapted, out=adapted)
    _decay(theta, group, out["explained"])


def adagrad(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """θ moves by −lr·g/√(a + ε), with a ← a + g² from a₀."""
    a, adapted = out["sum"], out["adapted"]
    if state["sum"] is None:
        a.fill_(group["initial_accumulator_value"])
    else:
        a.copy_(state["sum"])
    a.addcmul_(grad, grad)
    torch.add(a, group["eps"], out=adapted).sqrt_()
    torch.div(grad, adapted, out=adapted)
    _move(theta, group, out)


def adadelta(theta: Tensor, grad: Tensor, state: State, step: float, group: Group, out: Rows) -> None:
    """θ moves by −lr·Δ, with Δ = √(d + ε)/√(v + ε)·g and d the running average of Δ² before this step."""
    rho, eps, delta = group["rho"], group["eps"], out["adapted"]
    average_square(state["square_avg"], grad, rho, out["square_avg"])
    before, ratio = state["acc_delta"], out["explained"]  # a row that is not needed yet holds d + ε
    ratio.fill_(eps) if before is None else torch.add(before, eps, out=ratio)
    torch.add(out["square_avg"], eps, out=delta)
    torch.div(ratio.sqrt_(), delta.sqrt_(), out=delta).mul_(grad)
    average_square(before, delta, rho, out["acc_delta"])
    _move(theta, group, out)


def _fade(velocity: Tensor | None, momentum: float, out: Tensor) -> Tensor:
    """μv, from rest."""
    return out.zero_() if velocity is None else torch.mul(velocity, momentum, out=out)


def _move(theta: Tensor, group: Group, out: Rows) -> None:
    """The update, −lr·adapted − lr·λθ."""
    torch.mul(out["adapted"], -float(group["lr"]), out=out["explained"])
    _decay(theta, group, out["explained"])


def _decay(theta: Tensor, group: Group, moved: Tensor) -> None:
    if group["weight_decay"]:
        moved.add_(theta, alpha=-float(group["lr"]) * group["weight_decay"])


def explain_sgd(optimizer: Optimizer) -> Explanation:
    return Explanation(
        equations=sgd,
        stages=told(optimizer, ("adapted", "velocity"), velocity="momentum"),
        state=("velocity",),
        renewed={"velocity": "velocity"},
    )


def explain_rmsprop(optimizer: Optimizer) -> Explanation:
    stages, state = ("square_avg", "grad_avg", "adapted", "velocity"), ("square_avg", "grad_avg", "velocity")
    return Explanation(
        equations=rmsprop,
        stages=told(optimizer, stages, grad_avg="centered", velocity="momentum"),
        state=state,
        renewed={name: name for name in state},
    )


def explain_adam(optimizer: Optimizer) -> Explanation:
    state = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    return Explanation(
        equations=adam,
        stages=told(optimizer, (*state, "exp_avg_hat", "exp_avg_sq_hat", "adapted"), max_exp_avg_sq="amsgrad"),
        state=state,
        renewed={name: name for name in state},
    )


def explain_nadam(optimizer: Optimizer) -> Explanation:
    moments = ("exp_avg", "exp_avg_sq")
    return Explanation(
        equations=nadam,
        stages=(*moments, "exp_avg_hat", "exp_avg_sq_hat", "adapted"),
        state=moments,
        numbers=("mu_product",),
        renewed={name: name for name in moments},
        counted=counted,
    )


def explain_adamax(optimizer: Optimizer) -> Explanation:
    return _plain(adamax, ("exp_avg", "exp_inf"), ("exp_avg_hat", "adapted"))


def explain_adagrad(optimizer: Optimizer) -> Explanation:
    return _plain(adagrad, ("sum",), ("adapted",))


def explain_adadelta(optimizer: Optimizer) -> Explanation:
    return _plain(adadelta, ("square_avg", "acc_delta"), ("adapted",))


def _plain(equations: Equations, state: tuple[str, ...], directions: tuple[str, ...]) -> Explanation:
    """An optimiser whose stages are its state and then its directions."""
    return Explanation(
        equations=equations, stages=(*state, *directions), state=state, renewed={name: name for name in state}
    )


EXPLAINED: dict[type[Optimizer], Explain] = {
    keras.SGD: explain_sgd,
    keras.RMSprop: explain_rmsprop,
    keras.Adam: explain_adam,
    keras.Adamax: explain_adamax,
    keras.Nadam: explain_nadam,
    keras.Adagrad: explain_adagrad,
    keras.Adadelta: explain_adadelta,
}
