"""What the batch size changes: how noisy a gradient is, where the loss ends, how long an epoch takes.

Noise of the gradient, of the traced weights k over the steps t of a run that was watched:

    noise = √( mean over t, k of (g_{t+1,k} − g_{t,k})² / 2 )        of independent batches: the gradient's own sd

Neighbours are subtracted because the gradient's slow way would count as noise otherwise; what the weights' own move
changes from one step to the next is still in it, so that a full batch, which has no noise, does not come to 0.
Independent batches of B samples at the same weights give noise ∝ 1/√B. Without a trace, the same is computed of the
mini-batch losses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from passo.analysis.curves import runs_of
from passo.analysis.intervals import Interval, interval
from passo.analysis.recorded import recorded
from passo.analysis.tables import Table
from passo.analysis.varied import clock, settings, through
from passo.analysis.words import ranged, significant, spoken
from passo.errors import StoreError
from passo.language import later, numeral, t
from passo.store import StoredRun, StoredStudy


@dataclass(frozen=True)
class Batch:
    """One batch size, over seeds: noise of gradient and mini-batch loss, ends, seconds.

    The gradient's is over the seeds whose gradients were recorded (a study records its first), None without one.
    """

    name: str
    size: int
    gradient: Interval | None
    loss: Interval
    end: Interval
    test: Interval
    seconds: Interval


@dataclass(frozen=True)
class BatchSizes:
    """All batch sizes of a study, ascending; `metric` is what is called test in each, `held` what is as in the best."""

    metric: str
    each: tuple[Batch, ...]
    clock: str = "wall clock"
    held: str = ""

    @property
    def gradients(self) -> bool:
        """Whether the noise is that of the gradient, in all of them."""
        return all(batch.gradient is not None for batch in self.each)

    @property
    def told_noise(self) -> str:
        """What the noise is of, in words."""
        return t("gradient noise") if self.gradients else t("noise of the loss")

    def noise(self, batch: Batch) -> Interval:
        """Of the gradient where that was recorded, else of the mini-batch loss."""
        return batch.gradient if self.gradients and batch.gradient is not None else batch.loss

    def table(self) -> Table:
        columns = (t("batch size"), self.told_noise, t("training loss"), spoken(self.metric), t("seconds per epoch"))
        rows = [
            (
                numeral(f"{b.size:,}"),
                ranged(self.noise(b)),
                ranged(b.end),
                ranged(b.test, self.metric),
                ranged(b.seconds),
            )
            for b in self.each
        ]
        return Table(
            columns,
            tuple(rows),
            t(
                "Means over seeds and 95 % intervals. Seconds, from the second epoch on: {clock}.",
                clock=t(self.clock),
            ),
        )

    def sentence(self) -> str:
        """From the smallest batch to the largest: noise, time, loss."""
        low, high = self.each[0], self.each[-1]
        noisy = [b for b in self.each if math.isfinite(self.noise(b).mean)] or [high]  # one step shows no noise
        best = min(self.each, key=lambda b: b.end.mean if math.isfinite(b.end.mean) else math.inf)
        everywhere, somewhere = (
            later(
                "from batches of {small:,} to {large:,}, {what} goes from {first} to {last} and an epoch from {quick} "
                "to {slow} s; the training loss ends lowest with {best:,} ({end})."
            ),
            later(
                "from batches of {small:,} to {large:,}, an epoch goes from {quick} to {slow} s, and {what} from "
                "{first} to {last} with {most:,}, the largest that shows it; the training loss ends lowest with "
                "{best:,} ({end})."
            ),
        )
        told = t(
            everywhere if noisy[-1] is high else somewhere,
            small=low.size,
            large=high.size,
            what=t("the gradient's noise") if self.gradients else t("the mini-batch loss's noise"),
            first=significant(self.noise(low).mean),
            last=significant(self.noise(noisy[-1]).mean),
            most=noisy[-1].size,
            quick=significant(low.seconds.mean),
            slow=significant(high.seconds.mean),
            best=best.size,
            end=ranged(best.end),
        )
        return t("With {held}: {told}", held=self.held, told=told) if self.held else told[0].upper() + told[1:]


def batch_sizes(study: StoredStudy, metric: str = "test/accuracy") -> BatchSizes:
    """The batch sizes of a study; what else varies is held at the configuration with the best validation loss.

    Raises `StoreError` where the batch size does not vary, or not alone there.
    """
    varied = settings(study)
    if "batch_size" not in varied.keys:
        raise StoreError(f"the batch size does not vary in {study.folder}")
    names, held = [name for name in study.names() if name in varied.of], ""
    if len(varied.keys) > 1:
        best = _best(study, names)
        names, held = through(varied, names, best, ["batch_size"])
        if len(names) < 2:
            others = ", ".join(key for key in varied.keys if key != "batch_size")
            raise StoreError(f"with every batch size of {study.folder} something else differs: {others}")
    found = [_batch(study, name, metric) for name in names]
    ordered = tuple(sorted(found, key=lambda batch: batch.size))
    return BatchSizes(metric, ordered, clock(study.select()), held)


def _best(study: StoredStudy, names: Sequence[str]) -> str:
    """The configuration with the least mean validation loss; of studies without one, training loss."""
    by = "validation/loss" if "validation/loss" in study.select(names[0])[0].metrics() else "epoch/train_loss"
    means = {name: float(np.mean([run.metric(by).last for run in runs_of(study, name)])) for name in names}
    return min(names, key=lambda name: means[name] if math.isfinite(means[name]) else math.inf)


def _batch(study: StoredStudy, name: str, metric: str) -> Batch:
    runs = runs_of(study, name)
    noises = [gradient_noise(run) for run in runs if "trace" in run.arrays()]
    return Batch(
        name,
        size_of(runs[0]),
        interval(noises) if noises else None,
        interval([loss_noise(run) for run in runs]),
        interval([run.last("epoch/train_loss") for run in runs]),
        interval([run.last(metric) for run in runs]),
        interval([float(np.mean(seconds[1:] if len(seconds) > 1 else seconds)) for seconds in map(_seconds, runs)]),
    )


def _seconds(run: StoredRun) -> np.ndarray:
    return run.metric("epoch/seconds").values


def size_of(run: StoredRun) -> int:
    """The samples in a batch; of "all", the samples in training."""
    size = run.config.get("batch_size")
    return size if isinstance(size, int) else int(run.info["data"]["counts"]["train"])


def gradient_noise(run: StoredRun) -> float:
    """The noise of the traced weights' gradients, as in the module's equation."""
    values, meta = recorded(run, "trace")
    grad = values[:, list(meta["stages"]).index("grad_raw")].astype(np.float64)  # (T, K)
    return noise_of(grad)


def loss_noise(run: StoredRun) -> float:
    """The same of the mini-batch losses."""
    return noise_of(run.metric("train/loss").values[:, None])


def noise_of(values: np.ndarray) -> float:
    """√(mean of squared differences of neighbours / 2) over (T, K); NaN for one step.

    >>> round(noise_of(np.array([[0.0], [2.0], [0.0]])), 4)
    1.4142
    """
    return float(np.sqrt((np.diff(values, axis=0) ** 2).mean() / 2)) if len(values) > 1 else math.nan
