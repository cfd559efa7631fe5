"""`passo inspect`: what the microscope saw in a run, how good it became, and what is inside, in words and figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passo.cli import evaluation as evaluated
from passo.cli import explained
from passo.cli.show import out, saved_as, table
from passo.language import t

if TYPE_CHECKING:
    from passo.analysis import Recorded, Table
    from passo.store import StoredRun, StoredStudy

FIGURES = (
    "stages, layers, ratios, effective-lr, signal, cosine, distributions, loss-change, activations, clipping, "
    "residual, apart, betas, weights, curvature, noise-scale, rank, drift"
)
EVALUATED = ", ".join(evaluated.FIGURES)
EXPLAINED = ", ".join(explained.FIGURES)
PROBED = ("curvature", "noise-scale", "rank", "drift")
MOST = 20  # runs that an error names
PATIENTS = ("train/loss", "trace/steps")  # what a run has that `passo doctor` can look at
_KEPT = {
    PATIENTS: ("is a training", "trainings"),
    "probes/steps": ("was probed: train one with record.probes=20", "probed runs"),
    "trace/steps": (
        "was watched: train one with record.every=1, or ask for its --evaluation",
        "watched runs",
    ),
    "weights/": ("kept its weights: a training writes them at its end", "runs with weights"),
    evaluated.PREDICTIONS: ("kept its predictions: train one with record.predictions=true", "runs with predictions"),
    evaluated.LOSSES: ("has a validation loss: train one with dataset.validation=0.1", "runs with a validation loss"),
    explained.STEPS: ("is a training", "trainings"),
    explained.needed("line"): ("fitted a line: train model=line on a table of one input", "fitted lines"),
    evaluated.VALUES: ("kept predicted values: train one with record.predictions=true", "runs with predicted values"),
    evaluated.IMAGES_BACK: ("gave images back: train one with model=autoencoder", "runs that gave images back"),
    evaluated.SAMPLES: ("trained a generator: train one with model=gan dataset.scale=symmetric", "runs of a generator"),
    evaluated.needed(None): ("can be evaluated: train one with record.predictions=true", "runs that can be evaluated"),
}


def inspect(
    run: Annotated[str, typer.Argument(metavar="STUDY[/RUN]", help="A run: watched (record.every=1), or trained.")],
    parameter: Annotated[str | None, typer.Option(help="One parameter tensor: conv1.weight, …")] = None,
    step: Annotated[int | None, typer.Option(help="One optimiser step, counted from 1.")] = None,
    index: Annotated[str | None, typer.Option(metavar="I,J,…", help="One weight of the parameter.")] = None,
    figure: Annotated[str | None, typer.Option(help=f"Draw it: {FIGURES}; {EVALUATED}; {EXPLAINED}.")] = None,
    quantity: Annotated[str | None, typer.Option(help="What the figure `layers` shows: cosine, or any stage.")] = None,
    evaluation: Annotated[
        bool, typer.Option("--evaluation", help="Tell how good the run is (record.predictions=true).")
    ] = False,
    epochs: Annotated[
        bool, typer.Option("--epochs", help="Tell what an iteration, a mini-batch and an epoch are, on its own data.")
    ] = False,
    layer: Annotated[
        str | None, typer.Option(help="Of filters, feature-maps, convolution, recurrent: a layer, conv2, …")
    ] = None,
    image: Annotated[
        int | None, typer.Option(help="Which image, from 0: of the test part; of scaling, of training.")
    ] = None,
    channel: Annotated[
        int | None, typer.Option(help="Of convolution: which filter; of filters: which input channel.")
    ] = None,
    place: Annotated[
        str | None, typer.Option(metavar="Y,X", help="Of convolution: row and column of its output, from 0.")
    ] = None,
    out_: Annotated[
        Path | None, typer.Option("--out", help="A .html, .png or .svg file for the figure (default: in the study).")
    ] = None,
) -> None:
    """See what an optimiser did: the run, --parameter over the run, --parameter and --step taken apart, or --figure.

    With --evaluation, see how good the run became: classes, calibration, hardest images, over-fitting; with --epochs,
    the mini-batches that it was trained on.
    """
    from passo.analysis.apart import apart
    from passo.analysis.halves import half_of, halves
    from passo.analysis.inspected import layer_table, shown_step
    from passo.errors import UsageError

    inside = {"layer": layer, "image": image, "channel": channel, "place": place}
    if evaluation or epochs:
        if any(given is not None for given in (parameter, step, index, figure, quantity, out_, *inside.values())):
            word, figures = ("evaluation", EVALUATED) if evaluation else ("epochs", "epochs")
            raise UsageError(f"--{word} takes no other option; to draw, give --figure alone, one of: {figures}")
        if evaluation:
            evaluated.tell(watched_run(run, kept=evaluated.needed(None)))
        if epochs:
            explained.tell_epochs(watched_run(run, kept=explained.STEPS))
        return
    if figure is None and (lost := [name for name, value in inside.items() if value is not None]):
        raise UsageError(f"--{lost[0]} is of a figure: add --figure, one of: {EXPLAINED}")
    kept = _kept_for(figure)
    found = explained.first_autoencoder(run) if figure == "latent" else watched_run(run, kept=kept)
    where = _index(index)
    if quantity is not None and figure is None:
        raise UsageError(f"--quantity is what --figure layers draws: add --figure layers to --quantity {quantity}")
    if figure is not None or out_ is not None:
        given = {"parameter": parameter, "index": where, "step": step, "quantity": quantity, **inside}
        _draw(found, figure, {name: value for name, value in given.items() if value is not None}, out_)
    elif (parameter is not None and step is not None) or where is not None:
        told = apart(half_of(found, parameter), parameter, where, step)
        out.print(told.sentence(), markup=False)
        for parts in told.tables():
            out.print(f"\n[bold]{parts.note}[/]")
            table(parts.columns, parts.rows, right=parts.columns[2:])
    elif parameter is not None:
        _over_the_run(half_of(found, parameter), parameter)
    else:
        for part in halves(found):  # a generator and a discriminator have an optimiser each
            _tell(part)
            shown = layer_table(part, step)
            at, why = shown_step(part) if step is None else (step, "")
            out.print(f"[bold]{t('At step {step:,}', step=at)}[/]{why}")
            _show(shown, text=(t("layer"),))


def _kept_for(figure: str | None) -> str | tuple[str, ...]:
    """What a run must have kept for a figure; raises `UnknownName` for one that does not exist."""
    if figure in explained.FIGURES:
        return explained.needed(figure)
    if figure is not None:
        from passo.figures.watched import RUN_FIGURES
        from passo.registry import unknown

        if figure not in RUN_FIGURES:
            raise unknown("figure of a run", figure, [*RUN_FIGURES, *explained.FIGURES])
    if figure in evaluated.FIGURES:
        return evaluated.needed(figure)
    if figure in PROBED:
        return "probes/steps"
    return "weights/" if figure == "weights" else "trace/steps"


def watched_run(name: str, *, kept: str | tuple[str, ...] = "trace/steps") -> StoredRun:
    """The run STUDY/RUN, or the only one of STUDY that kept such arrays or scalars; by default, the only watched one.

    Raises `StoreError` where there is none, or are several.
    """
    from passo import store
    from passo.errors import StoreError

    study = store.named(name)
    if isinstance(study, store.StoredRun):
        return study
    there = holding(study, kept)
    if len(there) == 1:
        return there[0]
    none, several = _KEPT[kept]
    if not there:
        raise StoreError(f"no run of {name} {none}")
    named = [run.id for run in there[:MOST]] + ["…"] * (len(there) > MOST)
    raise StoreError(f"{name} holds {len(there)} {several}, say which: {', '.join(named)}")


def holding(study: StoredStudy, kept: str | tuple[str, ...]) -> list[StoredRun]:
    """The runs that kept arrays or scalars whose names begin so."""
    return [run for run in study.runs if any(one.startswith(kept) for one in (*run.arrays(), *run.metrics()))]


def _tell(run: Recorded) -> None:
    from passo.analysis.inspected import noticed, summary

    for event in noticed(run):
        out.print(f"[bold]{t('noticed')}[/] {_escaped(event)}")
    for sentence in summary(run):
        out.print(sentence, markup=False)
    out.print()


def _over_the_run(run: Recorded, parameter: str) -> None:
    """The table of one parameter, with bars as wide as the terminal leaves room for."""
    from rich.cells import cell_len

    from passo.analysis.inspected import parameter_table

    plain = parameter_table(run, parameter)
    *others, _ = zip(*plain.rows, strict=True)
    widths = [max(map(cell_len, (head, *cells))) for head, cells in zip(plain.columns, others, strict=False)]
    left = out.width - sum(width + 2 for width in widths)  # rich puts two spaces between columns
    _show(parameter_table(run, parameter, min(20, max(8, left))), text=(t("stage"), t("over the run")))


def _draw(run: StoredRun, name: str | None, options: dict[str, object], path: Path | None) -> None:
    from passo.errors import UsageError
    from passo.figures.page import save_figure
    from passo.figures.watched import draw_run

    if name is None:
        raise UsageError(f"--out needs --figure, one of: {FIGURES}, {EVALUATED}, {EXPLAINED}")
    if name == "hardest":
        options = {**options, "images": evaluated.images_of(run)}
    figure = explained.draw(name, run, options) if name in explained.FIGURES else draw_run(name, run, **options)
    ending = "html" if name == "betas" else "png"
    saved = save_figure(figure, path if path is not None else run.folder / f"{run.id}-{name}.{ending}")
    out.print(figure.sentence, markup=False)
    out.print(saved_as(saved), markup=False)


def _show(shown: Table, text: tuple[str, ...]) -> None:
    table(shown.columns, shown.rows, right=[column for column in shown.columns if column not in text])
    if shown.note:
        out.print(shown.note, markup=False)


def _index(text: str | None) -> tuple[int, ...] | None:
    """`0,0,2,3` as a tuple."""
    from passo.errors import UsageError

    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.strip("[]()").split(",") if part.strip())
    except ValueError:
        raise UsageError(f"--index must be whole numbers with commas between them, got {text!r}") from None


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
