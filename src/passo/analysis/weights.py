"""What became of the weights: how large those of a finished run are, layer by layer, and how many are nearly zero.

A layer's weights are those of a matrix or a convolution, as the run stored them at its end; biases, the parameters of
normalising layers and buffers are left out (in runs that did not mark them: arrays with fewer than two axes).

*Nearly zero* is |w| ≤ 1 % of the largest |w| of the same layer. A share of the layer's own scale tells a layer whose
weights are all small (L2) from one where most are small beside a few (L1); an absolute threshold would count both, and
count differently after a mere change of scale. Exactly 0 is counted too, and is rare: under a gradient-based optimiser
a weight that L1 has drawn to 0 hovers around it (`training.penalty`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from passo.analysis.compare import Comparison, compare
from passo.analysis.curves import runs_of
from passo.analysis.intervals import Interval, interval
from passo.analysis.recorded import Recorded
from passo.analysis.tables import Table
from passo.analysis.words import amount, ranged, seeds, significant, spoken
from passo.errors import StoreError
from passo.language import later, numeral, t
from passo.registry import unknown
from passo.store import StoredStudy

NEAR = 0.01
"""The share of a layer's largest |w| up to which a weight counts as nearly zero."""
_EXPLAINED = later("Nearly 0: at most {share:g} % of the largest |w| of the same layer.")
TESTS = ("test/accuracy", "test/loss")
PERCENT = "accuracy"  # numbers are told in percent where the metric is called so
ALL = later("all layers")
_PLACE = "weights/"


def explained() -> str:
    """What "nearly 0" means."""
    return t(_EXPLAINED, share=100 * NEAR)


