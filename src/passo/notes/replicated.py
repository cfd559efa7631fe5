"""What the text may ask about the published note: its claims tried on this study, and judged by the study over seeds.

The study over seeds (`published-note`) and the exact replication are other studies: they are read where they lie in
the same root as this one, finished; else the text says how to run them.
"""

from __future__ import annotations

import functools
from contextlib import suppress
from dataclasses import dataclass, replace

from passo.analysis.claims import CLAIMS, Claims, judge
from passo.analysis.replicated import Replicated, replicated
from passo.errors import StoreError
from passo.notes.content import Table
from passo.notes.values import Values
from passo.store import StoredStudy, studies
from passo.studies.published import EXACT, PublishedNote, published_note

OVER_SEEDS = "published-note"
HERE = {
    "optimisers-sgd": "sgd",
    "optimisers-momentum": "momentum",
    "optimisers-nesterov": "nesterov",
    "optimisers-adam": "adam",
}
"""The published note's optimisers, as this study calls them."""


@dataclass(frozen=True)
class Replication:
    """The published note, seen from this study."""

    values: Values

    @property
    def note(self) -> PublishedNote:
        return published_note()

    @property
    def printed(self) -> dict[str, float]:
        """The last validation loss that the published note printed of each optimiser, by this study's names."""
        runs = {run.name: run for run in self.note.runs}
        return {ours: float(runs[theirs].printed["val_loss"][-1]) for theirs, ours in HERE.items()}

    @functools.cached_property
    def tried(self) -> Claims:
        """Those of its claims that this study has runs for, judged by them, beside the published differences."""
        claims = [
            replace(one, first=HERE[one.first], second=HERE[one.second])
            for one in CLAIMS
            if {one.first, one.second} <= HERE.keys()
        ]
        found, printed = judge(self.values.study, claims=claims), self.printed
        judged = (replace(one, published=printed[one.claim.first] - printed[one.claim.second]) for one in found.judged)
        return replace(found, judged=tuple(judged))

    def winner(self, seed: int | None = None) -> str:
        """The optimiser with the lowest last validation loss: as printed, or of one seed of this study."""
        if seed is None:
            return min(self.printed, key=lambda name: self.printed[name])
        return min(HERE.values(), key=lambda name: self._loss(name, seed))

    def _loss(self, name: str, seed: int) -> float:
        run = next(run for run in self.values.runs(name) if run.seed == seed)
        return float(run.metric("validation/loss").values[-1])

    @property
    def winners(self) -> dict[str, int]:
        """How many seeds each optimiser wins, the most first; those that win none are left out."""
        won = [self.winner(seed) for seed in self.values.seeds]
        return {name: won.count(name) for name in sorted(set(won), key=lambda name: -won.count(name))}

    @functools.cached_property
    def study(self) -> StoredStudy | None:
        """The finished study of the same runs over seeds, where it lies beside this one."""
        return self._beside(OVER_SEEDS)

    @functools.cached_property
    def judged(self) -> Claims | None:
        """All claims, judged by that study."""
        return judge(self.study) if self.study else None

    @functools.cached_property
    def exact(self) -> Replicated | None:
        """The replication digit for digit, where it lies beside this study."""
        beside = self._beside(EXACT)
        return replicated(beside) if beside else None

    def _beside(self, name: str) -> StoredStudy | None:
        with suppress(StoreError, OSError):
            there = [one for one in studies(self.values.study.folder.parent) if one.name == name]
            return next((one for one in reversed(there) if one.status == "done"), None)
        return None


def claims_tried(values: Values) -> Table:
    """The claims that this study has runs for, and what becomes of them."""
    return _table(Replication(values).tried)


def claims_judged(values: Values) -> Table:
    """All claims, by the study over seeds; raises `StoreError` where it is not there."""
    found = Replication(values).judged
    if found is None:
        raise StoreError(f"no finished study {OVER_SEEDS} lies beside {values.study.folder}")
    return _table(found)


def _table(found: Claims) -> Table:
    table = found.table()
    return Table(table.columns, table.rows, table.note)
