"""A generator against a discriminator, over a training: what D says of real and of generated images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from passo.analysis.tables import Table
from passo.analysis.words import significant
from passo.errors import StoreError
from passo.language import later, t
from passo.store import StoredRun

WINDOWS = 300  # points that a figure draws
QUALITY = {
    "test/distance": later("sliced distance to unseen real images"),
    "test/distance_real": later("the same between two halves of these"),
    "test/spread": later("spread, that of real images being 1"),
    "test/d_real": later("D(x), unseen real images"),
    "test/d_fake": "D(G(z))",
}


@dataclass(frozen=True)
class Adversaries:
    """Per step (T,): `epochs` (fractions), D(x), D(G(z)), both losses. samples: (E, n, …), black 0 and white 1, from
    the same noise after each epoch. quality: what the test told, by the names of `QUALITY`."""

    run: str
    steps: np.ndarray
    epochs: np.ndarray
    d_real: np.ndarray
    d_fake: np.ndarray
    generator: np.ndarray
    discriminator: np.ndarray
    samples: np.ndarray
    quality: dict[str, float]

    def late(self, values: np.ndarray) -> float:
        """The mean over the last tenth of the steps."""
        return float(values[-max(1, len(values) // 10) :].mean())

    def sentence(self) -> str:
        real, fake = self.late(self.d_real), self.late(self.d_fake)
        said = t(
            "Over the last tenth of {steps:,} steps of {run} its discriminator takes real images for real with a "
            "probability of {real:.2f} on average and generated ones with {fake:.2f}",
            steps=len(self.steps),
            run=self.run,
            real=real,
            fake=fake,
        )
        return f"{said}: {'; '.join([_apart(real - fake), *self._quality()])}."

    def _quality(self) -> list[str]:
        """What the test told of generated images, in a clause."""
        if not {"test/distance", "test/distance_real"} <= self.quality.keys():
            return []
        times = self.quality["test/distance"] / (self.quality["test/distance_real"] or np.nan)
        far = significant(times, 2)
        if "test/spread" not in self.quality:
            return [t("generated images are {times} times as far from unseen real ones as chance leaves", times=far)]
        return [
            t(
                "generated images are {times} times as far from unseen real ones as chance leaves, and vary "
                "{spread:.0f} % as much",
                times=far,
                spread=100 * self.quality["test/spread"],
            )
        ]

    def table(self) -> Table:
        """What the test told of the generator as it was at the end."""
        rows = tuple(
            (t(words), significant(self.quality[name])) for name, words in QUALITY.items() if name in self.quality
        )
        note = t("Distances: sliced Wasserstein W₁, white being 1. A probability of 0.5 is not knowing.")
        return Table((t("on the test part"), t("value")), rows, note)

    def windows(self, values: np.ndarray) -> np.ndarray:
        """Means over up to `WINDOWS` equal stretches of the training, in order."""
        return np.array([part.mean() for part in np.array_split(values, min(WINDOWS, len(values)))])


def _apart(difference: float) -> str:
    """What the discriminator can, by its mean D(x) − D(G(z))."""
    if difference > 0.8:
        return t("it tells them apart almost always, and leaves the generator little to learn from")
    if difference < 0.05:
        return t("it can hardly tell them apart, or has stopped learning to")
    return t("it tells them apart in part, as a game that is still open")


def adversaries(run: StoredRun) -> Adversaries:
    """A GAN's training; raises `StoreError` for a run that is none."""
    if not isinstance(run, StoredRun) or "train/d_real" not in run.metrics():
        raise StoreError(f"run {run.id} trained no generator: train one with model=gan dataset.scale=symmetric")
    real, fake = run.metric("train/d_real"), run.metric("train/d_fake").values
    losses = run.metric("train/loss").values, run.metric("train/loss_discriminator").values
    samples = run.array("samples") if "samples" in run.arrays() else np.zeros((0, 0))
    there = run.metrics()
    quality = {name: run.metric(name).last for name in QUALITY if name in there}
    return Adversaries(run.id, real.steps, real.epochs, real.values, fake, *losses, samples, quality)
