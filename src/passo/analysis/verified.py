"""Whether a suggested learning rate held: brief trainings at it, below it and above it, paired by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from passo.analysis.compare import Difference
from passo.analysis.intervals import Interval, interval
from passo.analysis.words import joined, ranged, seeds, significant
from passo.errors import StoreError
from passo.store import StoredRun, StoredStudy

if TYPE_CHECKING:
    from passo.experiments.verifying import VerifiedRange

BELOW, AT, ABOVE = 0, 1, 2


@dataclass(frozen=True)
class RangeCheck:
    """Trainings at lr/factor, lr and lr·factor (3), for n seeds.

    `losses` has the mini-batch losses, [rate][seed] (T,), shorter where a training diverged; `final` (3, n) the loss at
    the end, which `measured` names, infinite where it diverged. Each of the two differences has its own 95 % interval;
    nothing is corrected for looking at two.
    """

    lr: float
    factor: float
    steps: int
    measured: str
    seeds: tuple[int, ...]
    losses: tuple[tuple[np.ndarray, ...], ...]
    final: np.ndarray

    @property
    def rates(self) -> tuple[float, float, float]:
        return self.lr / self.factor, self.lr, self.lr * self.factor

    @property
    def names(self) -> tuple[str, str, str]:
        """The three rates in words."""
        spoken = {2.0: ("half of it", "twice it"), 3.0: ("a third of it", "three times it")}
        below, above = spoken.get(self.factor, (f"1/{self.factor:g} of it", f"{self.factor:g} times it"))
        return below, "the suggestion", above

    @property
    def diverged(self) -> tuple[int, int, int]:
        """How many trainings diverged at each rate."""
        below, at, above = (int(n) for n in (~np.isfinite(self.final)).sum(1))
        return below, at, above

    @cached_property
    def ends(self) -> tuple[Interval | None, ...]:
        """The mean final loss at each rate, with its interval; None where no training came to an end."""
        kept = [row[np.isfinite(row)] for row in self.final]
        return tuple(interval(row) if len(row) else None for row in kept)

    def difference(self, other: int) -> Difference | None:
        """Final loss at the suggestion minus that at another rate, over the seeds that diverged at neither."""
        both = np.isfinite(self.final[AT]) & np.isfinite(self.final[other])
        if not both.any():
            return None
        found = interval(self.final[AT][both] - self.final[other][both])
        return Difference(found.mean, found.low, found.high, found.n, self.names[AT], self.names[other])

    def against(self, other: int) -> str:
        """How the suggestion ends: "lower", "higher" or "not distinguishable". To diverge more often is higher."""
        if self.diverged[AT] != self.diverged[other]:
            return "higher" if self.diverged[AT] > self.diverged[other] else "lower"
        found = self.difference(other)
        return "not distinguishable" if found is None else found.verdict

    @property
    def verdict(self) -> str:
        """ "held", "did not hold" or "undecided".

        It held where neither neighbour ends lower and at least one ends higher; where neither can be told apart from it
        (or one seed has no interval), nothing is decided.
        """
        told = [self.against(other) for other in (BELOW, ABOVE)]
        if "higher" in told:
            return "did not hold"
        return "held" if "lower" in told else "undecided"

    def sentence(self) -> str:
        """The losses at the three rates, and whether the suggestion held."""
        order = (AT, BELOW, ABOVE)
        places = (f"the suggested {significant(self.lr)}", self.names[BELOW], self.names[ABOVE])
        losses = joined([f"{self._end(i)} at {place}" for i, place in zip(order, places, strict=True)])
        return f"After {self.steps} steps the {self.measured} is {losses} ({seeds(len(self.seeds))}). {self._judged()}"

    def _end(self, which: int) -> str:
        end, lost, n = self.ends[which], self.diverged[which], len(self.seeds)
        if end is None:
            return "not finite"
        return ranged(end) + (f" (diverged for {lost} of {n} seeds)" if lost else "")

    def _judged(self) -> str:
        told = {other: self.against(other) for other in (BELOW, ABOVE)}
        better = [other for other, how in told.items() if how == "higher"]
        worse = [other for other, how in told.items() if how == "lower"]
        tied = [other for other, how in told.items() if how == "not distinguishable"]
        if better:
            rate = significant(self.rates[min(better, key=self._rank)])
            ends = joined([f"{self.names[other]} {self._why(other)}" for other in better])
            return f"The suggestion did not hold: {ends}. Among these three, {rate} is the better choice."
        if len(worse) == 2:
            return f"The suggestion held: {joined([f'{self.names[other]} {self._why(other)}' for other in worse])}."
        if worse:
            one, other = worse[0], tied[0]
            return (
                f"The suggestion held: {self.names[one]} {self._why(one)}, and {self.names[other]} cannot be told "
                f"apart from it{self._shown(other)}."
            )
        if len(self.seeds) == 1:
            best = self.names[int(np.argmin(self.final[:, 0]))]
            return f"One seed cannot decide: {best} ended lowest, and nothing says how much of that is chance."
        return (
            f"Undecided: neither {self.names[BELOW]}{self._shown(BELOW)} nor {self.names[ABOVE]}{self._shown(ABOVE)} "
            "can be told apart from the suggestion; the rate matters little here, or the seeds are too few to show it."
        )

    def _rank(self, which: int) -> tuple[int, float]:
        end = self.ends[which]
        return self.diverged[which], np.inf if end is None else end.mean

    def _why(self, other: int) -> str:
        """How another rate ends, and by how much: the difference is the other's loss minus the suggestion's."""
        mine, lost, n = self.diverged[AT], self.diverged[other], len(self.seeds)
        found = self.difference(other)
        if lost > mine:
            else_ = " and ends lower for the others" if found is not None and found.verdict == "higher" else ""
            return f"diverges for {lost} of {n} seeds{else_}"
        if mine > lost:
            return f"diverges for {lost} of {n} seeds where the suggestion does for {mine}"
        assert found is not None
        low, high = sorted((abs(found.low), abs(found.high)))
        how = "higher" if found.mean < 0 else "lower"
        return f"ends {how} by {ranged(Interval(abs(found.mean), low, high, found.n))}"

    def _shown(self, other: int) -> str:
        found = self.difference(other)
        if found is None or not found.known:
            return ""
        return f" (difference {ranged(Interval(-found.mean, -found.high, -found.low, found.n))})"


def range_check(found: VerifiedRange | StoredStudy) -> RangeCheck:
    """The check from what `passo.verify_range` returned, or from the study of `passo lr-range --verify`.

    Raises `StoreError` where a study has none. Of an interrupted one, the seeds count that have all three trainings.
    """
    if isinstance(found, StoredStudy):
        runs = found.select(kind="lr_verify")
        rows = [_read(run) for run in runs]
        if not rows:
            raise StoreError(f"{found.folder} has no verification of a range test: passo lr-range … --verify makes one")
        info = runs[0].info
        lr, factor, steps, measured = info["suggested"], info["verify_factor"], info["steps"], info["measured"]
    else:
        rows = [(t.seed, t.factor, t.loss, t.final) for t in found.trainings]
        lr, factor, steps, measured = found.lr, found.factor, found.steps, found.trainings[0].measured
    return _check(rows, lr, factor, steps, measured)


def _read(run: StoredRun) -> tuple[int, float, np.ndarray, float]:
    final = run.info["final"]
    return int(run.seed or 0), run.info["factor"], run.array("loss"), np.inf if final is None else float(final)


def _check(
    rows: Sequence[tuple[int, float, np.ndarray, float]], lr: float, factor: float, steps: int, measured: str
) -> RangeCheck:
    by_seed: dict[int, list[tuple[float, np.ndarray, float]]] = {}
    for seed, *rest in rows:
        by_seed.setdefault(seed, []).append(tuple(rest))  # type: ignore[arg-type]
    whole = {seed: sorted(three, key=lambda row: row[0]) for seed, three in by_seed.items() if len(three) == 3}
    if not whole:
        raise StoreError("no seed has all three trainings of the verification: run it again")
    losses = tuple(tuple(three[i][1] for three in whole.values()) for i in range(3))
    final = np.array([[three[i][2] for three in whole.values()] for i in range(3)])
    return RangeCheck(lr, factor, steps, measured, tuple(whole), losses, final)
