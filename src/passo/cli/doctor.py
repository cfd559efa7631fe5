"""`passo doctor`: what is wrong with a run, in words; or the gallery of broken runs, which shows what may be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from passo.cli.inspect import PATIENTS, holding, watched_run
from passo.cli.show import out


def doctor(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="STUDY[/RUN]", help="A training, watched (record.every=1) or not; or all trainings of a study."
        ),
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Tell every finding, not the surest five alone; every training of a study.")
    ] = False,
    gallery: Annotated[
        bool, typer.Option("--gallery", help="Show trainings broken on purpose beside healthy ones, on one page.")
    ] = False,
    score: Annotated[
        bool,
        typer.Option("--score", help="Try the detectors on some 1,300 broken and healthy trainings (20 minutes)."),
    ] = False,
    out_: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the gallery or the score (default: ./passo-runs/gallery, …/score)."),
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="DEFECT,…", help="These defects of the gallery alone: zero-grad, sorted, …")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The gallery's model: mlp (default), cnn, allconv, lenet, wide.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="S", help="The gallery's seed (default: 0).")] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="So many trainings of the gallery or the score at a time (default: 2).")
    ] = None,
) -> None:
    """Say what is wrong with a run: at most five findings, the surest first, with evidence and what to try.

    With --gallery, show small trainings that are broken in one known way each beside healthy ones, on one page.

    With --score, count how often the detectors are right. What is trained already is not trained again.
    """
    from passo.errors import UsageError
    from passo.store import root, understood

    if (gallery or score) and run is not None:
        way = "--gallery" if gallery else "--score"
        raise UsageError(f"{way} makes its own runs: leave out {run!r}, or leave out {way} to look at it")
    if gallery and score:
        raise UsageError("--gallery or --score, one at a time")
    given = {"--only": only, "--model": model, "--seed": seed, "--out": out_, "--jobs": jobs}
    for option, value in given.items():
        if value is not None and not gallery and not (score and option in ("--out", "--jobs")):
            raise UsageError(f"{option} belongs to passo doctor --gallery: leave it out")
    if gallery:
        from passo.cli.doctor_gallery import show_gallery

        show_gallery(out_, only, model or "mlp", seed or 0, jobs or 2)
    elif score:
        from passo.cli.doctor_score import show_score

        show_score(out_ or root() / "score", jobs or 2)
    elif run is None:
        raise UsageError("which run? passo doctor STUDY[/RUN] looks at one, passo doctor --gallery shows broken ones")
    else:
        with understood(run):
            _look(run, all_)


def _look(name: str, all_: bool) -> None:
    """One training is told in full, several are listed."""
    from passo import store
    from passo.cli.doctor_study import MOST, show_study

    there = store.named(name)
    runs = [] if isinstance(there, store.StoredRun) else holding(there, PATIENTS)
    if len(runs) > 1:
        show_study(name, runs, len(runs) if all_ else MOST)
    else:
        _tell(name, all_)


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
