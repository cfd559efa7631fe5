"""How well a run gives images back: each test image's error, the first images and the worst ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from passo.analysis.recorded import Recorded
from passo.analysis.tables import Table
from passo.analysis.words import significant
from passo.errors import StoreError

SHOWN, OUTPUT, TARGET = range(3)


@dataclass(frozen=True)
class Reconstructed:
    """errors: (N,), each image's mean squared error, black being 0 and white 1. first, worst: (n, 3, …), what was
    shown, what came out and what was wanted; places: (n,), where the worst ones stand in the test part, from 0.

    psnr, psnr_noisy: dB, of all pixels together; the latter None where nothing was laid over the inputs. `over_epochs`:
    (E, n, 3, …), fixed images after each epoch, where they were kept.
    """

    run: str
    noise: str
    errors: np.ndarray
    first: np.ndarray
    worst: np.ndarray
    places: np.ndarray
    psnr: float
    psnr_noisy: float | None
    over_epochs: np.ndarray | None

    def __len__(self) -> int:
        return len(self.errors)

    @property
    def gain(self) -> float | None:
        """dB won against the noisy input."""
        return None if self.psnr_noisy is None else self.psnr - self.psnr_noisy

    @property
    def images(self) -> bool:
        """Whether they can be drawn: (C, H, W) of one or three channels."""
        return self.first.ndim == 5 and self.first.shape[2] in (1, 3)

    def sentence(self) -> str:
        share = float(np.sort(self.errors)[::-1][: max(1, len(self) // 10)].sum() / (self.errors.sum() or 1))
        said = (
            f"{self.run} gives {len(self):,} test images back with a mean squared error of "
            f"{significant(float(self.errors.mean()))} (PSNR {self.psnr:.2f} dB, white being 1); the worst tenth has "
            f"{100 * share:.0f} % of it, and number {self.places[0]} is worst "
            f"({significant(float(self.errors[self.places[0]]))})"
        )
        if self.gain is None or self.psnr_noisy is None:
            return f"{said}."
        won = "gains" if self.gain >= 0 else "loses"
        return f"{said}; against its {self.noise} input ({self.psnr_noisy:.2f} dB) it {won} {abs(self.gain):.2f} dB."

    def table(self) -> Table:
        """Quantiles of the images' errors."""
        rows = tuple(
            (word, significant(float(np.quantile(self.errors, share))), f"{_decibel(np.quantile(self.errors, share))}")
            for word, share in (("best", 0), ("a quarter", 0.25), ("half", 0.5), ("three quarters", 0.75), ("worst", 1))
        )
        return Table(("of the images, up to", "mse", "PSNR (dB)"), rows, "Black is 0 and white 1.")


def _decibel(mse: float) -> str:
    return f"{-10 * np.log10(mse):.2f}" if mse > 0 else "∞"


def reconstructed(run: Recorded) -> Reconstructed:
    """A run's reconstructions; raises `StoreError` where it made none."""
    if "test/errors" not in run.arrays():
        raise StoreError(f"run {run.id} gave nothing back: train one with model=autoencoder")
    errors = run.array("test/errors").astype(np.float64)
    noisy, first = bool(run.meta("test/first").get("noisy")), run.array("test/first")
    over = run.array("reconstructions") if "reconstructions" in run.arrays() else None
    task = getattr(run, "config", {}).get("task", {})
    noise = f"{task.get('noise', 'noisy')} {significant(float(task.get('strength', 0.3)))}" if noisy else ""
    before = None
    if noisy:
        before = float(getattr(run, "metric")("test/psnr_noisy").last)  # noqa: B009
    psnr = -10 * np.log10(errors.mean()) if errors.mean() > 0 else np.inf
    worst, places = run.array("test/worst"), run.array("test/worst/places")
    return Reconstructed(run.id, noise, errors, first, worst, places, float(psnr), before, over)
