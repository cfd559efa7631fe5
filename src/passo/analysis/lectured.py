"""A lecture's three claims, judged: each taken apart into sentences, each sentence tried over seeds.

All sentences of all claims count in the correction, whichever claims are asked for: k is one number, and a verdict does
not depend on what was looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from passo.analysis.adam_claim import ADAMS
from passo.analysis.batch_claim import BATCHES
from passo.analysis.needed import LEVEL, POWER
from passo.analysis.penalty_claim import PENALTIES
from passo.analysis.resampled import method
from passo.analysis.sentences import Said, Tried, Verdict, tried
from passo.analysis.tables import Table
from passo.language import t, tn
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
        columns = (t("sentence"), t("measured"), t("seeds as said"), t("verdict"))
        rows = [
            (one.said.words, one.amount(), t("{part} of {whole}", part=one.agreeing, whole=len(one.values)), one.told())
            for one in self.tried
        ]
        n = min(one.found.n for one in self.tried)
        note = t(
            "Measured: the first minus the second, or × their ratio; mean over seeds, paired, with an interval at 1 − "
            "{level:g}/{count}, so that those of all {count} sentences hold at once in at least 95 of 100 such trials "
            "({method}). Seeds needed: to show it {times} times in 10.",
            level=LEVEL,
            count=COUNT,
            method=method(n),
            times=round(10 * POWER),
        )
        return Table(columns, tuple(rows), note)

    def sentence(self) -> str:
        """How many of its sentences hold, which do not, and which cannot be told."""
        said = tn(
            "“{claim}”: of {count} sentences {n} holds over {seeds} seeds.",
            "“{claim}”: of {count} sentences {n} hold over {seeds} seeds.",
            len(self.of("holds")),
            claim=t(self.claim.words),
            count=len(self.tried),
            seeds=min(one.found.n for one in self.tried),
        )
        parts = [said]
        if fails := self.of("does not hold"):
            parts.append(t("Not borne out: {sentences}.", sentences=_listed(fails)))
        if untold := self.of("cannot be told"):
            parts.append(t("Not to be told: {sentences}.", sentences=_listed(untold)))
        return " ".join(parts)


def _listed(parts: Sequence[Tried]) -> str:
    return "; ".join(one.said.words for one in parts)


def lectured(name: str, studies: Studies) -> Lectured:
    """Judge one claim by its trials, by their names; raises `UnknownName`, and `StoreError` for a trial not whole."""
    (claim,) = claims((name,))
    return Lectured(claim, tuple(tried(said, measure(studies), COUNT) for said, measure in PARTS[name]))
