"""The arithmetic of ten optimizers over rows: θ (R, n), a row a replica, each with its own numbers.

A rule has two halves. `numbers` computes once a step, in float64, what does not depend on a weight: a column for each
factor, one number a replica. `apply` is arithmetic over rows, in the weights' precision and in torch's own order.

Sources: torch 2.13 `torch/optim/*.py`, the single-tensor functions; keras 3.15 `ftrl.py` as in `passo.optim.keras`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from passo.optim import keras

Numbers = dict[str, np.ndarray]  # option → (R,) float64
Columns = Sequence[Tensor]  # (R, 1) each, of the weights' precision
State = dict[str, Tensor]  # name → (R, n)
Flags = Mapping[str, bool]


class Rule(NamedTuple):
    """One optimizer's two halves. `state` names what it keeps, all of it zero until `begin` has seen the weights."""

    numbers: Callable[[Numbers, int], Sequence[np.ndarray]]
    apply: Callable[[Tensor, Tensor, State, Columns, Flags], None]
    state: Callable[[Flags], Sequence[str]]
    begin: Callable[[Tensor, State, Numbers, Flags], None] = lambda *_: None


def columns(numbers: Sequence[np.ndarray], like: Tensor) -> Sequence[Tensor]:
    """(R, 1) each, of a tensor's precision and on its device."""
    return torch.from_numpy(np.stack(numbers)).to(like)[..., None].unbind()


def _sgd_numbers(h: Numbers, t: int) -> Sequence[np.ndarray]:
    first = t == 1  # the buffer begins as the first gradient, undampened
    return h["lr"], h["momentum"], np.ones_like(h["lr"]) if first else 1 - h["dampening"]


def _sgd(w: Tensor, g: Tensor, state: State, c: Columns, has: Flags) -> None:
    lr, momentum, fresh = c
    if has["momentum"]:
        buffer = state["momentum_buffer"].mul_(momentum).add_(g * fresh)
        g = g + buffer * momentum if has["nesterov"] else buffer
    w.sub_(g * lr)


def _adam_numbers(h: Numbers, t: int) -> Sequence[np.ndarray]:
    size, root = h["lr"] / (1 - h["beta1"] ** t), np.sqrt(1 - h["beta2"] ** t)
    return 1 - h["beta1"], h["beta2"], 1 - h["beta2"], root, h["eps"], size


def _adam(w: Tensor, g: Tensor, state: State, c: Columns, has: Flags) -> None:
    m, v = _moments(g, state, c)
    if has["amsgrad"]:
        v = torch.maximum(state["max_exp_avg_sq"], v, out=state["max_exp_avg_sq"])
    root, eps, size = c[3:]
    w.sub_(m / v.sqrt().div_(root).add_(eps) * size)


def _adamax_numbers(h: Numbers, t: int) -> Sequence[np.ndarray]:
    return 1 - h["beta1"], h["beta2"], h["eps"], h["lr"] / (1 - h["beta1"] ** t)


def _adamax(w: Tensor, g: Tensor, state: State, c: Columns, has: Flags) -> None:
    new, kept, eps, size = c
    m, u = state["exp_avg"].lerp_(g, new), state["exp_inf"]
    torch.maximum(u.mul_(kept), g.abs().add_(eps), out=u)
    w.sub_(m / u * size)


def _nadam_numbers(h: Numbers, t: int) -> Sequence[np.ndarray]:
    def mu(n: int) -> np.ndarray:
        return h["beta1"] * (1 - 0.5 * 0.96 ** (n * h["momentum_decay"]))

    product = h["mu_product"] = h.get("mu_product", 1.0) * mu(t)
    now, ahead = h["lr"] * (1 - mu(t)) / (1 - product), h["lr"] * mu(t + 1) / (1 - product * mu(t + 1))
    return 1 - h["beta1"], h["beta2"], 1 - h["beta2"], 1 - h["beta2"] ** t, h["eps"], now, ahead


def _nadam(w: Tensor, g: Tensor, state: State, c: Columns, has: Flags) -> None:
    m, v = _moments(g, state, c)
    correction, eps, now, ahead = c[3:]
    root = (v / correction).sqrt_().add_(eps)
    w.sub_(g * now / root).sub_(m * ahead / root)


def _radam_numbers(h: Numbers, t: int) -> Sequence[np.ndarray]:
    correction, longest = 1 - h["beta2"] ** t, 2 / (1 - h["beta2"]) - 1
    length = longest - 2 * t * h["beta2"] ** t / correction
    ratio = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    rectified = np.where(length > 5, np.sqrt(np.maximum(ratio, 0) * correction), 0.0)
    plain = np.where(length > 5, 0.0, 1.0)
    return 1 - h["beta1"], h["beta2"], 1 - h["beta2"], h["eps"], rectified, plain, h["lr"] / (1 - h["beta1"] ** t)


