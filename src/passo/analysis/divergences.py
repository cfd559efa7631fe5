"""Cross-entropy as a distance, for two models: what the targets hold themselves, and how far each model is from them.

`distances` takes the cross-entropy of one run apart: H(p, q) = H(p) + KL(p ‖ q) for labels, smoothed labels and the
shares of the classes. Here its parts are means over seeds; the entropies belong to the targets and are the same for
both models, so that all that sets them apart is the divergence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from passo.analysis.answers import answers
from passo.analysis.contrasts import Beside, Contrast, less
from passo.analysis.distances import NATS_PER_BIT, Distances, distances
from passo.analysis.intervals import Interval, interval
from passo.analysis.small import both
from passo.analysis.tables import Table
from passo.analysis.words import ranged, seeds, significant
from passo.language import later, t
from passo.store import StoredStudy

PART = "cross-entropy"


@dataclass(frozen=True)
class Distant:
    """One model: the distances of each seed's predictions."""

    label: str
    runs: Mapping[int | None, Distances]

    @property
    def targets(self) -> tuple[str, ...]:
        """What predictions are held against."""
        return tuple(one.target for one in next(iter(self.runs.values())).parts)

    def entropy(self, place: int) -> float:
        """H(p) of a target, in nats; a property of the test alone."""
        return next(iter(self.runs.values())).parts[place].entropy

    def divergence(self, place: int) -> Interval:
        """KL(p ‖ q) from a target over seeds, in nats."""
        return interval([run.parts[place].divergence for run in self.runs.values()])


@dataclass(frozen=True)
class Divergences(Beside[Distant]):
    """Both models on the same test images."""

    entry: str

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """The divergence from the labels, which is the whole cross-entropy."""
        first, second = ({seed: run.labels.divergence for seed, run in one.runs.items()} for one in self.each)
        name, says = later("test cross-entropy"), later("has a test cross-entropy {by} lower than {other}")
        found = less(PART, name, says, "nats", first, second)
        return () if found is None else (found,)

    def sentence(self) -> str:
        """How far each model is from the labels and from the shares of the classes, and who is nearer."""
        told = []
        for one in self.each:
            whole, shares = one.divergence(0), one.divergence(2)
            told.append(
                t(
                    "The {label} is {distance} nats from the labels ({bits} bits) and {other} from the shares of the "
                    "classes.",
                    label=one.label,
                    distance=ranged(whole),
                    bits=significant(whole.mean / NATS_PER_BIT),
                    other=ranged(shares),
                )
            )
        told += [one.sentence() for one in self.contrasted if one.n > 1]
        return " ".join(told)

    def table(self) -> Table:
        """A row for each target."""
        first, second = self.each
        rows = tuple(
            (
                t(target),
                significant(first.entropy(place)),
                ranged(first.divergence(place)),
                ranged(second.divergence(place)),
            )
            for place, target in enumerate(first.targets)
        )
        head = ("p", "H(p)", *(f"KL(p ‖ q), {label}" for label in self.labels))
        note = t("In nats, {seeds}. H(p, q) = H(p) + KL(p ‖ q): training lowers KL alone.", seeds=seeds(self.n))
        return Table(head, rows, note)


def divergences(study: StoredStudy, entry: str = "base") -> Divergences:
    """Read an entry of a study of two models; raises `StoreError` where one of them has no run of it, or no answers."""
    first, second = (
        Distant(label, {run.seed: distances(answers(run)) for run in runs})
        for label, runs in both(study, entry).items()
    )
    return Divergences((first, second), entry)
