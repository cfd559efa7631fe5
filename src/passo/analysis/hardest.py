"""The test images that cost a run most: those whose true class it held for least likely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from passo.analysis.answers import Answers
from passo.analysis.classified import percent
from passo.analysis.tables import Table
from passo.analysis.words import significant
from passo.errors import UsageError
from passo.language import t, tn


@dataclass(frozen=True)
class Hardest:
    """The k images with the largest loss, the hardest first; each array (k,).

    index: places in the test part, from 0. true, predicted: class numbers. probability: q(true class).
    confidence: q(likeliest class). losses: nats. share: their part of the loss of all `count` images.
    """

    run: str
    classes: tuple[str, ...]
    index: np.ndarray
    true: np.ndarray
    predicted: np.ndarray
    probability: np.ndarray
    confidence: np.ndarray
    losses: np.ndarray
    share: float
    count: int

    def __len__(self) -> int:
        return len(self.index)

    def sentence(self) -> str:
        told = {"count": self.count, "share": percent(self.share), "run": self.run}
        told["wrong"] = int((self.true != self.predicted).sum())
        hard = tn(
            "The hardest of {count:,} test images makes up {share} of the loss of {run}, and {wrong} of {n} is named "
            "wrongly",
            "The {n} hardest of {count:,} test images make up {share} of the loss of {run}, and {wrong} of {n} are "
            "named wrongly",
            len(self),
            **told,
        )
        first = t(
            "number {place} is hardest: a {true} that is given a probability of {probability} of being one, and taken "
            "for {taken} with {confidence} ({nats} nats).",
            place=str(self.index[0]),
            true=self.classes[self.true[0]],
            probability=significant(float(self.probability[0]), 2),
            taken=self.classes[self.predicted[0]],
            confidence=percent(self.confidence[0]),
            nats=significant(float(self.losses[0])),
        )
        return f"{hard}; {first}"

    def table(self) -> Table:
        """A row for each image."""
        rows = tuple(
            (
                str(self.index[i]),
                self.classes[self.true[i]],
                self.classes[self.predicted[i]],
                significant(float(self.probability[i]), 2),
                percent(self.confidence[i]),
                significant(float(self.losses[i])),
            )
            for i in range(len(self))
        )
        note = t("image: its place in the test part, from 0; q: the probability that the run gave.")
        columns = (t("image"), t("true"), t("likeliest"), t("q(true)"), t("q(likeliest)"), t("loss (nats)"))
        return Table(columns, rows, note)


def hardest(seen: Answers, most: int = 20) -> Hardest:
    """The `most` images with the largest loss, by their place where losses tie; raises `UsageError` for none.

    >>> seen = Answers("demo", ("cat", "dog"), np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]]), np.array([0, 1, 1]))
    >>> hardest(seen, 2).index.tolist()
    [1, 2]
    """
    if most < 1:
        raise UsageError(f"at least one image is needed to find the hardest, got {most}")
    index = np.argsort(-seen.losses, kind="stable")[:most]
    true, predicted = seen.labels[index], seen.predicted[index]
    total = float(seen.losses.sum())
    return Hardest(
        seen.run,
        seen.classes,
        index,
        true,
        predicted,
        seen.probabilities[index, true],
        seen.confidence[index],
        seen.losses[index],
        float(seen.losses[index].sum()) / total if total else 0.0,
        len(seen),
    )
