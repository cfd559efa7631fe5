"""One look of the probes: what is measured of a model, its optimiser and a batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from passo import seeding
from passo.recording.layers import first_tensor, layers_of
from passo.recording.preconditioning import limit
from passo.recording.ranks import effective_rank, rows_of
from passo.recording.resting import Resting, resting
from passo.recording.spectrum import MOST, Largest, largest

LOOK = (
    *("batch", "part", "loss", "sharpness", "residual", "products"),
    *("preconditioned", "preconditioned_residual", "preconditioned_products", "limit"),
)
"""What a look has of the whole model: examples in the batch and in each part of it; the batch's loss; λ_max of the
Hessian H, ‖Hv − λv‖ / |λ|, and how many products Hv it took; the same of P^(−1/2) H P^(−1/2), with P what the optimiser
divides gradients by; and the largest such curvature that the optimiser bears (`preconditioning`)."""

MEMORY = 2**30  # bytes that Lanczos's vectors may take, but for six of them
_NONE = Largest(math.nan, math.nan, 0)
_FAILS = (RuntimeError, ValueError, TypeError, IndexError)


@dataclass(frozen=True)
class Look:
    """After one step: `values` (LOOK,), `gradients` (P, 2), `drift` (P,), and of L `layers` the `ranks` (L, 2).

    gradients: of each parameter tensor the trace of an example's gradient covariance, and ‖G‖², both without bias.
    drift: ‖θ − θ₀‖. ranks: effective rank of a layer's output, and the most that it could be.
    """

    step: int
    values: np.ndarray
    gradients: np.ndarray
    drift: np.ndarray
    layers: tuple[str, ...]
    ranks: np.ndarray

    def plain(self) -> dict[str, Any]:
        return {**asdict(self), "layers": list(self.layers)}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Look:
        return cls(**{**plain, "layers": tuple(plain["layers"])})


def measure(
    step: int,
    model: nn.Module,
    loss_fn: nn.Module,
    optimizer: torch.optim.Optimizer,
    weights: Sequence[tuple[str, nn.Parameter]],
    start: Sequence[Tensor],
    x: tuple[Any, ...],
    y: Any,
    penalty: Callable[[], Tensor] | None,
    parts: int,
    say: Callable[[str], None],
) -> Look:
    """Everything, without a trace. What this model or batch does not allow is NaN, and `say` is told why."""
    layers = layers_of(model)
    names = tuple(layer.name for layer in layers)
    values = dict.fromkeys(LOOK, math.nan)
    values["batch"] = float(len(y)) if isinstance(y, Tensor) and y.ndim else math.nan
    ranks = np.full((len(layers), 2), math.nan)
    gradients = np.full((len(weights), 2), math.nan)

    def told(what: str, error: Exception) -> None:
        say(f"{what} could not be measured: {str(error).splitlines()[0] if str(error) else type(error).__name__}")

    with resting(model, loss_fn, weights, penalty) as again:
        try:
            with _Outputs(layers) as seen:
                loss = again.loss(x, y)
            values["loss"] = float(loss.detach())
            for number, rows in seen.items():
                ranks[number] = effective_rank(rows), min(rows.shape)
        except _FAILS as error:
            told("the loss at a step", error)
            loss = None
        if loss is not None:
            try:
                values |= _curvature(again, loss, optimizer, [p for _, p in weights], step)
            except _FAILS as error:
                told("the curvature", error)
            del loss
        try:
            pieces = split(x, y, parts, step)
            if pieces:
                values["part"] = float(len(pieces[0][1]))
                gradients = noise([again.gradient(*piece) for piece in pieces], len(pieces[0][1]))
        except _FAILS as error:
            told("the gradient noise", error)
    with torch.no_grad():
        drift = [
            float(torch.linalg.vector_norm((p.detach().cpu() - s).double()))
            for (_, p), s in zip(weights, start, strict=True)
        ]
    return Look(step, np.array([values[name] for name in LOOK]), gradients, np.array(drift), names, ranks)


def _curvature(
    again: Resting, loss: Tensor, optimizer: torch.optim.Optimizer, parameters: Sequence[nn.Parameter], step: int
) -> dict[str, float]:
    product, gradients = again.products(loss)
    sizes = [p.numel() for p in parameters]
    like = parameters[0]
    random = torch.randn(sum(sizes), generator=seeding.generator(step, "probe"), dtype=torch.float64)
    start = random.to(like.device, like.dtype)

    def times(v: Tensor, scale: Tensor | None) -> Tensor:
        v = v if scale is None else v * scale
        pieces = [one.view_as(p) for one, p in zip(v.split(sizes), parameters, strict=True)]
        found = torch.cat([one.reshape(-1) for one in product(pieces)])
        return found if scale is None else found * scale

    most = min(MOST, max(6, MEMORY // start.nbytes))
    plain = largest(lambda v: times(v, None), start, most=most)
    bears = limit(optimizer, parameters, gradients)
    other = _NONE
    if bears is not None and bears.divisors is None:
        other = plain._replace(products=0)
    elif bears is not None and bears.divisors is not None:
        root = torch.cat([one.detach().reshape(-1) for one in bears.divisors]).rsqrt()
        other = largest(lambda v: times(v, root), start, most=most) if torch.isfinite(root).all() else _NONE
    return {
        "sharpness": plain.value,
        "residual": plain.residual,
        "products": float(plain.products),
        "preconditioned": other.value,
        "preconditioned_residual": other.residual,
        "preconditioned_products": float(other.products),
        "limit": math.nan if bears is None else bears.most,
    }


def split(x: tuple[Any, ...], y: Any, parts: int, step: int) -> list[tuple[tuple[Any, ...], Tensor]]:
    """At most so many parts of one size, of two examples or more where there are four; [] of a single example.

    Examples are drawn into parts by chance: data that lie in some order have parts that are alike all the same.
    """
    if not isinstance(y, Tensor) or not y.ndim or len(y) < 2:
        return []
    count = len(y)
    pieces = min(parts, count // 2 if count >= 4 else count)
    size = count // pieces
    order = torch.randperm(count, generator=seeding.generator(step, "parts")).to(y.device)
    whole = [isinstance(one, Tensor) and one.ndim > 0 and len(one) == count for one in x]
    return [
        (tuple(one[own] if all_ else one for one, all_ in zip(x, whole, strict=True)), y[own])
        for own in order[: pieces * size].split(size)
    ]


def noise(gradients: Sequence[Sequence[Tensor]], size: int) -> np.ndarray:
    """tr Σ and |G|² of each weight, (P, 2), from the gradients of k parts of `size` examples each.

    With Gᵢ a part's mean gradient and Ḡ their mean, E|Gᵢ − G|² = tr Σ / size (McCandlish et al. 2018, appendix A.1):

        tr Σ = size · Σ|Gᵢ − Ḡ|² / (k − 1),    |G|² = |Ḡ|² − tr Σ / (k · size)

    Both are without bias, and so the second may come out below 0.
    """
    found = []
    for own in zip(*gradients, strict=True):
        stack = torch.stack([one.detach().reshape(-1) for one in own]).double()
        mean = stack.mean(0)
        trace = size * float((stack - mean).square().sum()) / (len(stack) - 1)
        found.append((trace, float(mean.square().sum()) - trace / (len(stack) * size)))
    return np.array(found).reshape(-1, 2)


class _Outputs:
    """The outputs of layers while a block runs, by number, as matrices."""

    def __init__(self, layers: Sequence[Any]) -> None:
        self._layers, self._handles = layers, []
        self._channels: bool | None = None

    def __enter__(self) -> dict[int, Tensor]:
        seen: dict[int, Tensor] = {}

        def look(number: int, channels: bool | None) -> Callable[..., None]:
            def hook(_module: Any, _given: Any, output: Any) -> None:
                if channels is not None:
                    self._channels = channels
                x = first_tensor(output)
                if x is None or not x.numel():
                    return
                rows = rows_of(x, self._channels)
                before = seen.get(number)
                same = before is not None and before.shape[1] == rows.shape[1]
                seen[number] = torch.cat([before, rows]) if same and before is not None else rows

            return hook

        for number, layer in enumerate(self._layers):
            self._handles.append(layer.module.register_forward_hook(look(number, layer.channels)))
        return seen

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
