"""`passo export`: a run's metrics for other programs, and its trained model to take away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from passo.cli.show import err, out
from passo.language import language, t, tn

Own = Annotated[
    str | None,
    typer.Option("--own", metavar="FILE.py:FUNCTION", help="Your own model's file again, if you trust it: it is run."),
]


def export(
    run: Annotated[
        str,
        typer.Argument(
            metavar="STUDY[/RUN]|TEXT", help="A study, one of its runs, or the folder of a text of your own."
        ),
    ],
    metrics: Annotated[
        Path | None, typer.Option(metavar="FILE.csv|FILE.parquet", help="Metrics: one row for each value.")
    ] = None,
    wide: Annotated[bool, typer.Option("--wide", help="Metrics with one row a step and one column a metric.")] = False,
    tensorboard: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Metrics and settings as TensorBoard's event files.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The trained model: model.safetensors and model.json.")
    ] = None,
    onnx: Annotated[Path | None, typer.Option(metavar="FILE.onnx", help="The trained model as ONNX.")] = None,
    own: Own = None,
    out_: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="A repository to hand in (default: STUDY-repository).")
    ] = None,
    author: Annotated[list[str] | None, typer.Option(help="Who hands it in; may be repeated.")] = None,
    course: Annotated[str, typer.Option(help="The course that it is for.")] = "",
    repository: Annotated[str, typer.Option(help="Where it will be: an address.")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that are there; a folder of event files is moved aside.")
    ] = False,
) -> None:
    """Make a study a repository to hand in; or write a run's metrics and its trained model for other programs.

    passo export TEXT --out repository        the note is that text of your own (passo note new)

    passo export STUDY --out repository       the note is passo's

    passo export STUDY --metrics metrics.csv --tensorboard logs

    passo export STUDY/RUN --model shirts --onnx shirts.onnx
    """
    from passo.errors import UsageError
    from passo.notes.own import is_own

    if wide and metrics is None:
        raise UsageError("--wide is a form of the metrics: add --metrics FILE.csv")
    if (metrics, tensorboard, model, onnx) == (None,) * 4:
        if out_ is not None or is_own(Path(run)) or _is_whole(run):
            _hand_in(run, out_, author or [], course, repository)
            return
        raise UsageError(
            "say what to write: --metrics FILE.csv, --tensorboard DIR, --model DIR, --onnx FILE.onnx, "
            "or --out DIR for a repository to hand in"
        )
    if out_ is not None:
        raise UsageError("--out makes a repository of a whole study: leave the other formats to a call of their own")
    if metrics is not None:
        from passo.analysis.metrics_table import metrics_table

        table = metrics_table(run, wide=wide)
        table.save(metrics, force=force)
        words = tn("{n:,} row of metrics: {path}", "{n:,} rows of metrics: {path}", len(table), path=metrics)
        out.print(words, markup=False, soft_wrap=True)
    if tensorboard is not None:
        from passo.analysis.event_files import export_tensorboard

        export_tensorboard(run, tensorboard, force=force)
        words = t("event files: {folder} (tensorboard --logdir {folder})", folder=tensorboard)
        out.print(words, markup=False, soft_wrap=True)
    if model is not None:
        from passo.explaining.interchange import save_model

        save_model(run, model, own, force=force)
        out.print(t("trained model: {folder}", folder=model), markup=False, soft_wrap=True)
    if onnx is not None:
        from passo.explaining.interchange import export_onnx

        export_onnx(run, onnx, own, force=force)
        out.print(f"ONNX: {onnx}", markup=False, soft_wrap=True)


def _is_whole(name: str) -> bool:
    """Whether it is a study of a study file, and no run of one nor a single training."""
    from passo import store

    folder = store.place(name)
    return folder is not None and "planned" in store.outline(folder).facts


def _hand_in(name: str, target: Path | None, authors: list[str], course: str, repository: str) -> None:
    from passo import store
    from passo.cli.handing_in import hand_in
    from passo.notes import own
    from passo.notes.content import Byline

    text = own.read(name) if own.is_own(Path(name)) else None
    given = Byline(tuple(authors), course, "", repository)
    study = text.study if text else store.find(name)
    lang, by = (text.language, text.by(given)) if text else (language(), given)
    folder = target if target is not None else Path(f"{study.folder.name}-repository")
    with store.understood(study.folder), err.status(t("writing the repository")):
        made = hand_in(study, folder, lang=lang, byline=by, own=text)
    for line in own.warnings_told(text.typed()) if text else ():
        err.print(line, markup=False, soft_wrap=True)
    out.print(t("a repository of {n} files: {folder}", n=len(made), folder=folder), markup=False, soft_wrap=True)
    out.print(t("read {file} first", file=folder / "README.md"), markup=False, soft_wrap=True)
