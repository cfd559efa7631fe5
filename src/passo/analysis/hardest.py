"""The test images that cost a run most: those whose true class it held for least likely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from passo.analysis.answers import Answers
from passo.analysis.classified import percent
from passo.analysis.tables import Table
from passo.analysis.words import significant
from passo.errors import UsageError


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
        wrong = int((self.true != self.predicted).sum())
        one = len(self) == 1
        return (
            f"The {'hardest of' if one else f'{len(self)} hardest of'} {self.count:,} test images "
            f"{'makes' if one else 'make'} up {percent(self.share)} of the loss of {self.run}, and {wrong} of "
            f"{len(self)} {'is' if one else 'are'} named wrongly; number {self.index[0]} is hardest: a "
            f"{self.classes[self.true[0]]} that is given a probability of {significant(float(self.probability[0]), 2)} "
            f"of being one, and taken for {self.classes[self.predicted[0]]} with {percent(self.confidence[0])} "
            f"({significant(float(self.losses[0]))} nats)."
        )

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
        note = "image: its place in the test part, from 0; q: the probability that the run gave."
        return Table(("image", "true", "likeliest", "q(true)", "q(likeliest)", "loss (nats)"), rows, note)


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
