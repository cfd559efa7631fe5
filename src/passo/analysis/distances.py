"""Cross-entropy read as a distance: what of it the labels themselves hold, and what the predictions add.

    H(p, q) = H(p) + KL(p ‖ q)

The entropy H(p) is what even a perfect prediction q = p pays; the divergence KL is how far q is from p, and the only
part that training can lower. How much is which depends on what p is said to be:

- a *label*: all its weight is on one class, so H(p) = 0. Nothing is uncertain in it: cross-entropy *is* the
  divergence, and could be brought to 0;
- a *smoothed label*: (1 − ε) on its class, and ε shared by all C classes alike (`label_smoothing` of
  torch.nn.CrossEntropyLoss, PyTorch 2.13). Its entropy is a floor under the loss: one that stands there is perfect;
- the *shares of the classes* π, against the mean prediction q̄: whether the run gives each class as often as it
  occurs, whatever it gives to which image. H(π) is also what each image costs whoever knows these shares and no more.

Source: T. M. Cover, J. A. Thomas, *Elements of Information Theory*, 2nd ed., 2006, sections 2.3 and 5.4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from passo.analysis.answers import LEAST, Answers
from passo.analysis.predictions import cross_entropy, entropy
from passo.analysis.tables import Table
from passo.analysis.words import significant
from passo.errors import UsageError
from passo.language import t

SMOOTHING = 0.1
NATS_PER_BIT = math.log(2)


@dataclass(frozen=True)
class Parts:
    """One reading of a cross-entropy: the entropy of the targets and the divergence from them, means in nats."""

    target: str
    entropy: float
    divergence: float

    @property
    def cross_entropy(self) -> float:
        return self.entropy + self.divergence

    @property
    def bits(self) -> float:
        """The cross-entropy in bits: log to base 2."""
        return self.cross_entropy / NATS_PER_BIT


@dataclass(frozen=True)
class Distances:
    """A run's cross-entropy on the test, read in three ways; `vanished` images had their loss cut (`answers.LEAST`)."""

    run: str
    count: int
    classes: int
    smoothing: float
    labels: Parts
    smoothed: Parts
    shares: Parts
    vanished: int

    @property
    def parts(self) -> tuple[Parts, Parts, Parts]:
        return self.labels, self.smoothed, self.shares

    @property
    def learnt(self) -> float:
        """H(π) − H(p, q), in nats: what the images told about their classes; below 0, worse than knowing the shares."""
        return self.shares.entropy - self.labels.cross_entropy

    def sentence(self) -> str:
        """The three readings in words."""
        whole = t(
            "On {count:,} test images the cross-entropy of {run} is {nats} nats ({bits} bits); labels have no entropy, "
            "so all of it is divergence.",
            count=self.count,
            run=self.run,
            nats=significant(self.labels.cross_entropy),
            bits=significant(self.labels.bits),
        )
        smooth = t(
            "Against labels smoothed by {smoothing:g} it is {nats}, of which {own} is the labels' own entropy; the "
            "mean prediction lies {away} nats from the shares of the classes.",
            smoothing=self.smoothing,
            nats=significant(self.smoothed.cross_entropy),
            own=significant(self.smoothed.entropy),
            away=significant(self.shares.divergence),
        )
        return " ".join(part for part in (whole, self._cut(), self._learnt(), smooth) if part)

    def _cut(self) -> str:
        if not self.vanished:
            return ""
        return t(
            "The truth had a probability of 0 in float32 for {count:,} of them, counted as {least:.1e}.",
            count=self.vanished,
            least=LEAST,
        )

    def _learnt(self) -> str:
        nats = significant(self.shares.entropy)
        if self.learnt < 0:
            return t(
                "Knowing the shares of the classes alone costs {nats} nats: that guess would be better.", nats=nats
            )
        if not self.learnt:
            return t("Knowing the shares of the classes alone costs {nats} nats: nothing is gained.", nats=nats)
        return t(
            "Knowing the shares of the classes alone costs {nats} nats: {share:.0f} % of that is gone.",
            nats=nats,
            share=100 * self.learnt / self.shares.entropy,
        )

    def table(self) -> Table:
        """A row for each reading."""
        rows = tuple(
            (
                one.target,
                significant(one.entropy),
                significant(one.divergence),
                significant(one.cross_entropy),
                significant(one.bits),
            )
            for one in self.parts
        )
        note = t(
            "In nats, the last column in bits. H(p, q) = H(p) + KL(p ‖ q), of which only KL can be trained away. "
            "Labels: means over images. Shares of the classes: the mean label against the mean prediction."
        )
        return Table(("p", "H(p)", "KL(p ‖ q)", "H(p, q)", t("in bits")), rows, note)


def distances(seen: Answers, smoothing: float = SMOOTHING) -> Distances:
    """Take the cross-entropy of a run's predictions apart; raises `UsageError` for a smoothing outside [0, 1].

    >>> seen = Answers("demo", ("cat", "dog"), np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([0, 1]))
    >>> [round(part.entropy, 4) for part in distances(seen).parts], distances(seen).labels.bits
    ([0.0, 0.1985, 0.6931], 1.0)
    """
    if not 0 <= smoothing <= 1:
        raise UsageError(f"smoothing must be from 0 to 1, got {smoothing:g}")
    q, truth, n = seen.probabilities, seen.truth, len(seen.classes)
    soft = (1 - smoothing) * truth + smoothing / n
    each = (
        _parts(t("labels"), truth, q),
        _parts(t("labels smoothed by {smoothing:g}", smoothing=smoothing), soft, q),
        _parts(t("shares of the classes"), truth.mean(0), q.mean(0)),
    )
    return Distances(seen.run, len(seen), n, smoothing, *each, seen.vanished)


def _parts(target: str, p: np.ndarray, q: np.ndarray) -> Parts:
    own = float(entropy(p).mean())
    return Parts(target, abs(own), float(cross_entropy(p, q).mean()) - own)
