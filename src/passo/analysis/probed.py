"""What the probes measured in a run: curvature and its limit, gradient noise, effective ranks, drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from passo.analysis.layers import ratio
from passo.analysis.recorded import Recorded, told_run
from passo.analysis.words import significant
from passo.errors import StoreError
from passo.language import t

FOUND = 0.01
"""Up to this residual ‖Hv − λv‖ / |λ| an eigenvalue counts as found."""
EDGE = (0.8, 1.25)
"""Shares of the limit that count as the edge: sharpness hovers about it (Cohen et al. 2021, figure 1)."""
WINDOW = 5
"""Looks over which tr Σ and |G|² are averaged, each apart, before one is divided by the other: a ratio of single
estimates would be biased, and the second is often below 0 (McCandlish et al. 2018, appendix A.1)."""
_NEEDED = "probes"


def _probed(run: Recorded) -> np.ndarray:
    """The steps that were looked at, (T,)."""
    if "probes/steps" not in run.arrays():
        raise StoreError(
            f"run {run.id} was not probed: train it again with record.probes=20; in a loop of your own, passo.probe "
            "measures"
        )
    steps = run.array("probes/steps")
    if not len(steps):
        raise StoreError(f"run {run.id} was probed, but no step was looked at")
    return steps


def _values(run: Recorded) -> dict[str, np.ndarray]:
    return dict(zip(run.meta("probes")["quantities"], run.array("probes").T, strict=True))


@dataclass(frozen=True)
class Curvature:
    """λ_max of the Hessian, `sharpness`, and of the Hessian as the `optimizer` divides it, `seen`, with its `limit`.

    All (T,), NaN where there is none. `found` and `seen_found` say where they have converged.
    """

    run: str
    optimizer: str
    steps: np.ndarray
    sharpness: np.ndarray
    found: np.ndarray
    seen: np.ndarray
    seen_found: np.ndarray
    limit: np.ndarray

    @property
    def preconditioned(self) -> bool:
        """Whether what the optimiser sees is another Hessian than the loss's own."""
        there = np.isfinite(self.seen)
        return bool(there.any()) and not np.array_equal(self.seen[there], self.sharpness[there])

    @property
    def share(self) -> np.ndarray:
        """The curvature as the optimiser sees it over its limit, (T,): 1 at the edge of stability."""
        return ratio(self.seen, self.limit)

    def sentence(self) -> str:
        told = {"run": told_run(self.run), "n": len(self.steps), "optimizer": self.optimizer}
        if not np.isfinite(self.sharpness).any():
            return t("The curvature of {run} could be measured at none of {n} steps.", **told)
        first, last = (significant(float(self.sharpness[i])) for i in _ends(self.sharpness))
        said = t(
            "The largest curvature of the loss in {run} goes from {first} to {last}.", first=first, last=last, **told
        )
        lost = int((~self.found).sum())
        share = self.share
        if not np.isfinite(share).any():
            said += " " + t("No limit of stability is written for {optimizer}.", **told)
        else:
            end, top = float(share[_ends(share)[1]]), float(np.nanmax(share))
            told |= {"share": significant(end), "top": significant(top), "edge": significant(EDGE[0])}
            told["k"] = int((share >= EDGE[0]).sum())
            if self.preconditioned:
                said += " " + t(
                    "As {optimizer} divides it, it was at {edge} of the limit of stability or above at {k} of {n} "
                    "looks, at most at {top}, and ends at {share}:",
                    **told,
                )
            else:
                said += " " + t(
                    "It was at {edge} of the limit of stability or above at {k} of {n} looks, at most at {top}, and "
                    "ends at {share}:",
                    **told,
                )
            said += " " + self._meaning(end)
        if lost:
            said += " " + t("At {lost} of {n} steps it is not found to within 1 %.", lost=lost, **told)
        return said

    def _meaning(self, share: float) -> str:
        if share > EDGE[1]:
            return t("above it a step along the sharpest direction overshoots.")
        if share >= EDGE[0]:
            return t("it trains at the edge of stability.")
        return t("below it steps are stable.")


def curvature(run: Recorded) -> Curvature:
    """Raises `StoreError` where the run was not probed."""
    steps, values = _probed(run), _values(run)
    name = str(run.info.get(_NEEDED, {}).get("optimizer") or t("the optimiser"))
    found, seen_found = (values[key] <= FOUND for key in ("residual", "preconditioned_residual"))
    return Curvature(
        run.id, name, steps, values["sharpness"], found, values["preconditioned"], seen_found, values["limit"]
    )


@dataclass(frozen=True)
class Noise:
    """The gradient noise scale B = tr Σ / |G|² in examples, (T,), each from `WINDOW` looks; `batch`, the median one.

    `signal` (T, P) is each parameter tensor's |G|² / (tr Σ / batch): the signal-to-noise ratio, in squares, of such a
    batch's gradient. NaN where |G|² does not stand out from the noise.
    """

    run: str
    steps: np.ndarray
    batch: float
    scale: np.ndarray
    names: tuple[str, ...]
    signal: np.ndarray

    def sentence(self) -> str:
        told = {"run": told_run(self.run), "n": len(self.steps)}
        if not np.isfinite(self.scale).any():
            return t(
                "In {run} no gradient stands out from its noise at any of {n} steps: the noise scale is larger than "
                "what can be told from these batches.",
                **told,
            )
        ends = _ends(self.scale)
        first, last = (float(self.scale[i]) for i in ends)
        batch = self.batch
        told |= {"first": significant(first, 2), "last": significant(last, 2), "batch": significant(batch)}
        said = t(
            "The gradient noise scale of {run} goes from about {first} to about {last} examples, with batches of "
            "{batch}:",
            **told,
        )
        if last > 3 * batch:
            meaning = t("up to about that size a larger batch saves steps nearly in proportion.")
        elif last < batch / 3:
            meaning = t("a smaller batch would take hardly more steps, and fewer examples.")
        else:
            meaning = t("the batch is of the size that it speaks for.")
        said = f"{said} {meaning}"
        if lost := int((~np.isfinite(self.scale)).sum()):
            said += " " + t("At {lost} of {n} looks the gradient does not stand out from its noise.", lost=lost, **told)
        return said


