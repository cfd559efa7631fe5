"""`passo new`: folders to begin with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from passo.cli.show import err, out
from passo.language import t

app = typer.Typer(help="Begin something of your own: the folder of an assignment.", no_args_is_help=True)


@app.callback()
def _new() -> None:
    """Begin something of your own."""


@app.command()
def assignment(
    folder: Annotated[Path, typer.Argument(help="Where to: a folder that is not there yet.")] = Path("assignment"),
    author: Annotated[list[str] | None, typer.Option(help="Who hands it in; may be repeated.")] = None,
    course: Annotated[str | None, typer.Option(help="The course that it is for.")] = None,
    repository: Annotated[str | None, typer.Option(help="Where its code will be: an address.")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="The data: mnist, fashion-mnist, cifar10, …, or a folder of images.")
    ] = None,
    study: Annotated[str, typer.Option(help="The study of the package that it begins from.")] = "nn-vs-cnn",
    lang: Annotated[str | None, typer.Option(help="The language of its texts.")] = None,
) -> None:
    """Make the folder of an assignment: its study, its note's text, how to run it, and what such an assignment wants.

    What is not given by an option is asked for.
    """
    from passo.data import info
    from passo.errors import FolderInUse
    from passo.experiments import read_study
    from passo.language import language, resolved
    from passo.notes.assignment import new
    from passo.notes.content import Byline

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderInUse(f"{folder} is in use: give a folder of its own, or remove what is in it")
    tongue = resolved(lang or language())
    if told := _missing(study):
        err.print(told, markup=False, soft_wrap=True)
    names = author or [part.strip() for part in _asked(t("Authors, separated by commas")).split(",") if part.strip()]
    given = course if course is not None else _asked(t("Course"))
    address = repository if repository is not None else _asked(t("Repository, an address"))
    data = dataset if dataset is not None else _asked(t("Data (a name, or a folder of images)"), "fashion-mnist")
    info(data)  # a name that nobody has is refused before a folder is there
    made = new(folder, study, data, Byline(tuple(names), given, "", address), lang=tongue)
    read_study(folder / "study.toml")
    out.print(t("{n} files in {folder}; begin with {first}", n=len(made), folder=folder, first=folder / "README.md"),
              markup=False, soft_wrap=True)  # fmt: skip
    out.print(t("next: {command}", command=f"cd {folder} && passo study run study.toml --quick"),
              markup=False, soft_wrap=True)  # fmt: skip


def _missing(study: str) -> str:
    """What of the study's extra is not installed, and the line that installs it; empty where all is there."""
    from passo.notes.assignment import extra, lacking

    needed = extra(study)
    if not (packages := lacking(needed)):
        return ""
    return t("the study {study} needs what is not installed here ({packages}); this installs it: {command}",
             study=study, packages=", ".join(packages), command=f"pip install 'passo[{needed}]'")  # fmt: skip


def _asked(words: str, default: str = "") -> str:
    """An answer; Ctrl-C is an interruption, and where nobody can answer the options are named that do."""
    from passo.errors import UsageError

    options = "--author, --course, --repository, --dataset"
    nobody = UsageError(f"nobody answers the questions here: give the answers by {options}")
    if sys.stdin is None:  # closed
        raise nobody
    try:
        return str(typer.prompt(words, default=default, show_default=bool(default))).strip()
    except typer.Abort as error:
        err.print()  # the question's line ends
        if isinstance(error.__context__, EOFError):
            raise nobody from error
        err.print(t("interrupted: nothing was written"), markup=False)
        raise typer.Exit(130) from error
