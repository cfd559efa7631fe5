"""`passo note`: from a study to a note that a person would read, or to a report of so many pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passo.cli import studies
from passo.cli.show import err, out

if TYPE_CHECKING:
    from passo.notes import Written


def note(
    name: Annotated[
        str, typer.Argument(help="A study that has a note (optimizers, nn-vs-cnn), its file, or a study folder.")
    ],
    dataset: Annotated[str | None, typer.Option(help="Another data set than the study's own.")] = None,
    settings: studies.Settings = None,
    out_: Annotated[Path | None, typer.Option("--out", help="Folder for the note (default: STUDY/note).")] = None,
    force: studies.Force = False,
    jobs: studies.Jobs = None,
    quick: studies.Quick = False,
    lang: Annotated[str, typer.Option(help="The language of the note.")] = "en",
    format_: Annotated[
        str, typer.Option("--format", metavar="FORMATS", help="html (with Markdown beside it), pdf, or both: html,pdf.")
    ] = "html",
    pages: Annotated[
        int | None,
        typer.Option(help="Make the PDF a report of at most so many pages; what matters least is left out, and told."),
    ] = None,
    author: Annotated[list[str] | None, typer.Option(help="Who wrote it; may be repeated.")] = None,
    course: Annotated[str, typer.Option(help="The course that it is for.")] = "",
    repository: Annotated[str, typer.Option(help="Where its code is: an address.")] = "",
    date: Annotated[
        str, typer.Option(help="The date that it carries (default: the day on which the study ended).")
    ] = "",
    allow_sample: Annotated[
        bool, typer.Option("--allow-sample", help="Take the embedded sample where the full set is missing.")
    ] = False,
) -> None:
    """Write the technical note of a study; run the study first where it is not there."""
    from passo import store
    from passo.notes import check_formats, check_language, write
    from passo.notes.content import Byline

    formats = [word.strip() for word in format_.split(",") if word.strip()]
    check_language(lang)
    check_formats(formats, pages, name)
    folder = Path(name)
    if not (folder / store.DATABASE).is_file():
        folder = _run_first(name, dataset, settings or [], force, jobs, quick, allow_sample)
    study = store.open_study(folder)
    target = out_ if out_ is not None else folder / "note"
    byline = Byline(tuple(author or ()), course, date, repository)
    with err.status("writing the note"):
        written = write(study, target, lang=lang, formats=formats, pages=pages, byline=byline)
    _tell(written)


def _tell(written: Written) -> None:
    """Where the files are, and what they leave out."""
    if "html" in written.files:
        out.print(f"note: {written.html}", markup=False, soft_wrap=True)
        out.print(f"      {written.markdown}, {len(written.figures)} figures beside it", markup=False, soft_wrap=True)
    if "pdf" in written.files:
        sheets = f"{written.pages} page{'' if written.pages == 1 else 's'}"
        out.print(f"PDF:  {written.pdf}, {sheets}", markup=False, soft_wrap=True)
    for passage in written.left_out:
        why = passage.why or "no room for it on these pages"
        out.print(f"left out: {passage.name}: {why}", markup=False, soft_wrap=True)


def _run_first(
    name: str,
    dataset: str | None,
    settings: list[str],
    force: bool,
    jobs: int | None,
    quick: bool,
    allow_sample: bool,
) -> Path:
    """The study's folder; the study is run unless it is there, finished, with this very configuration."""
    from passo import store
    from passo.experiments import study

    words = [*([f"dataset={dataset}"] if dataset else []), *settings]
    if allow_sample:
        words.append("dataset.allow_sample=true")
    chosen = study(name, words, quick=quick)
    folder = store.root() / (f"{chosen.name}-{dataset}" if dataset else chosen.name)
    if not force and (folder / store.DATABASE).is_file():
        there = store.open_study(folder)
        if there.status == "done" and there.config == chosen.file.model_dump(mode="json", exclude_defaults=True):
            err.print(f"the study is there, finished: {folder}")
            return folder
    studies.told_left_out(chosen)
    studies.perform(chosen, folder, force, jobs)
    return folder
