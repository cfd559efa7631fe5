"""Two models on little data, without validation: whether their training losses converge, how fast, and to what value.

`convergence` defines whether a loss converged, when half and 95 % of its fall were done, its value and whether it
settled. Here its answers are taken over seeds, and the models compared by differences paired by seed (`contrasts`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from passo.analysis.contrasts import BySeed, Contrast, Contrasted, contrasted, less, told
from passo.analysis.convergence import Converged, run_convergence
from passo.analysis.curves import runs_of
from passo.analysis.intervals import Interval, interval
from passo.analysis.pair import configured, pair
from passo.analysis.tables import Table
from passo.analysis.varied import ended
from passo.analysis.words import joined, ranged, seeds
from passo.errors import StoreError
from passo.store import StoredRun, StoredStudy

PART, LOSS = "small", "epoch/train_loss"


@dataclass(frozen=True)
class Pace:
    """The training losses of one model: what each seed's did."""

    label: str
    runs: Mapping[int | None, Converged]

    def over_seeds(self, what: str) -> Interval:
        """A number of `Converged` over the seeds that have it."""
        return over_seeds([getattr(run, what) for run in self.runs.values()])

    @property
    def converged(self) -> bool:
        """Whether all seeds did."""
        return all(run.converged for run in self.runs.values())

    @property
    def words(self) -> str:
        """ "settled" where all seeds did, else how many did what."""
        return _counted([run.state for run in self.runs.values()])

    def sentence(self) -> str:
        """Whether it converged, to what value, how fast, and whether it settled."""
        value, half, fast = (self.over_seeds(what) for what in ("value", "half", "fast"))
        name = f"The training loss of the {self.label}"
        if not math.isfinite(value.mean):
            return f"{name}: {self.words}, so that nothing can be said of its end."
        settled = ", and settled" if self.words == "settled" else f" ({self.words})"
        state = f"converged to {ranged(value)}{settled}"
        done = sum(run.converged for run in self.runs.values())
        if not self.converged:
            some = f"converged in {done} of {len(self.runs)} seeds" if done else "has not converged"
            return f"{name} {some} ({self.words}); at the end it is about {ranged(value)}."
        return f"{name} {state}: half of its fall was done by epoch {epoch(half)} and 95 % by epoch {epoch(fast)}."


@dataclass(frozen=True)
class Small:
    """Both models' training losses on little data, without validation."""

    each: tuple[Pace, Pace]

    @property
    def labels(self) -> tuple[str, str]:
        return self.each[0].label, self.each[1].label

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """The value at the end; where both models converged in every seed, the epochs to half and 95 % of the fall."""
        said = {
            "half": ("epochs to half of the fall", "has done half of the fall of its training loss {by} sooner than"),
            "fast": ("epochs to 95 % of the fall", "has done 95 % of the fall of its training loss {by} sooner than"),
            "value": ("final training loss", "ends with a training loss {by} lower than"),
        }
        found = [
            less(PART, name, f"{says} {{other}}", "" if what == "value" else "epochs", *self._both(what))
            for what, (name, says) in said.items()
            if what == "value" or all(one.converged for one in self.each)
        ]
        return tuple(one for one in found if one is not None)

    def _both(self, what: str) -> tuple[BySeed, BySeed]:
        first, second = ({seed: getattr(run, what) for seed, run in one.runs.items()} for one in self.each)
        return first, second

    @cached_property
    def contrasted(self) -> tuple[Contrasted, ...]:
        """Its contrasts, corrected together."""
        return contrasted(self.contrasts, self.labels)

    def sentence(self) -> str:
        """Each model's, then what sets them apart, over so many seeds."""
        n = min(len(one.runs) for one in self.each)
        parts = [
            f"{one.sentence()[:-1]} ({seeds(n)})." if i == 0 else one.sentence() for i, one in enumerate(self.each)
        ]
        return " ".join([*parts, *told(self.contrasted)])

    def table(self) -> Table:
        """A row for each model."""
        columns = ("model", "did it converge", "to", "half by epoch", "95 % by epoch", "drift", "swings")
        rows = tuple(
            (
                one.label,
                one.words,
                cell(one.over_seeds("value")),
                *(cell(one.over_seeds(what), epoch) for what in ("half", "fast")),
                *(cell(one.over_seeds(what)) for what in ("drift", "swings")),
            )
            for one in self.each
        )
        note = (
            f"Training loss, {seeds(min(len(one.runs) for one in self.each))}. Drift: the change within the last third "
            "of the epochs; swings: the standard deviation about a line there. docs/comparing.md defines the words."
        )
        return Table(columns, rows, note)


def small(study: StoredStudy) -> Small:
    """Read the entry `small` of a study of two models, diverged runs included.

    Raises `StoreError` where it lacks it for one of them.
    """
    study = study.holding(LOSS)
    first, second = (
        Pace(label, {run.seed: run_convergence(run, LOSS) for run in ended(study, runs[0].name)})
        for label, runs in both(study, "small").items()
    )
    return Small((first, second))


def both(study: StoredStudy, entry: str) -> dict[str, tuple[StoredRun, ...]]:
    """The runs of an entry that makes one configuration, by model in the order of the pair, by seed.

    Raises `StoreError` where one of the two models has none.
    """
    found = {one.model: one.name for one in configured(study, entry=entry)}
    labels = pair(study).labels
    if lacking := [label for label in labels if label not in found]:
        raise StoreError(f"{study.folder} has no run of the entry {entry!r} with {joined(lacking)} that is done")
    return {label: runs_of(study, found[label]) for label in labels}


def over_seeds(values: Iterable[float]) -> Interval:
    """Mean and interval over the seeds that have a number; NaN where none has."""
    return interval([value for value in values if math.isfinite(value)] or [math.nan])


def epoch(found: Interval) -> str:
    """An epoch with its interval, from 0 on; alone where all seeds gave the same, or one seed gives none.

    >>> epoch(Interval(6.4, 5.72, 7.08, 5)), epoch(Interval(4.0, 4.0, 4.0, 5))
    ('6.4 [5.7, 7.1]', '4')
    """
    if not found.known or found.half == 0:
        return f"{found.mean:.3g}"
    return f"{found.mean:.1f} [{max(0.0, found.low):.1f}, {found.high:.1f}]"


def _counted(states: Sequence[str]) -> str:
    there = dict.fromkeys(states)
    return states[0] if len(there) == 1 else ", ".join(f"{states.count(state)} {state}" for state in there)


def cell(found: Interval, words: Callable[[Interval], str] = ranged) -> str:
    """What stands in a table; a dash where no seed has a number."""
    return words(found) if math.isfinite(found.mean) else "—"
