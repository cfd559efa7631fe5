"""The commands, put together, and the exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""

from __future__ import annotations

import sys
import warnings
from contextlib import ExitStack
from typing import Annotated

import typer

from passo import __version__
from passo.cli import (
    claims,
    compare,
    data,
    descend,
    doctor,
    explain,
    export,
    inspect,
    landscape,
    lr_range,
    new,
    notes,
    predict,
    proof,
    replicate,
    runs,
    schedule,
    speaking,
    studies,
    training,
    ui,
)
from passo.cli.show import err, reads, warned
from passo.errors import PassoError
from passo.language import speaking as in_language
from passo.language import t
from passo.telling import told

app = typer.Typer(
    name="passo",
    help="The laboratory for the training of neural networks: see every optimiser step, compare fairly, publish.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data.app, name="data")
app.command("train")(training.train)
app.command("lr-range")(lr_range.lr_range)
app.command("landscape")(landscape.landscape)
app.command("explain")(reads(explain.explain))
app.command("inspect")(reads(inspect.inspect))
app.command("doctor")(doctor.doctor)
app.command("descend")(descend.descend)
app.command("schedule")(schedule.schedule)
app.command("proof")(proof.proof)
app.command("replicate")(replicate.replicate)
app.command("claims")(claims.claims)
app.add_typer(studies.app, name="study")
app.command("compare")(compare.compare)
app.command("note")(notes.note)
app.add_typer(new.app, name="new")
app.command("export")(export.export)
app.command("predict")(predict.predict)
app.add_typer(runs.app, name="runs")
app.command("ui")(ui.ui)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"passo {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_version)
    ] = False,
    lang: Annotated[
        str | None,
        typer.Option(help="The language of help, messages and figures: en or pt-BR (default: the machine's)."),
    ] = None,  # read by `main` before anything is said
) -> None:
    """Options of passo itself; the docstring that help shows is the app's own."""


def main() -> None:
    """The entry point: every error that passo raises on purpose becomes one sentence and an exit code."""
    warnings.showwarning = warned
    with ExitStack() as spoken:
        try:
            tag, words = speaking.asked(sys.argv[1:])
            spoken.enter_context(in_language(tag))
            _allow_own_models(words)
            speaking.command(app)(words, prog_name="passo")
        except PassoError as error:
            err.print(f"[bold red]{t('error')}:[/] {_plain(error)}", highlight=False, soft_wrap=True)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            err.print(t("interrupted"))
            sys.exit(130)


def _allow_own_models(words: list[str]) -> None:
    """What a person types may be run: `model=nets/mine.py:build` is imported, and only where it was typed."""
    if any(".py" in word for word in words):
        from passo.models.own_file import allow_typed

        allow_typed(words)


def _plain(error: PassoError) -> str:
    from rich.markup import escape

    return escape(told(" ".join(str(error).split())))
