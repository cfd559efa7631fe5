"""`passo note`: from a study to a note that a person would read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from passo.cli import studies
from passo.cli.show import err, out


def note(
    name: Annotated[str, typer.Argument(help="A study that has a note (optimizers), its file, or a study folder.")],
    dataset: Annotated[str | None, typer.Option(help="Another data set than the study's own.")] = None,
    settings: studies.Settings = None,
    out_: Annotated[Path | None, typer.Option("--out", help="Folder for the note (default: STUDY/note).")] = None,
    force: studies.Force = False,
    jobs: studies.Jobs = None,
    lang: Annotated[str, typer.Option(help="The language of the note.")] = "en",
    allow_sample: Annotated[
        bool, typer.Option("--allow-sample", help="Take the embedded sample where the full set is missing.")
    ] = False,
) -> None:
    """Write the technical note of a study; run the study first where it is not there."""
    from passo import store
    from passo.notes import check_language, write

    check_language(lang)
    folder = Path(name)
    if not (folder / store.DATABASE).is_file():
        folder = _run_first(name, dataset, settings or [], force, jobs, allow_sample)
    study = store.open_study(folder)
    with err.status("writing the note"):
        written = write(study, out_ if out_ is not None else folder / "note", lang=lang)
    out.print(f"note: {written.html}")
    out.print(f"      {written.markdown}, {len(written.figures)} figures beside it")


def _run_first(
    name: str, dataset: str | None, settings: list[str], force: bool, jobs: int | None, allow_sample: bool
) -> Path:
    """The study's folder; the study is run unless it is there, finished, with this very configuration."""
    from passo import store
    from passo.experiments import study

    words = [*([f"dataset={dataset}"] if dataset else []), *settings]
    if allow_sample:
        words.append("dataset.allow_sample=true")
    chosen = study(name, words)
    folder = store.root() / (f"{chosen.name}-{dataset}" if dataset else chosen.name)
    if not force and (folder / store.DATABASE).is_file():
        there = store.open_study(folder)
        if there.status == "done" and there.config == chosen.file.model_dump(mode="json", exclude_defaults=True):
            err.print(f"the study is there, finished: {folder}")
            return folder
    studies.perform(chosen, folder, force, jobs)
    return folder
