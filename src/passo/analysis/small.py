"""Two models on little data, without validation: whether their training losses converge, how fast, and to what value.

`convergence` defines whether a loss converged, when half and 95 % of its fall were done, its value and whether it
settled. Here its answers are taken over seeds, and the models compared by differences paired by seed (`contrasts`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from passo.analysis.contrasts import EPOCHS, Beside, BySeed, Contrast, less, told
from passo.analysis.convergence import Converged, run_convergence
from passo.analysis.curves import runs_of
from passo.analysis.intervals import Interval, interval
from passo.analysis.pair import configured, pair
from passo.analysis.tables import Table
from passo.analysis.varied import ended
from passo.analysis.words import bracketed, joined, ranged, seeds
from passo.errors import StoreError
from passo.language import later, numeral, t
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
        fields = {"label": self.label, "states": self.words, "value": ranged(value), "n": len(self.runs)}
        if not math.isfinite(value.mean):
            return t("The training loss of the {label}: {states}, so that nothing can be said of its end.", **fields)
        if not self.converged:
            return self._unsure(fields)
        settled, restless = (
            later(
                "The training loss of the {label} converged to {value}, and settled: half of its fall was done by "
                "epoch {half} and 95 % by epoch {fast}."
            ),
            later(
                "The training loss of the {label} converged to {value} ({states}): half of its fall was done by epoch "
                "{half} and 95 % by epoch {fast}."
            ),
        )
        all_settled = all(run.state == "settled" for run in self.runs.values())
        return t(settled if all_settled else restless, half=epoch(half), fast=epoch(fast), **fields)

    def _unsure(self, fields: Mapping[str, Any]) -> str:
        """That it did not converge in all seeds, or in none."""
        if done := sum(run.converged for run in self.runs.values()):
            return t(
                "The training loss of the {label} converged in {done} of {n} seeds ({states}); at the end it is about "
                "{value}.",
                done=done,
                **fields,
            )
        return t(
            "The training loss of the {label} has not converged ({states}); at the end it is about {value}.", **fields
        )


@dataclass(frozen=True)
class Small(Beside[Pace]):
    """Both models' training losses on little data, without validation."""

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """The value at the end; where both models converged in every seed, the epochs to half and 95 % of the fall."""
        half = less(
            PART,
            later("epochs to half of the fall"),
            later("has done half of the fall of its training loss {by} sooner than {other}"),
            EPOCHS,
            *self._both("half"),
        )
        fast = less(
            PART,
            later("epochs to 95 % of the fall"),
            later("has done 95 % of the fall of its training loss {by} sooner than {other}"),
            EPOCHS,
            *self._both("fast"),
        )
        value = less(
            PART,
            later("final training loss"),
            later("ends with a training loss {by} lower than {other}"),
            "",
            *self._both("value"),
        )
        found = (half, fast, value) if all(one.converged for one in self.each) else (value,)
        return tuple(one for one in found if one is not None)

    def _both(self, what: str) -> tuple[BySeed, BySeed]:
        first, second = ({seed: getattr(run, what) for seed, run in one.runs.items()} for one in self.each)
        return first, second

    def sentence(self) -> str:
        """Each model's, then what sets them apart, over so many seeds."""
        first, second = (one.sentence() for one in self.each)
        return " ".join([f"{first[:-1]} ({seeds(self.n)}).", second, *told(self.contrasted)])

    def table(self) -> Table:
        """A row for each model."""
        by_half, by_fast = t("half by epoch"), t("95 % by epoch")
        columns = (t("model"), t("did it converge"), t("to"), by_half, by_fast, t("drift"), t("swings"))
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
        note = t(
            "Training loss, {seeds}. Drift: the change within the last third of the epochs; swings: the standard "
            "deviation about a line there. docs/comparing.md defines the words.",
            seeds=seeds(self.n),
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
        return numeral(f"{found.mean:.3g}")
    mean, low, high = (numeral(f"{end:.1f}") for end in (found.mean, max(0.0, found.low), found.high))
    return f"{mean} {bracketed(low, high)}"


def _counted(states: Sequence[str]) -> str:
    there = dict.fromkeys(states)
    if len(there) == 1:
        return t(states[0])
    return ", ".join(t("{count} {state}", count=states.count(state), state=t(state)) for state in there)


def cell(found: Interval, words: Callable[[Interval], str] = ranged) -> str:
    """What stands in a table; a dash where no seed has a number."""
    return words(found) if math.isfinite(found.mean) else "—"
