"""Tuned fairly: the choice by validation only, the test read once.

`best_of` takes from each group (an optimizer, say) the configuration with the best mean validation over seeds, and only
then reads that one's test. What stands in the table was therefore not chosen by the test. The defaults of an
optimizer stand beside what tuning made of it, where the study ran them (`varied.typed_alone`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from passo.analysis.compare import Outcome, compare
from passo.analysis.curves import runs_of
from passo.analysis.intervals import Interval, interval
from passo.analysis.paired import FairComparison, fair
from passo.analysis.tables import Table
from passo.analysis.varied import groups, typed_alone
from passo.analysis.words import higher_is_better, joined, ranged, spoken
from passo.errors import StoreError, UsageError
from passo.language import t
from passo.store import StoredRun, StoredStudy

BY, REPORT = "validation/loss", "test/accuracy"
MOST = 6  # groups that the sentence names; the table has them all


@dataclass(frozen=True)
class Chosen:
    """What validation chose for one group out of `tried`, and its test; the defaults' where the study has them."""

    group: str
    name: str
    tried: int
    validation: Interval
    test: Outcome
    defaults: Outcome | None


@dataclass(frozen=True)
class Tuned:
    """Each group's choice, the best test first; `fair` compares the choices with each other."""

    by: str
    report: str
    groups: tuple[Chosen, ...]
    fair: FairComparison

    def table(self) -> Table:
        chosen = (t("group"), t("chosen"), t("of"), spoken(self.by))
        columns = (*chosen, spoken(self.report), t("with defaults"))
        rows = [
            (
                g.group,
                g.name,
                str(g.tried),
                ranged(g.validation, self.by),
                ranged(g.test, self.report),
                "—" if g.defaults is None else ranged(g.defaults, self.report),
            )
            for g in self.groups
        ]
        if self.report.startswith("test/"):
            note = t("Chosen by {metric} alone; the test was read once, of these.", metric=spoken(self.by))
        else:
            note = t("Chosen by {metric} alone.", metric=spoken(self.by))
        return Table(columns, tuple(rows), f"{note}{self._equal()}")

    def _equal(self) -> str:
        tried = sorted({g.tried for g in self.groups})
        if len(tried) < 2:
            return ""
        return " " + t("The budgets differ: {low} to {high} configurations.", low=tried[0], high=tried[-1])

    def sentence(self) -> str:
        """What each group reaches, tuned, and whether the choices can be told apart."""
        parts = [
            t(
                "{group} {value} ({name}, of {tried})",
                group=g.group,
                value=ranged(g.test, self.report),
                name=g.name,
                tried=g.tried,
            )
            for g in self.groups
        ]
        if len(parts) > MOST:
            parts = [*parts[: MOST - 1], t("{count} more", count=len(parts) - MOST + 1)]
        by, report = spoken(self.by), spoken(self.report)
        told = t("Tuned by {by}, the {report} is {values}.", by=by, report=report, values=joined(parts)) + self._equal()
        return f"{told} {self.fair.sentence()}" if len(self.groups) > 1 else told


def best_of(
    study: StoredStudy,
    by: str = BY,
    report: str = REPORT,
    group: str | None = None,
    names: Sequence[str] | None = None,
) -> Tuned:
    """The configuration of each group that validation chooses, and its test.

    `group` is a setting that varies (by default, all of kind: `varied.groups`); a configuration that lost a seed is not
    chosen.
    Raises `UsageError` where `by` is a test metric: choosing by it would make the test part of the training.
    """
    if by.startswith("test/"):
        raise UsageError(
            f"a choice by {by} would use the test to tune: choose by validation/…, and let the test report"
        )
    study = study.holding(*restored(study, by), lasts=[by, report])
    kept = {label: complete(study, members, by, report, names) for label, members in groups(study, group).items()}
    kept = {label: members for label, members in kept.items() if members}
    if not kept:
        raise StoreError(f"no configuration in {study.folder} has both {by!r} and {report!r} for all of its seeds")
    alone = set(typed_alone(study))
    found = [_chosen(study, label, members, by, report, alone) for label, members in kept.items()]
    sign = -1 if higher_is_better(report) else 1
    told = tuple(sorted(found, key=lambda c: sign * c.test.mean))
    return Tuned(by, report, told, fair(study, report, [c.name for c in told]))


def complete(
    study: StoredStudy, members: Sequence[str], by: str, report: str, names: Sequence[str] | None
) -> list[str]:
    """The configurations without a lost seed that have both metrics."""
    lost = {run.name for run in study.runs if run.kind == "train" and run.status not in ("done", "running")}
    wanted = [name for name in members if name not in lost and (names is None or name in names)]
    return [n for n in wanted if study.select(n) and all(r.has(by) and r.has(report) for r in study.select(n))]


def _chosen(study: StoredStudy, label: str, members: Sequence[str], by: str, report: str, alone: set[str]) -> Chosen:
    values = {name: [validated(run, by) for run in runs_of(study, name)] for name in members}
    sign = -1 if higher_is_better(by) else 1
    means = {name: sign * float(np.mean(each)) for name, each in values.items()}
    best = min(members, key=lambda name: math.inf if math.isnan(means[name]) else means[name])
    defaults = next((name for name in members if name in alone), None)
    told = None if defaults is None else compare(study, report, [defaults]).outcomes[0]
    test = compare(study, report, [best]).outcomes[0]
    return Chosen(label, best, len(members), interval(values[best]), test, told)


def validated(run: StoredRun, by: str) -> float:
    """The validation of the weights that were tested: the best epoch's where early stopping put them back."""
    best = run.info.get("best")
    if _restores(run) and best:
        series = run.metric(by)
        at = np.flatnonzero(series.steps == best.get("step"))
        return float(series.values[at[0]]) if len(at) else series.last
    return run.last(by)


def restored(study: StoredStudy, by: str) -> list[str]:
    """The metric, where it is needed as a curve: a run went back to its best epoch."""
    return [by] if any(map(_restores, study.runs)) else []


def _restores(run: StoredRun) -> bool:
    stopping = run.config.get("early_stopping")
    return bool(stopping and stopping.get("restore_best", True))
