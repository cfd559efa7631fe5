"""`passo doctor`: what is wrong with a run, in words; or the gallery of broken runs, which shows what may be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from passo.cli.inspect import PATIENTS, watched_run
from passo.cli.show import out


def doctor(
    run: Annotated[
        str | None, typer.Argument(metavar="STUDY[/RUN]", help="A training, watched (record.every=1) or not.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Tell every finding, not the surest five alone.")] = False,
    gallery: Annotated[
        bool, typer.Option("--gallery", help="Show trainings broken on purpose beside healthy ones, on one page.")
    ] = False,
    out_: Annotated[
        Path | None, typer.Option("--out", help="Folder of the gallery (default: ./passo-runs/gallery).")
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="DEFECT,…", help="These defects of the gallery alone: zero-grad, sorted, …")
    ] = None,
    model: Annotated[str, typer.Option(help="The gallery's model: mlp, cnn, allconv, lenet, wide.")] = "mlp",
    seed: Annotated[int, typer.Option(metavar="S", help="The gallery's seed.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="So many trainings of the gallery at a time.")] = 2,
) -> None:
    """Say what is wrong with a run: at most five findings, the surest first, with evidence and what to try.

    With --gallery, train small networks that are broken in one known way each, and show them beside healthy ones on a
    page that works offline. What is trained already is not trained again.
    """
    from passo.errors import UsageError
    from passo.store import understood

    if gallery:
        from passo.cli.doctor_gallery import show_gallery

        if run is not None:
            raise UsageError(f"--gallery makes its own runs: leave out {run!r}, or leave out --gallery to look at it")
        show_gallery(out_, only, model, seed, jobs)
    elif run is None:
        raise UsageError("which run? passo doctor STUDY[/RUN] looks at one, passo doctor --gallery shows broken ones")
    else:
        with understood(run):
            _tell(run, all_)


def _tell(run: str, all_: bool) -> None:
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