def noise(run: Recorded) -> Noise:
    """Raises `StoreError` where the run was not probed."""
    steps, values, meta = _probed(run), _values(run), run.meta("probes/gradients")
    trace, square = np.moveaxis(run.array("probes/gradients"), 2, 0)  # (T, P) each
    sizes = np.nan_to_num(values["batch"])  # an epoch's rest tells less than a whole batch
    batch = float(np.median(sizes))
    scale = _positive(ratio(_running(trace.sum(1), sizes), _positive(_running(square.sum(1), sizes))))
    each = _positive(ratio(_running(square, sizes), _running(trace, sizes) / batch))
    return Noise(run.id, steps, batch, scale, tuple(meta["names"]), each)


@dataclass(frozen=True)
class Ranks:
    """The effective rank of each layer's outputs, (T, L), and the most that it could be; of whole batches alone."""

    run: str
    steps: np.ndarray
    layers: tuple[str, ...]
    rank: np.ndarray
    most: np.ndarray

    @property
    def share(self) -> np.ndarray:
        """Rank over what it could be, (T, L)."""
        return ratio(self.rank, self.most)

    def sentence(self) -> str:
        told = {"run": told_run(self.run), "n": len(self.steps)}
        last = self.share[-1]
        last = np.where(self.most[-1] > 1, last, np.nan)
        if not np.isfinite(last).any():
            return t("No layer of {run} has an effective rank at its last look.", **told)
        low = int(np.nanargmin(last))
        return t(
            "At the last of {n} looks at a whole batch of {run}, the outputs of {layer} use the smallest share of "
            "their directions: an effective rank of {rank} of at most {most}; at the first look it was {first}.",
            layer=self.layers[low],
            rank=significant(float(self.rank[-1, low])),
            most=f"{self.most[-1, low]:.0f}",
            first=significant(float(self.rank[0, low])),
            **told,
        )


def ranks(run: Recorded) -> Ranks:
    """Raises `StoreError` where the run was not probed."""
    steps, values = _probed(run), run.array("probes/ranks")
    batch = _values(run)["batch"]
    whole = ~(batch < 0.9 * np.median(batch))  # of an epoch's rest the rank is lower for its size alone
    rank, most = np.moveaxis(values[whole], 2, 0)
    return Ranks(run.id, steps[whole], tuple(run.meta("probes/ranks")["layers"]), rank, most)


@dataclass(frozen=True)
class Drift:
    """‖θ − θ₀‖ / ‖θ₀‖ of each parameter tensor that did not start at 0, (T, P)."""

    run: str
    steps: np.ndarray
    names: tuple[str, ...]
    drift: np.ndarray
    zero: tuple[str, ...]

    def sentence(self) -> str:
        told = {"run": told_run(self.run)}
        if not self.names:
            return t("All weights of {run} started at 0: there is no drift to measure.", **told)
        last = self.drift[-1]
        if not np.isfinite(last).any():
            return t("The weights of {run} are not finite at its last look.", **told)
        low, high = int(np.nanargmin(last)), int(np.nanargmax(last))
        told |= {"highest": self.names[high], "high": significant(float(last[high]))}
        if low == high:
            return t("At the last look {highest} of {run} is {high} of its first size from where it started.", **told)
        return t(
            "At the last look at {run}, {highest} is farthest from where it started, by {high} of its first size, and "
            "{lowest} is nearest, by {low}.",
            lowest=self.names[low],
            low=significant(float(last[low])),
            **told,
        )


def drift(run: Recorded) -> Drift:
    """Raises `StoreError` where the run was not probed."""
    steps, meta = _probed(run), run.meta("probes/drift")
    start, names = np.array(meta["start"], np.float64), meta["names"]
    there = start > 0
    values = run.array("probes/drift")[:, there] / start[there]
    return Drift(run.id, steps, _picked(names, there), values, _picked(names, ~there))


def _picked(names: Sequence[str], there: np.ndarray) -> tuple[str, ...]:
    return tuple(name for name, own in zip(names, there, strict=True) if own)


def _running(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean over `WINDOW` looks about each one, fewer at the ends, weighted (T,); those not finite are left out."""
    half = WINDOW // 2
    weight = np.isfinite(values) * weights.reshape(-1, *[1] * (values.ndim - 1))
    filled = np.where(weight > 0, values, 0.0) * weight
    rows = [slice(max(0, i - half), i + half + 1) for i in range(len(values))]
    return np.stack([ratio(filled[own].sum(0), weight[own].sum(0)) for own in rows])


def _positive(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, np.nan)


def _ends(values: np.ndarray) -> tuple[int, int]:
    """Where the first and the last finite value stand."""
    there = np.flatnonzero(np.isfinite(values))
    return int(there[0]), int(there[-1])
