"""Muon for the matrices of a model and AdamW for the rest, as one ordinary torch optimizer.

Muon makes a whole matrix's step orthogonal, so that it has nothing to say about biases, norms and convolutions: whoever
uses it trains those with AdamW. `MuonAdamW` is that usual split. It calls torch's own functions, so that a step
ends bit for bit like one of `torch.optim.Muon` on the matrices and one of `torch.optim.AdamW` on everything else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.adamw import adamw

from passo.optim.ranges import LEAST_0, OF_OPTIMIZERS, check_ranges

MUON, ADAMW = "muon", "adamw"


class MuonAdamW(Optimizer):
    """Muon on every parameter with two axes, AdamW on every other; each group's `algorithm` says which.

    Each group that is given becomes up to two: its matrices, and what is left. Embeddings and a classifier's last layer
    are matrices too, and many train them with AdamW: give those in a group with `algorithm="adamw"`. Convolutions have
    four axes, and torch's Muon takes two: they go to AdamW.

    Args:
        params: parameters, pairs of name and parameter, or groups of them.
        lr: of both; a group of AdamW's takes `adamw_lr` instead, where that is given.
        weight_decay: of both, decoupled: θ ← θ − lr·λ·θ.
        momentum, nesterov, ns_coefficients, ns_steps, ns_eps, adjust_lr_fn: Muon's; `ns_eps` is its `eps`. The default
            "match_rms_adamw" scales Muon's step to the usual size of AdamW's, so that one learning rate suits both.
        betas, eps: AdamW's.

    Raises ValueError for values that torch's Muon or AdamW would refuse.

    >>> layer = torch.nn.Linear(3, 2)
    >>> [(group["algorithm"], len(group["params"])) for group in MuonAdamW(layer.parameters()).param_groups]
    [('muon', 1), ('adamw', 1)]

    Sources: torch 2.13 `torch/optim/_muon.py` and `adamw.py`; Jordan et al. 2024, Muon; Liu et al. 2025,
    arXiv 2502.16982, section 2.2 (one learning rate and one decay for both).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        *,
        adamw_lr: float | None = None,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        ns_steps: int = 5,
        ns_eps: float = 1e-7,
        adjust_lr_fn: Literal["original", "match_rms_adamw"] | None = "match_rms_adamw",
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "adamw_lr": adamw_lr,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "ns_steps": ns_steps,
            "ns_eps": ns_eps,
            "adjust_lr_fn": adjust_lr_fn,
            "betas": betas,
            "eps": eps,
        }
        _check(defaults)
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group as its matrices (for Muon) and the rest (for AdamW), or whole where it names its `algorithm`."""
        if "algorithm" in param_group:
            parts = {param_group["algorithm"]: _entries(param_group)}
        else:
            parts = {MUON: [], ADAMW: []}
            for entry in _entries(param_group):
                parts[MUON if _tensor(entry).ndim == 2 else ADAMW].append(entry)
        for algorithm, entries in parts.items():
            if entries:
                self._add(param_group, algorithm, entries)

    def _add(self, given: dict[str, Any], algorithm: str, entries: list[Any]) -> None:
        if algorithm not in (MUON, ADAMW):
            raise ValueError(f"algorithm must be {MUON!r} or {ADAMW!r}, got {algorithm!r}")
        group = {key: value for key, value in given.items() if key != "param_names"}
        group |= {"params": entries, "algorithm": algorithm}
        rate = given.get("adamw_lr", self.defaults["adamw_lr"])
        if algorithm == ADAMW and rate is not None:
            group["lr"] = rate
        for entry in entries:
            if algorithm == MUON and _tensor(entry).ndim != 2:
                raise ValueError(f"Muon takes matrices only, got a parameter of shape {tuple(_tensor(entry).shape)}")
        _check({**self.defaults, **group})
        super().add_param_group(group)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """One step of both; `closure`, if there is one, computes the loss and its gradients first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            if any(parameter.grad.is_sparse for parameter in moved):
                raise RuntimeError("MuonAdamW does not support sparse gradients, please consider SparseAdam for them")
            if moved:
                (self._muon if group["algorithm"] == MUON else self._adamw)(group, moved)
        return loss

    def _muon(self, group: dict[str, Any], moved: list[Tensor]) -> None:
        from torch.optim._muon import muon  # torch 2.9 and newer; the catalogue offers this class only there

        for parameter in moved:
            if not self.state[parameter]:
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        muon(
            moved,
            [parameter.grad for parameter in moved],  # type: ignore[misc]
            [self.state[parameter]["momentum_buffer"] for parameter in moved],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            nesterov=group["nesterov"],
            ns_coefficients=group["ns_coefficients"],
            ns_steps=group["ns_steps"],
            eps=group["ns_eps"],
            adjust_lr_fn=group["adjust_lr_fn"],
            has_complex=False,
        )

    def _adamw(self, group: dict[str, Any], moved: list[Tensor]) -> None:
        for parameter in moved:
            if not self.state[parameter]:
                self.state[parameter]["step"] = torch.tensor(0.0)
                self.state[parameter]["exp_avg"] = torch.zeros_like(parameter)
                self.state[parameter]["exp_avg_sq"] = torch.zeros_like(parameter)
        states = [self.state[parameter] for parameter in moved]
        adamw(
            moved,
            [parameter.grad for parameter in moved],  # type: ignore[misc]
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


def _entries(group: dict[str, Any]) -> list[Any]:
    """The parameters of a group, as tensors or as pairs of name and tensor, in their order."""
    params = group["params"]
    if isinstance(params, set):
        raise TypeError("params must have an order, got a set: use a list")
    params = [params] if isinstance(params, Tensor) else list(params)
    return list(zip(group["param_names"], params, strict=True)) if "param_names" in group else params


def _tensor(entry: Any) -> Tensor:
    tensor = entry[1] if isinstance(entry, tuple) else entry
    if not isinstance(tensor, Tensor):
        raise TypeError(f"params must be tensors, got {type(tensor).__name__}")
    return tensor


def _check(options: dict[str, Any]) -> None:
    """Refuse what torch's own two classes refuse, here and not in the middle of a training."""
    check_ranges("", options, {"lr": LEAST_0, **OF_OPTIMIZERS})
    if options["adjust_lr_fn"] not in (None, "original", "match_rms_adamw"):
        raise ValueError(f"adjust_lr_fn must be 'original' or 'match_rms_adamw', got {options['adjust_lr_fn']!r}")
