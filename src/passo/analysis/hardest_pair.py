"""Which test images are hard for one model and not for the other, and which for both.

With q the probability that an image's true class got from a model, the mean over seeds: harder for one is what has the
largest difference of both models' q, hard for both that of which the larger q is smallest. (By the difference of the
losses, −log q, the first would be images that are hopeless for both.) A model takes an image wrongly where it does so
in more than half of the seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from passo.analysis.answers import answers
from passo.analysis.classified import percent
from passo.analysis.curves import runs_of
from passo.analysis.embedded import embedded_pair
from passo.analysis.pair import configured, pair
from passo.analysis.tables import Table
from passo.analysis.words import joined, significant
from passo.errors import StoreError
from passo.language import t
from passo.store import StoredStudy


@dataclass(frozen=True)
class Felt:
    """What one model makes of N test images, over its seeds.

    losses: in nats; probability: of the true class; predicted: the likeliest one, and confidence: its probability; all
    by the mean over seeds. wrong: in how many of `seeds` seeds. All are (N,).
    """

    label: str
    seeds: int
    losses: np.ndarray
    probability: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    wrong: np.ndarray

    @property
    def mistaken(self) -> np.ndarray:
        """Whether an image is taken wrongly in more than half of the seeds: (N,) bool."""
        return 2 * self.wrong > self.seeds


@dataclass(frozen=True)
class HardestPair:
    """What both models make of the test images, and the pixels of M of them.

    labels: true classes (N,). places: in the test part, from 0, (M,). pictures: (M, h, w) or (M, h, w, 3) uint8.
    """

    classes: tuple[str, ...]
    labels: np.ndarray
    felt: tuple[Felt, Felt]
    places: np.ndarray
    pictures: np.ndarray

    def harder(self, model: int, most: int = 8) -> np.ndarray:
        """Places of the images with pixels that are harder for one model than for the other, by how much they are."""
        mine, other = (self.felt[i].probability[self.places] for i in (model, 1 - model))
        return self.places[np.argsort(mine - other, kind="stable")[:most]]

    def hard_for_both(self, most: int = 8) -> np.ndarray:
        """Places of the images with pixels that are hard for each model, the hardest first."""
        larger = np.maximum(*(one.probability[self.places] for one in self.felt))
        return self.places[np.argsort(larger, kind="stable")[:most]]

    def picture(self, place: int) -> np.ndarray:
        """The pixels of one image, by its place."""
        return self.pictures[np.flatnonzero(self.places == place)[0]]

    def sentence(self) -> str:
        """How many each takes wrongly, and which image is hardest for both."""
        first, second = self.felt
        alone = [int((a.mistaken & ~b.mistaken).sum()) for a, b in ((first, second), (second, first))]
        often = t("in more than half of the seeds") if max(first.seeds, second.seeds) > 1 else t("with one seed")
        wrong = t(
            "Of {images:,} test images, {both:,} are taken wrongly by both models ({often}), {one:,} by the {first} "
            "alone and {other:,} by the {second} alone.",
            images=len(self.labels),
            both=int((first.mistaken & second.mistaken).sum()),
            often=often,
            one=alone[0],
            first=first.label,
            other=alone[1],
            second=second.label,
        )
        return f"{wrong} {self._hardest()}"

    def _hardest(self) -> str:
        """The image that is hardest for both."""
        place = int(self.hard_for_both(1)[0])
        q = [
            t("{share} from the {label}", share=percent(float(one.probability[place])), label=one.label)
            for one in self.felt
        ]
        return t(
            "Hardest for both is number {place}: a {true} that is given a probability of {q} of being one.",
            place=place,
            true=self.classes[self.labels[place]],
            q=joined(q),
        )

    def table(self, most: int = 8) -> Table:
        """A row for each image that is hard for both."""
        first, second = self.felt
        rows = tuple(
            (str(place), self.classes[self.labels[place]], *self._of(first, place), *self._of(second, place))
            for place in map(int, self.hard_for_both(most))
        )
        told = (t("likeliest"), t("q(true)"), t("loss"))
        head = (t("image"), t("true"), *(f"{one.label}: {what}" for one in self.felt for what in told))
        return Table(head, rows, t("image: its place in the test part, from 0; losses in nats; means over seeds."))

    def _of(self, one: Felt, place: int) -> tuple[str, str, str]:
        told = percent(float(one.probability[place])), significant(float(one.losses[place]))
        return (self.classes[one.predicted[place]], *told)


def hardest_pair(study: StoredStudy, entry: str = "base") -> HardestPair:
    """What both models find hard, for one entry of the study file, with the pixels that the study keeps of its maps.

    Raises `StoreError` where the study keeps no pixels, or these are of other images than those that were tested.
    """
    labels = pair(study).labels
    mapped = embedded_pair(study)[0]
    named = {one.model: one.name for one in configured(study, entry=entry)}
    if missing := [label for label in labels if label not in named]:
        raise StoreError(f"{study.folder} has no finished run of the entry {entry!r} for {joined(missing)}")
    if mapped.thumbnails.size == 0:
        raise StoreError(f"{study.folder} keeps rows of a table, and no images that could be shown")
    seen = {label: [answers(run) for run in runs_of(study, named[label])] for label in labels}
    true = seen[labels[0]][0].labels
    if any(not np.array_equal(one.labels, true) for each in seen.values() for one in each) or not np.array_equal(
        true[mapped.positions], mapped.labels
    ):
        raise StoreError(f"{study.folder}: its models were tested on other images than its maps show")
    felt = tuple(_felt(label, [(one.probabilities, one.losses) for one in each], true) for label, each in seen.items())
    return HardestPair(seen[labels[0]][0].classes, true, (felt[0], felt[1]), mapped.positions, mapped.thumbnails)


def _felt(label: str, each: Sequence[tuple[np.ndarray, np.ndarray]], true: np.ndarray) -> Felt:
    """One model, from the probabilities (N, C) and losses (N,) of every seed."""
    mean = np.mean([q for q, _ in each], axis=0)  # (N, C)
    wrong = np.sum([q.argmax(1) != true for q, _ in each], axis=0)
    losses = np.mean([loss for _, loss in each], axis=0)
    return Felt(label, len(each), losses, mean[np.arange(len(true)), true], mean.argmax(1), mean.max(1), wrong)
