"""What a step did as a whole, all layers together: the change in loss, clipping, gradients lost, activations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from passo.analysis.layers import Layers, layers, ratio
from passo.analysis.recorded import Recorded, recorded, setting, told_run
from passo.analysis.words import joined, significant

_SAME = 1e-5  # relative: norms are sums in float32


def counted(steps: int) -> str:
    """`1 step`, `86 steps`."""
    return f"{steps:,} step{'' if steps == 1 else 's'}"


# ── What the gradient predicted, and what came ────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class LossChange:
    """The change in loss that the gradient predicts, g·Δθ summed over all parameters, beside the one that came.

    steps, predicted: (T,). came: (T,), of the same batch before and after the step; None where it was not recorded.
    Where clipping scaled all layers alike, g is the gradient before it, the loss's own: g·Δθ over the share kept.
    """

    run: str
    steps: np.ndarray
    predicted: np.ndarray
    came: np.ndarray | None
    setting: str = "record.every=1 record.loss=true"
    """What would have recorded the losses."""

    def sentence(self) -> str:
        there = np.isfinite(self.predicted)
        total = f"Over {counted(int(there.sum()))} of {told_run(self.run)} the gradient predicts a change in loss of "
        total += f"{significant(float(self.predicted[there].mean()))} a step"
        if self.came is None:
            return f"{total}; what came is not known: the loss after a step is recorded with {self.setting}."
        came = self.came[np.isfinite(self.came)]
        share = float(np.nanmedian(ratio(self.came, self.predicted)))
        return (
            f"{total}, and {significant(float(came.mean()))} came: {significant(share, 2)} of the prediction at the "
            f"median step; the loss of the step's own batch fell at {(came < 0).sum():,} of {len(came):,} steps."
        )


def loss_change(run: Recorded) -> LossChange:
    """Predicted and measured changes in loss; raises `StoreError` where relations were not recorded."""
    values, meta = recorded(run, "relations")  # (T, P, 2)
    each = values[:, :, meta["quantities"].index("predicted")].astype(np.float64)
    predicted = np.where(np.isnan(each).all(1), np.nan, np.nansum(each, axis=1))
    came, found = None, layers(run)
    if found.sizes is not None and {"grad_raw", "grad"} <= found.rms.keys() and (seen := clipping(run)).alike:
        predicted = ratio(predicted, seen.kept)
    if "loss" in run.arrays():
        losses = run.array("loss").astype(np.float64)
        came = losses[:, 1] - losses[:, 0]
    return LossChange(run.id, recorded(run, "trace/steps")[0], predicted, came, setting(run, "loss"))


# ── Clipping ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Clipping:
    """How much of the gradient the optimiser read: ‖g‖ / ‖g_raw‖ over all parameters, at each step (T,).

    `alike` says whether all parameters were scaled alike, as clipping by norm does.
    """

    run: str
    steps: np.ndarray
    raw: np.ndarray
    read: np.ndarray
    alike: bool

    @property
    def kept(self) -> np.ndarray:
        """‖g‖ / ‖g_raw‖: 1 where nothing was clipped. (T,)"""
        return ratio(self.read, self.raw)

    @property
    def bit(self) -> np.ndarray:
        """Whether clipping bit. (T,)"""
        return self.kept < 1 - _SAME

    def sentence(self) -> str:
        told, bit = np.isfinite(self.kept).sum(), self.kept[self.bit]
        if not len(bit):
            return f"Nothing clipped the gradient in {counted(int(told))} of {told_run(self.run)}."
        how = "all layers alike, as by norm" if self.alike else "layers differently, as by value or layer by layer"
        return (
            f"Clipping bit at {len(bit):,} of {told:,} steps of {told_run(self.run)} "
            f"({significant(100 * len(bit) / told)} %), {how}; "
            f"there it left {significant(float(np.median(bit)))} of the gradient's norm at the median step and "
            f"{significant(float(bit.min()))} at least."
        )


def clipping(run: Recorded) -> Clipping:
    """How often and how much clipping bit: gradients as backward left them against those that the optimiser read."""
    found = layers(run)
    raw, read = (found.norm(stage, "clipping") for stage in ("grad_raw", "grad"))  # (T, P)
    known = (np.isfinite(raw) & np.isfinite(read)) | (np.isnan(raw) & np.isnan(read))  # NaN in both: no gradient
    sums = (np.sqrt(np.nansum(norms**2, axis=1, where=known)) for norms in (raw, read))
    before, after = (np.where(known.all(1), total, np.nan) for total in sums)
    each, kept = ratio(read, raw), ratio(after, before)[:, None]
    kept = np.where(kept > 0, kept, np.nan)
    alike = bool(np.nanmax(np.abs(each / kept - 1), initial=0.0) < 100 * _SAME)
    return Clipping(run.id, found.steps, before, after, alike)


# ── Gradients that are not finite ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class NotFinite:
    """A step with gradients that are NaN or infinite, and the layers that had them, in the optimiser's order."""

    step: int
    layers: tuple[str, ...]


