"""`passo predict`: what a trained model says of images, or of the rows of a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passo.cli.export import Own
from passo.cli.show import err, out, percent
from passo.language import later, t

if TYPE_CHECKING:
    from collections.abc import Sequence

    from passo.explaining.predicting import Prediction, TrainedModel

NEGATIVE = later("{images}: looks like a negative of what the model was trained on (try --invert)")
RECONSTRUCTED = later("squared error of the reconstruction")
STILL = later("{images}: still looks like a negative of what the model was trained on (leave --invert out)")


def predict(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A folder written by passo export --model, or a run: STUDY, STUDY/RUN."),
    ],
    inputs: Annotated[
        list[Path], typer.Argument(metavar="IMAGE…", help="Images, folders of images; for a table's model CSV files.")
    ],
    top: Annotated[int, typer.Option(min=1, metavar="N", help="How many classes to tell, the likeliest first.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with probabilities in full.")] = False,
    invert: Annotated[
        bool, typer.Option("--invert", help="Turn light into dark first: for dark digits on white paper.")
    ] = False,
    own: Own = None,
) -> None:
    """Predict with a trained model: passo predict shirts photo.jpg

    Images may have any size: they are resized to the model's, in grey or colour as its training images were, and scaled
    with their statistics.
    """
    from passo.explaining.interchange import load_model

    trained = load_model(model, own)
    found = trained.predict(inputs, invert=invert)
    if as_json:
        typer.echo(json.dumps([_facts(one, trained, top) for one in found], indent=1, ensure_ascii=False))
    else:
        _tell(found, trained, top)
    if doubtful := [one.name for one in found if one.inverted]:
        shares = {"n": len(doubtful), "all": len(found)}
        which = doubtful[0] if len(found) == 1 else t("{n:,} of {all:,} images", **shares)
        err.print(t(STILL if invert else NEGATIVE, images=which), markup=False, soft_wrap=True)


def _tell(found: Sequence[Prediction], trained: TrainedModel, top: int) -> None:
    """One line for each input: its name, then the likeliest classes or the value."""
    from passo.analysis.words import significant

    wide = min(60, max(len(one.name) for one in found))
    for one in found:
        if one.value is None:
            told = ", ".join(f"{name} {percent(share)}" for name, share in one.top(top))
        else:
            told = f"{t(_what(trained))} {significant(one.value, 6)}"
        out.print(f"{one.name:<{wide}}  {told}", markup=False, soft_wrap=True)


def _facts(one: Prediction, trained: TrainedModel, top: int) -> dict[str, Any]:
    if one.value is not None:
        return {"input": one.name, _what(trained): one.value}
    likeliest = one.top(top)
    return {"input": one.name, "class": likeliest[0][0], "probabilities": dict(likeliest)}


def _what(trained: TrainedModel) -> str:
    if trained.description.task == "regress":
        return trained.description.target or "value"
    return RECONSTRUCTED
