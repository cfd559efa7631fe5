"""What happened in each layer: quantities per parameter tensor and step, from the recorded means and norms.

A quantity is a function of `Layers` that gives (T, P): T recorded steps, P parameter tensors. It is NaN where a
parameter had no gradient. `QUANTITIES` holds them by name, each with its equation and source.

    ‖x‖   the Euclidean norm of a tensor = rms(x) · √n, with n its number of weights
    g     the gradient as the optimiser read it, Δθ the measured update, θ the weights before it
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from passo.analysis.recorded import NEWER, Recorded, needed_stage, recorded
from passo.errors import StoreError
from passo.language import later, t
from passo.registry import Registry, unknown


@dataclass(frozen=True)
class Layers:
    """The statistics of a watched run, by stage.

    steps: (T,) optimiser steps, from 1. names: the P parameter tensors. sizes: (P,) weights in each, or None in old
    recordings. lr: (T, P), each parameter's own. mean, rms: stage → (T, P). relations: quantity → (T, P), or empty.
    """

    run: str
    steps: np.ndarray
    names: tuple[str, ...]
    sizes: np.ndarray | None
    lr: np.ndarray
    mean: Mapping[str, np.ndarray]
    rms: Mapping[str, np.ndarray]
    relations: Mapping[str, np.ndarray]

    @property
    def stages(self) -> tuple[str, ...]:
        return tuple(self.rms)

    def row(self, step: int | None = None) -> int:
        """Where a step stands among the recorded ones; the last without one. Raises `StoreError` where it is not."""
        if step is None:
            return len(self.steps) - 1
        found = np.flatnonzero(self.steps == step)
        if not len(found):
            raise StoreError(f"run {self.run} did not record step {step}; {told_steps(self.steps)}")
        return int(found[0])

    def column(self, parameter: str) -> int:
        if parameter not in self.names:
            raise unknown(f"parameter of {self.run}", parameter, self.names)
        return self.names.index(parameter)

    def root(self, stage: str, purpose: str) -> np.ndarray:
        """Root mean square of a stage: (T, P); `purpose` is said where it was not recorded."""
        return self.rms[needed_stage(self.run, stage, self.stages, purpose)]

    def norm(self, stage: str, purpose: str) -> np.ndarray:
        """‖stage‖ of each tensor: (T, P)."""
        if self.sizes is None:
            raise StoreError(f"{purpose} needs the sizes of the tensors, which run {self.run} was recorded without")
        return self.root(stage, purpose) * np.sqrt(self.sizes)

    def relation(self, name: str) -> np.ndarray:
        """`predicted` or `uphill`: (T, P)."""
        if name not in self.relations:
            raise StoreError(f"run {self.run} has no array 'relations': {NEWER}")
        return self.relations[name]


def layers(run: Recorded) -> Layers:
    """The statistics of a watched run; raises `StoreError` where it was not watched, or no step was recorded."""
    values, meta = recorded(run, "statistics")  # (T, S, P, Q)
    steps, _ = recorded(run, "trace/steps")
    if not len(steps):
        raise StoreError(f"run {run.id} was watched, but no step was recorded")
    names, places = tuple(meta["parameters"]), {q: i for i, q in enumerate(meta["quantities"])}
    by_stage = {
        quantity: {s: values[:, i, :, place].astype(np.float64) for i, s in enumerate(meta["stages"])}
        for quantity, place in places.items()
    }
    sizes = np.array(meta["sizes"], np.float64) if "sizes" in meta else None
    lr = rates(run, list(meta.get("groups", [0] * len(names))))
    return Layers(run.id, steps, names, sizes, lr, by_stage["mean"], by_stage["rms"], _relations(run))


def _relations(run: Recorded) -> dict[str, np.ndarray]:
    if "relations" not in run.arrays():
        return {}
    values, names = run.array("relations"), run.meta("relations")["quantities"]  # (T, P, 2)
    return {name: values[:, :, i].astype(np.float64) for i, name in enumerate(names)}


def rates(run: Recorded, groups: list[int]) -> np.ndarray:
    """The learning rate of each of the parameters that stand in these parameter groups: (T, P)."""
    if "trace/lrs" in run.arrays():
        return run.array("trace/lrs")[:, groups].astype(np.float64)
    return np.repeat(recorded(run, "trace/lr")[0].astype(np.float64)[:, None], len(groups), axis=1)


def told_steps(steps: np.ndarray) -> str:
    """Which steps were recorded, in words.

    >>> told_steps(np.array([10, 20, 30]))
    '3 steps were recorded, from 10 to 30'
    """
    if not len(steps):
        return t("no step was")
    first, last = int(steps[0]), int(steps[-1])
    return t("{n:,} steps were recorded, from {first:,} to {last:,}", n=len(steps), first=first, last=last)


# ── Quantities ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Quantity:
    """One quantity per layer and step: how it is called and computed, and how it is best drawn.

    level: a value that is worth a line of its own, with `level_words`; log: on a logarithmic scale. The words are
    translated where they are shown.
    """

    name: str
    title: str
    equation: str
    source: str
    of: Callable[[Layers], np.ndarray]
    log: bool = True
    level: float | None = None
    level_words: str = ""


def gradient(found: Layers) -> np.ndarray:
    """rms(g) of each tensor: (T, P)."""
    return found.root("grad", "the gradient")


def update(found: Layers) -> np.ndarray:
    """rms(Δθ) of each tensor, measured: (T, P)."""
    return found.root("update", "the update")


def effective_lr(found: Layers) -> np.ndarray:
    """‖Δθ‖ / ‖g‖: how far a tensor moved per unit of gradient. SGD's is its learning rate. (T, P)"""
    return ratio(found.root("update", "the effective learning rate"), found.root("grad", "it"))


