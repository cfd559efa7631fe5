"""`passo doctor`: what is wrong with a run, in words."""

from __future__ import annotations

from typing import Annotated

import typer

from passo.cli.inspect import PATIENTS, watched_run
from passo.cli.show import out


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

    found = diagnose(watched_run(run, kept=PATIENTS))
    out.print(f"[bold]{told_run(found.run)}[/]")
    for line in found.lines(len(found.findings) if all_ else MOST):
        body = line.lstrip()
        told = Text(body, style="bold" if body == line and body[0].isdigit() else "")
        out.print(Padding(told, (0, 0, 0, len(line) - len(body))))
