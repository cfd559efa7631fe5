"""A little training watched by hand: numpy and plain equations, every whole tensor of every step kept. The oracle.

Two layers with a ReLU between them learn y = x₀ − 2x₁ on 16 points in float64; `spare.weight` gets a gradient at every
other step only. What is written follows docs/store.md, "What the microscope writes".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from passo.store import Store, StoredRun, open_study

SHAPES = {"fc1.weight": (5, 3), "fc1.bias": (5,), "fc2.weight": (1, 5), "fc2.bias": (1,), "spare.weight": (2,)}
COORDINATES = [["fc1.weight", [1, 2]], ["fc1.weight", [3, 0]], ["fc2.weight", [0, 4]], ["spare.weight", [1]]]
ADAM = ("decayed", "exp_avg", "exp_avg_sq", "exp_avg_hat", "exp_avg_sq_hat", "adapted")
STAGES = {"Adam": ADAM, "AdamW": ADAM, "SGD": ("decayed", "momentum_buffer", "adapted"), "Unheard": ()}
DEFAULTS: dict[str, dict[str, Any]] = {
    "Adam": {"lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False, "maximize": False},
    "AdamW": {"lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.1, "amsgrad": False, "maximize": False},
    "SGD": {"lr": 0.02, "momentum": 0.9, "dampening": 0, "nesterov": False, "weight_decay": 0.0, "maximize": False},
    "Unheard": {"lr": 0.02},
}
Tensors = dict[str, np.ndarray]


@dataclass
class Held:
    """What `recording.held.HeldRun` is, without torch."""

    id: str
    held: Mapping[str, tuple[np.ndarray, Mapping[str, Any]]]
    info: Mapping[str, Any]
    happened: list[tuple[str, int | None, str, dict[str, Any]]]

    def arrays(self) -> list[str]:
        return sorted(self.held)

    def array(self, name: str) -> np.ndarray:
        return self.held[name][0]

    def meta(self, name: str) -> dict[str, Any]:
        return dict(self.held[name][1]) if name in self.held else {}

    def events(self) -> list[tuple[str, int | None, str, dict[str, Any]]]:
        return self.happened


@dataclass
class Little:
    """A finished little training: `whole[step][parameter][stage]` is a tensor; `losses[step]` before and after."""

    optimizer: str
    hyper: dict[str, Any]
    whole: dict[int, dict[str, Tensors]] = field(default_factory=dict)
    losses: dict[int, tuple[float, float]] = field(default_factory=dict)
    hidden: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)  # outputs of fc1, their gradients

    def run(self, *, every: int = 1, without: tuple[str, ...] = (), events: list[Any] | None = None) -> Held:
        """As a lens in memory; `without` leaves arrays, stages and facts out, as old recordings do."""
        return Held("little", self.arrays(every, without), {} if "watch" in without else self.info(), events or [])

    def stored(self, folder: Path, **options: Any) -> StoredRun:
        """As a study folder."""
        run = self.run(**options)
        with Store.create(folder, name="little", config={}) as store:
            writer = store.add_run("little", config={})
            for name, (values, meta) in run.held.items():
                writer.array(name, values, **meta)
            for kind, step, message, data in run.happened:
                writer.event(kind, message, step, **data)
            writer.info(**run.info)
            writer.finish()
        return open_study(folder).run("little")

    @property
    def stages(self) -> tuple[str, ...]:
        last = ("update",) if self.optimizer == "Unheard" else ("update", "residual")
        return ("theta", "grad_raw", "grad", *STAGES[self.optimizer], *last)

    def info(self) -> dict[str, Any]:
        explained = self.optimizer != "Unheard"
        facts = {"optimizer": self.optimizer, "explained": explained, "hyper": [self.hyper]}
        return {"watch": {**facts, **({"bound": 8.0, "roundings": self.roundings()} if explained else {})}}

    def roundings(self) -> dict[str, float]:
        worst = dict.fromkeys(SHAPES, 0.0)
        for parameters in self.whole.values():
            for name, at in parameters.items():
                if "residual" not in at:
                    continue
                size = np.maximum.reduce([abs(at["theta"]), abs(at["theta"] + at["update"]), abs(at["update"])])
                worst[name] = max(worst[name], float((abs(at["residual"]) / size / 2**-52).max()))
        return worst

    def arrays(self, every: int, without: tuple[str, ...]) -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
        steps = [step for step in self.whole if step % every == 0]
        told = [stage for stage in self.stages if stage not in without]
        empty = {name: {stage: np.full(shape, np.nan) for stage in told} for name, shape in SHAPES.items()}
        rows = [{name: self.whole[step].get(name, empty[name]) for name in SHAPES} for step in steps]
        statistics = [
            [[[at[n][s].mean(), math.sqrt((at[n][s] ** 2).mean())] for n in SHAPES] for s in told] for at in rows
        ]
        relations = [[_relations(at[n]["grad"], at[n]["update"]) for n in SHAPES] for at in rows]
        trace = [[[at[n][s][tuple(i)] for n, i in COORDINATES] for s in told] for at in rows]
        hidden = [[_activations(*self.hidden[step])] for step in steps]
        meta = {"stages": told, "every": every}
        sizes = {} if "sizes" in without else {"sizes": [math.prod(shape) for shape in SHAPES.values()]}
        parameters = {"parameters": list(SHAPES), "groups": [0] * len(SHAPES), **sizes}
        found: dict[str, tuple[Any, dict[str, Any]]] = {
            "statistics": (statistics, {**meta, **parameters, "quantities": ["mean", "rms"]}),
            "relations": (relations, {"parameters": list(SHAPES), "quantities": ["predicted", "uphill"]}),
            "trace": (trace, {**meta, "coordinates": COORDINATES}),
            "trace/steps": (steps, {}),
            "trace/lr": ([self.hyper["lr"]] * len(steps), {}),
            "trace/lrs": ([[self.hyper["lr"]]] * len(steps), {}),
            "loss": ([self.losses[step] for step in steps], {}),
            "activations/steps": (steps, {}),
            "activations": (
                hidden,
                {"layers": ["fc1"], "kinds": ["ReLU"], "quantities": ["mean", "std", "dead", "grad_rms"]},
            ),
        }
        return {name: (np.array(values), m) for name, (values, m) in found.items() if name not in without}


def _relations(grad: np.ndarray, update: np.ndarray) -> list[float]:
    if np.isnan(grad).any():
        return [math.nan, math.nan]
    pairs = list(zip(grad.ravel().tolist(), update.ravel().tolist(), strict=True))
    return [sum(g * u for g, u in pairs), sum(g * u > 0 for g, u in pairs) / len(pairs)]


def _activations(hidden: np.ndarray, grad: np.ndarray) -> list[float]:
    dead = np.mean([(hidden[:, unit] <= 0).all() for unit in range(hidden.shape[1])])
    return [float(hidden.mean()), float(hidden.std()), float(dead), math.sqrt((grad**2).mean())]


def train(optimizer: str = "Adam", steps: int = 40, clip: float | None = None, seed: int = 0, **hyper: Any) -> Little:
    """Train it; `clip` is the largest norm of all gradients together."""
    little = Little(optimizer, {**DEFAULTS[optimizer], **hyper})
    random = np.random.default_rng(seed)
    theta = {name: 0.5 * random.standard_normal(shape) for name, shape in SHAPES.items()}
    states: dict[str, Tensors] = {}
    counts = dict.fromkeys(SHAPES, 0)
    for step in range(1, steps + 1):
        x = random.standard_normal((16, 3))
        y = x[:, 0] - 2 * x[:, 1]
        spare = step % 2 == 0
        before, raw, hidden, above = _gradients(theta, x, y, spare)
        total = math.sqrt(sum(float((g**2).sum()) for g in raw.values()))
        factor = min(1.0, clip / total) if clip else 1.0
        little.whole[step] = {}
        for name, g in raw.items():
            counts[name] += 1
            at = {"theta": theta[name].copy(), "grad_raw": g, "grad": g * factor}
            states[name], explained = _step(
                optimizer, little.hyper, at, states.get(name, {}), counts[name], theta[name]
            )
            after = theta[name] + explained
            at["update"] = after - theta[name]
            if optimizer != "Unheard":
                at["residual"] = at["update"] - explained
            theta[name] = after
            little.whole[step][name] = at
        little.losses[step] = before, _gradients(theta, x, y, spare)[0]
        little.hidden[step] = hidden, above
    return little


def _gradients(theta: Tensors, x: np.ndarray, y: np.ndarray, spare: bool) -> tuple[float, Tensors, Any, Any]:
    z = x @ theta["fc1.weight"].T + theta["fc1.bias"]
    h = np.maximum(z, 0)
    error = (h @ theta["fc2.weight"].T)[:, 0] + theta["fc2.bias"][0] - y
    loss = float((error**2).mean()) + (0.01 * float((theta["spare.weight"] ** 2).sum()) if spare else 0.0)
    slope = (2 / len(x)) * error[:, None]
    above = slope @ theta["fc2.weight"]
    under = above * (z > 0)
    found = {
        "fc1.weight": under.T @ x,
        "fc1.bias": under.sum(0),
        "fc2.weight": slope.T @ h,
        "fc2.bias": slope.sum(0),
    }
    if spare:
        found["spare.weight"] = 0.02 * theta["spare.weight"]
    return loss, found, h, above


def _step(
    optimizer: str, hyper: dict[str, Any], at: Tensors, state: Tensors, t: int, theta: np.ndarray
) -> tuple[Tensors, np.ndarray]:
    """The paper's equations; fills the stages and returns the new state and the explained update."""
    g = at["grad"]
    if optimizer == "Unheard":
        return {}, -hyper["lr"] * np.sign(g)
    decoupled = optimizer == "AdamW"
    d = at["decayed"] = g if decoupled else g + hyper["weight_decay"] * theta
    if optimizer == "SGD":
        b = at["momentum_buffer"] = hyper["momentum"] * state["b"] + (1 - hyper["dampening"]) * d if state else d
        at["adapted"] = d + hyper["momentum"] * b if hyper["nesterov"] else b
        return {"b": b}, -hyper["lr"] * at["adapted"]
    b1, b2 = hyper["betas"]
    m = at["exp_avg"] = b1 * state.get("m", 0 * d) + (1 - b1) * d
    v = at["exp_avg_sq"] = b2 * state.get("v", 0 * d) + (1 - b2) * d * d
    at["exp_avg_hat"], at["exp_avg_sq_hat"] = m / (1 - b1**t), v / (1 - b2**t)
    at["adapted"] = at["exp_avg_hat"] / (np.sqrt(at["exp_avg_sq_hat"]) + hyper["eps"])
    decay = hyper["lr"] * hyper["weight_decay"] * theta if decoupled else 0.0
    return {"m": m, "v": v}, -hyper["lr"] * at["adapted"] - decay