def not_finite(found: Layers) -> tuple[NotFinite, ...]:
    """The steps at which a gradient was not finite while the weight still was; later ones follow from those.

    A parameter without a gradient is NaN in all stages; one with a NaN gradient has a finite θ before the step. Means
    are looked at, because the square of a large gradient may overflow and its root mean square with it.
    """
    theta = found.mean.get("theta")
    grad = found.mean["grad"]
    bad = np.isinf(grad) if theta is None else ~np.isfinite(grad) & np.isfinite(theta)
    rows = np.flatnonzero(bad.any(1))
    return tuple(NotFinite(int(found.steps[t]), tuple(np.array(found.names)[bad[t]].tolist())) for t in rows)


def tell_not_finite(found: tuple[NotFinite, ...]) -> str:
    """Which step, and which layers, first.

    >>> tell_not_finite((NotFinite(7, ("fc1.weight",)),))
    'a gradient was not finite first at step 7, in fc1.weight'
    """
    first = found[0]
    named = joined([*first.layers[:3], *([f"{len(first.layers) - 3} more"] if len(first.layers) > 3 else [])])
    return f"a gradient was not finite first at step {first.step:,}, in {named}"


def last_finite(found: Layers) -> int:
    """The row of the last step with gradients that are all finite; of the last step where there is none.

    What was lost stays lost: after a step with a NaN its weights are NaN too, as all of a parameter without a gradient.
    """
    grad = found.mean["grad"]
    bad = {at.step for at in not_finite(found)}
    rows = [t for t in np.flatnonzero(np.isfinite(grad).any(1)) if int(found.steps[t]) not in bad]
    return int(rows[-1]) if rows else len(found.steps) - 1


# ── Activations ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Activations:
    """Each layer's output, in forward order: steps (T′,), and (T′, L) each of mean, std, dead and grad_rms.

    dead: the share of units that are ≤ 0 for the whole batch, NaN where that says nothing; grad_rms: of the loss's
    gradient with respect to the output.
    """

    run: str
    steps: np.ndarray
    layers: tuple[str, ...]
    kinds: tuple[str, ...]
    mean: np.ndarray
    std: np.ndarray
    dead: np.ndarray
    grad_rms: np.ndarray

    def sentence(self) -> str:
        """Where they stand at the last step: spread forward, gradients backward, and the most dead units."""
        std, back = self.std[-1], self.grad_rms[-1]
        last = len(self.layers) - 1
        parts = [f"the standard deviation of the activations, going forward, is {self._ends(std, 0, last)}"]
        there = np.flatnonzero(np.isfinite(back))
        if len(there):  # the first layer may have none: nothing before it learns
            ends = self._ends(back, int(there[-1]), int(there[0]))
            parts.append(f"the root mean square of their gradients, going backward, is {ends}")
        if np.isfinite(self.dead[-1]).any():
            most = int(np.nanargmax(self.dead[-1]))
            share = 100 * self.dead[-1][most]
            parts.append(
                f"{significant(share)} % of the units of {self._told(most)} are dead, the most"
                if share
                else "no unit is dead"
            )
        return f"At step {self.steps[-1]:,} of {told_run(self.run)}, {'; '.join(parts)}."

    def _told(self, i: int) -> str:
        """A layer in a sentence; those of a Sequential are called by number."""
        return f"layer {self.layers[i]}" if self.layers[i].isdigit() else self.layers[i]

    def _ends(self, values: np.ndarray, *places: int) -> str:
        """A value (L,) at some layers, each once."""
        return joined([f"{significant(float(values[i]))} in {self._told(i)}" for i in dict.fromkeys(places)])


def activations(run: Recorded) -> Activations:
    """The recorded activations; raises `StoreError` where there are none."""
    values, meta = recorded(run, "activations")  # (T′, L, Q)
    names = ("mean", "std", "dead", "grad_rms")
    columns = [values[:, :, meta["quantities"].index(name)].astype(np.float64) for name in names]
    steps, _ = recorded(run, "activations/steps")
    return Activations(run.id, steps, tuple(meta["layers"]), tuple(meta["kinds"]), *columns)