@dataclass(frozen=True)
class Weights:
    """The weights of one layer, or of several together: `values` (n,), and which of them are nearly zero, `near` (n,).

    Of several layers together each weight is held to its own layer's largest.
    """

    name: str
    values: np.ndarray
    near: np.ndarray

    @property
    def size(self) -> int:
        return len(self.values)

    @cached_property
    def magnitude(self) -> np.ndarray:
        """|w|: (n,)."""
        return np.abs(self.values)

    @property
    def largest(self) -> float:
        """max |w|."""
        return float(self.magnitude.max())

    @property
    def rms(self) -> float:
        """√(Σw² / n)"""
        return float(np.sqrt(np.square(self.values).mean()))

    @property
    def l1(self) -> float:
        """Σ|w|: what λ₁ multiplies."""
        return float(self.magnitude.sum())

    @property
    def l2(self) -> float:
        """Σ w²: what λ₂ multiplies."""
        return float(np.square(self.values).sum())

    @property
    def near_zero(self) -> float:
        """The share of weights that are nearly zero."""
        return float(self.near.mean())

    @property
    def zero(self) -> float:
        """The share of weights that are exactly 0."""
        return float((self.values == 0).mean())

    def shares(self, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The share of all weights with log₁₀|w| in each bin, of those nearly zero and of the others: (bins,) each.

        What lies beyond the outer edges, 0 too, counts in the outer bins.
        """
        exponents = np.log10(np.maximum(self.magnitude, 10.0 ** edges[0])).clip(edges[0], edges[-1])
        near, far = (np.histogram(exponents[which], edges)[0] / self.size for which in (self.near, ~self.near))
        return near, far


def layer(name: str, values: np.ndarray, near: float = NEAR) -> Weights:
    """One layer's weights, of any shape; nearly zero are those of at most `near` times the largest.

    >>> found = layer("fc.weight", np.array([[2.0, -0.02], [0.021, 0.0]]))
    >>> found.near_zero, found.zero, found.l1
    (0.5, 0.25, 2.041)
    """
    flat = np.asarray(values, np.float64).ravel()
    return Weights(name, flat, np.abs(flat) <= near * np.abs(flat).max())


def together(layers: Sequence[Weights], name: str = ALL) -> Weights:
    """The weights of several layers as one, each weight held to its own layer's largest."""
    return Weights(
        t(name), np.concatenate([one.values for one in layers]), np.concatenate([one.near for one in layers])
    )


def weights(run: Recorded, near: float = NEAR) -> tuple[Weights, ...]:
    """The layers of a finished run, in the model's own order.

    Raises `StoreError` where the run kept no weights, or has none with two axes or more.
    """
    kept = [name for name in run.arrays() if name.startswith(_PLACE)]
    if not kept:
        raise StoreError(f"run {run.id} kept no weights: a training of passo writes them at its end, so train it to it")
    metas = {name: run.meta(name) for name in kept}
    names = [name for name in kept if metas[name].get("kernel", len(metas[name]["shape"]) >= 2)]
    if not names:
        raise StoreError(f"run {run.id} has neither a matrix nor a convolution among its weights")
    order = sorted(names, key=lambda name: metas[name].get("place", 0))
    return tuple(layer(name.removeprefix(_PLACE), run.array(name), near) for name in order)


def percent(share: float) -> str:
    """A share that may be very small.

    >>> percent(0.0), percent(3e-5), percent(0.25)
    ('none', '0.003 %', '25 %')
    """
    return f"{significant(100 * share, 2)} %" if share else t("none")


def layer_table(layers: Sequence[Weights]) -> Table:
    """One row for each layer, and one for all together."""
    rows = [*layers, together(layers)] if len(layers) > 1 else list(layers)
    counts = t("layer"), t("weights"), "rms", t("largest"), "Σ|w|", "Σw²"
    cells = tuple(
        (
            one.name,
            numeral(f"{one.size:,}"),
            *(significant(value) for value in (one.rms, one.largest, one.l1, one.l2)),
            amount(one.near_zero, PERCENT),
            percent(one.zero),
        )
        for one in rows
    )
    return Table((*counts, t("nearly 0"), t("exactly 0")), cells, explained())


# ── A study ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Configured:
    """The weights of one configuration: `runs` has each seed's, of all layers together or of one.

    rms, l1, near_zero, zero: mean and 95 % interval over seeds of what `Weights` calls so.
    """

    name: str
    runs: tuple[Weights, ...]
    rms: Interval
    l1: Interval
    near_zero: Interval
    zero: Interval

    def shares(self, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `Weights.shares`, the mean over seeds."""
        near, far = zip(*(one.shares(edges) for one in self.runs), strict=True)
        return np.mean(near, 0), np.mean(far, 0)


def configured(study: StoredStudy, name: str, layer: str | None = None, near: float = NEAR) -> Configured:
    """A configuration's weights over its seeds: of all layers together, or of one layer."""
    found = tuple(_chosen(run, layer, near) for run in runs_of(study, name))
    over_seeds = (interval([getattr(one, what) for one in found]) for what in ("rms", "l1", "near_zero", "zero"))
    return Configured(name, found, *over_seeds)


def _chosen(run: Recorded, name: str | None, near: float) -> Weights:
    layers = weights(run, near)
    if name is None:
        return together(layers)
    for one in layers:
        if one.name == name:
            return one
    raise unknown(f"layer of {run.id}", name, [one.name for one in layers])


def outcomes(study: StoredStudy, names: Sequence[str]) -> tuple[Comparison, ...]:
    """The test's accuracy and loss, each where every run of these configurations stored it."""
    runs = [run for name in names for run in runs_of(study, name)]
    there = [metric for metric in TESTS if all(run.has(metric) for run in runs)]
    return tuple(compare(study, metric, names) for metric in there)


def study_table(study: StoredStudy, found: Sequence[Configured]) -> Table:
    """One row for each configuration: how the test went, and what became of the weights."""
    tests = outcomes(study, [one.name for one in found])
    shares = t("nearly 0"), t("exactly 0")
    columns = (t("configuration"), *(spoken(test.metric) for test in tests), *shares, "rms", "Σ|w|")
    rows = tuple(
        (
            one.name,
            *(ranged(test.estimate(one.name), test.metric) for test in tests),
            ranged(one.near_zero, PERCENT),
            percent(one.zero.mean),
            ranged(one.rms),
            ranged(one.l1),
        )
        for one in found
    )
    over = seeds(min(len(one.runs) for one in found))
    return Table(columns, rows, f"{over[0].upper()}{over[1:]}. {explained()}")
