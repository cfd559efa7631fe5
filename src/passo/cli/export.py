"""`passo export`: a run's metrics for other programs, and its trained model to take away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from passo.cli.show import out

Own = Annotated[
    str | None,
    typer.Option("--own", metavar="FILE.py:FUNCTION", help="Your own model's file again, if you trust it: it is run."),
]


def export(
    run: Annotated[
        str, typer.Argument(metavar="STUDY[/RUN]", help="A study (all its runs' metrics), or one of its runs.")
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
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that are there; a folder of event files is moved aside.")
    ] = False,
) -> None:
    """Write a run's metrics and its trained model in formats of other programs.

    passo export STUDY --metrics metrics.csv --tensorboard logs

    passo export STUDY/RUN --model shirts --onnx shirts.onnx
    """
    from passo.errors import UsageError

    if wide and metrics is None:
        raise UsageError("--wide is a form of the metrics: add --metrics FILE.csv")
    if (metrics, tensorboard, model, onnx) == (None,) * 4:
        raise UsageError("say what to write: --metrics FILE.csv, --tensorboard DIR, --model DIR or --onnx FILE.onnx")
    if metrics is not None:
        from passo.analysis.metrics_table import metrics_table

        table = metrics_table(run, wide=wide)
        table.save(metrics, force=force)
        out.print(f"{len(table):,} rows of metrics: {metrics}", markup=False, soft_wrap=True)
    if tensorboard is not None:
        from passo.analysis.event_files import export_tensorboard

        export_tensorboard(run, tensorboard, force=force)
        out.print(f"event files: {tensorboard} (tensorboard --logdir {tensorboard})", markup=False, soft_wrap=True)
    if model is not None:
        from passo.explaining.interchange import save_model

        save_model(run, model, own, force=force)
        out.print(f"trained model: {model}", markup=False, soft_wrap=True)
    if onnx is not None:
        from passo.explaining.interchange import export_onnx

        export_onnx(run, onnx, own, force=force)
        out.print(f"ONNX: {onnx}", markup=False, soft_wrap=True)
