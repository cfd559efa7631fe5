"""The command line in the user's language: which one it is, and help texts in it."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import typer

from passo.language import CATALOGUES, ENGLISH, language, of_machine, resolved
from passo.telling import told

CATALOGUE = "help.toml"
_PANELS = {  # what Typer itself says in a help text
    "ARGUMENTS_PANEL_TITLE": "Arguments",
    "OPTIONS_PANEL_TITLE": "Options",
    "COMMANDS_PANEL_TITLE": "Commands",
    "ERRORS_PANEL_TITLE": "Error",
    "ABORTED_TEXT": "Aborted.",
    "DEFAULT_STRING": "[default: {}]",
    "REQUIRED_LONG_STRING": "[required]",
    "RICH_HELP": "Try [blue]'{command_path} {help_option}'[/] for help.",
}
_USAGE = ("Usage:", "[OPTIONS]", "COMMAND [ARGS]...")  # what Click says in a line of usage


def asked(words: Sequence[str]) -> tuple[str, list[str]]:
    """The language that is asked for, `--lang` before the command, else the machine's; and the words without it.

    >>> asked(["--lang", "pt", "study", "list"])
    ('pt-BR', ['study', 'list'])
    """
    if words and words[0].startswith("--lang="):
        return resolved(words[0].removeprefix("--lang=")), list(words[1:])
    if len(words) > 1 and words[0] == "--lang":
        return resolved(words[1]), list(words[2:])
    return of_machine(), list(words)


def command(app: typer.Typer) -> Any:
    """The application as a command whose help speaks; what the catalogue lacks is said in English."""
    made = typer.main.get_command(app)
    if language() == ENGLISH:
        return made
    from typer import rich_utils

    said = _catalogue(language())
    for name, words in _PANELS.items():
        setattr(rich_utils, name, said.get(words, words))
    rich_utils.rich_format_error = _wrong_usage(rich_utils.rich_format_error)
    for each in _all([made]):
        each.help = _told(each.help, said)
        each.short_help = _told(each.short_help, said)
        for option in each.params:
            if getattr(option, "help", None):
                option.help = _told(option.help, said)
        each.get_usage = _with_usage_told(each.get_usage, said)
        each.get_help_option = _with_help_told(each.get_help_option, said)
    return made


def _wrong_usage(show: Callable[[Any], None]) -> Callable[[Any], None]:
    """Typer's way to show what was wrong with a command line, with the words told."""

    def shown(error: Any) -> None:
        words = told(error.format_message())
        error.format_message = lambda: words
        show(error)

    return shown


def _with_help_told(make: Callable[[Any], Any], said: dict[str, str]) -> Callable[[Any], Any]:
    """The maker of a command's own option --help."""

    def made(ctx: Any) -> Any:
        option = make(ctx)
        if option is not None:
            option.help = _told(option.help, said)
        return option

    return made


def _with_usage_told(make: Callable[[Any], str], said: dict[str, str]) -> Callable[[Any], str]:
    """The maker of a command's line of usage: Click's own words in it, not the names of arguments."""

    def made(ctx: Any) -> str:
        words = make(ctx)
        for one in _USAGE:
            words = words.replace(one, said.get(one, one))
        return words

    return made


def _all(commands: Iterable[Any]) -> Iterable[Any]:
    for one in commands:
        yield one
        yield from _all(getattr(one, "commands", {}).values())


def _told(text: str | None, said: dict[str, str]) -> str | None:
    """A help text, paragraph by paragraph."""
    if text is None:
        return None
    return "\n\n".join(said.get(" ".join(part.split()), part) for part in text.split("\n\n"))


@functools.cache
def _catalogue(tag: str) -> dict[str, str]:
    return tomllib.loads((CATALOGUES / tag / CATALOGUE).read_text(encoding="utf-8"))
