"""What a step did as a whole, all layers together: the change in loss, clipping, gradients lost, activations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from passo.analysis.layers import Layers, layers, ratio
from passo.analysis.recorded import Recorded, recorded, setting, told_run
from passo.analysis.words import joined, significant
from passo.language import t, tn

_SAME = 1e-5  # relative: norms are sums in float32


def counted(steps: int) -> str:
    """`1 step`, `86 steps`."""
    return tn("{n:,} step", "{n:,} steps", steps)


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
        told = {
            "steps": counted(int(there.sum())),
            "run": told_run(self.run),
            "change": significant(float(self.predicted[there].mean())),
        }
        if self.came is None:
            return t(
                "Over {steps} of {run} the gradient predicts a change in loss of {change} a step; what came is not "
                "known: the loss after a step is recorded with {setting}.",
                setting=self.setting,
                **told,
            )
        came = self.came[np.isfinite(self.came)]
        return t(
            "Over {steps} of {run} the gradient predicts a change in loss of {change} a step, and {came} came: {share} "
            "of the prediction at the median step; the loss of the step's own batch fell at {fell:,} of {n:,} steps.",
            came=significant(float(came.mean())),
            share=significant(float(np.nanmedian(ratio(self.came, self.predicted))), 2),
            fell=int((came < 0).sum()),
            n=len(came),
            **told,
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
        n, bit, run = int(np.isfinite(self.kept).sum()), self.kept[self.bit], told_run(self.run)
        if not len(bit):
            return t("Nothing clipped the gradient in {steps} of {run}.", steps=counted(n), run=run)
        alike, apart = t("all layers alike, as by norm"), t("layers differently, as by value or layer by layer")
        return t(
            "Clipping bit at {bit:,} of {n:,} steps of {run} ({share} %), {how}; there it left {median} of the "
            "gradient's norm at the median step and {least} at least.",
            bit=len(bit),
            n=n,
            run=run,
            share=significant(100 * len(bit) / n),
            how=alike if self.alike else apart,
            median=significant(float(np.median(bit))),
            least=significant(float(bit.min())),
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
    more = [t("{n} more", n=len(first.layers) - 3)] if len(first.layers) > 3 else []
    named = joined([*first.layers[:3], *more])
    return t("a gradient was not finite first at step {step:,}, in {layers}", step=first.step, layers=named)


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
        ends = self._ends(std, 0, last)
        parts = [t("the standard deviation of the activations, going forward, is {ends}", ends=ends)]
        there = np.flatnonzero(np.isfinite(back))
        if len(there):  # the first layer may have none: nothing before it learns
            ends = self._ends(back, int(there[-1]), int(there[0]))
            parts.append(t("the root mean square of their gradients, going backward, is {ends}", ends=ends))
        if np.isfinite(self.dead[-1]).any():
            most = int(np.nanargmax(self.dead[-1]))
            share, layer = significant(100 * self.dead[-1][most]), self._told(most)
            dead = t("{share} % of the units of {layer} are dead, the most", share=share, layer=layer)
            parts.append(dead if self.dead[-1][most] else t("no unit is dead"))
        told = {"step": int(self.steps[-1]), "run": told_run(self.run)}
        return t("At step {step:,} of {run}, {told}.", told="; ".join(parts), **told)

    def _told(self, i: int) -> str:
        """A layer in a sentence; those of a Sequential are called by number."""
        return t("layer {name}", name=self.layers[i]) if self.layers[i].isdigit() else self.layers[i]

    def _ends(self, values: np.ndarray, *places: int) -> str:
        """A value (L,) at some layers, each once."""
        each = [(significant(float(values[i])), self._told(i)) for i in dict.fromkeys(places)]
        return joined([t("{value} in {layer}", value=value, layer=layer) for value, layer in each])


def activations(run: Recorded) -> Activations:
    """The recorded activations; raises `StoreError` where there are none."""
    values, meta = recorded(run, "activations")  # (T′, L, Q)
    names = ("mean", "std", "dead", "grad_rms")
    columns = [values[:, :, meta["quantities"].index(name)].astype(np.float64) for name in names]
    steps, _ = recorded(run, "activations/steps")
    return Activations(run.id, steps, tuple(meta["layers"]), tuple(meta["kinds"]), *columns)
