"""`passo claims`: a lecture's claims, each with its trials, its verdicts and its figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passo.cli.show import err, out, saved_as
from passo.language import t, tn

if TYPE_CHECKING:
    from passo.analysis.lectured import Lectured
    from passo.figures.style import Figure
    from passo.store import StoredStudy
    from passo.studies.lectured import Claim, Trial

KNOWN = "batches, adam, l2"


def claims(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[CLAIM…]", help=f"Which: {KNOWN} (default: all).")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Lay this over every trial: seeds=20, dataset=fashion-mnist."),
    ] = None,
    out_: Annotated[
        Path | None, typer.Option("--out", help="The folder of the trials and figures (default: ./passo-runs/claims).")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Write method, verdicts and figures into this Markdown page.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Start anew; what is in the folders is moved aside.")] = False,
) -> None:
    """Try a lecture's claims: small batches are noisier but faster; when in doubt, Adam; L2 helps generalisation.

    Each is taken apart into sentences that hold, do not hold, or cannot be told from so many seeds. Trials that are
    there are not run again; an interrupted one goes on. docs/claims.md is what came out.
    """
    from passo import store
    from passo.analysis.lectured import lectured
    from passo.figures.lectured import draw_lectured
    from passo.studies.lectured import FOLDER
    from passo.studies.lectured import claims as known

    chosen = known(tuple(names or ()))
    folder = out_ if out_ is not None else store.root() / FOLDER
    trials = [trial for claim in chosen for trial in claim.trials]
    studies = {trial.name: _there(trial, settings or [], folder / trial.name, force) for trial in trials}
    found, figures = [], {}
    for claim in chosen:
        own = {trial.name: studies[trial.name] for trial in claim.trials}
        found.append(lectured(claim.name, own))
        figures[claim.name] = draw_lectured(claim.name, own)
        _tell(claim, found[-1], figures[claim.name], folder)
    if write is not None:
        _page(found, figures, studies, settings or [], write)


def _there(trial: Trial, settings: list[str], folder: Path, force: bool) -> StoredStudy:
    """The trial's study, run as far as it is not there; raises `StoreError` where the folder holds another."""
    from passo import store
    from passo.cli.studies import perform
    from passo.errors import StoreError
    from passo.experiments import study

    chosen = study(trial.study, [*trial.settings, *settings])
    if not force and (folder / store.DATABASE).is_file():
        there = store.open_study(folder)
        if there.status == "done":
            if there.config != chosen.file.model_dump(mode="json", exclude_defaults=True):
                raise StoreError(f"{folder} holds a study with other settings: give --out another folder, or --force")
            return there
    err.print(f"{trial.name}: {tn('{n} run', '{n} runs', chosen.file.count)}", markup=False)
    perform(chosen, folder, force, None, trial.executor)
    return store.open_study(folder)


def _tell(claim: Claim, found: Lectured, figure: Figure, folder: Path) -> None:
    from passo.figures.page import save_figure

    out.print(f"[bold]{t(claim.words)}[/]")
    out.print(str(found.table()), markup=False, soft_wrap=True)
    out.print(found.sentence(), markup=False, soft_wrap=True)
    saved = save_figure(figure, folder / f"{figure.name}.png")
    out.print(f"{figure.sentence}\n{saved_as(saved)}\n", markup=False, soft_wrap=True)


def _page(
    found: list[Lectured],
    figures: dict[str, Figure],
    studies: dict[str, StoredStudy],
    settings: list[str],
    path: Path,
) -> None:
    from passo.analysis.lectured_page import Drawn, markdown
    from passo.errors import StoreError
    from passo.figures.page import save_figure

    drawn = {}
    for name, figure in figures.items():
        saved = save_figure(figure, path.parent / "images" / f"{figure.name}.png")
        drawn[name] = Drawn(f"images/{saved.name}", figure.caption, figure.sentence)
    try:
        path.write_text(markdown(found, drawn, studies, settings), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error
    out.print(t("written to {path}", path=path))
