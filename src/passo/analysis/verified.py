"""Whether a suggested learning rate held: brief trainings at it, below it and above it, paired by seed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from passo.analysis.compare import Difference
from passo.analysis.intervals import Interval, interval
from passo.analysis.words import joined, ranged, seeds, significant
from passo.errors import StoreError
from passo.language import t
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
        spoken = {2.0: (t("half of it"), t("twice it")), 3.0: (t("a third of it"), t("three times it"))}
        others = t("1/{factor:g} of it", factor=self.factor), t("{factor:g} times it", factor=self.factor)
        below, above = spoken.get(self.factor, others)
        return below, t("the suggestion"), above

    @property
    def told_measured(self) -> str:
        """What was measured at the end, in the language that is spoken."""
        if found := re.fullmatch(r"mean mini-batch loss of the last (\d+) steps", self.measured):
            return t("mean mini-batch loss of the last {n} steps", n=int(found[1]))
        return t(self.measured)

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
        places = (t("the suggested {rate}", rate=significant(self.lr)), self.names[BELOW], self.names[ABOVE])
        losses = [t("{end} at {place}", end=self._end(i), place=place) for i, place in zip(order, places, strict=True)]
        told = t(
            "After {n} steps the {measured} is {losses} ({seeds}).",
            n=self.steps,
            measured=self.told_measured,
            losses=joined(losses),
            seeds=seeds(len(self.seeds)),
        )
        return f"{told} {self._judged()}"

    def _end(self, which: int) -> str:
        end, lost, n = self.ends[which], self.diverged[which], len(self.seeds)
        if end is None:
            return t("not finite")
        if not lost:
            return ranged(end)
        return t("{end} (diverged for {lost} of {n} seeds)", end=ranged(end), lost=lost, n=n)

    def _judged(self) -> str:
        told = {other: self.against(other) for other in (BELOW, ABOVE)}
        better = [other for other, how in told.items() if how == "higher"]
        worse = [other for other, how in told.items() if how == "lower"]
        tied = [other for other, how in told.items() if how == "not distinguishable"]
        if better:
            return t(
                "The suggestion did not hold: {ends}. Among these three, {rate} is the better choice.",
                ends=joined([self._why(other) for other in better]),
                rate=significant(self.rates[min(better, key=self._rank)]),
            )
        if len(worse) == 2:
            return t("The suggestion held: {ends}.", ends=joined([self._why(other) for other in worse]))
        if worse:
            return t(
                "The suggestion held: {ends}, and {other} cannot be told apart from it{shown}.",
                ends=self._why(worse[0]),
                other=self.names[tied[0]],
                shown=self._shown(tied[0]),
            )
        if len(self.seeds) == 1:
            best = self.names[int(np.argmin(self.final[:, 0]))]
            return t(
                "One seed cannot decide: {best} ended lowest, and nothing says how much of that is chance.", best=best
            )
        return t(
            "Undecided: neither {below} nor {above} can be told apart from the suggestion; the rate matters little "
            "here, or the seeds are too few to show it.",
            below=self.names[BELOW] + self._shown(BELOW),
            above=self.names[ABOVE] + self._shown(ABOVE),
        )

    def _rank(self, which: int) -> tuple[int, float]:
        end = self.ends[which]
        return self.diverged[which], np.inf if end is None else end.mean

    def _why(self, other: int) -> str:
        """How another rate ends, and by how much: the difference is the other's loss minus the suggestion's."""
        mine, found = self.diverged[AT], self.difference(other)
        told = {"rate": self.names[other], "lost": self.diverged[other], "n": len(self.seeds)}
        if told["lost"] > mine and found is not None and found.verdict == "higher":
            return t("{rate} diverges for {lost} of {n} seeds and ends lower for the others", **told)
        if told["lost"] > mine:
            return t("{rate} diverges for {lost} of {n} seeds", **told)
        if mine > told["lost"]:
            return t("{rate} diverges for {lost} of {n} seeds where the suggestion does for {mine}", mine=mine, **told)
        assert found is not None
        low, high = sorted((abs(found.low), abs(found.high)))
        by = ranged(Interval(abs(found.mean), low, high, found.n))
        if found.mean < 0:
            return t("{rate} ends higher by {by}", rate=told["rate"], by=by)
        return t("{rate} ends lower by {by}", rate=told["rate"], by=by)

    def _shown(self, other: int) -> str:
        found = self.difference(other)
        if found is None or not found.known:
            return ""
        by = ranged(Interval(-found.mean, -found.high, -found.low, found.n))
        return " " + t("(difference {by})", by=by)


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
