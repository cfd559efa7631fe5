"""A lecture's three claims, judged: each taken apart into sentences, each sentence tried over seeds.

All sentences of all claims count in the correction, whichever claims are asked for: k is one number, and a verdict does
not depend on what was looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from passo.analysis.adam_claim import ADAMS
from passo.analysis.batch_claim import BATCHES
from passo.analysis.needed import LEVEL, POWER
from passo.analysis.penalty_claim import PENALTIES
from passo.analysis.resampled import method
from passo.analysis.sentences import VERDICTS, Said, Tried, Verdict, tried
from passo.analysis.tables import Table
from passo.store import StoredStudy
from passo.studies.lectured import Claim, claims

Studies = Mapping[str, StoredStudy]
Part = tuple[Said, Callable[[Studies], dict[int, float]]]

PARTS: Mapping[str, tuple[Part, ...]] = {"batches": BATCHES, "adam": ADAMS, "l2": PENALTIES}
COUNT = sum(map(len, PARTS.values()))
"""How many sentences are tried together."""


@dataclass(frozen=True)
class Lectured:
    """A claim, and its sentences with their numbers."""

    claim: Claim
    tried: tuple[Tried, ...]

    def of(self, verdict: Verdict) -> tuple[Tried, ...]:
        return tuple(one for one in self.tried if one.verdict == verdict)

    def table(self) -> Table:
        """A row for each sentence: its number with the corrected interval, and the verdict."""
        columns = ("sentence", "measured", "seeds as said", "verdict")
        rows = [
            (one.said.words, one.amount(), f"{one.agreeing} of {len(one.values)}", one.told()) for one in self.tried
        ]
        n = min(one.found.n for one in self.tried)
        note = (
            f"Measured: the first minus the second, or × their ratio; mean over seeds, paired, with an interval at 1 − "
            f"{LEVEL:g}/{COUNT}, so that those of all {COUNT} sentences hold at once in at least 95 of 100 such trials "
            f"({method(n)}). Seeds needed: to show it {round(10 * POWER)} times in 10."
        )
        return Table(columns, tuple(rows), note)

    def sentence(self) -> str:
        """How many of its sentences hold, which do not, and which cannot be told."""
        n = min(one.found.n for one in self.tried)
        holds = len(self.of("holds"))
        verb = "holds" if holds == 1 else "hold"
        parts = [f"“{self.claim.words}”: of {len(self.tried)} sentences {holds} {verb} over {n} seeds."]
        for verdict, opening in zip(VERDICTS[1:], ("Not borne out", "Not to be told"), strict=True):
            if found := self.of(verdict):
                parts.append(f"{opening}: {'; '.join(one.said.words for one in found)}.")
        return " ".join(parts)


def lectured(name: str, studies: Studies) -> Lectured:
    """Judge one claim by its trials, by their names; raises `UnknownName`, and `StoreError` for a trial not whole."""
    (claim,) = claims((name,))
    return Lectured(claim, tuple(tried(said, measure(studies), COUNT) for said, measure in PARTS[name]))
