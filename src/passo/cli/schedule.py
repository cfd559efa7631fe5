"""`passo schedule`: a learning-rate schedule, seen before it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from passo.cli.show import out, plot, saved_as
from passo.language import later, t

STEPPED = {
    "step": later("stepped per step"),
    "epoch": later("stepped per epoch"),
    "plateau": later("stepped per validation loss"),
}


def schedule(
    name: Annotated[str, typer.Argument(help="A schedule: StepLR, CyclicLR, warmup-cosine, …")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE…",
            help="The schedule's arguments (step_size=3 gamma=0.5), and lr, epochs, steps_per_epoch, "
            "optimizer, losses=[…] (one an epoch, for ReduceLROnPlateau).",
        ),
    ] = None,
    out_: Annotated[Path | None, typer.Option("--out", help="Save the curve: .png, .svg or .html.")] = None,
) -> None:
    """See a schedule before any training: passo schedule CyclicLR lr=0.01 max_lr=0.1 step_size_up="1 epoch\""""
    from passo.optim import preview
    from passo.training import parse_settings

    options = parse_settings(settings or [])
    known = {"lr": 0.1, "epochs": 10, "steps_per_epoch": 100}
    known = {key: options.pop(key, default) for key, default in known.items()}
    curve = preview(name, **known, **options)
    out.print(plot([float(e) for e in curve.epochs], [float(v) for v in curve.lr]))
    words = t(
        "{name}: lr over {epochs} epochs of {steps} steps, {stepped}; "
        "from {first:.4g} to {last:.4g}, highest {highest:.4g}",
        name=curve.name,
        epochs=known["epochs"],
        steps=known["steps_per_epoch"],
        stepped=t(STEPPED[curve.when]),
        first=float(curve.lr[0]),
        last=float(curve.lr[-1]),
        highest=float(max(curve.lr)),
    )
    out.print(words)
    if out_ is not None:
        from passo.errors import StoreError
        from passo.figures import schedule_chart

        chart = schedule_chart(curve)
        try:
            chart.save(str(out_), **({"scale_factor": 2} if out_.suffix == ".png" else {}))
        except OSError as error:
            raise StoreError(f"cannot write {out_}: {(error.strerror or str(error)).lower()}") from error
        out.print(saved_as(out_))
