"""`passo doctor`: what is wrong with a run, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from passo.cli.show import out

if TYPE_CHECKING:
    from passo.store import StoredRun


def doctor(
    run: Annotated[str, typer.Argument(metavar="STUDY[/RUN]", help="A training, watched (record.every=1) or not.")],
    all_: Annotated[bool, typer.Option("--all", help="Tell every finding, not the surest five alone.")] = False,
) -> None:
    """Say what is wrong with a run: at most five findings, the surest first, with evidence and what to try."""
    from rich.padding import Padding
    from rich.text import Text

    from passo.analysis.recorded import told_run
    from passo.diagnosis import diagnose
    from passo.diagnosis.diagnosing import MOST

    found = diagnose(_run(run))
    out.print(f"[bold]{told_run(found.run)}[/]")
    for line in found.lines(len(found.findings) if all_ else MOST):
        body = line.lstrip()
        told = Text(body, style="bold" if body == line and body[0].isdigit() else "")
        out.print(Padding(told, (0, 0, 0, len(line) - len(body))))


def _run(name: str) -> StoredRun:
    """The run STUDY/RUN, or the only training of STUDY. Raises `StoreError` where there is none, or are several."""
    from passo import store
    from passo.errors import StoreError

    study = store.named(name)
    if isinstance(study, store.StoredRun):
        return study
    there = [run for run in study.runs if run.kind in ("train", "watch")]
    if len(there) == 1:
        return there[0]
    none, several = "is a training", "trainings"
    if not there:
        raise StoreError(f"no run of {name} {none}")
    raise StoreError(f"{name} holds {len(there)} {several}, say which: {', '.join(run.id for run in there)}")