def update_ratio(found: Layers) -> np.ndarray:
    """rms(Δθ) / rms(θ): the share of itself by which a tensor moves in a step. (T, P)"""
    return ratio(found.root("update", "the update-to-weight ratio"), found.root("theta", "the update-to-weight ratio"))


def signal_to_noise(found: Layers) -> np.ndarray:
    """√(Σm̂² / Σv̂): 1 where gradients agree from step to step, near √((1−β₁)/(1+β₁)) where they are noise. (T, P)

    Σm̂² = n · rms(m̂)² and Σv̂ = n · mean(v̂), so n cancels.
    """
    said = "the signal-to-noise ratio"
    found.root("exp_avg_sq_hat", said)
    return ratio(found.root("exp_avg_hat", said), np.sqrt(np.maximum(found.mean["exp_avg_sq_hat"], 0)))


def cosine(found: Layers) -> np.ndarray:
    """g·Δθ / (‖g‖ ‖Δθ‖): −1 straight down the gradient (SGD), 0 across it, above 0 uphill. (T, P)"""
    said = "the cosine between gradient and update"
    return ratio(found.relation("predicted"), found.norm("grad", said) * found.norm("update", said))


def uphill(found: Layers) -> np.ndarray:
    """The share of a tensor's weights that moved along their gradient, not against it. (T, P)"""
    return np.where(np.isnan(found.relation("predicted")), np.nan, found.relation("uphill"))


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below; NaN where below is 0 or not finite."""
    there = np.isfinite(below) & (below != 0)
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=there)


QUANTITIES: Registry[Quantity] = Registry("quantity")
for _quantity in (
    Quantity("gradient", later("rms of the gradient"), "√(Σg² / n)", "", gradient),
    Quantity("update", later("rms of the update"), "√(ΣΔθ² / n)", "", update),
    Quantity("effective-lr", later("effective learning rate"), "‖Δθ‖ / ‖g‖", "", effective_lr),
    Quantity(
        "update-ratio",
        later("update-to-weight ratio"),
        "rms(Δθ) / rms(θ)",
        later("Karpathy, CS231n notes, “Neural Networks Part 3”, Stanford 2015: about 1e-3 as a rough heuristic"),
        update_ratio,
        level=1e-3,
        level_words=later("0.001, a rule of thumb (CS231n)"),
    ),
    Quantity(
        "signal-to-noise",
        later("signal-to-noise ratio"),
        "√(Σm̂² / Σv̂)",
        later("Kingma & Ba 2015, section 2.1, for one weight"),
        signal_to_noise,
    ),
    Quantity("cosine", later("cosine between gradient and update"), "g·Δθ / (‖g‖ ‖Δθ‖)", "", cosine, log=False),
    Quantity("uphill", later("share of weights that moved uphill"), later("share of g·Δθ > 0"), "", uphill, log=False),
):
    QUANTITIES.add(_quantity.name, _quantity)


def quantity(found: Layers, name: str) -> Quantity:
    """A quantity by its name; a stage's name gives the rms of that stage. Raises `UnknownName`, with all of them."""
    if name in QUANTITIES:
        return QUANTITIES[name]
    if name in found.rms:
        return Quantity(
            name, t("rms of {name}", name=name), f"√(Σ {name}² / n)", "", lambda these: these.root(name, name)
        )
    raise unknown("quantity", name, {*QUANTITIES, *found.stages} - {"grad"})  # which is `gradient` too
