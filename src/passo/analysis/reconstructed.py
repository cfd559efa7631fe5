"""How well a run gives images back: each test image's error, the first images and the worst ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from passo.analysis.recorded import Recorded
from passo.analysis.tables import Table
from passo.analysis.words import significant
from passo.errors import StoreError
from passo.language import later, numeral, t

SHOWN, OUTPUT, TARGET = range(3)
_NOISES = {
    "gaussian": later("gaussian"),
    "salt-and-pepper": later("salt-and-pepper"),
    "masking": later("masking"),
    "occlusion": later("occlusion"),
}
_QUANTILES = (
    (later("best"), 0.0),
    (later("a quarter"), 0.25),
    (later("half"), 0.5),
    (later("three quarters"), 0.75),
    (later("worst"), 1.0),
)


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
        said = t(
            "{run} gives {count:,} test images back with a mean squared error of {error} (PSNR {psnr:.2f} dB, white "
            "being 1); the worst tenth has {share:.0f} % of it, and number {place} is worst ({worst})",
            run=self.run,
            count=len(self),
            error=significant(float(self.errors.mean())),
            psnr=self.psnr,
            share=100 * share,
            place=str(self.places[0]),
            worst=significant(float(self.errors[self.places[0]])),
        )
        if self.gain is None or self.psnr_noisy is None:
            return f"{said}."
        told = {"noise": self.noise, "before": self.psnr_noisy, "gain": abs(self.gain)}
        if self.gain >= 0:
            won = t("against its {noise} input ({before:.2f} dB) it gains {gain:.2f} dB.", **told)
        else:
            won = t("against its {noise} input ({before:.2f} dB) it loses {gain:.2f} dB.", **told)
        return f"{said}; {won}"

    def table(self) -> Table:
        """Quantiles of the images' errors."""
        rows = tuple(
            (t(word), significant(float(np.quantile(self.errors, share))), _decibel(np.quantile(self.errors, share)))
            for word, share in _QUANTILES
        )
        return Table((t("of the images, up to"), t("mse"), "PSNR (dB)"), rows, t("Black is 0 and white 1."))


def _decibel(mse: float) -> str:
    return numeral(f"{-10 * np.log10(mse):.2f}") if mse > 0 else "∞"


def reconstructed(run: Recorded) -> Reconstructed:
    """A run's reconstructions; raises `StoreError` where it made none."""
    if "test/errors" not in run.arrays():
        raise StoreError(f"run {run.id} gave nothing back: train one with model=autoencoder")
    errors = run.array("test/errors").astype(np.float64)
    noisy, first = bool(run.meta("test/first").get("noisy")), run.array("test/first")
    over = run.array("reconstructions") if "reconstructions" in run.arrays() else None
    task = getattr(run, "config", {}).get("task", {})
    kind = str(task.get("noise", "noisy"))
    noise = f"{t(_NOISES.get(kind, kind))} {significant(float(task.get('strength', 0.3)))}" if noisy else ""
    before = None
    if noisy:
        before = float(getattr(run, "metric")("test/psnr_noisy").last)  # noqa: B009
    psnr = -10 * np.log10(errors.mean()) if errors.mean() > 0 else np.inf
    worst, places = run.array("test/worst"), run.array("test/worst/places")
    return Reconstructed(run.id, noise, errors, first, worst, places, float(psnr), before, over)