def _radam(w: Tensor, g: Tensor, state: State, c: Columns, has: Flags) -> None:
    m, v = _moments(g, state, c)
    eps, rectified, plain, size = c[3:]
    w.sub_(m * size * (rectified / v.sqrt().add_(eps) + plain))


def _rmsprop_numbers(h: Numbers, t: int) -> Sequence[np.ndarray]:
    return h["alpha"], 1 - h["alpha"], h["eps"], h["momentum"], h["lr"]


def _rmsprop(w: Tensor, g: Tensor, state: State, c: Columns, has: Flags) -> None:
    kept, new, eps, momentum, lr = c
    v = state["square_avg"].mul_(kept).add_(g * g * new)
    if has["centered"]:
        v = v - state["grad_avg"].lerp_(g, new).square()
    step = g / v.sqrt().add_(eps)
    if has["momentum"]:
        step = state["momentum_buffer"].mul_(momentum).add_(step)
    w.sub_(step * lr)


def _adagrad_numbers(h: Numbers, t: int) -> Sequence[np.ndarray]:
    # torch's sum begins at initial_accumulator_value; here it begins at 0 and that is added when the root is drawn
    return h["initial_accumulator_value"], h["eps"], h["lr"] / (1 + (t - 1) * h["lr_decay"])


def _adagrad(w: Tensor, g: Tensor, state: State, c: Columns, has: Flags) -> None:
    begun, eps, size = c
    w.sub_(g / (state["sum"].add_(g * g) + begun).sqrt_().add_(eps) * size)


def _adadelta_numbers(h: Numbers, t: int) -> Sequence[np.ndarray]:
    return h["rho"], 1 - h["rho"], h["eps"], h["lr"]


def _adadelta(w: Tensor, g: Tensor, state: State, c: Columns, has: Flags) -> None:
    kept, new, eps, lr = c
    v, moved = state["square_avg"].mul_(kept).add_(g * g * new), state["acc_delta"]
    delta = (moved + eps).sqrt_().div_((v + eps).sqrt_()).mul_(g)
    moved.mul_(kept).add_(delta * delta * new)
    w.sub_(delta * lr)


def _ftrl_begin(w: Tensor, state: State, h: Numbers, has: Flags) -> None:
    if has["keep_start"]:
        root = h["initial_accumulator_value"] ** -h["learning_rate_power"]
        state["linear"].sub_(w * columns([(root + h["beta"]) / h["lr"]], w)[0])


def _ftrl_numbers(h: Numbers, t: int) -> Sequence[np.ndarray]:
    price = 2 * h["l2"] + h["beta"] / h["lr"]
    return h["initial_accumulator_value"], -h["learning_rate_power"], h["lr"], h["l1"], 2 * h["l2_shrinkage"], price


def _ftrl(w: Tensor, g: Tensor, state: State, c: Columns, has: Flags) -> None:
    begun, power, lr, l1, shrinkage, price = c
    n, z = state["accumulator"], state["linear"]  # n without the value that it begins at
    before, after = (n + begun) ** power, (n.add_(g * g) + begun) ** power
    z.add_(g + shrinkage * w - (after - before) / lr * w)
    w.copy_((torch.minimum(torch.maximum(z, -l1), l1) - z) / (after / lr + price))


def _moments(g: Tensor, state: State, c: Columns) -> tuple[Tensor, Tensor]:
    """m and v after this gradient; the columns are (1−β₁, β₂, 1−β₂, …)."""
    return state["exp_avg"].lerp_(g, c[0]), state["exp_avg_sq"].mul_(c[1]).add_(g * g * c[2])


MOMENTS = ("exp_avg", "exp_avg_sq")
RULES: dict[type[Optimizer], Rule] = {
    torch.optim.SGD: Rule(_sgd_numbers, _sgd, lambda has: ("momentum_buffer",) * has["momentum"]),
    torch.optim.Adam: Rule(_adam_numbers, _adam, lambda has: (*MOMENTS, *("max_exp_avg_sq",) * has["amsgrad"])),
    torch.optim.Adamax: Rule(_adamax_numbers, _adamax, lambda has: ("exp_avg", "exp_inf")),
    torch.optim.NAdam: Rule(_nadam_numbers, _nadam, lambda has: MOMENTS),
    torch.optim.RAdam: Rule(_radam_numbers, _radam, lambda has: MOMENTS),
    torch.optim.RMSprop: Rule(
        _rmsprop_numbers,
        _rmsprop,
        lambda has: ("square_avg", *("grad_avg",) * has["centered"], *("momentum_buffer",) * has["momentum"]),
    ),
    torch.optim.Adagrad: Rule(_adagrad_numbers, _adagrad, lambda has: ("sum",)),
    torch.optim.Adadelta: Rule(_adadelta_numbers, _adadelta, lambda has: ("square_avg", "acc_delta")),
    keras.Ftrl: Rule(_ftrl_numbers, _ftrl, lambda has: ("accumulator", "linear"), _ftrl_begin),
}
RULES[torch.optim.AdamW] = RULES[torch.optim.Adam]
