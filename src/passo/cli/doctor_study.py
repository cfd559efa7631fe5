"""`passo doctor STUDY`: what is found in each of its trainings, a line for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from passo.cli.show import err, out, progress, table
from passo.language import t

if TYPE_CHECKING:
    from passo.store import StoredRun

MOST = 40  # trainings that are listed


def show_study(name: str, runs: Sequence[StoredRun], most: int = MOST) -> None:
    """A table of the trainings in which something was found, `most` at most, and of how many nothing was found."""
    from passo.diagnosis import diagnose
    from passo.diagnosis.findings import FOUND

    rows, silent = [], 0
    with progress() as bar:
        line = bar.add_task(t("diagnosing"), total=len(runs))
        for run in runs:
            findings = diagnose(run).findings
            sure = [t(one.detector.title) for one in findings if one.level == FOUND]
            doubtful = [t(one.detector.title) for one in findings if one.level != FOUND]
            silent += not findings
            if findings:
                rows.append((run.id, "; ".join(sure), "; ".join(doubtful)))
            bar.advance(line)
    shown = rows[:most]
    if shown:
        table((t("run"), t("found"), t("suspected")), shown)
    if len(shown) < len(rows):
        out.print(t("… and {n} more", n=len(rows) - len(shown)) + ": --all")
    if silent:
        out.print(t("Nothing was found in {n:,} of {all:,} trainings.", n=silent, all=len(runs)))
    if rows:
        err.print(t("passo doctor {run} says more of one.", run=f"{name}/{rows[0][0]}"), markup=False, soft_wrap=True)
