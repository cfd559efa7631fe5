"""`passo landscape`: the loss surface of a real network around the way that its training went."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passo.cli.show import err, out, progress, saved_as
from passo.errors import MissingExtra, UsageError, require
from passo.language import t
from passo.telling import told

if TYPE_CHECKING:
    from passo.store import StoredRun


def landscape(
    run: Annotated[
        str, typer.Argument(metavar="STUDY[/RUN]", help="A run trained with record.path=40, or a landscape to redraw.")
    ],
    directions: Annotated[
        str, typer.Option(help="pca: the path's two main directions; random: two with the filters' norms.")
    ] = "pca",
    points: Annotated[int, typer.Option(help="The grid has so many points on each side.")] = 41,
    images: Annotated[int, typer.Option(help="The loss is the mean over so many training images.")] = 1000,
    margin: Annotated[float, typer.Option(help="Around the path, as a share of its extent (pca).")] = 0.3,
    reach: Annotated[float, typer.Option(help="Around the end, in norms of the filters (random).")] = 1.0,
    batch_norm: Annotated[
        str, typer.Option(help="BatchNorm normalises by statistics that were running, or of the batch of all images.")
    ] = "running",
    seed: Annotated[int, typer.Option(help="Draws the images and the random directions.")] = 0,
    out_: Annotated[Path | None, typer.Option("--out", help="Save the picture here: .html, .png or .svg.")] = None,
) -> None:
    """See a training's path on the loss surface of its network: passo landscape my-run --out surface.html"""
    from passo import store
    from passo.analysis.landscapes import loss_surface, tell
    from passo.figures.page import ENDINGS

    if out_ is not None and out_.suffix not in ENDINGS:
        raise UsageError(f"--out must end in {', '.join(ENDINGS)}, got {out_}")
    missing = _missing()
    if out_ is not None and missing is not None:
        raise missing
    found = _find(run)
    if found.kind != "landscape":
        settings = {"directions": directions, "points": points, "images": images, "margin": margin, "reach": reach}
        folder = store.fresh(f"landscape-{found.id}")
        _compute(found, folder, {**settings, "batch_norm": batch_norm, "seed": seed})
        found = store.open_study(folder).runs[0]
        out.print(t("kept in {folder}", folder=folder), soft_wrap=True)
    out.print(tell(loss_surface(found)), markup=False, soft_wrap=True)
    _draw(found, out_ if out_ is not None else found.folder / "landscape.png", missing)


def _compute(run: StoredRun, folder: Path, settings: dict[str, Any]) -> None:
    from passo.experiments import landscape as compute
    from passo.training import keep_memory

    keep_memory()
    with progress() as bar:
        line = bar.add_task(t("losses"), total=None)

        def went(n: int, all_: int) -> None:
            bar.update(line, completed=n, total=all_)
            if not err.is_terminal and 10 * n // all_ > 10 * (n - 1) // all_:  # a file has no bar: a line each tenth
                err.print(t("{n:,} of {total:,} losses", n=n, total=all_))

        try:
            compute(run, out=folder, progress=went, **settings)
        except KeyboardInterrupt:
            err.print(t("interrupted: a landscape is kept only when it is whole"))
            raise


def _draw(run: StoredRun, path: Path, missing: MissingExtra | None) -> None:
    if missing is not None:
        out.print(t("(for a picture: {missing})", missing=told(str(missing))), markup=False)
        return
    from passo.figures import landscape_chart
    from passo.figures.page import save_figure

    out.print(saved_as(save_figure(landscape_chart(run), path)), soft_wrap=True)


def _missing() -> MissingExtra | None:
    """What a picture would need and is not installed: it is said before a minute of computing, not after it."""
    try:
        for module in ("altair", "vl_convert", "contourpy"):
            require(module, "figures")
    except MissingExtra as missing:
        return missing
    return None


def _find(name: str) -> StoredRun:
    """A run by STUDY/RUN; of a study alone, its one run with a path."""
    from passo import store

    study = store.named(name)
    if isinstance(study, store.StoredRun):
        return study
    able = [run for run in study.runs if run.kind == "landscape" or "path" in run.arrays()] or list(study.runs[:1])
    if len(able) != 1:
        names = ", ".join(f"{name.rstrip('/')}/{run.id}" for run in able) or "none"
        raise UsageError(f"{study.folder} has several runs with a path: name one of {names}")
    return able[0]
