"""Performance profiles over several problems: how often a solver is within a factor τ of the best on each.

With t(p, s) the cost of solver s on problem p (here: epochs, steps or seconds to the problem's target; infinite where
it is not reached), r(p, s) = t(p, s)/min over s of t(p, s), and over P problems

    ρ_s(τ) = |{p : r(p, s) ≤ τ}| / P            ρ_s(1): how often it is the fastest; ρ_s(∞): how often it gets there

E. D. Dolan, J. J. Moré, "Benchmarking Optimization Software with Performance Profiles", Mathematical Programming 91
(2002), section 2. A profile orders solvers against this set of solvers: with one taken out, the order of the others
may change (N. Gould, J. Scott, "A Note on Performance Profiles for Benchmarking Software", ACM TOMS 43 (2016)).

A problem is a study, or a value of a setting in one study (`varied.split`); a solver is a configuration that all
problems have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from passo.analysis.tables import Table
from passo.analysis.targets import UNITS, targets
from passo.analysis.varied import listed
from passo.analysis.words import joined, significant
from passo.errors import StoreError, UsageError
from passo.language import later, t, tn
from passo.registry import unknown
from passo.store import StoredStudy

_UNTIL = {
    "epochs": later(
        "Epochs until half of the runs are at each problem's target, — where fewer ever are; then shares of problems."
    ),
    "steps": later(
        "Steps until half of the runs are at each problem's target, — where fewer ever are; then shares of problems."
    ),
    "seconds": later(
        "Seconds until half of the runs are at each problem's target, — where fewer ever are; then shares of problems."
    ),
}


@dataclass(frozen=True)
class Profiles:
    """costs (problems, solvers), infinite where a target was not reached; ratios alike."""

    unit: str
    problems: tuple[str, ...]
    solvers: tuple[str, ...]
    costs: np.ndarray
    ratios: np.ndarray

    def share(self, solver: str, factor: float) -> float:
        """ρ_s(τ)."""
        return float((self.ratios[:, self.solvers.index(solver)] <= factor * (1 + 1e-12)).mean())

    def solved(self, solver: str) -> float:
        """ρ_s(∞): the share of problems on which the solver reaches the target."""
        return float(np.isfinite(self.costs[:, self.solvers.index(solver)]).mean())

    def table(self) -> Table:
        columns = (t("solver"), *self.problems, t("fastest"), t("within 2 ×"), t("reached"))
        rows = [
            (
                solver,
                *("—" if math.isinf(cost) else significant(float(cost)) for cost in self.costs[:, s]),
                *(
                    f"{100 * share:.0f} %"
                    for share in (self.share(solver, 1), self.share(solver, 2), self.solved(solver))
                ),
            )
            for s, solver in enumerate(self.solvers)
        ]
        return Table(columns, tuple(rows), t(_UNTIL[self.unit]))

    def sentence(self) -> str:
        """Who is fastest most often, and who gets there most often."""
        n = len(self.problems)
        counts = {solver: round(n * self.share(solver, 1)) for solver in self.solvers}
        most = max(counts.values())
        firsts = [solver for solver, count in counts.items() if count == most]
        solved = {solver: round(n * self.solved(solver)) for solver in self.solvers}
        return tn(
            "On {count} problems {names} is the fastest most often ({most} of {count}); of their targets {reached}.",
            "On {count} problems {names} are the fastest most often ({most} of {count}); of their targets {reached}.",
            len(firsts),
            count=n,
            names=listed(firsts),
            most=most,
            reached=_counted(solved),
        )


def profiles(
    problems: Sequence[StoredStudy],
    metric: str = "validation/accuracy",
    values: Sequence[float | None] | None = None,
    unit: str = "epochs",
) -> Profiles:
    """Performance profiles of the configurations that all problems have; `values` are the problems' targets.

    Raises `UnknownName` for a unit there is not, `UsageError` for fewer than two problems, `StoreError` where they
    share no configuration or did not record the unit.
    """
    if unit not in UNITS:
        raise unknown("unit", unit, UNITS)
    if len(problems) < 2:
        raise UsageError("a performance profile needs two problems or more: give several studies, or --problem KEY")
    goals = list(values or [None] * len(problems))
    ways = [
        {way.name: way.median(unit) for way in targets(problem, metric, goal).ways}
        for problem, goal in zip(problems, goals, strict=True)
    ]
    shared = [name for name in ways[0] if all(name in each for each in ways)]
    if not shared:
        there = "; ".join(
            f"{problem.name}: {listed(sorted(each))}" for problem, each in zip(problems, ways, strict=True)
        )
        raise StoreError(
            f"the problems share no configuration, so that no profile can be made. There are: {there}. Give studies "
            "whose configurations have the same names, or one study and --problem KEY"
        )
    costs = np.array([[each[name] for name in shared] for each in ways])
    if np.isnan(costs).any():
        raise StoreError(f"not every run recorded its {unit}, so that no profile over them can be made")
    return Profiles(unit, tuple(problem.name for problem in problems), tuple(shared), costs, ratios(costs))


def _counted(solved: dict[str, int]) -> str:
    """How many targets each reaches, the most first, those with as many together."""
    at: dict[int, list[str]] = {}
    for solver, count in sorted(solved.items(), key=lambda item: -item[1]):
        at.setdefault(count, []).append(solver)
    told = [
        tn("{names} reaches {count}", "{names} reach {count}", len(names), names=listed(names), count=count)
        for count, names in at.items()
    ]
    return joined(told)


def ratios(costs: np.ndarray) -> np.ndarray:
    """r(p, s): costs (problems, solvers) over the least of each problem; infinite where no solver gets there.

    >>> ratios(np.array([[2.0, 4.0], [np.inf, np.inf]])).tolist()
    [[1.0, 2.0], [inf, inf]]
    """
    least = costs.min(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.where(costs == least, 1.0, costs / least)
    return np.where(np.isfinite(costs), found, np.inf)
